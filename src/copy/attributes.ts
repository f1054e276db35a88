/** The attributes of a copy in spans and log lines. */
import { Effect } from "effect"
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

/** The options of a copy's span. The span is a root, because a copy outlives the reconcile that started the copy. */
export const spanOf = (task: CopyTask, attempt: string) => ({
  root: true,
  attributes: { ...attributesOf(task), attempt }
})

/** Logs that a copy has left the queue of its engine. */
export const logStarted = (task: CopyTask): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logInfo("copy started"), attributesOf(task))
