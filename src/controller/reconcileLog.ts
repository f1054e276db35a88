/** What a reconcile logs: short messages, and their facts as annotations. */
import { Effect } from "effect"
import { attributesOf } from "../copy/attributes.ts"
import type { Copy, CopyTask } from "../domain/Copy.ts"
import type { ImageHeader } from "../domain/Image.ts"
import type { CheckFailure } from "../domain/plan/facts.ts"
import type { CopyEngineError } from "../copy/CopyEngine.ts"
import type { KubeError } from "../kube/KubeClient.ts"

export const copyStarted = (task: CopyTask): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logInfo("copy started"), attributesOf(task))

/** Says how a copy ended; nothing of one that goes on. */
export const copyEnded = (copy: Copy): Effect.Effect<void> => {
  const { state } = copy
  const attributes = attributesOf(copy)
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
      return Effect.annotateLogs(Effect.logWarning("copy failed"), { ...attributes, reason, error })
    }
  }
}

/** One line for all copies that an engine refuses to start: hundreds of tags may wait for one Image. */
export const copiesRefused = (refused: ReadonlyArray<Copy>): Effect.Effect<void> => {
  const [first] = refused
  if (first?.state._tag !== "Failed") return Effect.void
  const { message: error, reason } = first.state
  const facts = { ...attributesOf(first), count: refused.length, reason, error }
  return Effect.annotateLogs(Effect.logInfo("copy not started yet"), facts)
}

/** A failure that takes a person is logged once, not at each retry. */
export const checkFailed = (
  { status }: ImageHeader,
  { message: error, reason, stalled }: CheckFailure
): Effect.Effect<void> =>
  stalled && status.checkFailure?.reason === reason
    ? Effect.void
    : Effect.annotateLogs(Effect.logWarning("check failed"), { reason, error })

/** A status that is refused because its Image has changed or is gone is no failure. */
export const reconcileFailed = (error: KubeError | CopyEngineError): Effect.Effect<void> =>
  error._tag === "KubeError" && (error.reason === "Conflict" || error.reason === "NotFound")
    ? Effect.void
    : Effect.annotateLogs(Effect.logWarning("reconcile failed"), { error: error.message })
