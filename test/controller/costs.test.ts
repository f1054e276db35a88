/** The cost of a check without a change: HEAD requests and no bodies, before and after a restart. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { type ImageObject, Images } from "../../src/kube/Resources.ts"
import { OCI_INDEX } from "../../src/oci/Manifest.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import {
  applyImage,
  conditionText,
  engineOfTags,
  makeRegistries,
  operatorLayer,
  readImage,
  reconcilerLayer,
  type Registries
} from "../support/world.ts"

const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
const PLATFORMS = ["linux/arm64"]
const settle = TestClock.adjust("10 millis")

/** The Image after its tags are copied, a few at a time. */
const copied = (name: string) =>
  Effect.andThen(settle, readImage(name)).pipe(
    Effect.repeat({ until: (image) => conditionText(image, "Ready") === "True Copied", times: 500 })
  )

const objectOf = Effect.fnUntraced(function* (name: string) {
  const kube = yield* KubeClient
  return Option.getOrThrow(yield* kube.get(Images, { namespace: "team", name }))
})

/** The requests of a new operator when the Image's next check is due. */
const askedAfterRestart = (registries: Registries, { metadata, spec, status }: ImageObject) =>
  Effect.gen(function* () {
    registries.requests.length = 0
    yield* TestClock.adjust("70 minutes")
    const kube = yield* KubeClient
    const { name, namespace = "" } = metadata
    const stored = yield* kube.apply(Images, { metadata: { name, namespace }, spec }, "test")
    yield* (yield* Reconciler).reconcile(readStoredImage({ ...stored, status }))
    return [...registries.requests].sort()
  }).pipe(Effect.provide(reconcilerLayer(registries)), Effect.scoped)

const kindsOf = (requests: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const request of requests) {
    const kind = request.replace(/[/:@].*$/u, "")
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

describe("an unchanged Recurrent tag", () => {
  const unchanged = ["HEAD dest.test/app:v1", "HEAD source.test/app:v1"]
  for (const platforms of [undefined, PLATFORMS]) {
    const platformsOf = platforms === undefined ? "" : " for some of its platforms"
    it.effect(
      `a check of an unchanged Recurrent tag${platformsOf} costs two HEADs and no body, after a restart too`,
      () => {
        const registries = makeRegistries()
        pushSampleImage(registries.source, "app", "v1", "seed")
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* applyImage("app", {
            mode: "Recurrent",
            frequency: "1h",
            ...(platforms === undefined ? {} : { platforms }),
            source: { name: "source.test/app", version: "v1" },
            destination: { name: "dest.test/app" }
          })
          yield* settle
          registries.requests.length = 0
          yield* TestClock.adjust("64 minutes")
          assert.deepStrictEqual([...registries.requests].sort(), unchanged)
          return yield* objectOf("app")
        }).pipe(
          Effect.provide(operatorLayer(registries)),
          Effect.scoped,
          Effect.flatMap((object) => askedAfterRestart(registries, object)),
          Effect.map((asked) => assert.deepStrictEqual(asked, unchanged))
        )
      }
    )
  }
})

describe("a Recurrent pattern of many tags for some platforms", () => {
  const world = (count: number) => {
    const registries = makeRegistries()
    for (let patch = 0; patch < count; patch++) {
      pushSampleImage(registries.source, "app", `v1.0.${patch}`, `seed ${patch}`, { layerSize: 64 })
    }
    return registries
  }
  const apply = applyImage("app", {
    mode: "Recurrent",
    frequency: "1h",
    platforms: PLATFORMS,
    source: { name: "source.test/app", version: "v1.0.x" },
    destination: { name: "dest.test/app" }
  })

  it.effect("a check of many tags for some platforms reads no manifest again, not even after a restart", () => {
    const registries = world(200)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* apply
      assert.strictEqual((yield* copied("app")).status.tags, "200/200")
      registries.requests.length = 0
      yield* TestClock.adjust("64 minutes")
      assert.deepStrictEqual(kindsOf(registries.requests), {
        "HEAD source.test": 200,
        "HEAD dest.test": 200,
        "LIST source.test": 1
      })
      const object = yield* objectOf("app")
      assert.isBelow(JSON.stringify(object.status).length, 64 * 1024)
      return object
    }).pipe(
      Effect.provide(operatorLayer(registries)),
      Effect.scoped,
      Effect.flatMap((object) => askedAfterRestart(registries, object)),
      Effect.map((asked) =>
        assert.deepStrictEqual(kindsOf(asked), {
          "HEAD source.test": 200,
          "HEAD dest.test": 200,
          "LIST source.test": 1
        })
      )
    )
  })

  it.effect(
    "the status keeps the newest 300 subsets, which an API server accepts",
    () => {
      const registries = world(310)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* apply
        const { status } = yield* copied("app")
        assert.strictEqual(status.tags, "310/310")
        assert.lengthOf(status.subsets ?? [], 300)
        assert.isBelow(JSON.stringify(status).length, 96 * 1024)
        return yield* objectOf("app")
      }).pipe(
        Effect.provide(operatorLayer(registries)),
        Effect.scoped,
        Effect.flatMap((object) => askedAfterRestart(registries, object)),
        Effect.map((asked) => assert.strictEqual(kindsOf(asked)["GET source.test"], 10, "the others are read again"))
      )
    },
    60_000
  )

  it.effect(
    "the status forgets the subsets of digests that no tag names",
    () => {
      const registries = world(60)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* apply
        yield* copied("app")
        for (let round = 0; round < 3; round++) {
          for (let patch = 0; patch < 60; patch++) {
            pushSampleImage(registries.source, "app", `v1.0.${patch}`, `${round} ${patch}`, { layerSize: 64 })
          }
          yield* TestClock.adjust("64 minutes")
        }
        assert.lengthOf((yield* readImage("app")).status.subsets ?? [], 60)
      }).pipe(Effect.provide(operatorLayer(registries)))
    },
    60_000
  )
})

describe("an ambiguous image", () => {
  it.effect("A check of platforms refuses an ambiguous index for its own tag, and no copy is tried", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "v1.1", "new")
    const both = { manifests: [], layers: [] }
    registries.source.putManifest("app", "v1.0", Buffer.from(JSON.stringify(both)), OCI_INDEX)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        source: { name: "source.test/app", version: "v1.x" },
        destination: { name: "dest.test/app" },
        platforms: ["linux/amd64"]
      })
      yield* settle
      const image = yield* readImage("app")
      assert.strictEqual(image.status.tags, "1/2")
      assert.strictEqual(conditionText(image, "Ready"), "False UnsupportedManifest")
      assert.include(image.status.conditions?.[0]?.message ?? "", "is ambiguous: an index with the field layers")
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })
})

describe("an image of Docker's schema 1", () => {
  for (const engine of [undefined, engineOfTags]) {
    const how = engine === undefined ? "the manifest is read before its copy" : "HEAD is sent"
    it.effect(`an image of schema 1 is a problem of its own tag, and no copy is tried: ${how}`, () => {
      const registries = makeRegistries()
      pushSampleImage(registries.source, "app", "v1.1", "new")
      registries.source.putManifest("app", "v1.0", Buffer.from("{}"), SCHEMA_1)
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", {
          source: { name: "source.test/app", version: "v1.x" },
          destination: { name: "dest.test/app" }
        })
        yield* settle
        const image = yield* readImage("app")
        assert.strictEqual(image.status.tags, "1/2")
        assert.strictEqual(conditionText(image, "Ready"), "False UnsupportedManifest")
        assert.include(image.status.conditions?.[0]?.message ?? "", "v1.0: is an image of Docker's schema 1")
        registries.requests.length = 0
        yield* TestClock.adjust("6 minutes")
        assert.isUndefined(registries.requests.find((request) => request.startsWith("PUT")))
        assert.isAtMost(registries.requests.length, 4)
      }).pipe(Effect.provide(operatorLayer(registries, engine === undefined ? {} : { engine })))
    })
  }
})
