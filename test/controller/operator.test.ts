import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

/** Runs all work that is due. */
const settle = TestClock.adjust("10 millis")

const source = { name: "source.test/library/node", version: "22-alpine" }
const destination = { name: "dest.test/mirror/node" }

describe("an Image of a registry that sends notices", () => {
  it.effect("each kind of notice is a condition of its own", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "seed")
    const client = Faults.of(RegistryClient, [
      {
        method: "notices",
        when: ({ registry }) => registry === "source.test",
        after: () => Effect.succeed([{ message: "soon to be gone" }])
      }
    ])
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { source, destination })
      yield* settle
      const image = yield* readImage("node")
      assert.strictEqual(conditionText(image, "Ready"), "True Copied")
      assert.strictEqual(conditionText(image, "RegistryWarning"), "True RegistryNotice")
    }).pipe(Effect.provide(operatorLayer({ layer: client.layer(registries.layer) })))
  })
})

describe("a Recurrent Image", () => {
  it.effect(
    "a Recurrent Image runs a week with an exact trace: two HEADs per check, and a copy when the tag has moved",
    () => {
      const registries = makeRegistries()
      const first = pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        const started = yield* Clock.currentTimeMillis
        yield* applyImage("node", { mode: "Recurrent", frequency: "1h", source, destination })
        yield* settle
        assert.strictEqual(registries.destination.manifest("mirror/node", "22-alpine")?.digest, first)

        registries.requests.length = 0
        const checkedAt = new Set<number>()
        const copiedAt: Array<number> = []
        let second = ""
        for (let quarter = 1; quarter <= 7 * 24 * 4; quarter++) {
          if (quarter === 240) second = pushSampleImage(registries.source, "library/node", "22-alpine", "wednesday")
          yield* TestClock.adjust("15 minutes")
          checkedAt.add(Date.parse((yield* readImage("node")).status.lastCheckedAt ?? ""))
          if (registries.destination.manifest("mirror/node", "22-alpine")?.digest === second) copiedAt.push(quarter)
        }
        const times = [...checkedAt]
        const [settling = 0, ...others] = times.slice(1).map((time, index) => time - (times[index] ?? 0))
        assert.isTrue(settling > 180_000 && settling <= 3_780_000, `${settling} ms: until the Image's phase`)
        assert.deepStrictEqual([...new Set(others)], [3_600_000], "then each hour")
        assert.strictEqual(times.length, 1 + 7 * 24)
        const asked = registries.requests.filter((request) => /^HEAD [^@]*$/u.test(request))
        assert.strictEqual(asked.length, 2 * (times.length - 1), "two HEADs a check")
        assert.isTrue((copiedAt[0] ?? 0) >= 240 && (copiedAt[0] ?? 0) <= 245, "at the check after it moved")
        const written = registries.requests.filter((request) => request === "PUT dest.test/mirror/node:22-alpine")
        assert.strictEqual(written.length, 1, "and only then")

        const image = yield* readImage("node")
        assert.strictEqual(conditionText(image, "Ready"), "True Copied")
        assert.strictEqual(conditionText(image, "Reconciling"), "")
        assert.deepStrictEqual(
          image.status.history?.map(({ digest }) => digest),
          [second, first]
        )
        assert.strictEqual(image.status.tags, "1/1")
        assert.isTrue(Date.parse(image.status.lastCheckedAt ?? "") > started + 6 * 86_400_000)
        const { body } = yield* (yield* Metrics).exposition
        assert.include(body, 'skopeo_operator_reload_total{image="source.test/library/node:22-alpine"} 2')
        assert.match(
          body,
          /^skopeo_operator_copy_bytes_total\{image="source\.test\/library\/node:22-alpine",how="sent"\} \d{5}$/mu
        )
        assert.notInclude(body, "skopeo_operator_copy_bytes_remaining{", "nothing is under way")
      }).pipe(Effect.provide(operatorLayer(registries)))
    }
  )

  it.effect("the trace of a Recurrent Image is the same in each run", () => {
    const run = () => {
      const registries = makeRegistries()
      pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("node", { mode: "Recurrent", frequency: "15m", source, destination })
        yield* settle
        yield* TestClock.adjust("1 day")
        return registries.requests
      }).pipe(Effect.provide(operatorLayer(registries)), Effect.scoped)
    }
    return Effect.gen(function* () {
      const [first, second] = [yield* run(), yield* run()]
      assert.isTrue(first.length > 150)
      assert.deepStrictEqual(second, first)
    })
  })
})

describe("a pattern", () => {
  it.effect(
    "a pattern copies matching tags, then each new release, and costs two lists per check without new tags",
    () => {
      const registries = makeRegistries()
      for (const tag of ["v2.13.0", "v2.13.1", "v2.14.0", "v2.13.2-rc1"]) {
        pushSampleImage(registries.source, "argoproj/argocd", tag, tag)
      }
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("argocd", {
          frequency: "10m",
          source: { name: "source.test/argoproj/argocd", version: "v2.13.x" },
          destination: { name: "dest.test/argoproj/argocd", version: "v2.13.x" }
        })
        yield* settle
        assert.deepStrictEqual(registries.destination.tags("argoproj/argocd"), ["v2.13.0", "v2.13.1"])
        assert.strictEqual((yield* readImage("argocd")).status.tags, "2/2")

        registries.requests.length = 0
        yield* TestClock.adjust("11 minutes")
        assert.deepStrictEqual([...registries.requests].sort(), [
          "LIST dest.test/argoproj/argocd",
          "LIST source.test/argoproj/argocd"
        ])

        pushSampleImage(registries.source, "argoproj/argocd", "v2.13.2", "new")
        // A OneShot never overwrites an existing tag.
        pushSampleImage(registries.source, "argoproj/argocd", "v2.13.1", "moved")
        const kept = registries.destination.manifest("argoproj/argocd", "v2.13.1")?.digest
        yield* TestClock.adjust("11 minutes")
        assert.deepStrictEqual(registries.destination.tags("argoproj/argocd"), ["v2.13.0", "v2.13.1", "v2.13.2"])
        assert.strictEqual(registries.destination.manifest("argoproj/argocd", "v2.13.1")?.digest, kept)
      }).pipe(Effect.provide(operatorLayer(registries)))
    }
  )

  it.effect("a pattern without a matching tag is a condition, not a loop", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0", "a")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        source: { name: "source.test/app", version: "1.0.x" },
        destination: { name: "dest.test/app" }
      })
      yield* TestClock.adjust("4 minutes")
      const image = yield* readImage("app")
      assert.strictEqual(conditionText(image, "Ready"), "False NoTagMatches")
      assert.include(image.status.conditions?.[0]?.message ?? "", "the nearest are 1.0")
      assert.strictEqual(registries.requests.length, 2)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect(
    "a pattern with too few matching tags copies nothing, has a condition, and copies once enough tags match",
    () => {
      const registries = makeRegistries()
      for (const tag of ["v1.0.0", "v1.0.1"]) pushSampleImage(registries.source, "app", tag, tag)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", {
          source: { name: "source.test/app", version: "v1.0.x" },
          destination: { name: "dest.test/app" },
          tags: { atLeast: 3, latest: 2 }
        })
        yield* TestClock.adjust("4 minutes")
        const few = yield* readImage("app")
        assert.strictEqual(conditionText(few, "Ready"), "False TooFewTags")
        assert.strictEqual(conditionText(few, "Reconciling"), "")
        assert.strictEqual(
          few.status.conditions?.[0]?.message,
          "2 of the 2 tags of source.test/app match, and spec.tags.atLeast asks for 3; nothing is copied until enough tags match"
        )
        assert.deepStrictEqual([...registries.requests].sort(), ["LIST dest.test/app", "LIST source.test/app"])

        pushSampleImage(registries.source, "app", "v1.0.2", "v1.0.2")
        yield* TestClock.adjust("2 minutes")
        const enough = yield* readImage("app")
        assert.strictEqual(conditionText(enough, "Ready"), "True Copied")
        assert.deepStrictEqual(registries.destination.tags("app"), ["v1.0.1", "v1.0.2"])
      }).pipe(Effect.provide(operatorLayer(registries)))
    }
  )

  it.effect(
    "a pattern that selects more tags than tags.max copies nothing, and copies once tags.max allows the tags",
    () => {
      const registries = makeRegistries()
      for (const tag of ["v1.0.0", "v1.0.1", "v1.0.2"]) pushSampleImage(registries.source, "app", tag, tag)
      const spec = { source: { name: "source.test/app", version: "v1.0.x" }, destination: { name: "dest.test/app" } }
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", { ...spec, tags: { max: 2 } })
        yield* TestClock.adjust("4 minutes")
        const many = yield* readImage("app")
        assert.strictEqual(conditionText(many, "Ready"), "False TooManyTags")
        assert.strictEqual(conditionText(many, "Reconciling"), "")
        assert.strictEqual(
          many.status.conditions?.[0]?.message,
          "3 of the 3 tags of source.test/app are selected, and spec.tags.max allows 2; nothing is copied until fewer tags are selected: set spec.tags.latest or narrow the pattern, or raise spec.tags.max"
        )
        assert.deepStrictEqual(registries.destination.tags("app") ?? [], [])
        assert.deepStrictEqual([...registries.requests].sort(), ["LIST dest.test/app", "LIST source.test/app"])

        yield* applyImage("app", { ...spec, tags: { max: 3 } })
        yield* TestClock.adjust("4 minutes")
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.lengthOf(registries.destination.tags("app") ?? [], 3)
      }).pipe(Effect.provide(operatorLayer(registries)))
    }
  )

  it.effect("a pattern selects at most 1,000 tags by default, and tags.latest makes it fit", () => {
    const registries = makeRegistries()
    for (let patch = 0; patch <= 1_000; patch++) pushSampleImage(registries.source, "app", `v1.0.${patch}`, "same")
    const spec = { source: { name: "source.test/app", version: "v1.0.x" }, destination: { name: "dest.test/app" } }
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "False TooManyTags")

      yield* applyImage("app", { ...spec, tags: { latest: 2 } })
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(registries.destination.tags("app"), ["v1.0.1000", "v1.0.999"])
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})

describe("a OneShot of one tag", () => {
  it.effect("a OneShot of one tag sends no request after its copy", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { source, destination })
      yield* settle
      assert.isDefined(registries.destination.manifest("mirror/node", "22-alpine"))
      registries.requests.length = 0
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(registries.requests, [])
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a OneShot with a missing source has a condition, and is copied once the source exists", () => {
    const registries = makeRegistries()
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { source, destination })
      yield* settle
      const image = yield* readImage("node")
      assert.strictEqual(conditionText(image, "Ready"), "False SourceNotFound")
      assert.strictEqual(conditionText(image, "Reconciling"), "True ProgressingWithRetry")
      const asked = registries.requests.length
      yield* TestClock.adjust("1 hour")
      // The pause is doubled from 750 ms to 15 minutes: 11 checks in the first quarter of an hour, and four more.
      assert.isTrue(registries.requests.length - asked < 40, `${registries.requests.length - asked} requests`)
      pushSampleImage(registries.source, "library/node", "22-alpine", "late")
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(conditionText(yield* readImage("node"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})

describe("a registry with a rate limit", () => {
  it.effect("a rate-limited registry gets the next request at the time that it named, and not before", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
    const limited = {
      when: ({ repository }: RepositoryAccess) => repository.registry === "source.test",
      before: ({ repository }: RepositoryAccess) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          now < 30 * 60_000
            ? Effect.fail(RegistryError.of({ _tag: "RateLimited", until: 40 * 60_000 }, repository, "answered 429"))
            : Effect.void
        )
    }
    const client = Faults.of(RegistryClient, [
      { method: "head", ...limited },
      { method: "manifest", ...limited }
    ])
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { source, destination })
      yield* settle
      assert.strictEqual(conditionText(yield* readImage("node"), "Ready"), "False RateLimited")
      yield* TestClock.adjust("1 hour")
      const askedAt = client.calls.flatMap((call) =>
        call.method === "manifest" && !call.args[1].startsWith("sha256:") ? [call.at / 60_000] : []
      )
      const [first, second = 0] = askedAt
      assert.strictEqual(first, 0)
      assert.isTrue(second >= 40 && second <= 42, `asked again after ${second} minutes: 40 and up to 5 %`)
      assert.lengthOf(askedAt, 2)
      assert.strictEqual(conditionText(yield* readImage("node"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer({ layer: client.layer(registries.layer) })))
  })
})

describe("invalid Images", () => {
  it.effect("an invalid Image is Stalled with field, value and remedy, and delays no other Image", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("upper", { source: { name: "source.test/Node", version: "1" }, destination })
      yield* applyImage("pattern", { source: { ...source, version: "not a tag" }, destination })
      yield* applyImage("often", { mode: "Recurrent", frequency: "1s", source, destination })
      yield* applyImage("nowhere", {
        source: { name: "nowhere.test/a", version: "1" },
        destination: { name: "dest.test/a" }
      })
      yield* applyImage("good", { source, destination })
      yield* settle
      const stalled = (name: string) => Effect.map(readImage(name), (image) => conditionText(image, "Stalled"))
      assert.strictEqual(yield* stalled("upper"), "True InvalidReference")
      assert.strictEqual(yield* stalled("pattern"), "True InvalidPattern")
      assert.strictEqual(yield* stalled("often"), "True InvalidFrequency")
      const message = (yield* readImage("often")).status.conditions?.[0]?.message
      assert.strictEqual(message, 'spec.frequency: "1s" is shorter than the minimum of 10s; write 10s or more')
      assert.strictEqual(conditionText(yield* readImage("nowhere"), "Ready"), "False Unreachable")
      assert.strictEqual(conditionText(yield* readImage("good"), "Ready"), "True Copied")

      yield* applyImage("often", { mode: "Recurrent", frequency: "10s", source, destination: { name: "dest.test/b" } })
      yield* settle
      const mended = yield* readImage("often")
      assert.strictEqual(conditionText(mended, "Ready"), "True Copied")
      assert.strictEqual(conditionText(mended, "Stalled"), "")
      assert.strictEqual(mended.status.observedGeneration, mended.generation)
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})

describe("an Image that a user changes", () => {
  it.effect("a suspended Image is not checked, and a resumed Image is", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { mode: "Recurrent", suspend: true, source, destination })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(registries.requests, [])
      assert.deepStrictEqual((yield* readImage("node")).status.conditions, undefined)
      yield* applyImage("node", { mode: "Recurrent", source, destination })
      yield* settle
      assert.strictEqual(conditionText(yield* readImage("node"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a deleted Image causes no more requests, and its copied tags stay", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "library/node", "22-alpine", "monday")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("node", { mode: "Recurrent", frequency: "10s", source, destination })
      yield* settle
      const kube = yield* KubeClient
      yield* kube.delete(Images, { namespace: "team", name: "node" })
      yield* settle
      registries.requests.length = 0
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(registries.requests, [])
      assert.isDefined(registries.destination.manifest("mirror/node", "22-alpine"))
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})
