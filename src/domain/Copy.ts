/** One copy of one image to one tag: the task of an engine, and the state that the engine reports. */
import type { CredentialChoice } from "./Credential.ts"
import type { Platform } from "../oci/Platform.ts"
import type { Reference, Repository } from "../oci/Reference.ts"
import type { ImageKey } from "./ImageKey.ts"
import type { Reason } from "./Reason.ts"

/** The Image of a copy. `uid` distinguishes an Image from a later one of the same name. */
export interface ImageIdentity extends ImageKey {
  readonly uid: string
}

/** What the destination lacks: the whole repository, or only a tag, whose blobs may exist. */
export type Missing = "Repository" | "Tag"

/** One side of a copy. An endpoint holds no secret: engines find the credential when they need it. */
export interface Endpoint {
  readonly repository: Repository
  /** Whether the registry's certificate is verified. false allows plain HTTP too. */
  readonly tlsVerify: boolean
  /** The source of the credential. */
  readonly credentials: CredentialChoice
}

/** A copy of a fixed digest, whether or not the source's tag moves while the copy runs. */
export interface CopyTask {
  readonly image: ImageIdentity
  /** The generation of the Image's spec that needs the copy. */
  readonly generation: number
  readonly source: Endpoint
  /** The manifest to copy, `sha256:…`. */
  readonly digest: string
  /** The platforms to copy. Empty means all platforms. */
  readonly platforms: ReadonlyArray<Platform>
  /** The digest that the destination's tag has after the copy: `digest`, unless platforms are left out. */
  readonly destinationDigest: string
  /** Whether the image's referrers are copied too. */
  readonly referrers: boolean
  /** The owner of the destination's companion tags, if the copy of `referrers` must not change those that exist. */
  readonly companionOwner?: ImageKey
  readonly destination: Endpoint
  /** What the destination lacks. Absent if that is unknown. */
  readonly missing?: Missing
  /** The tag to write at the destination. */
  readonly tag: string
  /** Whether an existing tag is left unchanged, even if the tag was created while the copy ran. */
  readonly onlyIfMissing: boolean
  /** The number of the attempt, from 1 on. Absent if it is unknown: the Job of a copy does not hold it. */
  readonly attempt?: number
}

/** Bytes of distinct blobs and manifests. */
export interface CopyProgress {
  /** Bytes at the destination, whether they were sent, mounted or there before. */
  readonly done: number
  /** All bytes of the copy. The number grows while referrers are found. */
  readonly total: number
  /** Bytes that were sent over the network, including those of attempts that started over. */
  readonly sent: number
  /** The part of `done` and `total` that is in blobs which another copy of the same Image counts too. Absent if there is none. */
  readonly shared?: { readonly done: number; readonly total: number }
}

/** The state of a copy. `Succeeded`, `Present` and `Failed` are final. */
export type CopyState =
  /**
   * `limited` if the copy waits for a registry's rate limit. The reason then says until when. `obstacle` if the copy waits for
   * something that a person may have to mend.
   */
  | { readonly _tag: "Waiting"; readonly reason: string; readonly limited?: boolean; readonly obstacle?: Reason }
  /** `isPreparing` while the copy can write nothing yet. A suspension stops such a copy. */
  | { readonly _tag: "Running"; readonly progress?: CopyProgress; readonly isPreparing?: true }
  /**
   * The destination has the image. `at` is in milliseconds since the epoch. `digest` if the tag names another digest than
   * the task's `destinationDigest`: a release of the operator may leave out other entries of an index than the one before.
   */
  | { readonly _tag: "Succeeded"; readonly at: number; readonly digest?: string; readonly progress?: CopyProgress }
  /** The destination had the tag before the copy wrote it. The tag is unchanged and names `digest`. */
  | { readonly _tag: "Present"; readonly at: number; readonly digest: string; readonly progress?: CopyProgress }
  | {
      readonly _tag: "Failed"
      readonly at: number
      readonly reason: Reason
      readonly message: string
      /** The time of the registry's next request, in milliseconds of the Clock since the epoch, if it is known. */
      readonly until?: number
      readonly progress?: CopyProgress
    }

/** A copy and its state, as an engine reports them. */
export interface Copy extends CopyTask {
  /** The name of this attempt. A retry of the same task has another id. */
  readonly id: string
  /** When the copy left the engine's queue, in milliseconds since the epoch. Absent for a copy that waits, and if it is unknown. */
  readonly begunAt?: number
  readonly state: CopyState
}

/** The reasons for which an engine refuses one copy for now while it starts others. */
export const REFUSALS = [
  "DestinationBusy",
  "SecretNotCreated",
  "JobsForbidden"
] as const satisfies ReadonlyArray<Reason>
export type Refusal = (typeof REFUSALS)[number]

/** The tag that a copy writes. Two copies to one destination must never run at once. */
export const destinationOf = (task: CopyTask): Reference => ({ repository: task.destination.repository, tag: task.tag })

/**
 * The progress of a copy, if its engine reports it.
 *
 * @example
 * ```ts
 * const { done, total } = progressOf(copy) ?? { done: 0, total: 0 }
 * ```
 */
export const progressOf = ({ state }: Copy): CopyProgress | undefined =>
  state._tag === "Waiting" ? undefined : state.progress

export const isFinished = ({ state }: Copy): boolean => state._tag !== "Waiting" && state._tag !== "Running"
