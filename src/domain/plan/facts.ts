/**
 * The input of a decision: the facts that a reconcile has gathered, and the consequences for each tag. Pure:
 * gathering, which asks registries, credentials and the engine, is done outside.
 */
import { isDigestTag, type JudgedTag, type Misfit, tagJudge } from "../TagFilter.ts"
import { type Copy, type Endpoint, isFinished, type Missing } from "../Copy.ts"
import type { RegistrySide } from "../Credential.ts"
import type { ImageHeader, PlatformSubset } from "../Image.ts"
import type { ImageKey } from "../ImageKey.ts"
import type { Mirror, MirroredTags } from "../Mirror.ts"
import type { Problem } from "../Problem.ts"
import type { Reason } from "../Reason.ts"
import { formatRepository, type Repository } from "../../oci/Reference.ts"

/** The state of one tag at both registries. */
export interface ObservedTag {
  /** The tag at the destination. */
  readonly tag: string
  /**
   * The digest that the destination should have. Absent for an existing tag that is never overwritten, and for a tag with a
   * problem.
   */
  readonly desired?: string
  /** The source's digest, if only some platforms of the image are copied. */
  readonly sourceDigest?: string
  /** The destination's digest. Absent if there is no such tag, or if the digest was not requested. */
  readonly actual?: string
  /** Whether the destination has the tag. */
  readonly exists: boolean
  /** Whether the destination has the image and lacks one of its referrers. */
  readonly referrersMissing?: boolean
  /** Whether the image has OCI referrers that the engine cannot copy. */
  readonly referrersUnsupported?: boolean
  /**
   * Tags that must be at the destination before this tag is copied, because admission controllers require signatures.
   */
  readonly dependsOn?: ReadonlyArray<string>
  /** Why the tag cannot be copied as the Image asks, or what a registry answered instead of what the tag names. */
  readonly problem?: { readonly reason: Reason; readonly message: string }
}

/** The result of a check at both registries. It is remembered between reconciles while tags remain. */
export interface Observed {
  /** The generation of the spec that the check was made for. */
  readonly generation: number
  readonly tags: ReadonlyArray<ObservedTag>
  /**
   * Tags that the Image does not select but on which selected tags depend, such as signatures that are copied as tags.
   */
  readonly companions?: ReadonlyArray<ObservedTag>
  /** What the destination is known to lack. */
  readonly missing?: Missing
  /** The number of tags in the source's list. Absent if no list was read. */
  readonly listed?: number
  /** Why no tag of the list is selected although tags match. */
  readonly misfit?: Misfit
  /** The digests of images with the requested platforms only. */
  readonly subsets?: ReadonlyArray<PlatformSubset>
  /** Tags near the pattern, to be named if no tag matches. */
  readonly nearest?: ReadonlyArray<JudgedTag>
}

/**
 * Types of warnings, which are conditions that only some Images have:
 * - `CredentialsUnbound`: credentials that are bound to no registry were used
 * - `CredentialsWithheld`: credentials of the operator were not used, because the registry's TLS is not verified, or because the
 *   policy does not grant them
 * - `RegistryWarning`: the registry sent a warning to its users
 */
export type WarningType = "CredentialsUnbound" | "CredentialsWithheld" | "RegistryWarning"

/** A warning to an Image's users, which becomes its own condition. */
export interface Warning {
  readonly type: WarningType
  readonly reason: Reason
  readonly message: string
}

/** Why a check failed. */
export interface CheckFailure {
  readonly reason: Reason
  readonly message: string
  /** The time of the next request that the registry named, in milliseconds since the epoch. */
  readonly until?: number
  /** Whether a person must repair the cause. The Image is then Stalled, and the check is still retried. */
  readonly stalled: boolean
}

/** The owners of tags that an Image claims and may not write, by tag. */
export type Claims = ReadonlyMap<string, ImageKey>

/** The copies of an engine for the Image's name: waiting, running, and finished ones that are not released. */
export interface CopyFacts {
  readonly copies: ReadonlyArray<Copy>
}

/** The facts about every Image with a valid spec. */
export interface Parsed extends CopyFacts {
  readonly mirror: Mirror
  /** How many Images of the same namespace have waited for a registry for longer. Default none. */
  readonly position?: number
  /** When the operator began to reconcile Images, in milliseconds since the epoch. See `ScheduleFacts`. */
  readonly startedAt?: number
  /** Warnings about the credentials. Absent if the credentials are unavailable. */
  readonly warnings?: ReadonlyArray<Warning>
  /** Notices in the registries' answers. */
  readonly notices?: ReadonlyArray<Warning>
  /** The owners of tags that the Image claims and may not write. Default none. */
  readonly claims?: Claims
  /** The owner of the destination's companion tags, if the Image must not change those that exist. */
  readonly companionOwner?: ImageKey
}

/** The spec is invalid. */
export interface Invalid extends CopyFacts {
  readonly _tag: "Invalid"
  /** At least one problem. */
  readonly problems: ReadonlyArray<Problem>
}

/** The operator's policy does not accept the Image. No registry is asked. */
export interface Refused extends Parsed {
  readonly _tag: "Refused"
  /** The rule of the policy, what does not fit, and the remedy. */
  readonly message: string
}

/** A check was due, and a registry or a credential failed. */
export interface Blocked extends Parsed {
  readonly _tag: "Blocked"
  readonly failure: CheckFailure
  /** The result of an earlier check, if it is remembered. */
  readonly observed?: Observed
}

/** An older Image claims the one tag of the Image. No registry is asked. */
export interface Claimed extends Parsed {
  readonly _tag: "Claimed"
  readonly claims: Claims
}

/** No check is due, and no result is remembered. */
export interface Unobserved extends Parsed {
  readonly _tag: "Unobserved"
}

/** The Image was checked now or before. */
export interface Checked extends Parsed {
  readonly _tag: "Observed"
  readonly observed: Observed
  /** Whether the check was made for this reconcile. */
  readonly fresh: boolean
  /** The result of the check before a fresh check, if that result was remembered. */
  readonly before?: Observed
  /** Whether each side's certificate is verified, by the Image or by the operator's configuration. */
  readonly tlsVerify: Readonly<Record<RegistrySide, boolean>>
}

/** The facts that a reconcile gathers before it decides. */
export type Gathered = Invalid | Refused | Claimed | Blocked | Unobserved | Checked

/** Whether copies overwrite existing tags. OneShot never overwrites a tag of a listing. */
export const overwritesTags = ({ mode, tags }: Mirror): boolean => mode === "Recurrent" || tags._tag === "Exact"

/** Whether the destination has exactly the desired digest. */
export const isDesired = ({ actual, desired, exists }: ObservedTag): boolean =>
  exists && desired !== undefined && actual === desired

/** Whether a tag needs no copy: by its digest if tags are overwritten, else by its existence. */
export const isInSync = (mirror: Mirror, tag: ObservedTag): boolean =>
  tag.problem === undefined && tag.referrersMissing !== true && (overwritesTags(mirror) ? isDesired(tag) : tag.exists)

/** Companion tags that the destination lacks, or has with another digest. */
export const missingCompanions = ({ companions = [] }: Observed): ReadonlyArray<ObservedTag> =>
  companions.filter((tag) => !isDesired(tag))

/** All tags that the destination lacks, or has with another image: companion tags first, then selected tags. */
export const lackingTags = (observed: Observed, mirror: Mirror): ReadonlyArray<ObservedTag> => [
  ...missingCompanions(observed),
  ...observed.tags.filter((tag) => !isInSync(mirror, tag))
]

/** The names of tags that wait for tags on which they depend. */
export const waitingForOthers = (observed: Observed): ReadonlySet<string> => {
  const missing = new Set(missingCompanions(observed).map(({ tag }) => tag))
  const isWaiting = ({ dependsOn = [] }: ObservedTag): boolean => dependsOn.some((tag) => missing.has(tag))
  return new Set(observed.tags.filter(isWaiting).map(({ tag }) => tag))
}

/** The remaining selected tags: tags that are not in sync, and tags that wait for others. */
export const remainingTags = (observed: Observed, mirror: Mirror): ReadonlyArray<ObservedTag> => {
  const waiting = waitingForOthers(observed)
  return observed.tags.filter((tag) => !isInSync(mirror, tag) || waiting.has(tag.tag))
}

/** The copies for this Image and its current destination, without those for an earlier Image of the same name. */
export const ownCopies = (
  { uid }: ImageHeader,
  { copies, mirror }: Pick<Parsed, "copies" | "mirror">
): ReadonlyArray<Copy> => {
  const destination = formatRepository(mirror.destination.repository)
  return copies.filter(
    (copy) => copy.image.uid === uid && formatRepository(copy.destination.repository) === destination
  )
}

/**
 * The active copies that no check would keep: copies of an earlier Image of the name, and of an earlier spec with another
 * repository or without the copy's tag. The spec alone shows that, so no registry is asked.
 */
export const obsoleteCopies = (
  { uid }: ImageHeader,
  { destination, source, tags }: Mirror,
  copies: ReadonlyArray<Copy>
): ReadonlyArray<Copy> => {
  const isSame = (a: Repository, b: Repository): boolean => formatRepository(a) === formatRepository(b)
  const selects = selectionOf(tags)
  return activeCopies(copies).filter(
    (copy) =>
      copy.image.uid !== uid ||
      !isSame(copy.destination.repository, destination.repository) ||
      !isSame(copy.source.repository, source.repository) ||
      // A companion tag is named after a digest, which the spec does not say.
      !(selects(copy.tag) || isDigestTag(copy.tag))
  )
}

/** Which tags of the destination a spec can select by their names. */
export const selectionOf = (tags: MirroredTags): ((tag: string) => boolean) => {
  if (tags._tag === "Exact") return (tag) => tag === tags.destinationTag
  const { judge } = tagJudge(tags.filter)
  return (tag) => judge(tag).verdict.selected
}

/** The copies that wait or run. */
export const activeCopies = (copies: ReadonlyArray<Copy>): ReadonlyArray<Copy> =>
  copies.filter((copy) => !isFinished(copy))

/** The digest that a successful copy left at the destination. */
export const arrivedDigest = ({ destinationDigest, state }: Copy): string | undefined => {
  if (state._tag === "Succeeded") return state.digest ?? destinationDigest
  return state._tag === "Present" ? state.digest : undefined
}

/**
 * The result of a check with the digests that images have without some of their platforms, as copies have made them. The
 * check may have had another from the status, which an earlier release wrote: no copy would ever bring that.
 */
const withMadeSubsets = (observed: Observed, copies: ReadonlyArray<Copy>): Observed => {
  const keyOf = (source: string, subset: string): string => `${source} ${subset}`
  const made = new Map(
    copies.flatMap(({ destinationDigest, digest, state }) =>
      state._tag === "Succeeded" && state.digest !== undefined
        ? [[keyOf(digest, destinationDigest), state.digest] as const]
        : []
    )
  )
  if (made.size === 0) return observed
  const corrected = (tag: ObservedTag): ObservedTag => {
    const digest = made.get(keyOf(tag.sourceDigest ?? "", tag.desired ?? ""))
    return digest === undefined ? tag : { ...tag, desired: digest }
  }
  return {
    ...observed,
    tags: observed.tags.map(corrected),
    ...(observed.subsets === undefined
      ? {}
      : {
          subsets: observed.subsets.map((subset) => ({
            ...subset,
            digest: made.get(keyOf(subset.source, subset.digest)) ?? subset.digest
          }))
        })
  }
}

/**
 * The result of a check, updated by finished copies. A fresh check is newer than any finished copy, so its digest
 * wins.
 */
export const withArrivals = (checked: Observed, copies: ReadonlyArray<Copy>, fresh: boolean): Observed => {
  const observed = withMadeSubsets(checked, copies)
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

/** One side of an Image's copies. */
export const endpointOf = ({ mirror, tlsVerify }: Checked, side: RegistrySide): Endpoint => {
  const { credentials, repository } = mirror[side]
  return { repository, tlsVerify: tlsVerify[side], credentials }
}
