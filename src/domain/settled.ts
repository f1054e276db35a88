/** Whether the operator has finished its work on an Image. */
import { conditionOf, type ImageHeader } from "./Image.ts"

/** Whether the status is of the current spec and no work is left but retries. The status of a suspended Image is not written. */
export const isSettled = ({ generation, status }: Pick<ImageHeader, "generation" | "status">): boolean => {
  const ready = conditionOf(status, "Ready")
  if (ready === undefined || ready.observedGeneration !== generation) return false
  const reconciling = conditionOf(status, "Reconciling")
  return reconciling === undefined || reconciling.reason === "ProgressingWithRetry"
}
