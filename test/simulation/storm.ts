/** Faults without a user: the weather of registries, outages of the API server, ends of the operator's processes. */
import { Effect } from "effect"
import { seconds } from "./Chronicle.ts"
import type { Registry, Weather } from "./Registries.ts"
import { REGISTRIES, type World } from "./World.ts"

const WITH_WEATHER = [REGISTRIES.hub, REGISTRIES.quay, REGISTRIES.corp, REGISTRIES.edge]

const HOSTILE = ["slow", "silent", "trickling", "limiting", "erring", "erring", "endless", "lying"] as const

export const setWeather = (world: World, registry: Registry, weather: Weather): void => {
  if (registry.weather === weather) return
  registry.weather = weather
  registry.lastTrouble = weather === "fine" ? world.now : Number.POSITIVE_INFINITY
  world.chronicle.note(`${registry.name} is ${weather}`)
}

/** Changes the weather of registries until an interruption. */
export const weather = (world: World) =>
  Effect.forEach(
    WITH_WEATHER,
    (name) => {
      const chance = world.chance(`weather of ${name}`)
      const registry = world.registry(name)
      const longest = world.shape.phases.storm / 3
      return Effect.gen(function* () {
        yield* Effect.sleep(chance.between(1_000, longest))
        const next = chance.oneOf<Weather>(...HOSTILE)
        setWeather(world, registry, next)
        yield* Effect.sleep(chance.between(1_000, longest))
        setWeather(world, registry, "fine")
      }).pipe(Effect.forever)
    },
    { concurrency: "unbounded", discard: true }
  )

export const outages = (world: World) => {
  const chance = world.chance("outages")
  const { longestOutage, storm } = world.shape.phases
  return Effect.gen(function* () {
    yield* Effect.sleep(chance.between(1_000, storm / 2))
    const length = chance.between(500, longestOutage)
    world.isAway = true
    yield* Effect.ensuring(
      Effect.sleep(length),
      Effect.sync(() => {
        world.isAway = false
      })
    )
  }).pipe(Effect.forever)
}

export const kills = (world: World) => {
  const chance = world.chance("kills")
  return Effect.gen(function* () {
    yield* Effect.sleep(chance.between(1_000, world.shape.phases.storm / 2))
    const process = chance.pick([...world.processes])
    const ending = chance.oneOf("Kill", "Stop")
    if (process !== undefined) world.endProcess(process, ending, `at ${seconds(world.now)}`)
  }).pipe(Effect.forever)
}

/** Changes the policy until an interruption. At the end the policy accepts all. */
export const policies = (world: World) => {
  const chance = world.chance("policy")
  const { storm } = world.shape.phases
  return Effect.gen(function* () {
    yield* Effect.sleep(chance.between(1_000, storm / 3))
    world.refuse(chance.oneOf(REGISTRIES.corp, REGISTRIES.edge))
    yield* Effect.sleep(chance.between(1_000, storm / 2))
    world.refuse(undefined)
  }).pipe(Effect.forever, Effect.ensuring(Effect.sync(() => world.refuse(undefined))))
}

/** Ends all faults. The objects and tags stay as the faults left them. */
export const end = (world: World): void => {
  world.isStormy = false
  for (const name of WITH_WEATHER) setWeather(world, world.registry(name), "fine")
  world.chronicle.note("the storm is over")
}
