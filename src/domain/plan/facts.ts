/**
 * What a decision is made from: what a reconcile has gathered, and what follows from that for each tag. Gathering asks
 * registries, credentials and the engine; nothing here does.
 */
import type { JudgedTag } from "../TagFilter.ts"
import { type Copy, type Endpoint, isFinished, type Missing } from "../Copy.ts"
import type { RegistrySide } from "../Credential.ts"
import type { ImageHeader, PlatformSubset } from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import type { Problem } from "../Problem.ts"
import type { Reason } from "../Reason.ts"
import { formatRepository } from "../../oci/Reference.ts"

/** One tag, as a check found it at both registries. */
export interface ObservedTag {
  /** The tag at the destination. */
  readonly tag: string
  /** The digest that the destination should have. Absent for a tag that is there and is never overwritten, and with a problem. */
  readonly desired?: string
  /** The source's digest, where only some platforms of the image are copied. */
  readonly sourceDigest?: string
  /** The destination's digest. Absent if it has no such tag, or was not asked for its digest. */
  readonly actual?: string
  /** Whether the destination has the tag. */
  readonly exists: boolean
  /** The destination has the image, and lacks something that refers to it. */
  readonly referrersMissing?: boolean
  /** The image has OCI referrers, and the engine copies none. */
  readonly referrersUnsupported?: boolean
  /** Tags that the destination has to have before this one is copied: admission controllers look for signatures first. */
  readonly dependsOn?: ReadonlyArray<string>
  /** Why the tag cannot be copied as the Image asks, or what a registry answered instead of what the tag names. */
  readonly problem?: { readonly reason: Reason; readonly message: string }
}

/** What a check found at both registries. It is remembered between reconciles while copies remain. */
export interface Observed {
  /** The generation of the spec that the check was made for. */
  readonly generation: number
  readonly tags: ReadonlyArray<ObservedTag>
  /** Tags that the Image does not select and others depend on, such as signatures where an engine copies them as tags. */
  readonly companions?: ReadonlyArray<ObservedTag>
  /** What is known to be missing at the destination. */
  readonly missing?: Missing
  /** The number of tags that the source listed. Absent if nothing was listed. */
  readonly listed?: number
  /** The number of tags that match, if those are fewer than `spec.tags.atLeast`. */
  readonly tooFew?: number
  /** What images became without the platforms that are not asked for. */
  readonly subsets?: ReadonlyArray<PlatformSubset>
  /** Tags near the pattern, to be named if it matches none. */
  readonly nearest?: ReadonlyArray<JudgedTag>
}

/**
 * Conditions that only some Images have: something works, but not as its owner may think.
 * - `CredentialsUnbound`: credentials that are bound to no registry were used
 * - `CredentialsWithheld`: credentials of the operator were not used, because the registry is not verified
 * - `CredentialsForwarded`: credentials go to a token server of another owner
 * - `RegistryWarning`: a registry's own words to its users
 */
export type WarningType = "CredentialsUnbound" | "CredentialsWithheld" | "CredentialsForwarded" | "RegistryWarning"

/** Something that an Image's users should know, in a condition of its own. */
export interface Warning {
  readonly type: WarningType
  readonly reason: Reason
  readonly message: string
}

/** Why the registries could not be asked. */
export interface CheckFailure {
  readonly reason: Reason
  readonly message: string
  /** Before then the registry is not to be asked again, in milliseconds since the epoch; where it named a time. */
  readonly until?: number
  /** Whether it takes a person to mend it: the Image is then Stalled, and tried again all the same. */
  readonly stalled: boolean
}

/** The copies that an engine has for the Image's name: those under way, and finished ones that are not released. */
interface WithCopies {
  readonly copies: ReadonlyArray<Copy>
}

interface Parsed extends WithCopies {
  readonly mirror: Mirror
  /** How many Images of the same namespace have waited for a registry for longer. Default none. */
  readonly position?: number
  /** What is to be said of the credentials. Absent where they could not be had. */
  readonly warnings?: ReadonlyArray<Warning>
  /** Notices that the registries sent with their answers. */
  readonly notices?: ReadonlyArray<Warning>
}

/** The spec can never work as it is written. */
export interface Invalid extends WithCopies {
  readonly _tag: "Invalid"
  /** One at least. */
  readonly problems: ReadonlyArray<Problem>
}

/** A check was due, and a registry or a credential could not be had. */
export interface Blocked extends Parsed {
  readonly _tag: "Blocked"
  readonly failure: CheckFailure
  /** What an earlier check found, if that is remembered. */
  readonly observed?: Observed
}

/** No check is due, and none is remembered. */
export interface Unobserved extends Parsed {
  readonly _tag: "Unobserved"
}

/** The Image was checked, now or before. */
export interface Checked extends Parsed {
  readonly _tag: "Observed"
  readonly observed: Observed
  /** Whether it was observed for this reconcile. */
  readonly fresh: boolean
  /** Whether each side's certificate is checked: what the Image says, or else the operator's configuration. */
  readonly tlsVerify: Readonly<Record<RegistrySide, boolean>>
}

/** Everything that a reconcile has found out before it decides. */
export type Gathered = Invalid | Blocked | Unobserved | Checked

/** OneShot never overwrites a tag of a listing. */
export const overwritesTags = ({ mode, tags }: Mirror): boolean => mode === "Recurrent" || tags._tag === "Exact"

/** Whether the destination has exactly the desired digest. */
export const isDesired = ({ actual, desired, exists }: ObservedTag): boolean =>
  exists && desired !== undefined && actual === desired

/** Whether nothing remains to be done for a tag: where tags are overwritten by its digest, else by its name. */
export const isInSync = (mirror: Mirror, tag: ObservedTag): boolean =>
  tag.problem === undefined && tag.referrersMissing !== true && (overwritesTags(mirror) ? isDesired(tag) : tag.exists)

/** Companion tags that the destination lacks, or has with another digest. */
export const missingCompanions = ({ companions = [] }: Observed): ReadonlyArray<ObservedTag> =>
  companions.filter((tag) => !isDesired(tag))

/** The names of tags that wait for others which they depend on. */
export const waitingForOthers = (observed: Observed): ReadonlySet<string> => {
  const missing = new Set(missingCompanions(observed).map(({ tag }) => tag))
  const isWaiting = ({ dependsOn = [] }: ObservedTag): boolean => dependsOn.some((tag) => missing.has(tag))
  return new Set(observed.tags.filter(isWaiting).map(({ tag }) => tag))
}

/** The selected tags that remain: those that are not in sync, and those that wait for others. */
export const remainingTags = (observed: Observed, mirror: Mirror): ReadonlyArray<ObservedTag> => {
  const waiting = waitingForOthers(observed)
  return observed.tags.filter((tag) => !isInSync(mirror, tag) || waiting.has(tag.tag))
}

/** The copies that were made for this Image, not for an earlier one of its name, to where it copies now. */
export const ownCopies = (
  { uid }: ImageHeader,
  { copies, mirror }: Pick<Parsed, "copies" | "mirror">
): ReadonlyArray<Copy> => {
  const destination = formatRepository(mirror.destination.repository)
  return copies.filter(
    (copy) => copy.image.uid === uid && formatRepository(copy.destination.repository) === destination
  )
}

/** Copies that wait or run. */
export const activeCopies = (copies: ReadonlyArray<Copy>): ReadonlyArray<Copy> =>
  copies.filter((copy) => !isFinished(copy))

/** The digest that a copy which has ended well left at the destination. */
export const arrivedDigest = ({ destinationDigest, state }: Copy): string | undefined => {
  if (state._tag === "Succeeded") return destinationDigest
  return state._tag === "Present" ? state.digest : undefined
}

/**
 * The observation with what finished copies have brought since. A fresh check is newer than any finished copy, so that a
 * digest which it found wins.
 */
export const withArrivals = (observed: Observed, copies: ReadonlyArray<Copy>, fresh: boolean): Observed => {
  const arrived = new Map(
    copies.flatMap((copy) => {
      const digest = arrivedDigest(copy)
      return digest === undefined ? [] : [[copy.tag, digest]]
    })
  )
  const updated = (tag: ObservedTag): ObservedTag => {
    const digest = arrived.get(tag.tag)
    if (digest === undefined || (fresh && tag.actual !== undefined)) return tag
    const { referrersMissing: _, ...others } = tag
    return { ...others, exists: true, actual: digest }
  }
  return {
    ...observed,
    tags: observed.tags.map(updated),
    ...(observed.companions === undefined ? {} : { companions: observed.companions.map(updated) })
  }
}

/** One side of the copies that an Image asks for. */
export const endpointOf = ({ mirror, tlsVerify }: Checked, side: RegistrySide): Endpoint => {
  const { credentials, repository } = mirror[side]
  return { repository, tlsVerify: tlsVerify[side], credentials }
}
