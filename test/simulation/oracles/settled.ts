/** The oracle `settled`: every Image is copied as its spec says, and its status says so. */
import { Result } from "effect"
import { conditionOf, type Image } from "../../../src/domain/Image.ts"
import { decodeImage } from "../../../src/domain/ImageDecoder.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { cosignTagsOf } from "../../../src/oci/Referrers.ts"
import { hasPlatforms, isAsked, isPattern, overwrites, selectedTags, sourceTagOf, type Wish } from "../Wish.ts"
import { nameOf, type World } from "../World.ts"

/** An Image as it is stored. */
export const readImage = (world: World, image: string): Image => {
  const found = world.apiServer.get(Images, nameOf(image))
  return Result.getOrThrow(decodeImage(found))
}

/** A condition's status and reason. */
const say = (image: Image, type: string): string => {
  const condition = conditionOf(image.status, type)
  return condition === undefined ? "" : `${condition.status} ${condition.reason}`
}

export const isReady = (world: World, image: string): boolean =>
  conditionOf(readImage(world, image).status, "Ready")?.status === "True"

/** Whether another Image may have another image for one of this Image's tags. */
export const isContested = (world: World, image: string, wish: Wish): boolean =>
  world.shape.contested &&
  world.wishes.images.some(
    ([other, { destination }]) =>
      other !== image &&
      destination.registry === wish.destination.registry &&
      destination.path === wish.destination.path
  )

/** The reason that `Ready` must have. `undefined` if the Image must be Ready. */
const expectedReason = (world: World, wish: Wish): string | undefined => {
  const source = world.registry(wish.source.registry)
  const tags = selectedTags(wish, source)
  if (tags.length === 0) return isPattern(wish) ? "NoTagMatches" : "SourceNotFound"
  const lacksPlatforms = missingTags(world, wish).some(({ from }) => {
    const digest = source.manifest(wish.source.path, from)?.digest ?? ""
    return !hasPlatforms(wish, source, digest)
  })
  return lacksPlatforms ? "PlatformMissing" : undefined
}

/** The tags that are not at the destination as the spec says. */
const missingTags = (world: World, wish: Wish) => {
  const source = world.registry(wish.source.registry)
  const destination = world.registry(wish.destination.registry)
  return selectedTags(wish, source).filter(({ from, to }) => {
    const found = destination.manifest(wish.destination.path, to)?.digest
    if (found === undefined) return true
    if (!overwrites(wish)) return false
    const digest = source.manifest(wish.source.path, from)?.digest ?? ""
    return !isAsked(wish, source, digest, destination, found)
  })
}

/** Whether a OneShot tag was copied once. Such a tag is not checked again. */
const wasCopied = (world: World, image: string, wish: Wish): boolean => {
  const destination = world.registry(wish.destination.registry)
  const source = world.registry(wish.source.registry)
  const to = wish.destination.tag ?? wish.version
  const from = sourceTagOf(wish, to) ?? ""
  const since = world.wishes.changedAt(image)
  const copied = [...destination.digestsSince(wish.destination.path, to, since)]
  const asked = [...source.digestsSince(wish.source.path, from, 0)]
  return copied.some((found) => asked.some((digest) => isAsked(wish, source, digest, destination, found)))
}

export const settled = (world: World): void => {
  for (const [image, wish] of world.wishes.images) {
    if (wish.suspend || isContested(world, image, wish)) continue
    const found = readImage(world, image)
    const [ready, reconciling] = [say(found, "Ready"), say(found, "Reconciling")]
    const tell = (what: string): void =>
      world.chronicle.report(
        "settled",
        `${image} ${what}; Ready ${ready}, Reconciling ${reconciling || "-"}, ${found.status.tags ?? "-"}: ${conditionOf(found.status, "Ready")?.message ?? ""}`
      )
    const isOnce = wish.mode === "OneShot" && !isPattern(wish)
    const isGone = selectedTags(wish, world.registry(wish.source.registry)).length === 0
    // A copied OneShot tag is not checked again. But after a later change of the spec, a deleted source is the reason.
    const isDone = isOnce && wasCopied(world, image, wish) && !(isGone && ready === "False SourceNotFound")
    const missing = isDone ? [] : missingTags(world, wish)
    const reason = isDone ? undefined : expectedReason(world, wish)
    if (reason === undefined) {
      for (const { to } of missing) tell(`lacks ${to}`)
      if (ready !== "True Copied") tell("is not Ready")
      if (reconciling !== "") tell("is Reconciling")
      if (found.status.observedGeneration !== found.generation) tell("has not been observed")
      signed(world, image, wish)
    } else if (ready !== `False ${reason}`) tell(`should say ${reason}`)
    if (reconciling !== "" && say(found, "Stalled") !== "") tell("is Reconciling and Stalled")
    for (const condition of found.status.conditions ?? []) {
      if (condition.observedGeneration !== found.generation)
        tell(`has a ${condition.type} of generation ${condition.observedGeneration}`)
    }
  }
}

/**
 * The destination of a Recurrent Image with referrers has the source's signatures. It also has the source's referrers, unless
 * the engine cannot copy them.
 */
const signed = (world: World, image: string, wish: Wish): void => {
  if (!wish.referrers || wish.mode !== "Recurrent" || wish.platforms.length > 0) return
  const source = world.registry(wish.source.registry)
  const destination = world.registry(wish.destination.registry)
  for (const { from, to } of selectedTags(wish, source)) {
    const digest = source.manifest(wish.source.path, from)?.digest ?? ""
    const referrers = world.shape.engine === "direct" ? source.referrers(wish.source.path, digest) : []
    const copied = new Set(destination.referrers(wish.destination.path, digest).map((referrer) => referrer.digest))
    if (referrers.some((referrer) => !copied.has(referrer.digest)))
      world.chronicle.report("settled", `${image}: ${to} lacks a referrer`)
    const [signature = ""] = cosignTagsOf(digest)
    const desired = source.manifest(wish.source.path, signature)?.digest
    if (desired === undefined) continue
    if (destination.manifest(wish.destination.path, signature)?.digest !== desired)
      world.chronicle.report("settled", `${image}: ${to} lacks its signature`)
  }
}
