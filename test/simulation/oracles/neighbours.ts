/** Oracles of Images of healthy registries: each is copied in time, whatever happens to other Images. */
import { Effect } from "effect"
import { conditionOf } from "../../../src/domain/Image.ts"
import { push, type Registry } from "../Registries.ts"
import { SILENCE } from "../silence.ts"
import { sourceTagOf, type Wish } from "../Wish.ts"
import { REGISTRIES, type World } from "../World.ts"
import type { OracleName } from "./names.ts"
import { readImage } from "./settled.ts"

const MINUTE = 60_000
/** The longest time for which a copy occupies a slot: two pods of a Job, each with a start, its work and a silent registry. */
const longestCopy = ({ shape }: World): number => 2 * (30_000 + shape.longestJob + SILENCE)
/** The time for a check, a copy, and some pauses. */
const SERVICE = MINUTE

const EXACT: Omit<Wish, "source" | "destination"> = {
  mode: "OneShot",
  version: "v9.9.0",
  minutes: 1,
  suspend: false,
  platforms: [],
  referrers: false
}

const isThere = (world: World, wish: Wish, tag: string): boolean => {
  const source: Registry = world.registry(wish.source.registry)
  const from = sourceTagOf(wish, tag)
  const desired = from === undefined ? undefined : source.manifest(wish.source.path, from)?.digest
  return world.registry(wish.destination.registry).manifest(wish.destination.path, tag)?.digest === desired
}

/** Reports an Image if some of its tags are not at the destination in time. */
const mustHave = Effect.fnUntraced(function* (
  world: World,
  oracle: OracleName,
  image: string,
  tags: ReadonlyArray<string>,
  within: number
) {
  const since = world.now
  const wish = world.wishes.get(image)
  if (wish === undefined) return
  while (world.now < since + within) {
    yield* Effect.sleep(1_000)
    if (tags.every((tag) => isThere(world, wish, tag))) return
  }
  const late = tags.filter((tag) => !isThere(world, wish, tag))
  world.chronicle.report(oracle, `${image} lacks ${late.join(", ")} after ${within / 1_000} s`)
})

/** Reports an Image if its status has no condition Ready in time. */
const mustBeChecked = Effect.fnUntraced(function* (world: World, image: string) {
  yield* Effect.sleep(SERVICE)
  if (conditionOf(readImage(world, image).status, "Ready") === undefined)
    world.chronicle.report("checked", `the status of ${image} has no condition Ready after ${SERVICE / 1_000} s`)
})

/** A namespace with one Image of healthy registries, while other namespaces have many Images of unhealthy registries. */
export const neighbour = Effect.fnUntraced(function* (world: World) {
  const image = "solo/neighbour"
  const source = { registry: REGISTRIES.wellSource, path: "app" }
  push(world.registry(source.registry), "app", "v9.9.0", 1)
  const destination = { registry: REGISTRIES.wellDestination, path: image }
  world.apply(image, { ...EXACT, source, destination }, "create")
  yield* Effect.forkScoped(mustBeChecked(world, image))
  yield* mustHave(world, "neighbour", image, ["v9.9.0"], SERVICE + longestCopy(world))
})

/** A pattern with a tag that another Image's slow copy writes. */
export const heldBack = Effect.fnUntraced(function* (world: World) {
  const [first, second] = ["solo/slow", "solo/pattern"]
  const source = { registry: REGISTRIES.wellSource, path: "held" }
  const destination = { registry: REGISTRIES.wellDestination, path: "held" }
  const tags = ["v9.0.0", "v9.0.1", "v9.0.2", "v9.0.3"]
  tags.forEach((tag, index) => push(world.registry(source.registry), "held", tag, index + 1))
  world.registry(destination.registry).slowTags.set("held:v9.0.1", 10 * MINUTE)
  world.apply(first, { ...EXACT, version: "v9.0.1", source, destination }, "create")
  yield* Effect.sleep(SILENCE)
  world.apply(second, { ...EXACT, version: "v9.0.x", source, destination }, "create")
  yield* mustHave(
    world,
    "heldBack",
    second,
    tags.filter((tag) => tag !== "v9.0.1"),
    SERVICE + longestCopy(world)
  )
})

/** The duration of each copy in a queue, and the number of copies. */
const QUEUE = { millis: 30_000, tags: 8 }

/** A namespace has a queue at a registry, and another namespace has one copy. */
export const queue = Effect.fnUntraced(function* (world: World) {
  if (!world.shape.hasQueue) return
  const [first, second] = ["many/queue", "few/one"]
  const source = { registry: REGISTRIES.wellSource, path: "queue" }
  const destination = { registry: REGISTRIES.wellDestination, path: "queue" }
  for (let index = 0; index < QUEUE.tags; index += 1) {
    push(world.registry(source.registry), "queue", `v8.0.${index}`, index + 1)
    world.registry(destination.registry).slowTags.set(`queue:v8.0.${index}`, QUEUE.millis)
  }
  push(world.registry(source.registry), "queue", "v9.9.0", 1)
  world.apply(first, { ...EXACT, version: "v8.0.x", source, destination }, "create")
  yield* Effect.sleep(2_000)
  world.apply(second, { ...EXACT, source, destination: { ...destination, path: "one" } }, "create")
  // Namespaces alternate: one copy of the queue runs, and one more may start before the other namespace's copy.
  yield* mustHave(world, "fair", second, ["v9.9.0"], 2 * QUEUE.millis + 15_000)
  yield* Effect.sleep(QUEUE.tags * QUEUE.millis)
})

/** One late Image for each pair of registries, after the calm. An Image that is not copied shows that slots are lost. */
export const late = Effect.fnUntraced(function* (world: World) {
  const pairs = [
    [REGISTRIES.hub, REGISTRIES.corp],
    [REGISTRIES.quay, REGISTRIES.edge]
  ] as const
  yield* Effect.forEach(
    pairs,
    ([from, to]) => {
      const image = `late/${from.split(".")[0]}`
      push(world.registry(from), "late", "v9.9.0", 2)
      const destination = { registry: to, path: image }
      world.apply(image, { ...EXACT, source: { registry: from, path: "late" }, destination }, "create")
      return mustHave(world, "places", image, ["v9.9.0"], 2 * MINUTE)
    },
    { concurrency: "unbounded", discard: true }
  )
})
