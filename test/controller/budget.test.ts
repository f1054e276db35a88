/** Images that share a registry's rate limit. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import type { ImageSpec } from "../../src/domain/Image.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import type { HttpHead } from "../../src/http/Http.ts"
import { Images } from "../../src/kube/Resources.ts"
import type { LimitedRequest } from "../../src/registry/memory/RegistryClientMemory.ts"
import { parseRegistryLimits } from "../../src/registry/limits/configured.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { pullQuota } from "../support/PullQuota.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage, SOURCE } from "../support/world.ts"

const HOUR = 3_600_000

const makeWorld = (pulls: number) => {
  const quota = pullQuota({ registry: "docker.io", limit: pulls, windowMillis: HOUR })
  const registries = makeRegistries({ sourceName: "docker.io", limiter: quota.limiter })
  const { destination, requests, source } = registries
  return {
    requests,
    quota,
    /** An index of one manifest: two pulls. */
    push: (name: string) => pushSampleImage(source, `library/${name}`, "1.0.0", name, { platforms: ["linux/amd64"] }),
    isCopied: (name: string) => destination.manifest(`mirror/${name}`, "1.0.0") !== undefined,
    layer: operatorLayer(registries)
  }
}

const apply = Effect.fnUntraced(function* (
  namespace: string,
  name: string,
  more: Partial<typeof ImageSpec.Encoded> = {}
) {
  yield* (yield* KubeClient).apply(
    Images,
    {
      metadata: { namespace, name },
      spec: {
        ...more,
        source: { name: `docker.io/library/${name}`, version: "1.0.0" },
        destination: { name: `dest.test/mirror/${name}` }
      }
    },
    "test"
  )
})

const read = Effect.fnUntraced(function* (namespace: string, name: string) {
  const object = Option.getOrThrow(yield* (yield* KubeClient).get(Images, { namespace, name }))
  return Result.getOrThrow(decodeImage(object))
})

describe("Images that wait for Docker Hub's pulls", () => {
  for (const more of [{ frequency: "5m" }, { frequency: "30d" }]) {
    it.effect(
      `waiting Images alternate by namespace, name the time of the next try, and send no needless request: ${JSON.stringify(more)}`,
      () => {
        const world = makeWorld(8)
        const names = Array.from({ length: 20 }, (_, index) => `app-${String(index).padStart(2, "0")}`)
        for (const name of [...names, "solo"]) world.push(name)
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          for (const name of names) yield* apply("many", name, more)
          yield* apply("few", "solo", more)
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(names.filter(world.isCopied).length, 4, "two pulls each, eight in an hour")
          assert.isFalse(world.isCopied("solo"), "came last")
          const waiting = yield* read("few", "solo")
          assert.strictEqual(conditionText(waiting, "Ready"), "False RateLimited")
          assert.strictEqual(conditionText(waiting, "Reconciling"), "True ProgressingWithRetry")
          assert.match(
            waiting.status.conditions?.[0]?.message ?? "",
            /^0 of 1 tag is copied; 1\.0\.0 failed: docker\.io\/library\/solo: 0 of 8 pulls in 1h are left; no more are made until 1970-01-01T00:15:0[01]Z$/u
          )

          const pulls = () => world.requests.filter((request) => /^GET docker\.io\/library\/[a-z0-9-]+@/u.test(request))
          const asked = pulls().length
          yield* TestClock.adjust("50 minutes")
          assert.lengthOf(pulls(), asked, "nothing is pulled while nothing is left")

          yield* TestClock.adjust("15 minutes")
          assert.isTrue(world.isCopied("solo"), "the first of its namespace comes as soon as the first of another")
          assert.strictEqual(names.filter(world.isCopied).length, 7)

          yield* TestClock.adjust("5 hours")
          assert.deepStrictEqual(
            names.filter((name) => !world.isCopied(name)),
            []
          )
          for (const name of names) assert.strictEqual(conditionText(yield* read("many", name), "Ready"), "True Copied")
          assert.deepStrictEqual(world.quota.refused, [], "not one request was refused")
        }).pipe(Effect.provide(world.layer))
      }
    )
  }

  it.effect("a check takes no pulls, and each manifest is read once, for its copy", () => {
    const world = makeWorld(100)
    const digest = world.push("app")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* apply("team", "app")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(conditionText(yield* read("team", "app"), "Ready"), "True Copied")
      const manifests = world.requests.filter((request) => !request.startsWith("POST")).slice(0, 4)
      assert.deepStrictEqual(manifests.slice(0, 3), [
        "HEAD dest.test/mirror/app:1.0.0",
        "HEAD docker.io/library/app:1.0.0",
        `GET docker.io/library/app@${digest}`
      ])
      assert.match(manifests[3] ?? "", /^GET docker\.io\/library\/app@sha256:/u)
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("few pulls make whole copies, not parts of many copies", () => {
    const world = makeWorld(5)
    const names = ["a", "b", "c", "d"]
    for (const name of names) world.push(name)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      for (const name of names) yield* apply("team", name)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(names.filter(world.isCopied).length, 2, "two pulls each, five in an hour")
    }).pipe(Effect.provide(world.layer))
  })
})

describe("Images of some platforms that wait for Docker Hub's pulls", () => {
  it.effect("an image of some platforms is read when pulls are left again, with no needless request", () => {
    const world = makeWorld(3)
    const names = ["a", "b", "c", "d"]
    for (const name of names) world.push(name)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      for (const name of names) yield* apply("team", name, { platforms: ["linux/amd64"], frequency: "30d" })
      yield* TestClock.adjust("10 minutes")
      assert.isBelow(names.filter(world.isCopied).length, 4)
      yield* TestClock.adjust("10 hours")
      assert.strictEqual(names.filter(world.isCopied).length, 4)
      assert.deepStrictEqual(world.quota.refused, [], "not one request was refused")
    }).pipe(Effect.provide(world.layer))
  })
})

/** A source that allows some requests of any kind in an hour, and reports the limit only when it is used up. */
const hourly = (limit: number) => {
  const asked = new Map<number, number>()
  return ({ now, registry }: LimitedRequest): HttpHead => {
    if (registry !== SOURCE) return { status: 200, headers: {} }
    const hour = Math.floor(now / HOUR)
    asked.set(hour, (asked.get(hour) ?? 0) + 1)
    if ((asked.get(hour) ?? 0) <= limit) return { status: 200, headers: {} }
    return { status: 429, headers: { "retry-after": String(Math.ceil(((hour + 1) * HOUR - now) / 1_000)) } }
  }
}

const mirror = {
  source: { name: "source.test/team/app", version: "1.0.x" },
  destination: { name: "dest.test/mirror/app" }
}

describe("a check of more tags than the registry allows requests", () => {
  for (const mode of ["OneShot", "Recurrent"] as const) {
    it.effect(`${mode}: a rate-limited check resumes where it stopped, and completes`, () => {
      const registries = makeRegistries({ limiter: hourly(20) })
      const tags = Array.from({ length: 50 }, (_, index) => `1.0.${index}`)
      for (const tag of tags) pushSampleImage(registries.source, "team/app", tag, "app")
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", { ...mirror, mode, frequency: "30d" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "False RateLimited")
        // Hour by hour, because one long step would end before the last copies on a busy machine.
        yield* Effect.repeat(TestClock.adjust("1 hour"), { times: 96 })
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.lengthOf(registries.destination.tags("mirror/app") ?? [], 50)
      }).pipe(Effect.provide(operatorLayer(registries)))
    })
  }
})

describe("a deferred check", () => {
  it.effect("a deferred OneShot check sees tags that others push meanwhile, and overwrites none of them", () => {
    const registries = makeRegistries({ limiter: hourly(9) })
    const { destination, source } = registries
    const tags = Array.from({ length: 10 }, (_, index) => `1.0.${index}`)
    for (const tag of tags) pushSampleImage(source, "team/app", tag, tag)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", mirror)
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined((yield* readImage("app")).status.tags, "not checked to the end")
      const own = tags.map((tag) => pushSampleImage(destination, "mirror/app", tag, `of others: ${tag}`))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      assert.deepStrictEqual(
        tags.map((tag) => destination.manifest("mirror/app", tag)?.digest),
        own
      )
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})

describe("deferred copies", () => {
  const spec = (frequency: string) => ({ ...mirror, mode: "OneShot" as const, frequency })

  it.effect("a deferred OneShot copy overwrites no tag that others push meanwhile", () => {
    const registries = makeRegistries({ limiter: hourly(3) })
    const { destination, source } = registries
    for (const tag of ["1.0.0", "1.0.1"]) pushSampleImage(source, "team/app", tag, tag)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec("30d"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* readImage("app")).status.tags, "0/2", "checked, not copied")
      const own = pushSampleImage(destination, "mirror/app", "1.0.1", "of others")
      yield* TestClock.adjust("2 days")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      assert.strictEqual(destination.manifest("mirror/app", "1.0.1")?.digest, own)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a deferred copy is not made if others make the same copy meanwhile", () => {
    const registries = makeRegistries({ limiter: hourly(1) })
    const { destination, source } = registries
    pushSampleImage(source, "team/app", "latest", "app")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { ...spec("30d"), source: { name: "source.test/team/app", version: "latest" } })
      yield* TestClock.adjust("10 minutes")
      pushSampleImage(destination, "mirror/app", "latest", "app")
      yield* TestClock.adjust("1 hour")
      const { status } = yield* readImage("app")
      assert.strictEqual(status.tags, "1/1")
      assert.isUndefined(status.history)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a deferred copy of a changed Image asks the source again", () => {
    const registries = makeRegistries({ limiter: hourly(4) })
    const { destination, requests, source } = registries
    const tags = ["1.0.0", "1.0.1", "1.0.2"]
    const before = tags.map((tag) => pushSampleImage(source, "team/app", tag, tag))
    const other = pushSampleImage(source, "team/other", "1.0.0", "other")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec("30d"))
      yield* TestClock.adjust("10 minutes")
      yield* applyImage("app", { ...spec("30d"), source: { name: "source.test/team/other", version: "1.0.0" } })
      yield* TestClock.adjust("1 day")
      assert.strictEqual(destination.manifest("mirror/app", "1.0.0")?.digest, other)
      const asked = requests.filter((request) => request.includes("source.test/team/other"))
      assert.isFalse(asked.some((request) => before.some((digest) => request.includes(digest))))
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("deferred copies do not delay the check that sees a new tag", () => {
    const registries = makeRegistries({ limiter: hourly(4) })
    const { source } = registries
    for (const tag of ["1.0.0", "1.0.1", "1.0.2"]) pushSampleImage(source, "team/app", tag, tag)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec("3h"))
      yield* TestClock.adjust("30 minutes")
      assert.match((yield* readImage("app")).status.tags ?? "", /^[0-2]\/3$/u)
      pushSampleImage(source, "team/app", "1.0.3", "new")
      yield* TestClock.adjust("4 hours")
      assert.match((yield* readImage("app")).status.tags ?? "", /^[0-3]\/4$/u)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("deferred copies that are made before the next check do not delay that check", () => {
    const registries = makeRegistries({ limiter: hourly(8) })
    const { source } = registries
    for (const tag of ["1.0.0", "1.0.1", "1.0.2"]) pushSampleImage(source, "team/app", tag, tag)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec("5h"))
      yield* TestClock.adjust("30 minutes")
      pushSampleImage(source, "team/app", "1.0.3", "new")
      yield* TestClock.adjust("3 hours")
      assert.strictEqual((yield* readImage("app")).status.tags, "3/3")
      yield* TestClock.adjust("2 hours")
      assert.match((yield* readImage("app")).status.tags ?? "", /\/4$/u)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a deferred OneShot copy copies the current digest of a tag that has moved", () => {
    const registries = makeRegistries({ limiter: hourly(3) })
    const { destination, source } = registries
    pushSampleImage(source, "team/app", "latest", "old")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { ...spec("30d"), source: { name: "source.test/team/app", version: "latest" } })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "False RateLimited")
      const moved = pushSampleImage(source, "team/app", "latest", "new")
      yield* TestClock.adjust("2 days")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      assert.strictEqual(destination.manifest("mirror/app", "latest")?.digest, moved)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})

describe("a registry of a slow rate", () => {
  it.effect("a check that its rate makes longer than the deadline of a check is rate limited, and goes on", () => {
    const registries = makeRegistries({ limits: Result.getOrThrow(parseRegistryLimits("source.test=2/m")) })
    const tags = Array.from({ length: 20 }, (_, patch) => `1.0.${patch}`)
    for (const tag of tags) pushSampleImage(registries.source, "team/app", tag, tag)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { ...mirror, mode: "Recurrent", frequency: "30d" })
      const reasons = new Set<string>()
      for (let minute = 0; minute < 60; minute++) {
        yield* TestClock.adjust("1 minute")
        reasons.add(conditionText(yield* readImage("app"), "Ready"))
      }
      assert.isFalse(reasons.has("False Unreachable"), [...reasons].join(", "))
      assert.isTrue(reasons.has("False RateLimited"), [...reasons].join(", "))
      yield* TestClock.adjust("2 days")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  const cases = (["OneShot", "Recurrent"] as const).flatMap((mode) => [
    ...["1/s", "2/m", "60/h"].map((limit) => ({ limit, mode, referrers: true })),
    ...["60/h"].map((limit) => ({ limit, mode, referrers: false }))
  ])
  for (const { limit, mode, referrers } of cases) {
    it.effect(`a registry of ${limit} gets no request early: ${mode}, referrers ${referrers}`, () => {
      const limits = Result.getOrThrow(parseRegistryLimits(`source.test=${limit}`))
      const registries = makeRegistries({ limits })
      for (const tag of ["1.0.0", "1.0.1", "1.0.2"]) pushSampleImage(registries.source, "team/app", tag, tag)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", { ...mirror, mode, frequency: "30d", referrers })
        yield* TestClock.adjust("5 days")
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      }).pipe(Effect.provide(operatorLayer(registries)))
    })
  }
})
