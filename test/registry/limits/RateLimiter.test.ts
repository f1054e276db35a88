/** The rate limiter of a client in memory, where times are exact. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Option, Redacted, Result, Schema } from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { RegistryLimits, RequestedFor } from "../../../src/registry/limits/RegistryLimits.ts"
import type { HttpHead } from "../../../src/http/Http.ts"
import { type Credential, RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import type { RegistryError } from "../../../src/registry/RegistryError.ts"
import * as RegistryClientMemory from "../../../src/registry/memory/RegistryClientMemory.ts"
import { parseRegistryLimits } from "../../../src/registry/limits/configured.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { pullQuota } from "../../support/PullQuota.ts"

const USER: Credential = { username: "robot", password: Redacted.make("hunter2-hunter2") }

const accessTo = (registry: string, path = "app", credential?: Credential): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: true,
  credential: Option.fromUndefinedOr(credential)
})

interface Sent {
  readonly at: number
  readonly request: string
}

/** Registries that each have app:v1, and a client with the rate limiter. */
const makeWorld = (
  options: {
    readonly limits?: string
    readonly limiter?: RegistryClientMemory.RegistryClientMemoryOptions["limiter"]
  } = {}
) => {
  const stores = RegistryClientMemory.registriesOf("a.test", "b.test", "docker.io", "quay.io")
  for (const store of stores.values()) pushSampleImage(store, "app", "v1", "app")
  const sent: Array<Sent> = []
  let clock: Clock.Clock | undefined
  const layer = Layer.unwrap(
    Effect.map(Clock.Clock, (current) => {
      clock = current
      return RegistryClientMemory.layer(stores, {
        limits: Result.getOrThrow(parseRegistryLimits(options.limits ?? "")),
        onRequest: (request) => sent.push({ at: clock?.currentTimeMillisUnsafe() ?? 0, request }),
        ...(options.limiter === undefined ? {} : { limiter: options.limiter })
      })
    })
  )
  return { sent, layer }
}

const OK: HttpHead = { status: 200, headers: {} }
const head = (access: RepositoryAccess, owner = "") =>
  Effect.gen(function* () {
    return yield* (yield* RegistryClient).head(access, "v1")
  }).pipe(Effect.provideService(RequestedFor, owner))

const failureOf = <A, R>(effect: Effect.Effect<A, RegistryError, R>) =>
  Effect.map(Effect.result(effect), (result) => {
    assert(Result.isFailure(result), "should have failed")
    assert.strictEqual(result.failure.reason._tag, "RateLimited", result.failure.message)
    return result.failure
  })

/** Runs everything that is due. */
const settle = TestClock.adjust("1 millis")

describe("a rate", () => {
  it.effect(
    "a rate serves the owners in rounds, so that an owner with many requests does not hold back the others",
    () => {
      const { layer, sent } = makeWorld({ limits: "a.test=2/s" })
      return Effect.gen(function* () {
        const finished: Array<string> = []
        const ask = Effect.fnUntraced(function* (owner: string, count: number) {
          for (let index = 0; index < count; index++) {
            yield* Effect.forkChild(
              Effect.map(head(accessTo("a.test"), owner), () => {
                finished.push(`${owner}${index}`)
              })
            )
          }
        })
        yield* ask("many", 8)
        yield* settle
        yield* ask("few", 2)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(finished, [
          "many0",
          "many1",
          "many2",
          "few0",
          "many3",
          "few1",
          "many4",
          "many5",
          "many6",
          "many7"
        ])
        assert.deepStrictEqual(
          sent.map(({ at }) => at),
          [0, 0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000]
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("each registry and each credential has its own rate", () => {
    const { layer, sent } = makeWorld({ limits: "*.test=1/s" })
    return Effect.gen(function* () {
      const accesses = [accessTo("a.test"), accessTo("b.test"), accessTo("a.test", "app", USER)]
      for (const access of [...accesses, ...accesses]) yield* Effect.forkChild(head(access))
      yield* settle
      assert.lengthOf(sent, 3)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(sent, 6)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a published rate applies without configuration", () => {
    const { layer, sent } = makeWorld()
    return Effect.gen(function* () {
      for (let count = 0; count < 40; count++) yield* Effect.forkChild(head(accessTo("quay.io")))
      yield* settle
      assert.lengthOf(sent, 25)
      yield* TestClock.adjust("3 seconds")
      assert.lengthOf(sent, 40)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a request that would wait for minutes is refused, with the time of the next request", () => {
    const { layer, sent } = makeWorld({ limits: "a.test=60/h" })
    return Effect.gen(function* () {
      for (let count = 0; count < 7; count++) yield* Effect.forkChild(Effect.ignore(head(accessTo("a.test"))))
      yield* settle
      const error = yield* failureOf(head(accessTo("a.test")))
      assert.strictEqual(error.until, 360_000)
      assert.include(
        error.message,
        "its limit allows the next request at 1970-01-01T00:06:00Z; 5 requests are queued before it"
      )
      yield* TestClock.adjust("1 hour")
      assert.isAtMost(sent.length, 7)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a new owner is admitted however many requests of another owner are queued", () => {
    const { layer, sent } = makeWorld({ limits: "a.test=60/h" })
    return Effect.gen(function* () {
      for (let count = 0; count < 9; count++) yield* Effect.forkChild(Effect.ignore(head(accessTo("a.test"), "many")))
      yield* settle
      yield* failureOf(head(accessTo("a.test"), "many"))
      const few = yield* Effect.forkChild(head(accessTo("a.test"), "few"))
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(sent, 3)
      yield* Fiber.join(few)
    }).pipe(Effect.provide(layer))
  })

  it.effect("no request is refused before the time that the registry named", () => {
    const { layer } = makeWorld({
      limits: "a.test=1/m",
      limiter: () => ({ status: 429, headers: { "retry-after": "7200" } })
    })
    return Effect.gen(function* () {
      yield* failureOf(head(accessTo("a.test")))
      const error = yield* failureOf(head(accessTo("a.test")))
      assert.strictEqual(error.until, 7_200_000)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a queued request keeps its position when an owner that was just served sends another", () => {
    const { layer, sent } = makeWorld({ limits: "a.test=1/s" })
    const twice = Effect.andThen(
      head(accessTo("a.test")),
      Effect.all(
        [1, 2].map(() => head(accessTo("a.test"))),
        { concurrency: 2 }
      )
    )
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(twice))
      yield* TestClock.adjust("8 seconds")
      yield* settle
      assert.deepStrictEqual(
        sent.map(({ at }) => Math.round(at / 1_000)),
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
      )
      yield* Fiber.joinAll(fibers)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a request that is interrupted while waiting uses nothing of the rate", () => {
    const { layer, sent } = makeWorld({ limits: "a.test=1/s" })
    return Effect.gen(function* () {
      yield* head(accessTo("a.test"))
      const waiting = yield* Effect.forkChild(head(accessTo("a.test")))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(sent, 1)
      yield* head(accessTo("a.test"))
      assert.lengthOf(sent, 2)
    }).pipe(Effect.provide(layer))
  })
})

describe("a place among the requests without an answer", () => {
  it.effect("a place in flight is freed at whichever step a request is interrupted", () => {
    const { layer } = makeWorld({ limits: "a.test=:1" })
    const yields = (count: number) =>
      Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })
    return Effect.gen(function* () {
      // The fiber yields after every few steps, and can be interrupted at each of them.
      for (const few of [2, 3, 4]) {
        const slowly = Effect.provideService(head(accessTo("a.test")), MaxOpsBeforeYield, few)
        for (let steps = 0; steps < 60; steps++) {
          const fibers = [yield* Effect.forkChild(slowly), yield* Effect.forkChild(slowly)]
          yield* yields(steps)
          yield* Effect.forEach(steps % 2 === 0 ? fibers : fibers.toReversed(), (fiber) => Fiber.interrupt(fiber))
          const next = yield* Effect.forkChild(head(accessTo("a.test")))
          yield* yields(20)
          assert.isDefined(next.pollUnsafe(), `interrupted after step ${steps} of ${few}, a place is lost`)
        }
      }
    }).pipe(Effect.provide(layer))
  })
})

describe("a storm of 429", () => {
  it.effect("during a hold by 429 no request is sent, and after it one at a time", () => {
    let calm = false
    const { layer, sent } = makeWorld({
      limiter: () => (calm ? OK : { status: 429, headers: { "retry-after": "60" } })
    })
    return Effect.gen(function* () {
      assert.include(
        (yield* failureOf(head(accessTo("a.test")))).message,
        "rate limited by the registry; next request at 1970-01-01T00:01:00Z"
      )
      assert.lengthOf(sent, 1)
      for (let second = 1; second < 55; second++) {
        yield* TestClock.adjust("1 second")
        const error = yield* failureOf(head(accessTo("a.test", "other")))
        assert.strictEqual(error.until, 60_000)
      }
      assert.lengthOf(sent, 1, "no request during the hold")
      // A request shortly before the end of the hold waits for the end.
      yield* TestClock.adjust("1 second")
      const results = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.forkChild(Effect.result(head(accessTo("a.test"))))
      )
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(sent.length, 2, "one finds out that it is not over")
      for (const fiber of results) assert.isTrue(Result.isFailure(yield* Fiber.join(fiber)))
      calm = true
      yield* TestClock.adjust("60 seconds")
      for (let count = 0; count < 30; count++) yield* Effect.forkChild(head(accessTo("a.test")))
      yield* settle
      assert.lengthOf(sent, 32)
      assert.lengthOf(
        sent.filter(({ request }) => request.includes("b.test")),
        0
      )
      yield* head(accessTo("b.test"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("holds by 429 without a time grow each time", () => {
    const { layer, sent } = makeWorld({ limiter: () => ({ status: 429, headers: {} }) })
    return Effect.gen(function* () {
      const asking = Effect.gen(function* () {
        while (true) {
          const { until = 0 } = yield* failureOf(head(accessTo("a.test")))
          yield* Effect.sleep(Math.max(1, until - (yield* Clock.currentTimeMillis)))
        }
      })
      yield* Effect.forkChild(asking)
      yield* TestClock.adjust("1 hour")
      const pauses = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0))
      assert.deepStrictEqual(
        pauses.map((pause) => Math.round(pause / 1_000)),
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
      )
    }).pipe(Effect.provide(layer))
  })
})

describe("Docker Hub", () => {
  const hub = (pulls: number, source?: string) =>
    pullQuota({
      registry: "docker.io",
      limit: pulls,
      windowMillis: 6 * 3_600_000,
      ...(source === undefined ? {} : { source })
    })
  const access = accessTo("docker.io", "app", USER)

  it.effect("Docker Hub gets HEADs of manifests, but no more GETs of manifests than its quota allows", () => {
    const quota = hub(3)
    const { layer, sent } = makeWorld({ limiter: quota.limiter })
    return Effect.gen(function* () {
      const client = yield* RegistryClient
      yield* client.head(access, "v1")
      const results = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.result(client.manifest(access, "v1")),
        { concurrency: 10 }
      )
      assert.lengthOf(results.filter(Result.isSuccess), 3)
      assert.deepStrictEqual(quota.refused, [])
      yield* client.head(access, "v1")
      yield* client.tags(access)
      const error = yield* failureOf(client.manifest(access, "v1"))
      assert.include(error.message, "0 of 3 pulls in 6h are left; no more are made until 1970-01-01T00:15:00Z")
      assert.lengthOf(sent, 6)
    }).pipe(Effect.provide(layer))
  })

  it.effect("allowance gives the remaining quota of Docker Hub", () => {
    const quota = hub(3)
    const { layer } = makeWorld({ limiter: quota.limiter })
    return Effect.gen(function* () {
      const client = yield* RegistryClient
      const limits = yield* RegistryLimits
      assert.deepStrictEqual(yield* limits.allowance(accessTo("a.test")), { metered: false })
      assert.deepStrictEqual(yield* limits.allowance(access), { metered: true }, "may be, until it has been asked")
      yield* client.head(access, "v1")
      const { metered, quota: found, until } = yield* limits.allowance(access)
      assert.deepStrictEqual([metered, found?.remaining, found?.limit, until], [true, 3, 3, undefined])
      for (let count = 0; count < 3; count++) yield* client.manifest(access, "v1")
      assert.strictEqual((yield* limits.allowance(access)).until, 15 * 60_000)
    }).pipe(Effect.provide(layer))
  })

  it.effect("Docker Hub without headers of a quota has no limit", () => {
    const { layer } = makeWorld()
    return Effect.gen(function* () {
      const client = yield* RegistryClient
      const limits = yield* RegistryLimits
      yield* client.tags(access)
      assert.isTrue((yield* limits.allowance(access)).metered, "a list of tags says nothing either way")
      yield* client.head(access, "v1")
      assert.deepStrictEqual(yield* limits.allowance(access), { metered: false })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a reservation is taken from the quota until it is committed", () => {
    const quota = hub(5, "9c2d0a4e-user")
    const { layer } = makeWorld({ limiter: quota.limiter })
    return Effect.gen(function* () {
      const client = yield* RegistryClient
      const limits = yield* RegistryLimits
      yield* client.head(access, "v1")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* limits.reserve(access, 3)
          const error = yield* failureOf(Effect.scoped(limits.reserve(access, 3)))
          assert.include(error.message, "2 of 5 pulls in 6h are left")
          quota.pull(3, 0)
        })
      )
      assert.include((yield* failureOf(Effect.scoped(limits.reserve(access, 3)))).message, "2 of 5")
      yield* client.head(access, "v1")
      yield* Effect.scoped(limits.reserve(access, 2))
    }).pipe(Effect.provide(layer))
  })
})

describe("any limit", () => {
  it.effect.prop(
    "no limit is exceeded whoever sends requests, and all requests are answered",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
    ],
    ([pauses, perSecond, burst]) => {
      const { layer, sent } = makeWorld({ limits: `a.test=${perSecond}/s+${burst}` })
      return Effect.gen(function* () {
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const pause of pauses) {
          fibers.push(yield* Effect.forkChild(head(accessTo("a.test"), `owner-${pause % 3}`)))
          yield* TestClock.adjust(pause)
        }
        yield* TestClock.adjust("2 minutes")
        for (const fiber of fibers) yield* Fiber.join(fiber)
        assert.lengthOf(sent, pauses.length)
        sent.forEach(({ at: start }, from) => {
          sent.slice(from).forEach(({ at: end }, count) => {
            assert.isAtMost(count + 1, burst + ((end - start) * perSecond) / 1_000 + 1e-6)
          })
        })
      }).pipe(Effect.provide(layer))
    },
    { arbitrary: { runs: 50 } }
  )
})
