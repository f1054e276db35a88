/** The log lines of a reconcile: short constant messages with their facts as annotations. */
import { Effect } from "effect"
import { attributesOf } from "../copy/attributes.ts"
import type { Copy } from "../domain/Copy.ts"
import type { FailedCheck, FailedCopy, ImageHeader, ImageStatus } from "../domain/Image.ts"
import { attemptAfter, failedCheck, keptMessage } from "../domain/plan/failures.ts"
import { boundedLine } from "../text/line.ts"
import type { CheckFailure } from "../domain/plan/facts.ts"
import type { CopyEngineError } from "../copy/CopyEngine.ts"
import type { KubeError } from "../kube/KubeClient.ts"

/** A retry that fails as before is logged at Debug: the first line says all, and the status counts the attempts. */
const logFailure = (
  message: string,
  before: Pick<FailedCheck | FailedCopy, "reason" | "message"> | undefined,
  now: Pick<FailedCheck | FailedCopy, "reason" | "message">
): Effect.Effect<void> =>
  before?.reason === now.reason && before.message === now.message
    ? Effect.logDebug(message)
    : Effect.logWarning(message)

/** Logs the end of a copy. Logs nothing for a copy that still waits or runs. `before` is the status before the copy ended. */
export const copyEnded = (copy: Copy, before: ImageStatus): Effect.Effect<void> => {
  const { state, tag } = copy
  const known = before.failures?.find((failure) => failure.tag === tag)
  const attributes = { ...attributesOf(copy), attempt: attemptAfter(known, copy.destinationDigest) }
  switch (state._tag) {
    case "Waiting":
    case "Running":
      return Effect.void
    case "Succeeded":
      return Effect.annotateLogs(Effect.logInfo("copied"), attributes)
    case "Present":
      return Effect.annotateLogs(Effect.logInfo("already present"), { ...attributes, digest: state.digest })
    case "Failed": {
      const { message: error, reason } = state
      return logFailure("copy failed", known, { reason, message: keptMessage(error) }).pipe(
        Effect.annotateLogs({ ...attributes, reason, error })
      )
    }
  }
}

/** Logs one line for all copies that an engine refuses to start, because hundreds of tags may wait for one Image. */
export const copiesRefused = (refused: ReadonlyArray<Copy>): Effect.Effect<void> => {
  const [first] = refused
  if (first?.state._tag !== "Failed") return Effect.void
  const { message: error, reason } = first.state
  const facts = { ...attributesOf(first), count: refused.length, reason, error }
  return Effect.annotateLogs(Effect.logInfo("copy not started yet"), facts)
}

/** Logs a failed check. A failure that a person has to mend is logged once, whatever its words are. */
export const checkFailed = (image: ImageHeader, failure: CheckFailure, now: number): Effect.Effect<void> => {
  const { status } = image
  const { message: error, reason, stalled } = failure
  return stalled && status.checkFailure?.reason === reason
    ? Effect.void
    : logFailure("check failed", status.checkFailure, { reason, message: boundedLine(error) }).pipe(
        Effect.annotateLogs({ attempt: failedCheck(image, failure, now).attempts, reason, error })
      )
}

/** Logs a failed reconcile. A status that is refused because its Image has changed or is gone is no failure. */
export const reconcileFailed = (error: KubeError | CopyEngineError): Effect.Effect<void> =>
  error._tag === "KubeError" && (error.reason === "Conflict" || error.reason === "NotFound")
    ? Effect.void
    : Effect.annotateLogs(Effect.logWarning("reconcile failed"), { error: error.message })
