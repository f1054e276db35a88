/** One copy of one image to one tag: what is asked of an engine, and what an engine says of it. */
import type { CredentialChoice } from "./Credential.ts"
import type { Platform } from "../oci/Platform.ts"
import type { Reference, Repository } from "../oci/Reference.ts"
import type { Reason } from "./Reason.ts"

/** Which Image a copy is made for; `uid` tells an Image from a later one of the same name. */
export interface ImageIdentity {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** What a check found missing at the destination: the whole repository, or a tag whose blobs may be there. */
export type Missing = "Repository" | "Tag"

/** One side of a copy. It holds no secret: engines look for the credential when they need it. */
export interface Endpoint {
  readonly repository: Repository
  /** Whether the registry's certificate is checked; false allows plain HTTP too. */
  readonly tlsVerify: boolean
  /** Where the credential comes from. */
  readonly credentials: CredentialChoice
}

/** A copy pinned to the digest that was decided on, wherever the source's tag moves while it runs. */
export interface CopyTask {
  readonly image: ImageIdentity
  /** The generation of the Image's spec that asks for the copy. */
  readonly generation: number
  readonly source: Endpoint
  /** The manifest to copy, `sha256:…`. */
  readonly digest: string
  /** What is copied of it; empty means all of it. */
  readonly platforms: ReadonlyArray<Platform>
  /** What the tag names once the copy is made: `digest`, unless platforms are left out. */
  readonly destinationDigest: string
  /** Whether what refers to the image comes along. */
  readonly referrers: boolean
  readonly destination: Endpoint
  /** What is known to be missing at the destination; absent where that is not known. */
  readonly missing?: Missing
  /** The tag to write at the destination. */
  readonly tag: string
  /** Whether the tag is left as it is if the destination has it by the time of the write, whatever it names. */
  readonly onlyIfMissing: boolean
}

/** Bytes of distinct blobs and manifests. */
export interface CopyProgress {
  /** At the destination, whether sent, mounted or there before. */
  readonly done: number
  /** It grows while what refers to an image is found. */
  readonly total: number
  /** What went over the wire for it; what a copy that began again sent before counts too. */
  readonly sent: number
}

export type CopyState =
  /**
   * `limited` if it waits for a registry that limits how often it may be asked; the reason says until when. `obstacle` if it
   * waits for something that a person may have to mend.
   */
  | { readonly _tag: "Waiting"; readonly reason: string; readonly limited?: boolean; readonly obstacle?: Reason }
  | { readonly _tag: "Running"; readonly progress?: CopyProgress }
  /** The destination answered with the digest. `at` is in milliseconds since the epoch. */
  | { readonly _tag: "Succeeded"; readonly at: number; readonly progress?: CopyProgress }
  /** The destination had the tag before it was written. The tag was left as it is, and names `digest`. */
  | { readonly _tag: "Present"; readonly at: number; readonly digest: string; readonly progress?: CopyProgress }
  | {
      readonly _tag: "Failed"
      readonly at: number
      readonly reason: Reason
      readonly message: string
      /** Before when its registry is not to be asked again, in milliseconds of the Clock since the epoch; if that is known. */
      readonly until?: number
      readonly progress?: CopyProgress
    }

/** A copy as an engine knows it. */
export interface Copy extends CopyTask {
  /** Names this attempt; a retry of the same task has another. */
  readonly id: string
  readonly state: CopyState
}

/** Why an engine does not start a copy that it may start later, while it starts others. */
export const REFUSALS = [
  "DestinationBusy",
  "SecretNotCreated",
  "JobsForbidden"
] as const satisfies ReadonlyArray<Reason>
export type Refusal = (typeof REFUSALS)[number]

/** The tag a copy writes: two copies to one destination must never run at once. */
export const destinationOf = (task: CopyTask): Reference => ({ repository: task.destination.repository, tag: task.tag })

/** What a copy has moved, where its engine can tell. */
export const progressOf = ({ state }: Copy): CopyProgress | undefined =>
  state._tag === "Waiting" ? undefined : state.progress

export const isFinished = ({ state }: Copy): boolean => state._tag !== "Waiting" && state._tag !== "Running"
