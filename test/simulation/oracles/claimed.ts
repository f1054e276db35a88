/** The oracle `claimed`: of several Images with different images for one tag, one is Ready and the others are not. */
import type { TagWrite } from "../Registries.ts"
import { selectedTags } from "../Wish.ts"
import type { World } from "../World.ts"
import { isReady } from "./settled.ts"

/** Starts to collect the writes of tags. */
export const begin = (world: World): ReadonlyArray<TagWrite> => {
  const writes: Array<TagWrite> = []
  world.onWrite((write) => void writes.push(write))
  return writes
}

/** By tag: the Images with different images for this tag. */
const claims = (world: World): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Map<string, string>>()
  for (const [image, wish] of world.wishes.images) {
    if (wish.suspend) continue
    const source = world.registry(wish.source.registry)
    for (const { from, to } of selectedTags(wish, source)) {
      const tag = `${wish.destination.registry}/${wish.destination.path}:${to}`
      const claimants = found.get(tag) ?? new Map<string, string>()
      found.set(tag, claimants)
      claimants.set(image, source.manifest(wish.source.path, from)?.digest ?? "")
    }
  }
  return new Map(
    [...found].flatMap(([tag, claimants]) =>
      new Set(claimants.values()).size > 1 ? [[tag, [...claimants.keys()]] as const] : []
    )
  )
}

export const end = (world: World, writes: ReadonlyArray<TagWrite>): void => {
  for (const [tag, images] of claims(world)) {
    const count = writes.filter(({ path, registry, tag: written }) => `${registry}/${path}:${written}` === tag).length
    if (count > 0) world.chronicle.report("claimed", `${tag} was written ${count} times for ${images.join(" and ")}`)
    const ready = images.filter((image) => isReady(world, image))
    if (ready.length > 1) world.chronicle.report("claimed", `${ready.join(" and ")} are Ready with ${tag}`)
  }
}
