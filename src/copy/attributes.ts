/** What spans and log lines say of a copy. */
import { type CopyTask, destinationOf } from "../domain/Copy.ts"
import { keyOf } from "../domain/ImageKey.ts"
import { formatReference } from "../oci/Reference.ts"

/** Which copy it is. */
export const attributesOf = (task: CopyTask) => ({
  image: keyOf(task.image),
  tag: task.tag,
  digest: task.digest,
  source: formatReference({ repository: task.source.repository, digest: task.digest }),
  destination: formatReference(destinationOf(task))
})

/** Which copy it is, and which attempt at it. A copy goes on when what started it has ended: its span is a root. */
export const spanOf = (task: CopyTask, attempt: string) => ({
  root: true,
  attributes: { ...attributesOf(task), attempt }
})
