/** Whether the oldest of several Images that ask for different images under one tag has the tag, and the others say so. */
import { conditionOf } from "../../../src/domain/Image.ts"
import { Images } from "../../../src/kube/Resources.ts"
import type { TagWrite } from "../Registries.ts"
import { selectedTags } from "../Wish.ts"
import { nameOf, type World } from "../World.ts"
import { isReady, readImage } from "./settled.ts"

/** Starts to collect the writes of tags. */
export const begin = (world: World): ReadonlyArray<TagWrite> => {
  const writes: Array<TagWrite> = []
  world.onWrite((write) => void writes.push(write))
  return writes
}

/** An Image that asks for a tag, and the image that the Image asks for under the tag. */
interface Claimant {
  readonly image: string
  readonly digest: string
}

/** The Images that ask for different images under one tag, by that tag, the oldest first. */
const claims = (world: World): ReadonlyMap<string, ReadonlyArray<Claimant>> => {
  const found = new Map<string, Array<Claimant>>()
  const ageOf = (image: string): string => {
    const metadata: Readonly<Record<string, unknown>> = world.apiServer.get(Images, nameOf(image))?.metadata ?? {}
    return `${String(metadata["creationTimestamp"])} ${String(metadata["uid"])}`
  }
  for (const [image, wish] of world.wishes.images.toSorted(([a], [b]) => (ageOf(a) < ageOf(b) ? -1 : 1))) {
    if (wish.suspend) continue
    const source = world.registry(wish.source.registry)
    for (const { from, to } of selectedTags(wish, source)) {
      const tag = `${wish.destination.registry}/${wish.destination.path}:${to}`
      const digest = `${source.manifest(wish.source.path, from)?.digest} ${wish.platforms.join(",")}`
      found.set(tag, [...(found.get(tag) ?? []), { image, digest }])
    }
  }
  return new Map([...found].filter(([, claimants]) => new Set(claimants.map(({ digest }) => digest)).size > 1))
}

export const end = (world: World, writes: ReadonlyArray<TagWrite>): void => {
  for (const [tag, claimants] of claims(world)) {
    const images = claimants.map(({ image }) => image).join(" and ")
    const count = writes.filter(({ path, registry, tag: written }) => `${registry}/${path}:${written}` === tag).length
    if (count > 0) world.chronicle.report("claimed", `${tag} was written ${count} times for ${images}`)
    const ready = claimants.filter(({ image }) => isReady(world, image))
    if (new Set(ready.map(({ digest }) => digest)).size > 1)
      world.chronicle.report("claimed", `${ready.map(({ image }) => image).join(" and ")} are Ready with ${tag}`)
    for (const { digest, image } of claimants) {
      if (digest === claimants[0]?.digest) continue
      const reason = conditionOf(readImage(world, image).status, "Ready")?.reason
      if (reason !== "DestinationClaimed")
        world.chronicle.report("claimed", `${image} says ${reason} of ${tag}, which ${claimants[0]?.image} owns`)
    }
  }
}
