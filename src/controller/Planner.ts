/**
 * Says what a run would do, without doing it: the same facts and the same rules as a reconcile. Nothing is written anywhere.
 * Manifests are read to learn sizes only if the source counts no pulls.
 */
import { Clock, Context, Effect, Layer, Result } from "effect"
import * as DirectEngine from "../copy/DirectEngine.ts"
import { gather as contentOf, type ImageContent } from "../copy/ImageContent.ts"
import { subsetAt } from "../copy/PlatformSubset.ts"
import { type Access, accessOf, sidesOf } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { Policy } from "../credentials/Policy.ts"
import { conditionOf } from "../domain/Image.ts"
import type { ImageKey } from "../domain/ImageKey.ts"
import { decide } from "../domain/plan/decide.ts"
import type { Gathered } from "../domain/plan/facts.ts"
import { type Listings, previewOf, type TagPreview } from "../domain/plan/preview.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { type Allowance, RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient } from "../registry/RegistryClient.ts"
import { onSide } from "../registry/RegistryError.ts"
import { AnsweredClient, makeTagLists } from "./check/AnsweredClient.ts"
import { DestinationClaims } from "./DestinationClaims.ts"
import * as Gather from "./gather.ts"
import { ImageMemory } from "./ImageMemory.ts"

/** The bytes of a copy that a run would make. */
export interface CopySize {
  /** The bytes of the image. */
  readonly bytes: number
  /** The bytes that the destination's repository lacks. A blob that several tags need counts for the first of them. */
  readonly bytesToSend: number
}

/** What a run would do with a tag, and the size of its copy if it is known. */
export interface TagPlan extends TagPreview {
  readonly size?: CopySize
}

/** The rate limit of an Image's source. */
export interface SourceBudget {
  readonly registry: string
  /** The fewest manifests that the copies read. Each costs a pull. */
  readonly leastPulls: number
  /** The quota as the registry reports it, if it does. */
  readonly quota?: NonNullable<Allowance["quota"]>
}

/** What a run would do with an Image. */
export interface ImagePlan extends ImageKey {
  /** The complete names of the repositories. Absent if the spec is invalid. */
  readonly source?: string
  readonly destination?: string
  readonly suspended: boolean
  /** Why the Image cannot be checked, or why nothing is selected. */
  readonly failure?: { readonly reason: string; readonly message: string; readonly stalled: boolean }
  /** The number of tags in the source's list. Absent for an Image with one tag. */
  readonly listed?: number
  readonly tags: ReadonlyArray<TagPlan>
  /** Absent if reading manifests costs nothing. */
  readonly budget?: SourceBudget
}

/** Plans Images one by one. The claims of other Images count as in a run. */
export class Planner extends Context.Service<
  Planner,
  {
    /** What a run would do with an Image now. A registry's failure is part of the plan. */
    readonly plan: (image: StoredImage) => Effect.Effect<ImagePlan>
  }
>()("skopeo-operator/controller/Planner") {
  static readonly layer: Layer.Layer<
    Planner,
    never,
    RegistryClient | RegistryLimits | Credentials | Policy | DestinationClaims
  > = Layer.effect(
    Planner,
    Effect.suspend(() => make)
  )
}

/** How many manifests are read, and how many blobs are asked for, at once. */
const AT_ONCE = 8

/** The most bytes of lists of tags that a plan of one Image holds. */
const LISTS_BYTES = 64 * 1024 * 1024

const make = Effect.gen(function* () {
  const registry = yield* RegistryClient
  const limits = yield* RegistryLimits
  const claims = yield* DestinationClaims
  const services = { credentials: yield* Credentials, policy: yield* Policy }

  /** The tags that both registries list. A list that cannot be read again is taken as empty: the check has said why. */
  const listingsOf = Effect.fnUntraced(function* (client: RegistryClient["Service"], access: Access) {
    const read = (side: "source" | "destination") => Effect.orElseSucceed(client.tags(access[side]), () => [])
    const [source, destination] = yield* Effect.all([read("source"), read("destination")], { concurrency: 2 })
    return { source: new Set(source), destination } satisfies Listings
  })

  /** The content of the image of each copy. `undefined` if it cannot be read. After a rate limit no more is read. */
  const contentsOf = (client: RegistryClient["Service"], access: Access, tags: ReadonlyArray<TagPreview>) => {
    let isLimited = false
    return Effect.forEach(
      tags,
      ({ task }) =>
        Effect.suspend((): Effect.Effect<ImageContent | undefined> => {
          if (task === undefined || isLimited) return Effect.succeed(undefined)
          return subsetAt(access.source, task.digest, task.platforms).pipe(
            Effect.provideService(RegistryClient, client),
            Effect.flatMap((root) => contentOf({ client }, access.source, root)),
            Effect.catch(({ reason }) => {
              isLimited ||= reason._tag === "RateLimited"
              return Effect.succeed(undefined)
            })
          )
        }),
      { concurrency: AT_ONCE }
    )
  }

  /** The digests of blobs that the destination's repository has. A blob whose presence cannot be told counts as missing. */
  const presentOf = Effect.fnUntraced(function* (
    client: RegistryClient["Service"],
    access: Access,
    blobs: ReadonlyArray<BlobDescriptor>
  ) {
    const present = yield* Effect.forEach(
      blobs,
      (blob) => onSide("destination")(client.hasBlob(access.destination, blob)).pipe(Effect.orElseSucceed(() => false)),
      { concurrency: AT_ONCE }
    )
    return new Set(blobs.filter((_, index) => present[index] === true).map(({ digest }) => digest))
  })

  const sized = Effect.fnUntraced(function* (
    client: RegistryClient["Service"],
    access: Access,
    tags: ReadonlyArray<TagPreview>
  ) {
    const contents = yield* contentsOf(client, access, tags)
    const blobs = new Map(
      contents.flatMap((content) => content?.blobs.map((blob) => [blob.digest, blob] as const) ?? [])
    )
    const lacksAll = tags.some(({ task }) => task?.missing === "Repository")
    const counted = new Set(lacksAll ? [] : yield* presentOf(client, access, [...blobs.values()]))
    return tags.map((tag, index): TagPlan => {
      const content = contents[index]
      if (content === undefined) return tag
      const manifests = [content.root, ...content.children].reduce((sum, { size }) => sum + size, 0)
      let [bytes, bytesToSend] = [manifests, manifests]
      for (const { digest, size } of content.blobs) {
        bytes += size
        if (counted.has(digest)) continue
        counted.add(digest)
        bytesToSend += size
      }
      return { ...tag, size: { bytes, bytesToSend } }
    })
  })

  const planChecked = Effect.fnUntraced(function* (
    image: StoredImage,
    gathered: Extract<Gathered, { readonly _tag: "Observed" }>,
    client: RegistryClient["Service"]
  ): Effect.fn.Return<Pick<ImagePlan, "tags" | "budget" | "listed">> {
    const { listed } = gathered.observed
    const known = listed === undefined ? {} : { listed }
    const { mirror } = gathered
    // The check has just found this access.
    const found = yield* Effect.result(accessOf(services, { image, ...sidesOf(mirror, services.credentials) }))
    if (Result.isFailure(found)) return { tags: previewOf(image, gathered), ...known }
    const access = found.success
    const listings = mirror.tags._tag === "Listed" ? yield* listingsOf(client, access) : undefined
    const tags = previewOf(image, gathered, listings)
    const { metered, quota } = yield* limits.allowance(access.source)
    if (!metered) return { tags: yield* sized(client, access, tags), ...known }
    const leastPulls = tags.filter(({ task }) => task !== undefined).length
    const { registry } = access.source.repository
    return { tags, ...known, budget: { registry, leastPulls, ...(quota === undefined ? {} : { quota }) } }
  })

  const plan = Effect.fn("Planner.plan")(function* (image: StoredImage): Effect.fn.Return<ImagePlan> {
    const { name, namespace } = image
    const header = {
      namespace,
      name,
      ...(image._tag === "Readable" ? { source: image.source, destination: image.destination } : {})
    }
    if (image._tag === "Readable" && image.mirror.suspend) return { ...header, suspended: true, tags: [] }
    // The check and the plan ask each question once.
    const { client, close } = yield* answered
    return yield* Effect.gen(function* () {
      const gather = yield* Gather.make({ claims, memory: new ImageMemory(), supports: DirectEngine.SUPPORT })
      const gathered = yield* gather(image, [])
      const { status } = decide(image, gathered, yield* Clock.currentTimeMillis)
      const checked =
        gathered._tag === "Observed"
          ? yield* planChecked(image, gathered, client)
          : { tags: tagsWithoutCheck(gathered) }
      const ready = conditionOf(status, "Ready")
      const stalled = conditionOf(status, "Stalled") !== undefined
      // Whether nothing is known about any tag. The failure of one tag is said with the tag.
      const isFailure = ready?.status === "False" && (checked.tags.length === 0 || stalled)
      return {
        ...header,
        suspended: false,
        ...checked,
        ...(isFailure ? { failure: { reason: ready.reason, message: ready.message, stalled } } : {})
      }
    }).pipe(
      Effect.provideService(RegistryClient, client),
      Effect.provideService(RegistryLimits, limits),
      Effect.provideService(Credentials, services.credentials),
      Effect.provideService(Policy, services.policy),
      Effect.provideService(RequestedFor, namespace),
      Effect.ensuring(close)
    )
  })

  const answered = Effect.sync(() => {
    const answers = new AnsweredClient(registry, makeTagLists(LISTS_BYTES))
    return { client: answers.client, close: Effect.sync(() => answers.close()) }
  })

  return Planner.of({ plan })
})

/** The one tag of an Image whose check failed, or that an older Image claims. */
const tagsWithoutCheck = (gathered: Gathered): ReadonlyArray<TagPlan> => {
  if (gathered._tag === "Claimed") {
    return [...gathered.claims].map(([tag, { name, namespace }]): TagPlan => {
      const message = `claimed by the older Image ${namespace}/${name}`
      return { tag, action: "skip", reason: "Claimed", error: { reason: "DestinationClaimed", message } }
    })
  }
  if (gathered._tag !== "Blocked" || gathered.mirror.tags._tag === "Listed") return []
  const { message, reason } = gathered.failure
  return [{ tag: gathered.mirror.tags.destinationTag, action: "skip", reason: "Failed", error: { reason, message } }]
}
