/** The document of `sync`, for programs: its Schema, from which schemas/sync-result.v1.json is made, and its values. */
import { Schema } from "effect"
import { type ImageOutcome, TAG_ACTIONS, type TagOutcome, totalsOf } from "../domain/Outcome.ts"
import { Count, described, optional, Seconds } from "./described.ts"
import type { ManifestProblem } from "./manifests.ts"
import { DOCUMENT_VERSION } from "./output.ts"
import { FileProblem } from "./problems.ts"

const Failure = Schema.Struct({
  reason: described(Schema.String, "A word for programs, such as AuthenticationFailed."),
  message: described(Schema.String, "The whole error.")
})

const Bytes = {
  bytes: described(Count, "The bytes of the copied images: their blobs and manifests."),
  bytesSent: described(Count, "Bytes that were sent over the network, including those of attempts that failed."),
  bytesPresent: described(Count, "Bytes that the destination had, or that its registry mounted.")
}

const Tag = Schema.Struct({
  tag: described(Schema.String, "The tag at the destination."),
  action: described(
    Schema.Literals(TAG_ACTIONS),
    "copied: this run has written the tag. present: the destination had the image. failed: see error. skipped: an older Image claims the tag. pending: the copy of the tag has not ended."
  ),
  digest: optional(
    Schema.String,
    "The digest that the destination has, or should have. Absent if the run did not ask for it: mode OneShot takes a listed tag as present."
  ),
  bytes: optional(Count, "The size of the image. Absent, as the next three, if no copy of the tag ran."),
  bytesSent: Schema.optionalKey(Bytes.bytesSent),
  bytesPresent: Schema.optionalKey(Bytes.bytesPresent),
  seconds: optional(Seconds, "How long the copies of the tag ran, without their time in the queue."),
  error: optional(Failure, "Why the tag failed or was skipped, or what a pending tag waits for.")
})

const Counts = {
  tagsSelected: described(Count, "The number of selected tags."),
  tagsCopied: described(Count, "The tags that this run has written."),
  tagsPresent: described(Count, "The tags that the destination had."),
  tagsFailed: described(Count, "The tags that failed."),
  tagsSkipped: described(Count, "The tags that older Images claim."),
  tagsPending: described(Count, "The tags whose copy has not ended."),
  ...Bytes
}

const Image = Schema.Struct({
  namespace: Schema.String,
  name: Schema.String,
  source: optional(Schema.String, "The complete name of the repository. Absent if the spec is invalid."),
  destination: optional(Schema.String, "The complete name of the repository. Absent if the spec is invalid."),
  ready: described(Schema.Boolean, "Whether the destination has all selected tags."),
  stalled: described(Schema.Boolean, "Whether a person must repair the cause."),
  suspended: described(Schema.Boolean, "Whether spec.suspend is set. Such an Image is not checked."),
  reason: described(Schema.String, "The reason of the condition Ready. Empty before the first check."),
  message: described(Schema.String, "The message of the condition Ready."),
  ...Counts,
  tags: described(Schema.Array(Tag), "All selected tags. Empty if the Image could not be checked.")
})

export const SyncResult = Schema.Struct({
  apiVersion: Schema.Literal(DOCUMENT_VERSION),
  kind: Schema.Literal("SyncResult"),
  interrupted: described(Schema.Boolean, "Whether a signal has ended the run before all Images were done."),
  durationSeconds: Seconds,
  totals: Schema.Struct({
    images: described(Count, "The number of Images that were read."),
    imagesReady: Count,
    ...Counts
  }),
  images: Schema.Array(Image),
  problems: described(Schema.Array(FileProblem), "The mistakes in the files. With any of these nothing is copied.")
}).annotate({
  title: "SyncResult",
  description: "What skopeo-operator sync prints with --output json or yaml."
})
export type SyncResult = typeof SyncResult.Type

/** The facts of a run. */
export interface Run {
  readonly images: ReadonlyArray<ImageOutcome>
  readonly problems: ReadonlyArray<ManifestProblem>
  readonly interrupted: boolean
  readonly durationSeconds: number
}

export const syncResult = ({ durationSeconds, images, interrupted, problems }: Run): SyncResult => ({
  apiVersion: DOCUMENT_VERSION,
  kind: "SyncResult",
  interrupted,
  durationSeconds,
  totals: {
    images: images.length,
    imagesReady: images.filter(({ ready }) => ready).length,
    ...countsOf(images.flatMap(({ tags }) => tags))
  },
  images: images.map(({ tags, ...image }) => ({ ...image, ...countsOf(tags), tags: tags.map(tagOf) })),
  problems
})

const countsOf = (tags: ReadonlyArray<TagOutcome>) => {
  const { bytes, bytesPresent, bytesSent, copied, failed, pending, present, skipped, tags: selected } = totalsOf(tags)
  return {
    tagsSelected: selected,
    tagsCopied: copied,
    tagsPresent: present,
    tagsFailed: failed,
    tagsSkipped: skipped,
    tagsPending: pending,
    bytes,
    bytesSent,
    bytesPresent
  }
}

const tagOf = ({ action, digest, error, tag, transfer }: TagOutcome): (typeof Tag)["Type"] => ({
  tag,
  action,
  ...(digest === undefined ? {} : { digest }),
  ...transfer,
  ...(error === undefined ? {} : { error })
})
