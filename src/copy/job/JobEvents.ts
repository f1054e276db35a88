/** What may happen to the board of Jobs, and what it may want done. Every command with an answer is answered by one event. */
import { Data } from "effect"
import type { Access } from "../../credentials/access.ts"
import type { Copy, CopyState, CopyTask, Endpoint } from "../../domain/Copy.ts"
import type { Reason } from "../../domain/Reason.ts"
import type { JobObject } from "../../kube/Resources.ts"
import type { ImageKey } from "../../domain/ImageKey.ts"
import type { JobOutcome } from "./Job.ts"
import type { JobPod } from "./JobPod.ts"

/** What a Job is made with: both sides' access, and the digests that it copies one by one, if not the image as a whole. */
export interface Prepared {
  readonly access: Access
  readonly parts: ReadonlyArray<string>
}

/** Whose credentials a Job's Secret holds. It is the Image's word: a Job's annotations could name a Secret of another. */
export interface CredentialOwner {
  readonly image: ImageKey
  readonly source: Endpoint
  readonly destination: Endpoint
}

/** A command, or its answer, is for a slot and an attempt in it. */
interface OfAttempt {
  readonly name: string
  readonly id: string
}

/** A command, or its answer, is for a slot and the Job in it. */
interface OfJob {
  readonly name: string
  readonly uid: string
}

/** How a Job, or Skopeo in its pod, has ended. */
export type Ended = Exclude<JobOutcome, { readonly _tag: "Active" }>

/** `until` is in milliseconds of the Clock since the epoch, where a registry has named a time. */
interface Failure {
  readonly message: string
  readonly until: number | undefined
}

/**
 * What is done with a Job whose copy has ended, until it succeeds.
 *
 * - `Shorten`: its lifetime is cut, once its copy is recorded
 * - `DropSecret`: its Secret is deleted
 * - `Delete`: it is deleted
 */
export type Chore = "Shorten" | "DropSecret" | "Delete"

export type Event = Data.TaggedEnum<{
  // The engine is asked for something. `answerTo` says what a start answers.
  Start: { readonly task: CopyTask }
  Cancel: { readonly copy: Copy }
  Release: { readonly copy: Copy }
  Removed: { readonly image: ImageKey }
  // The watch tells of Jobs; `Relisted` of all there are.
  Seen: { readonly job: JobObject }
  Gone: OfJob
  Relisted: { readonly jobs: ReadonlyArray<JobObject> }
  // The same of their pods. `name` is that of the Job, `uid` that of the pod.
  PodSeen: { readonly pod: JobPod }
  PodGone: OfJob
  PodsRelisted: { readonly pods: ReadonlyArray<JobPod> }
  // Answers to Prepare. `Limited`: the source's rate limit leaves too little. `NotNeeded`: the tag is there, and is kept.
  Prepared: OfAttempt & { readonly prepared: Prepared }
  Limited: OfAttempt & Failure
  NotNeeded: OfAttempt & { readonly digest: string }
  NotPrepared: OfAttempt & Failure & { readonly reason: Reason }
  // Answers to Create. Unless it is certain that there is none, the Job may exist.
  Created: OfAttempt & { readonly job: JobObject; readonly access: Access }
  NotCreated: OfAttempt & { readonly message: string; readonly isCertain: boolean }
  // Answers to Check.
  Checked: { readonly name: string; readonly of: string; readonly job: JobObject | undefined }
  NotChecked: { readonly name: string; readonly of: string; readonly message: string }
  // Answers to MakeSecret.
  SecretMade: OfJob & { readonly access: Access }
  SecretNotMade: OfJob & { readonly message: string }
  // Answers to Delete.
  Deleted: OfJob
  NotDeleted: OfJob & { readonly message: string }
  // The answer to Inspect.
  Inspected: OfJob & { readonly state: CopyState }
  // Answers to CheckPods. `refusal` is why there is none, if that is known.
  PodsChecked: OfJob & { readonly pods: ReadonlyArray<JobPod>; readonly refusal: string | undefined }
  PodsNotChecked: OfJob & { readonly message: string }
  // Answers to Tidy.
  Tidied: OfJob & { readonly chore: Chore }
  NotTidied: OfJob & { readonly chore: Chore; readonly message: string }
  // It is `wakeAt`, or later.
  Tick: {}
}>
export const Event = Data.taggedEnum<Event>()

export type Command = Data.TaggedEnum<{
  /** Finds out what a Job is made with, and reserves its pulls; they are reserved until `Settle`. */
  Prepare: OfAttempt & { readonly task: CopyTask }
  Create: OfAttempt & { readonly task: CopyTask; readonly prepared: Prepared }
  /** Asks the API server for the Job of a name. `of`: the attempt, or the uid, that this is about. */
  Check: { readonly name: string; readonly of: string }
  /** `given` is what the Secret is made of; where it is absent, that is found first. */
  MakeSecret: {
    readonly name: string
    readonly job: JobObject
    readonly owner: CredentialOwner
    readonly given: Access | undefined
  }
  Delete: OfJob
  /** Asks the API server for the pods of a Job and, if there is none, for what is said of that. */
  CheckPods: OfJob
  /** Finds out what became of a copy that has ended with `outcome`. `given`: what its Secret was made of. */
  Inspect: {
    readonly name: string
    readonly job: JobObject
    readonly outcome: Ended
    readonly task: CopyTask
    readonly given: Access | undefined
  }
  /** Does a chore. `secret` is the name of the Job's Secret. */
  Tidy: OfJob & { readonly chore: Chore; readonly secret: string }
  /** Ends what was begun for an attempt: its preparation, and its reservation of pulls. It has no answer. */
  Settle: { readonly id: string }
  /** An Image's copies have changed. It has no answer. */
  Announce: { readonly image: ImageKey }
}>
export const Command = Data.taggedEnum<Command>()
