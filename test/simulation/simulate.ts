/** One run: a storm with faults, then registries with faults only, then calm, then idleness. The same seed gives the same run. */
import { Cause, Effect, Exit, Fiber } from "effect"
import { Images } from "../../src/kube/Resources.ts"
import type { Violation } from "./Chronicle.ts"
import * as Cluster from "./Cluster.ts"
import * as claimed from "./oracles/claimed.ts"
import * as idle from "./oracles/idle.ts"
import { heldBack, late, neighbour, queue } from "./oracles/neighbours.ts"
import * as Oracles from "./oracles/Oracles.ts"
import { orphans } from "./oracles/orphans.ts"
import { settled } from "./oracles/settled.ts"
import { spread } from "./oracles/spread.ts"
import { type Parts, supervise } from "./Process.ts"
import { type Shape, shapeOf, type ShapeOptions } from "./Shape.ts"
import { SimulatedTime } from "./SimulatedTime.ts"
import * as storm from "./storm.ts"
import { Users } from "./Users.ts"
import { REGISTRIES, World } from "./World.ts"

export interface Run {
  readonly shape: Shape
  readonly violations: ReadonlyArray<Violation>
  readonly story: ReadonlyArray<string>
  /** A summary of the run, which is the same for the same seed. */
  readonly digest: string
}

export interface RunOptions extends ShapeOptions {
  readonly parts?: Parts
  /** Whether the story has the operator's log too. */
  readonly isFull?: boolean
}

const play = Effect.fnUntraced(function* (world: World, parts: Parts | undefined) {
  const { phases } = world.shape
  const oracles = Oracles.make(world)
  const users = new Users(world)
  users.fillSources()
  yield* Cluster.run(world, oracles)
  const operator = yield* supervise(world, oracles, parts)
  users.createFirst()

  const troubles = yield* Effect.forEach(
    [
      users.act,
      ...(world.shape.hasPolicy ? [storm.policies(world)] : []),
      ...(world.has("registries") ? [storm.weather(world)] : []),
      ...(world.has("outages") ? [storm.outages(world)] : []),
      ...(world.has("kills") ? [storm.kills(world)] : [])
    ],
    (trouble) => Effect.forkScoped(trouble)
  )
  yield* Effect.sleep(phases.storm)
  yield* Effect.forEach(troubles, Fiber.interrupt, { discard: true })
  world.isStormy = false
  world.lastTrouble = world.now

  if (world.shape.crowd > 0) {
    storm.setWeather(world, world.registry(REGISTRIES.hub), "silent")
    users.stirCrowd()
    yield* Effect.sleep(1_000)
  }
  const served = [neighbour(world), ...(world.shape.limits.perRegistry > 1 ? [heldBack(world)] : [])]
  yield* Effect.forkScoped(Effect.all(served, { concurrency: "unbounded", discard: true }))
  yield* Effect.sleep(phases.neighbours)

  storm.end(world)
  users.resumeAll()
  yield* Effect.sleep(phases.calm)
  yield* late(world)
  yield* queue(world)
  yield* Effect.sleep(60_000)

  const account = idle.begin(world)
  const writes = claimed.begin(world)
  yield* Effect.sleep(phases.idle)
  idle.end(world, account)
  claimed.end(world, writes)
  spread(world, account.at)
  settled(world)
  yield* orphans(world, operator)
}, Effect.scoped)

export const simulate = async ({ isFull = false, parts, ...options }: RunOptions): Promise<Run> => {
  const shape = shapeOf(options)
  const time = new SimulatedTime()
  const world = new World(shape, time, isFull)
  world.chronicle.note(describeShape(shape))
  const crashed = (error: unknown): void =>
    world.chronicle.report(
      "crash",
      error instanceof Error ? `${error.name}: ${error.stack ?? error.message}` : String(error)
    )
  try {
    const exit = await time.run(play(world, parts), shape.seed)
    if (Exit.isFailure(exit)) crashed(Cause.squash(exit.cause))
  } catch (error) {
    crashed(error)
  }
  const { requests } = world.counters
  const { resourceVersion } = world.apiServer.list(Images, {})
  return {
    shape,
    violations: world.chronicle.violations,
    story: world.chronicle.story,
    digest: `${requests} requests, version ${resourceVersion}, ${world.chronicle.story.length} lines`
  }
}

const describeShape = ({
  contested,
  crowd,
  engine,
  faults,
  hasPolicy,
  images,
  limits,
  longestJob,
  processes,
  seed,
  tags
}: Shape): string =>
  `seed ${seed}, engine ${engine}: ${images} Images, a crowd of ${crowd}, ${tags} tags, limits ${limits.total}/${limits.perRegistry}, Jobs up to ${longestJob / 1_000} s${contested ? ", contested" : ""}${hasPolicy ? ", a policy" : ""}${processes > 1 ? ", two processes" : ""}; faults: ${[...faults].join(" ") || "none"}`
