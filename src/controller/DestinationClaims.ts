/** The claims of Images on tags of destinations, over the Images of the `ImageStore`. `domain/Claim.ts` has the rule. */
import { Context, Effect, Layer } from "effect"
import { judgeImage, sidesOf } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { Policy } from "../credentials/Policy.ts"
import { isOlder, type Request, requestOf, writesCompanions } from "../domain/Claim.ts"
import { type ImageKey, keyOf } from "../domain/ImageKey.ts"
import type { Claims } from "../domain/plan/facts.ts"
import type { ReadableImage, StoredImage } from "../domain/StoredImage.ts"
import { isDigestTag } from "../domain/TagFilter.ts"
import type { StoreChange } from "../kube/Store.ts"
import { makeBreaks } from "./breaks.ts"
import { destinationTagOf, ImageStore } from "./ImageStore.ts"

/**
 * Finds the owners of tags. Only Images that the operator follows have claims: two operators that follow different Images do
 * not see the claims of each other. An Image that the policy does not accept has no claims, so that it takes no tag from others.
 */
export class DestinationClaims extends Context.Service<
  DestinationClaims,
  {
    /** The owner of each tag that an Image claims and may not write. */
    readonly against: (image: ReadableImage, tags: ReadonlyArray<string>) => Effect.Effect<Claims>
    /** The older Image with another source that owns the companion tags of an Image's destination. */
    readonly companionOwner: (image: ReadableImage) => Effect.Effect<ImageKey | undefined>
    /**
     * The keys of the Images whose claims a change of another Image may give or take: younger Images with the same tag, all
     * younger patterns, and the younger Images that write companion tags. A change without a new spec concerns no Image.
     */
    readonly concerned: (change: StoreChange<StoredImage>) => Effect.Effect<ReadonlyArray<string>>
  }
>()("skopeo-operator/controller/DestinationClaims") {
  /** The claims of all Images of the store. */
  static readonly layer: Layer.Layer<DestinationClaims, never, ImageStore | Credentials | Policy> = Layer.effect(
    DestinationClaims,
    Effect.suspend(() => make)
  )

  /** No claims, for a program that reconciles Images without an `ImageStore`. */
  static readonly layerNone: Layer.Layer<DestinationClaims> = Layer.succeed(DestinationClaims, {
    against: () => Effect.succeed(new Map()),
    companionOwner: () => Effect.succeed(undefined),
    concerned: () => Effect.succeed([])
  })
}

/**
 * Only the oldest patterns of a destination have claims, this number of them: each tag is judged by each pattern, and users can
 * write any number of patterns.
 */
const PATTERNS = 100

interface Claimant {
  readonly image: ReadableImage
  readonly request: Request
}

const readable = (images: ReadonlyArray<StoredImage>): ReadonlyArray<ReadableImage> =>
  images.filter((image) => image._tag === "Readable")

/** Whether two versions of an Image are of one spec. An annotation, for example, changes no claim. */
const hasSameClaims = (before: StoredImage, after: StoredImage): boolean =>
  before.uid === after.uid && before.generation === after.generation && before.isDeleting === after.isDeleting

const make = Effect.gen(function* () {
  const images = yield* ImageStore
  const services = { credentials: yield* Credentials, policy: yield* Policy }

  let known = { version: yield* services.policy.version, verdicts: new WeakMap<ReadableImage, boolean>() }

  /**
   * Whether the current policy accepts Images, as far as they were judged. A refused Image must not cost each reconcile of its
   * rivals a judgement.
   */
  const currentVerdicts = Effect.map(services.policy.version, (version) => {
    if (version !== known.version) known = { version, verdicts: new WeakMap() }
    return known.verdicts
  })

  const accepts = Effect.fnUntraced(function* (verdicts: WeakMap<ReadableImage, boolean>, image: ReadableImage) {
    const { _tag } = yield* judgeImage(services, { image, ...sidesOf(image.mirror, services.credentials) })
    verdicts.set(image, _tag === "Accepted")
    return _tag === "Accepted"
  })

  const writersOf = (destination: string, tag: string) =>
    Effect.map(images.by("destinationTag", destinationTagOf(destination, tag)), readable)
  const listingsOf = (destination: string) => Effect.map(images.by("destinationListing", destination), readable)
  const companionWritersOf = (destination: string) =>
    Effect.map(images.by("destinationCompanions", destination), readable)

  const claimantOf = (image: ReadableImage): Claimant => ({ image, request: requestOf(image) })

  /** The oldest of some Images with claims that is older than an Image. */
  const oldestBefore = Effect.fnUntraced(function* (image: ReadableImage, others: ReadonlyArray<ReadableImage>) {
    const breathe = yield* makeBreaks
    const verdicts = yield* currentVerdicts
    let oldest: ReadableImage | undefined
    for (const other of others) {
      if (other.isDeleting || !isOlder(other, oldest ?? image)) continue
      if (verdicts.get(other) ?? (yield* accepts(verdicts, other))) oldest = other
      yield* breathe
    }
    return oldest
  })

  /** The oldest Image with a claim on one tag that is older than an Image. */
  const olderWriter = Effect.fnUntraced(function* (image: ReadableImage, tag: string) {
    const { destination } = image
    if (!isDigestTag(tag)) return yield* oldestBefore(image, yield* writersOf(destination, tag))
    const writers = yield* companionWritersOf(destination)
    const isWriter = (other: ReadableImage) => other.spec.referrers === true || other.destinationTag === tag
    return yield* oldestBefore(image, writers.filter(isWriter))
  })

  const olderCompanionWriter = Effect.fnUntraced(function* (image: ReadableImage) {
    return yield* oldestBefore(image, yield* companionWritersOf(image.destination))
  })

  const companionOwner = Effect.fn("DestinationClaims.companionOwner")(function* (image: ReadableImage) {
    const owner = yield* olderCompanionWriter(image)
    return owner === undefined || owner.source === image.source ? undefined : owner
  })

  const against = Effect.fn("DestinationClaims.against")(function* (image: ReadableImage, tags: ReadonlyArray<string>) {
    if (tags.length === 0) return new Map()
    const { destination } = image
    const own = requestOf(image)
    const breathe = yield* makeBreaks
    const verdicts = yield* currentVerdicts
    const mayOwn = (other: ReadableImage): boolean =>
      verdicts.get(other) !== false && !other.isDeleting && isOlder(other, image)
    const listings: Array<Claimant> = []
    for (const other of (yield* listingsOf(destination)).filter(mayOwn).sort((a, b) => (isOlder(a, b) ? -1 : 1))) {
      if (listings.length === PATTERNS) break
      if (verdicts.get(other) ?? (yield* accepts(verdicts, other))) listings.push(claimantOf(other))
      yield* breathe
    }
    const listingFor = Effect.fnUntraced(function* (tag: string) {
      for (const listing of listings) {
        if (listing.request(tag) !== undefined) return listing
        yield* breathe
      }
      return undefined
    })
    const owners = new Map<string, ReadableImage>()
    for (const tag of tags) {
      const desired = own(tag)
      if (desired === undefined) continue
      const exact = yield* olderWriter(image, tag)
      const listing = yield* listingFor(tag)
      const [owner] = [exact, listing?.image]
        .filter((claimant) => claimant !== undefined)
        .sort((a, b) => (isOlder(a, b) ? -1 : 1))
      if (owner === undefined) continue
      const { request } = listing !== undefined && owner === listing.image ? listing : claimantOf(owner)
      if (request(tag) !== desired) owners.set(tag, owner)
    }
    return owners
  })

  /**
   * The Images that may have a claim on a tag that an Image claims too. Whether two patterns have a tag in common cannot be told
   * from the patterns. Whether other patterns select one tag is not judged either: their reconciles judge that, and share their
   * time fairly.
   */
  const tagRivals = Effect.fnUntraced(function* (image: ReadableImage) {
    const { destination, destinationTag } = image
    if (destinationTag !== undefined) {
      // The oldest claim on the tag decides, so that the claim of this Image gives and takes nothing.
      if ((yield* olderWriter(image, destinationTag)) !== undefined) return []
      return [...(yield* writersOf(destination, destinationTag)), ...(yield* listingsOf(destination))].filter((rival) =>
        isOlder(image, rival)
      )
    }
    const request = requestOf(image)
    const breathe = yield* makeBreaks
    const found: Array<ReadableImage> = []
    for (const rival of readable(yield* images.by("destination", destination))) {
      if (!isOlder(image, rival)) continue
      if (rival.destinationTag === undefined || request(rival.destinationTag) !== undefined) found.push(rival)
      yield* breathe
    }
    return found
  })

  /** The younger Images that write companion tags, of which an Image is the owner. */
  const companionRivals = Effect.fnUntraced(function* (image: ReadableImage) {
    if (!writesCompanions(image) || (yield* olderCompanionWriter(image)) !== undefined) return []
    return (yield* companionWritersOf(image.destination)).filter((rival) => isOlder(image, rival))
  })

  const concerned = Effect.fn("DestinationClaims.concerned")(function* ({ after, before }: StoreChange<StoredImage>) {
    const keys = new Set<string>()
    if (before !== undefined && after !== undefined && hasSameClaims(before, after)) return []
    for (const image of [before, after]) {
      if (image?._tag !== "Readable" || image.isDeleting) continue
      const rivals = [...(yield* tagRivals(image)), ...(yield* companionRivals(image))]
      for (const rival of rivals) keys.add(keyOf(rival))
    }
    return [...keys]
  })

  return DestinationClaims.of({ against, companionOwner, concerned })
})
