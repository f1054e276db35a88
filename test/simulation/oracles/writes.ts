/** The oracles of each write of a copy to a tag. */
import { destinationIn, imageIn, type JobBody, placeOf } from "../JobBody.ts"
import type { TagWrite } from "../Registries.ts"
import { isAsked, isPattern, overwrites, sourceTagOf, type Wish } from "../Wish.ts"
import type { World } from "../World.ts"
import { readImage } from "./settled.ts"

/** The time in which a change of an Image must take effect if there are no faults. */
const PATIENCE = 10_000
/** The additional time for a copy that began while both of its registries were slow. */
const SLOWNESS = 120_000
/** The time without faults after which a change must take effect. */
const RECOVERY = 30_000
/** The longest time for which a copy may bring an earlier digest of its tag. */
const OLD_NEWS = 3_600_000

/** Whether a tag is a companion tag, such as a signature. */
const isCompanion = (tag: string): boolean => tag.startsWith("sha256-")

export const watchWrites = (world: World): void =>
  world.onWrite((write) => {
    if (isCompanion(write.tag)) return
    neverOverwritten(world, write)
    refused(world, write.registry, write.writer.isEnding === true, describe(write))
    asked(world, write)
  })

const describe = ({ digest, path, registry, tag, writer }: TagWrite): string =>
  `${registry}/${path}:${tag} gets ${digest.slice(7, 15)} for ${writer.image}`

type Written = Pick<TagWrite, "registry" | "path" | "tag">

/** The recent specs of an Image that have a tag. */
const wishesFor = (world: World, image: string, { path, registry, tag }: Written, since: number): ReadonlyArray<Wish> =>
  world.wishes
    .since(image, since)
    .filter(
      (wish) =>
        wish.destination.registry === registry && wish.destination.path === path && sourceTagOf(wish, tag) !== undefined
    )

/** A OneShot pattern writes no tag that the destination had before the copy's last read. */
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

/** How often the operator reads its policy. */
const POLICY = 10_000

/** Without faults of the cluster, nothing is written to a destination that the policy has refused for a while. */
const refused = (world: World, registry: string, isEnding: boolean, what: string): void => {
  const { refused } = world
  if (isEnding || refused?.registry !== registry || refused.since > world.now - POLICY - PATIENCE) return
  if (world.wellSince <= world.now - RECOVERY) world.chronicle.report("refused", what)
}

/** The oracle of a late write: `prompt` for a change during a check or without a possible check, else `asked`. */
const teller = (world: World, image: string, what: string) => (oracle: "asked" | "suspended", detail: string) => {
  const isChecked = (world.counters.reconciling.get(image) ?? world.now) < world.now - PATIENCE
  const isUncheckable =
    world.wishes.get(image) !== undefined && readImage(world, image).status.checkFailure !== undefined
  world.chronicle.report(isChecked || isUncheckable ? "prompt" : oracle, `${what}, which ${detail}`)
}

/** Without faults, a Job is created only for an Image that has its tag and is not suspended. */
export const jobIsAsked = (world: World, job: JobBody): void => {
  const image = imageIn(job)
  const written = placeOf(destinationIn(job))
  const since = world.now - PATIENCE
  if (world.wellSince > world.now - RECOVERY) return
  const wishes = wishesFor(world, image, { ...written, tag: written.reference }, since)
  if (isCompanion(written.reference)) return
  refused(world, written.registry, false, `Job ${job.metadata.name} is created for ${image}`)
  const tell = teller(world, image, `Job ${job.metadata.name} is created for ${image}`)
  if (wishes.length === 0) return tell("asked", "asks for no such tag")
  if (wishes.every(({ suspend }) => suspend)) tell("suspended", "is suspended")
}

/** Without faults, a written tag belongs to the present spec of its Image, or to the spec of a moment ago. */
const asked = (world: World, write: TagWrite): void => {
  const { digest, registry: name, tag } = write
  // The operator has deleted the Job, and the cluster decides how long the pod still runs.
  if (write.writer.isEnding === true) return
  const since = world.now - PATIENCE
  const wellSince = world.now - RECOVERY
  if (world.wellSince > wellSince) return
  const { image } = write.writer
  // A running copy of a suspended Image finishes, even if the spec changes afterwards. If the first pod of a Job fails, its
  // second pod may be late.
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
