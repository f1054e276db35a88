/** What is held against every write of a copy to a tag, at the registry that it reaches. */
import { destinationIn, imageIn, type JobBody, placeOf } from "../JobBody.ts"
import type { TagWrite } from "../Registries.ts"
import { isAsked, isPattern, overwrites, sourceTagOf, type Wish } from "../Wish.ts"
import type { World } from "../World.ts"
import { readImage } from "./settled.ts"

/** So long the operator has to learn of a change and to end what it no longer asks for, when all is well. */
const PATIENCE = 10_000
/** So much longer than others a copy takes that began when both of its registries were slow. */
const SLOWNESS = 120_000
/** All is well when it has been for so long. */
const RECOVERY = 30_000
/** So long a digest may be under way that the source has under another tag by now. */
const OLD_NEWS = 3_600_000

/** Tags beside an image, such as signatures. */
const isCompanion = (tag: string): boolean => tag.startsWith("sha256-")

export const watchWrites = (world: World): void =>
  world.onWrite((write) => {
    if (isCompanion(write.tag)) return
    neverOverwritten(world, write)
    asked(world, write)
  })

const describe = ({ digest, path, registry, tag, writer }: TagWrite): string =>
  `${registry}/${path}:${tag} gets ${digest.slice(7, 15)} for ${writer.image}`

type Written = Pick<TagWrite, "registry" | "path" | "tag">

/** What an Image asked for, of late, of a tag. */
const wishesFor = (world: World, image: string, { path, registry, tag }: Written, since: number): ReadonlyArray<Wish> =>
  world.wishes
    .since(image, since)
    .filter(
      (wish) =>
        wish.destination.registry === registry && wish.destination.path === path && sourceTagOf(wish, tag) !== undefined
    )

/** A OneShot pattern writes no tag that the destination had before the copy looked. */
const neverOverwritten = (world: World, write: TagWrite): void => {
  const { before, digest, writer } = write
  if (before?.digest === undefined || before.digest === digest || before.at >= writer.lookedAt) return
  const wishes = wishesFor(world, writer.image, write, world.now - OLD_NEWS)
  if (wishes.length === 0 || wishes.some(overwrites)) return
  const by = before.writer._tag === "User" ? "a user" : before.writer.image
  world.chronicle.report(
    "neverOverwritten",
    `${describe(write)}; it had ${before.digest.slice(7, 15)} of ${by} since ${before.at} ms`
  )
}

/** A change that comes while an Image is checked, or cannot be, is another matter than one that is passed over. */
const teller = (world: World, image: string, what: string) => (oracle: "asked" | "suspended", detail: string) => {
  const isChecked = (world.counters.reconciling.get(image) ?? world.now) < world.now - PATIENCE
  const isUncheckable =
    world.wishes.get(image) !== undefined && readImage(world, image).status.checkFailure !== undefined
  world.chronicle.report(isChecked || isUncheckable ? "prompt" : oracle, `${what}, which ${detail}`)
}

/** When all is well, a Job is created only for an Image that asks for its tag, and is not suspended. */
export const jobIsAsked = (world: World, job: JobBody): void => {
  const image = imageIn(job)
  const written = placeOf(destinationIn(job))
  const since = world.now - PATIENCE
  if (world.wellSince > world.now - RECOVERY) return
  const wishes = wishesFor(world, image, { ...written, tag: written.reference }, since)
  if (isCompanion(written.reference)) return
  const tell = teller(world, image, `Job ${job.metadata.name} is created for ${image}`)
  if (wishes.length === 0) return tell("asked", "asks for no such tag")
  if (wishes.every(({ suspend }) => suspend)) tell("suspended", "is suspended")
}

/** When all is well, what is written is what the Image asks for now, or asked for a moment ago. */
const asked = (world: World, write: TagWrite): void => {
  const { digest, registry: name, tag } = write
  // The operator has deleted the Job: how long its pod lives on is up to the cluster.
  if (write.writer.isEnding === true) return
  const since = world.now - PATIENCE
  const wellSince = world.now - RECOVERY
  if (world.wellSince > wellSince) return
  const { image } = write.writer
  // What runs when an Image is suspended is finished, whatever the Image asks for afterwards. A Job has a second pod if its
  // first one fails, and that may be late.
  const isSuspended = world.wishes.get(image)?.suspend === true
  const begun = Math.min(write.writer.lookedAt, since - world.shape.longestJob - SLOWNESS)
  const wishes = wishesFor(world, image, write, isSuspended ? begun : since)
  const places = wishes.map(({ source }) => world.registry(source.registry))
  if ([world.registry(name), ...places].some(({ lastTrouble }) => lastTrouble > wellSince)) return
  const tell = teller(world, image, describe(write))
  if (wishes.length === 0) return tell("asked", "asks for no such tag")
  if (wishes.every(({ suspend }) => suspend)) return tell("suspended", "is suspended")
  const isWanted = wishes.some((wish) => {
    const source = world.registry(wish.source.registry)
    const digests = source.digestsSince(wish.source.path, sourceTagOf(wish, tag) ?? "", world.now - OLD_NEWS)
    return [...digests].some((found) => isAsked(wish, source, found, world.registry(name), digest))
  })
  if (!isWanted) tell("asked", `asks for other content${wishes.some(isPattern) ? " (a pattern)" : ""}`)
}
