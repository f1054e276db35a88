/** Tags that an Image selects and must not write, because an older Image claims them and asks for another image. */
import { type ImageKey, keyOf } from "../ImageKey.ts"
import { type Claims, isDesired, type Observed, type ObservedTag, type Parsed } from "./facts.ts"

export const NO_CLAIMS: Claims = new Map()

/** Whether an older Image claims the tag. */
export const isClaimed = ({ problem }: Pick<ObservedTag, "problem">): boolean =>
  problem?.reason === "DestinationClaimed"

const claimedTag = ({ exists, tag }: ObservedTag, owner: ImageKey, companion?: string): ObservedTag => {
  const words = `claimed by the older Image ${keyOf(owner)}`
  const message = companion === undefined ? words : `without its companion tag ${companion}, which is ${words}`
  return { tag, exists, problem: { reason: "DestinationClaimed", message } }
}

/**
 * The result of a check with the claims as facts about their tags. A claimed tag is neither compared nor copied, and time
 * does not end a claim: a change of the owner does. The tags that only claimed tags depend on are not copied either. A tag
 * whose companion exists with other content, and has another owner, is claimed too: the tag would not be copied whole.
 */
export const withClaims = (
  observed: Observed,
  { claims = NO_CLAIMS, companionOwner }: Pick<Parsed, "claims" | "companionOwner">
): Observed => {
  if (claims.size === 0 && companionOwner === undefined) return observed
  const { companions = [] } = observed
  const differing = new Set(companions.filter((tag) => tag.exists && !isDesired(tag)).map(({ tag }) => tag))
  const tags = observed.tags.map((tag) => {
    const owner = claims.get(tag.tag)
    if (owner !== undefined) return claimedTag(tag, owner)
    const companion = companionOwner && tag.dependsOn?.find((other) => differing.has(other))
    return companionOwner === undefined || companion === undefined ? tag : claimedTag(tag, companionOwner, companion)
  })
  const needed = new Set(tags.flatMap(({ dependsOn = [] }) => dependsOn))
  return {
    ...observed,
    tags,
    ...(observed.companions === undefined ? {} : { companions: companions.filter(({ tag }) => needed.has(tag)) })
  }
}

/** The result for an Image whose only tag is claimed. No registry is asked. */
export const claimedOnly = (generation: number, claims: Claims): Observed => ({
  generation,
  tags: [...claims].map(([tag, owner]) => claimedTag({ tag, exists: false }, owner))
})

/** The most owners that a message names. */
const OWNERS = 5

/** Names the claimed tags by their owners. `named` shortens a list of tags. */
export const describeClaims = (
  claimed: ReadonlyArray<ObservedTag>,
  named: (tags: ReadonlyArray<ObservedTag>) => string
): string => {
  const byOwner = Map.groupBy(claimed, ({ problem }) => problem?.message ?? "")
  const [...owners] = byOwner
  const parts = owners
    .slice(0, OWNERS)
    .map(([owner, tags]) => `${named(tags)} ${tags.length === 1 ? "is" : "are"} ${owner}`)
  const others = owners.slice(OWNERS).reduce((sum, [, tags]) => sum + tags.length, 0)
  return [...parts, ...(others === 0 ? [] : [`${others} more tags are claimed by other Images`])].join("; ")
}
