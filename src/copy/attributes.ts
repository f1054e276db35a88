/** The attributes of a copy in spans and log lines. */
import { Effect, type Tracer } from "effect"
import { type CopyTask, destinationOf } from "../domain/Copy.ts"
import { keyOf } from "../domain/ImageKey.ts"
import { formatReference } from "../oci/Reference.ts"

/** The attributes that identify a copy. */
export const attributesOf = (task: CopyTask) => ({
  image: keyOf(task.image),
  tag: task.tag,
  digest: task.digest,
  source: formatReference({ repository: task.source.repository, digest: task.digest }),
  destination: formatReference(destinationOf(task))
})

/** The current span, of which the spans of a copy are children although the copy outlives the reconcile that requests it. */
export const requestingSpan: Effect.Effect<Tracer.Span | undefined> = Effect.orElseSucceed(
  Effect.currentSpan,
  () => undefined
)

/**
 * The options of a copy's span. `id` is that of the attempt, as in `status.failures[].copy`. `requester` is the span of the
 * reconcile that requested the copy.
 */
export const spanOf = (task: CopyTask, id: string, requester: Tracer.Span | undefined) => ({
  ...(requester === undefined ? { root: true } : { parent: requester }),
  attributes: { ...attributesOf(task), id }
})

/** Logs that a copy has left the queue of its engine. */
export const logStarted = (task: CopyTask): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logInfo("copy started"), {
    ...attributesOf(task),
    ...(task.attempt === undefined ? {} : { attempt: task.attempt })
  })
