/** The events of the board of Jobs, and its commands. One event answers each command that has an answer. */
import { Data } from "effect"
import type { Access } from "../../credentials/access.ts"
import type { Copy, CopyState, CopyTask, Endpoint } from "../../domain/Copy.ts"
import type { Reason } from "../../domain/Reason.ts"
import type { JobObject } from "../../kube/Resources.ts"
import type { ImageKey } from "../../domain/ImageKey.ts"
import type { JobOutcome } from "./Job.ts"
import type { JobPod } from "./JobPod.ts"

/** The material of a Job: the access of both sides, and the digests of the parts. Without parts the whole image is copied. */
export interface Prepared {
  readonly access: Access
  readonly parts: ReadonlyArray<string>
}

/** The owner of the credentials in a Job's Secret. Taken from the Image: a Job's annotations could name another's Secret. */
export interface CredentialOwner {
  readonly image: ImageKey
  readonly source: Endpoint
  readonly destination: Endpoint
}

/** A slot, and the attempt in it that a command or an event is about. */
export interface OfAttempt {
  readonly name: string
  readonly id: string
}

/** A slot, and the uid of the Job or pod that a command or an event is about. */
export interface OfJob {
  readonly name: string
  readonly uid: string
}

/** How a Job, or Skopeo in its pod, has ended. */
export type Ended = Exclude<JobOutcome, { readonly _tag: "Active" }>

/** `until` is the time that a registry has named, in milliseconds since the epoch. */
interface Failure {
  readonly message: string
  readonly until: number | undefined
}

/**
 * Work on a finished Job. It is repeated until it succeeds.
 *
 * - `Shorten`: shortens the Job's time to live, after the copy is recorded
 * - `DropSecret`: deletes the Job's Secret
 * - `Delete`: deletes the Job
 */
export type Chore = "Shorten" | "DropSecret" | "Delete"

export type Event = Data.TaggedEnum<{
  // Requests to the engine. `answerTo` gives the answer to a start.
  Start: { readonly task: CopyTask }
  Cancel: { readonly copy: Copy }
  Release: { readonly copy: Copy }
  /** `uid` is the Image that has the name now. Without `uid` no Image has the name. */
  Prune: { readonly image: ImageKey; readonly uid: string | undefined }
  // The watch of Jobs. `Relisted` has all Jobs.
  Seen: { readonly job: JobObject }
  Gone: OfJob
  Relisted: { readonly jobs: ReadonlyArray<JobObject> }
  // The watch of pods. `PodGone` has the name of the Job and the uid of the pod.
  PodSeen: { readonly pod: JobPod }
  PodGone: OfJob
  PodsRelisted: { readonly pods: ReadonlyArray<JobPod> }
  // Answers to Prepare. `Limited`: the source's rate limit does not allow the copy yet. `NotNeeded`: the tag exists and stays.
  Prepared: OfAttempt & { readonly prepared: Prepared }
  Limited: OfAttempt & Failure
  NotNeeded: OfAttempt & { readonly digest: string }
  NotPrepared: OfAttempt & Failure & { readonly reason: Reason }
  // Answers to Create. `PodsLeft`: pods of earlier Jobs may still write the tag, so nothing was created. `isCertain`: the Job
  // does not exist.
  PodsLeft: OfAttempt & { readonly pods: ReadonlyArray<JobPod>; readonly prepared: Prepared }
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
  // Answers to CheckPods. `refusal` is the reason for the lack of pods, if it is known.
  PodsChecked: OfJob & { readonly pods: ReadonlyArray<JobPod>; readonly refusal: string | undefined }
  PodsNotChecked: OfJob & { readonly message: string }
  // Answers to Tidy.
  Tidied: OfJob & { readonly chore: Chore }
  NotTidied: OfJob & { readonly chore: Chore; readonly message: string }
  // The time `wakeAt` has come.
  Tick: {}
}>
export const Event = Data.taggedEnum<Event>()
export type EventOf<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

export type Command = Data.TaggedEnum<{
  /** Fetches the material of a Job, and reserves its pulls until `Settle`. */
  Prepare: OfAttempt & { readonly task: CopyTask }
  /**
   * Creates a Job, unless the API server still has pods of earlier Jobs of its name. The watch of pods may not have shown them.
   * The pods with the uids `overdue` have been waited for long enough.
   */
  Create: OfAttempt & {
    readonly task: CopyTask
    readonly prepared: Prepared
    readonly overdue: ReadonlyArray<string>
  }
  /** Asks the API server for the Job of a name. `of` is the id of the attempt, or the uid of the Job. */
  Check: { readonly name: string; readonly of: string }
  /** Makes a Job's Secret from `given`, or else from the credentials of `owner`. */
  MakeSecret: {
    readonly name: string
    readonly job: JobObject
    readonly owner: CredentialOwner
    readonly given: Access | undefined
  }
  Delete: OfJob
  /** Asks the API server for the pods of a Job. Without pods it asks for the reason too. */
  CheckPods: OfJob
  /** Reads the result of a copy that has ended with `outcome`. `given` is the content of its Secret. */
  Inspect: {
    readonly name: string
    readonly job: JobObject
    readonly outcome: Ended
    readonly task: CopyTask
    readonly given: Access | undefined
  }
  /** Does a chore. `secret` is the name of the Job's Secret. */
  Tidy: OfJob & { readonly chore: Chore; readonly secret: string }
  /** Ends an attempt's preparation and releases its reserved pulls. This command has no answer. */
  Settle: { readonly id: string }
  /** Announces that an Image's copies have changed. This command has no answer. */
  Announce: { readonly image: ImageKey }
}>
export const Command = Data.taggedEnum<Command>()
export type CommandOf<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>
