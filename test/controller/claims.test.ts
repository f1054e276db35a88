/** Images that claim one tag of a destination: the older Image owns the tag, and the younger Image says so. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Option, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DestinationClaims } from "../../src/controller/DestinationClaims.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { conditionOf, REQUESTED_AT, type ImageSpec } from "../../src/domain/Image.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { keyOf } from "../../src/domain/ImageKey.ts"
import type { PolicyRequest } from "../../src/domain/policy/judge.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { makeEngineWorld } from "../support/engineWorld.ts"
import { makePolicyFile } from "../support/policyFile.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

type Spec = Partial<Omit<typeof ImageSpec.Encoded, "source" | "destination">>
interface Written extends Spec {
  /** `repository:version` at source.test. */
  readonly from: string
  /** `repository` or `repository:tag` at dest.test. Default `app`. */
  readonly to?: string
}

const specOf = ({ from, to = "app", ...spec }: Written) => {
  const [, name = "", version = ""] = /^([^:]*):(.*)$/u.exec(from) ?? []
  const [destination = "", tag] = to.split(":")
  return {
    ...spec,
    source: { name: `source.test/${name}`, version },
    destination: { name: `dest.test/${destination}`, ...(tag === undefined ? {} : { version: tag }) }
  }
}

const nameOf = (key: string) => {
  const [namespace = "", name = ""] = key.split("/")
  return { namespace, name }
}

/** The repositories `one`, `two` and `three` of the source have other images under the same tags. */
const makeWorld = () => {
  const registries = makeRegistries()
  const digests = new Map<string, string>()
  const push = (repository: string, tag: string, seed = `${repository}:${tag}`): void =>
    void digests.set(`${repository}:${tag}`, pushSampleImage(registries.source, repository, tag, seed))
  for (const repository of ["one", "two", "three"]) {
    for (const tag of ["1.0.0", "1.0.1", "1.1.0"]) push(repository, tag)
  }
  const server = new ApiServerStore()
  const layer = operatorLayer(registries, { kube: KubeClientMemory.layer({ store: server }) })
  const settle = TestClock.adjust("10 millis")
  const apply = Effect.fnUntraced(function* (key: string, written: Written) {
    server.apply(Images, { metadata: nameOf(key), spec: specOf(written) }, yield* Clock.currentTimeMillis)
    yield* settle
  })
  const remove = Effect.fnUntraced(function* (key: string) {
    server.delete(Images, nameOf(key), yield* Clock.currentTimeMillis)
    yield* settle
  })
  const read = (key: string) => Result.getOrThrow(decodeImage(server.get(Images, nameOf(key))))
  const say = (key: string): string =>
    (read(key).status.conditions ?? []).map(({ reason, status, type }) => `${type}=${status} ${reason}`).join(", ")
  const message = (key: string): string => conditionOf(read(key).status, "Ready")?.message ?? ""
  /** The image that a tag of the destination has, such as `one:1.0.0`. */
  const at = (tag: string, repository = "app"): string | undefined => {
    const digest = registries.destination.manifest(repository, tag)?.digest
    return [...digests].find(([, known]) => known === digest)?.[0]
  }
  /** Starts an operator. The effect ends the operator. */
  const start = Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    yield* settle
    return Scope.close(scope, yield* Effect.exit(Effect.void))
  })
  return { apply, at, message, push, read, registries, remove, say, server, settle, start }
}

const READY = "Ready=True Copied"
const CLAIMED = "Ready=False DestinationClaimed"
const STALLED = `${CLAIMED}, Stalled=True DestinationClaimed`

describe("two Images that ask for different images under one tag", () => {
  for (const mode of ["OneShot", "Recurrent"] as const) {
    it.effect(`the older Image has the tag, and the younger Image is Stalled and names the older: ${mode}`, () => {
      const { apply, at, message, registries, say, start } = makeWorld()
      return Effect.gen(function* () {
        yield* start
        yield* apply("a/old", { mode, from: "one:1.0.0", frequency: "1m" })
        yield* apply("b/young", { mode, from: "two:1.0.0", frequency: "1m" })
        assert.strictEqual(say("a/old"), READY)
        assert.strictEqual(say("b/young"), STALLED)
        assert.strictEqual(
          message("b/young"),
          "0 of 1 tag is copied; 1.0.0 is claimed by the older Image a/old in dest.test/app"
        )
        const before = registries.requests.length
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(at("1.0.0"), "one:1.0.0")
        const later = registries.requests.slice(before)
        assert.deepStrictEqual(
          later.filter((request) => request.includes("two") || request.startsWith("PUT")),
          [],
          "the younger Image asks no registry, and the tag is not written again"
        )
      })
    })
  }

  it.effect("a check that a user asks for of a claimed Image is answered, and asks no registry", () => {
    const { apply, read, registries, say, server, settle, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.0" })
      const before = registries.requests.length
      const metadata = { ...nameOf("b/young"), annotations: { [REQUESTED_AT]: "now" } }
      server.create(Images, { metadata, spec: specOf({ from: "two:1.0.0" }) }, yield* Clock.currentTimeMillis)
      yield* settle
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(say("b/young"), STALLED)
      assert.strictEqual(read("b/young").status.lastHandledReconcileAt, "now")
      assert.deepStrictEqual(
        registries.requests.slice(before).filter((request) => request.includes("two")),
        []
      )
    })
  })

  it.effect("the uid decides between Images of the same second, whichever the operator hears of first", () => {
    const { at, say, server, start } = makeWorld()
    server.create(Images, { metadata: nameOf("a/z"), spec: specOf({ from: "one:1.0.0" }) }, 500)
    server.create(Images, { metadata: nameOf("a/a"), spec: specOf({ from: "two:1.0.0" }) }, 100)
    return Effect.gen(function* () {
      yield* start
      assert.strictEqual(say("a/z"), READY)
      assert.strictEqual(say("a/a"), STALLED)
      assert.strictEqual(at("1.0.0"), "one:1.0.0")
    })
  })

  it.effect("the younger Image copies the tag at once after the older Image is deleted", () => {
    const { apply, at, remove, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.0" })
      yield* apply("b/young", { from: "two:1.0.0" })
      yield* remove("a/old")
      assert.strictEqual(say("b/young"), READY)
      assert.strictEqual(at("1.0.0"), "two:1.0.0")
    })
  })

  const changes: ReadonlyArray<readonly [what: string, changed: Written]> = [
    ["selects another tag", { from: "one:1.0.1" }],
    ["writes another tag", { from: "one:1.0.0", to: "app:stable" }],
    ["has another destination", { from: "one:1.0.0", to: "other" }],
    ["is invalid", { from: "one:1.0.x", tags: { include: ["("] } }],
    ["asks for the same image", { from: "two:1.0.0" }]
  ]
  for (const [what, changed] of changes) {
    it.effect(`the younger Image copies the tag at once when the older Image ${what}`, () => {
      const { apply, at, say, start } = makeWorld()
      return Effect.gen(function* () {
        yield* start
        yield* apply("a/old", { from: "one:1.0.0" })
        yield* apply("b/young", { from: "two:1.0.0" })
        yield* apply("a/old", changed)
        // A copy of the older Image may write the tag meanwhile.
        if (what === "asks for the same image") yield* TestClock.adjust("10 seconds")
        assert.strictEqual(say("b/young"), READY)
        assert.strictEqual(at("1.0.0"), "two:1.0.0")
      })
    })
  }

  it.effect("the older Image takes the tag when its spec changes to the tag", () => {
    const { apply, at, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.1" })
      yield* apply("b/young", { from: "two:1.0.0" })
      assert.strictEqual(say("b/young"), READY)
      yield* apply("a/old", { from: "one:1.0.0" })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(say("a/old"), READY)
      assert.strictEqual(say("b/young"), STALLED)
      assert.strictEqual(at("1.0.0"), "one:1.0.0")
    })
  })

  for (const engine of ["direct", "job"] as const) {
    it.effect(`a running copy of the younger Image is cancelled when the older Image takes the tag: ${engine}`, () => {
      const world = makeEngineWorld(engine)
      for (const tag of ["v1.0.0", "v1.0.1"]) world.push(tag)
      world.behaviour.takes = () => 60_000
      const settle = TestClock.adjust("1 second")
      const apply = (name: string, version: string, more: Spec = {}) =>
        Effect.andThen(
          applyImage(name, {
            ...more,
            source: { name: "source.test/app", version },
            destination: { name: "dest.test/m/app" }
          }),
          settle
        )
      return Effect.gen(function* () {
        yield* apply("old", "v2.0.0", { platforms: ["linux/amd64"] })
        yield* apply("young", "v1.0.x")
        assert.strictEqual(conditionText(yield* readImage("young"), "Reconciling"), "True Copying")
        yield* apply("old", "v1.0.1", { platforms: ["linux/amd64"] })
        yield* TestClock.adjust("5 minutes")
        const [old, young] = [yield* readImage("old"), yield* readImage("young")]
        assert.strictEqual(conditionText(old, "Ready"), "True Copied")
        assert.strictEqual(conditionText(young, "Ready"), "False DestinationClaimed")
        assert.strictEqual(young.status.tags, "1/2")
        assert.deepStrictEqual(
          young.status.history?.map(({ tag }) => tag),
          ["v1.0.0"],
          "the other copy never ended"
        )
      }).pipe(Effect.provide(world.layer))
    })
  }

  it.effect("a suspended Image keeps its claim", () => {
    const { apply, say, settle, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.0", suspend: true })
      yield* apply("b/young", { from: "two:1.0.0" })
      yield* settle
      assert.strictEqual(say("b/young"), STALLED)
    })
  })

  it.effect("a suspended younger Image has no status of a claim, and is Stalled after it is resumed", () => {
    const { apply, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.0" })
      yield* apply("b/young", { from: "two:1.0.0", suspend: true })
      assert.strictEqual(say("b/young"), "")
      yield* apply("b/young", { from: "two:1.0.0", suspend: false })
      assert.strictEqual(say("b/young"), STALLED)
    })
  })

  it.effect("of three Images the next oldest has the tag after the oldest is deleted", () => {
    const { apply, at, message, remove, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/one", { from: "one:1.0.0" })
      yield* apply("b/two", { from: "two:1.0.0" })
      yield* apply("c/three", { from: "three:1.0.0" })
      assert.include(message("c/three"), "older Image a/one")
      yield* remove("a/one")
      assert.strictEqual(say("b/two"), READY)
      assert.strictEqual(at("1.0.0"), "two:1.0.0")
      assert.strictEqual(say("c/three"), STALLED)
      assert.include(message("c/three"), "older Image b/two")
      yield* remove("b/two")
      assert.strictEqual(say("c/three"), READY)
      assert.strictEqual(at("1.0.0"), "three:1.0.0")
    })
  })

  it.effect("another operator over the same Images gives the tag to the same Image", () => {
    const { apply, at, registries, say, start } = makeWorld()
    return Effect.gen(function* () {
      const stop = yield* start
      yield* apply("a/old", { from: "one:1.0.0" })
      yield* apply("b/young", { mode: "Recurrent", from: "two:1.0.0", frequency: "1m" })
      yield* stop
      const before = registries.requests.length
      yield* start
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(say("b/young"), STALLED)
      assert.strictEqual(at("1.0.0"), "one:1.0.0")
      assert.deepStrictEqual(registries.requests.slice(before), [])
    })
  })
})

describe("two Images that ask for the same image under one tag", () => {
  for (const [what, first, second] of [
    ["in two namespaces", { from: "one:1.0.0" }, { from: "one:1.0.0" }],
    ["one of them by a pattern", { from: "one:1.0.x" }, { from: "one:1.0.0" }],
    ["two patterns that overlap", { from: "one:1.0.x", tags: { latest: 1 } }, { from: "one:1.x.x" }],
    ["in different modes", { from: "one:1.0.0" }, { mode: "Recurrent", from: "one:1.0.0" }]
  ] as const satisfies ReadonlyArray<readonly [string, Written, Written]>) {
    it.effect(`both Images are Ready: ${what}`, () => {
      const { apply, say, start } = makeWorld()
      return Effect.gen(function* () {
        yield* start
        yield* apply("a/old", first)
        yield* apply("b/young", second)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual([say("a/old"), say("b/young")], [READY, READY])
      })
    })
  }

  it.effect("one digest is the same image from two sources", () => {
    const { apply, push, registries, say, start } = makeWorld()
    push("one", "same", "same")
    push("two", "same", "same")
    const digest = registries.source.manifest("one", "same")?.digest ?? ""
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:same" })
      yield* apply("b/young", { from: `two:same@${digest}` })
      assert.strictEqual(say("b/young"), STALLED, "a tag may move away from the digest")
      yield* apply("a/old", { from: `one:same@${digest}` })
      assert.strictEqual(say("b/young"), READY)
    })
  })

  it.effect("other platforms of an image are another image", () => {
    const { apply, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.0", platforms: ["linux/amd64"] })
      yield* apply("b/young", { from: "one:1.0.0" })
      yield* apply("c/young", { from: "one:1.0.0", platforms: ["linux/amd64"] })
      assert.deepStrictEqual([say("a/old"), say("b/young"), say("c/young")], [READY, STALLED, READY])
    })
  })
})

describe("a pattern with claimed tags", () => {
  it.effect("the pattern copies its other tags, and is not Stalled", () => {
    const { apply, at, message, read, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.1" })
      yield* apply("b/young", { mode: "Recurrent", from: "two:1.x.x", frequency: "1h" })
      assert.strictEqual(say("b/young"), CLAIMED)
      assert.strictEqual(
        message("b/young"),
        "2 of 3 tags are copied; 1.0.1 is claimed by the older Image a/old in dest.test/app"
      )
      assert.strictEqual(read("b/young").status.tags, "2/3")
      assert.deepStrictEqual([at("1.0.0"), at("1.0.1"), at("1.1.0")], ["two:1.0.0", "one:1.0.1", "two:1.1.0"])
    })
  })

  it.effect("an exact tag is claimed by an older pattern that matches the name", () => {
    const { apply, message, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.x", tags: { exclude: ["1$"] } })
      yield* apply("b/young", { from: "two:1.0.0" })
      yield* apply("b/excluded", { from: "two:1.0.1" })
      yield* apply("b/renamed", { from: "two:1.1.0", to: "app:1.0.7" })
      assert.strictEqual(say("b/young"), STALLED)
      assert.strictEqual(say("b/excluded"), READY)
      assert.strictEqual(say("b/renamed"), STALLED, "the tag need not be at the source of the older Image")
      assert.include(message("b/renamed"), "1.0.7 is claimed by the older Image a/old")
    })
  })

  it.effect("of two patterns the younger copies the tags that the older does not select", () => {
    const { apply, at, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.x" })
      yield* apply("b/young", { from: "two:1.x.x" })
      assert.strictEqual(say("b/young"), CLAIMED)
      assert.deepStrictEqual([at("1.0.0"), at("1.0.1"), at("1.1.0")], ["one:1.0.0", "one:1.0.1", "two:1.1.0"])
    })
  })

  it.effect("a pattern all of whose tags are claimed is Stalled, and copies a new tag that is not claimed", () => {
    const { apply, at, push, registries, say, start } = makeWorld()
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.x" })
      yield* apply("b/young", { from: "two:1.0.x", frequency: "1h", tags: { include: ["."] } })
      assert.strictEqual(say("b/young"), STALLED)
      const before = registries.requests.length
      yield* TestClock.adjust("59 minutes")
      const checks = registries.requests.slice(before).filter((request) => request.includes("two"))
      assert.isAtMost(checks.length, 1, "a Stalled pattern is checked at its frequency only")
      yield* apply("a/old", { from: "one:1.0.x", tags: { exclude: ["2$"] } })
      push("two", "1.0.2")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(say("b/young"), CLAIMED)
      assert.strictEqual(at("1.0.2"), "two:1.0.2")
    })
  })

  it.effect("a freed tag is copied at once, before and after a restart", () => {
    const { apply, at, remove, say, start } = makeWorld()
    return Effect.gen(function* () {
      const stop = yield* start
      yield* apply("a/first", { from: "one:1.0.0" })
      yield* apply("a/second", { from: "one:1.0.1" })
      yield* apply("b/young", { mode: "Recurrent", from: "two:1.0.x", frequency: "1d" })
      assert.strictEqual(say("b/young"), STALLED)
      yield* remove("a/first")
      assert.strictEqual(say("b/young"), CLAIMED)
      assert.strictEqual(at("1.0.0"), "two:1.0.0")
      yield* stop
      yield* start
      yield* remove("a/second")
      assert.strictEqual(say("b/young"), READY)
      assert.strictEqual(at("1.0.1"), "two:1.0.1")
    })
  })

  it.effect("the message names the first five tags of an owner and the number of the others", () => {
    const { apply, message, push, start } = makeWorld()
    for (let patch = 2; patch < 12; patch += 1) for (const name of ["one", "two"]) push(name, `1.0.${patch}`)
    return Effect.gen(function* () {
      yield* start
      yield* apply("a/old", { from: "one:1.0.x" })
      yield* apply("b/young", { from: "two:1.x.x" })
      assert.strictEqual(
        message("b/young"),
        "1 of 13 tags are copied; 1.0.0, 1.0.1, 1.0.2, 1.0.3, 1.0.4 and 7 more are claimed by the older Image a/old in dest.test/app"
      )
    })
  })
})

describe("the claims of many Images", () => {
  it.effect(
    "a change of one of 10,000 Images with one destination concerns only Images with the same tag and patterns",
    () => {
      const server = new ApiServerStore({ history: 20_000 })
      const spec = (index: number) => specOf({ from: `one:tag-${index}` })
      for (let index = 0; index < 10_000; index += 1) {
        server.create(Images, { metadata: { namespace: "many", name: `i${index}` }, spec: spec(index) }, 0)
      }
      server.create(Images, { metadata: nameOf("many/pattern"), spec: specOf({ from: "two:1.x.x" }) }, 0)
      server.create(Images, { metadata: nameOf("many/rival"), spec: specOf({ from: "two:tag-7" }) }, 0)
      const layer = DestinationClaims.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(ImageStore.layer(), Credentials.layerAnonymous, Policy.layerNone)),
        Layer.provide(KubeClientMemory.layer({ store: server }))
      )
      return Effect.gen(function* () {
        const [claims, images] = [yield* DestinationClaims, yield* ImageStore]
        yield* images.synced
        let concerned = 0
        for (const after of yield* images.values) {
          const keys = yield* claims.concerned({ key: "", before: undefined, after })
          concerned += keys.filter((key) => key !== "many/pattern").length
          assert(after._tag === "Readable")
          const owners = yield* claims.against(after, [after.destinationTag ?? ""])
          assert.strictEqual(owners.size, after.name === "rival" ? 1 : 0, after.name)
        }
        assert.strictEqual(concerned, 1)
      }).pipe(Effect.provide(layer))
    },
    60_000
  )

  /** The Images `many/i0`, `many/i1`, … The first is the oldest. */
  const claimsOf = (specs: ReadonlyArray<Written>) => {
    const server = new ApiServerStore({ history: 20_000 })
    specs.forEach((written, index) => {
      server.create(Images, { metadata: nameOf(`many/i${index}`), spec: specOf(written) }, index * 1_000)
    })
    const layer = DestinationClaims.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(ImageStore.layer(), Credentials.layerAnonymous, Policy.layerNone)),
      Layer.provide(KubeClientMemory.layer({ store: server }))
    )
    const read = Effect.fnUntraced(function* (index: number) {
      const images = yield* ImageStore
      yield* images.synced
      const image = Option.getOrThrow(yield* images.get(`many/i${index}`))
      assert(image._tag === "Readable")
      return image
    })
    return { layer, read }
  }
  const patterns = (count: number) => Array.from({ length: count }, (): Written => ({ from: "one:9.x.x" }))

  it.effect("only the 100 oldest patterns of a destination have claims", () => {
    const specs = [...patterns(99), { from: "one:1.x.x" }, { from: "one:2.x.x" }, { from: "two:1.x.x" }]
    const { layer, read } = claimsOf(specs)
    return Effect.gen(function* () {
      const { against } = yield* DestinationClaims
      const owners = yield* against(yield* read(101), ["1.0.0"])
      assert.deepStrictEqual([...owners.values()].map(keyOf), ["many/i99"])
      const young = claimsOf([...specs.slice(0, 100), { from: "one:3.x.x" }, { from: "two:3.x.x" }])
      const unowned = yield* Effect.gen(function* () {
        return yield* (yield* DestinationClaims).against(yield* young.read(101), ["3.0.0"])
      }).pipe(Effect.provide(young.layer))
      assert.strictEqual(unowned.size, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("refused Images are judged once, and again when their spec or the policy changes", () => {
    const server = new ApiServerStore({ history: 20_000 })
    const create = (key: string, written: Written, at: number) =>
      server.create(Images, { metadata: nameOf(key), spec: specOf(written) }, at)
    for (let index = 0; index < 150; index += 1) {
      create(`refused/pattern-${index}`, { from: "one:1.x.x" }, index * 1_000)
      create(`refused/tag-${index}`, { from: "one:1.0.0" }, index * 1_000)
    }
    create("accepted/app", { from: "two:1.x.x" }, 1_000_000)
    const file = makePolicyFile("rules: [{ name: one, namespaces: [accepted] }]")
    let judged = 0
    const counted = Layer.effect(
      Policy,
      Effect.map(Policy, (policy) => ({
        ...policy,
        judge: (request: PolicyRequest) =>
          Effect.andThen(
            Effect.sync(() => void (judged += 1)),
            policy.judge(request)
          )
      }))
    ).pipe(Layer.provide(file.layer))
    const layer = DestinationClaims.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(ImageStore.layer(), Credentials.layerAnonymous, counted)),
      Layer.provide(KubeClientMemory.layer({ store: server }))
    )
    return Effect.gen(function* () {
      const [{ against }, images] = [yield* DestinationClaims, yield* ImageStore]
      yield* images.synced
      const app = Option.getOrThrow(yield* images.get("accepted/app"))
      assert(app._tag === "Readable")
      const ownerOf = Effect.map(against(app, ["1.0.0"]), (owners) => [...owners.values()].map(keyOf))
      assert.deepStrictEqual(yield* ownerOf, [])
      assert.strictEqual(judged, 300)
      assert.deepStrictEqual(yield* ownerOf, [])
      assert.strictEqual(judged, 300)

      server.apply(
        Images,
        { metadata: nameOf("refused/tag-3"), spec: specOf({ from: "one:1.0.0", to: "app:1.0.0" }) },
        0
      )
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(yield* ownerOf, [])
      assert.strictEqual(judged, 301)

      file.write("rules: [{ name: all }]")
      yield* TestClock.adjust("10 seconds")
      const oldest = [yield* images.get("refused/pattern-0"), yield* images.get("refused/tag-0")]
        .map(Option.getOrThrow)
        .sort((a, b) => (a.uid < b.uid ? -1 : 1))
      assert.deepStrictEqual(yield* ownerOf, oldest.slice(0, 1).map(keyOf))

      file.write("rules: [{ name: one, namespaces: [accepted] }]")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* ownerOf, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("other fibers run while many patterns judge many tags", () => {
    const { layer, read } = claimsOf([...patterns(50), { from: "two:1.x.x" }])
    return Effect.gen(function* () {
      const { against } = yield* DestinationClaims
      let runs = 0
      yield* Effect.yieldNow.pipe(
        Effect.andThen(Effect.sync(() => (runs += 1))),
        Effect.forever,
        Effect.forkChild({ startImmediately: true })
      )
      const young = yield* read(50)
      const clock = yield* Clock.Clock
      let now = 0
      const slow: Clock.Clock = Object.create(clock, { currentTimeMillisUnsafe: { value: () => (now += 6) } })
      runs = 0
      yield* against(young, ["1.0.0", "1.0.1"]).pipe(Effect.provideService(Clock.Clock, slow))
      assert.isAbove(runs, 20)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an annotation of an older Image concerns no other Image", () => {
    const { layer, read } = claimsOf([{ from: "one:1.0.0" }, { from: "two:1.0.0" }, { from: "two:1.x.x" }])
    return Effect.gen(function* () {
      const { concerned } = yield* DestinationClaims
      const { createdAt, uid } = yield* read(0)
      const version = (generation: number, requested: string) => {
        const metadata = { ...nameOf("many/i0"), uid, generation, annotations: { [REQUESTED_AT]: requested } }
        const creationTimestamp = new Date(createdAt).toISOString()
        return readStoredImage({ metadata: { ...metadata, creationTimestamp }, spec: specOf({ from: "one:1.0.0" }) })
      }
      const [before, after] = [version(1, "earlier"), version(1, "now")]
      assert.deepStrictEqual(yield* concerned({ key: "many/i0", before, after }), [])
      const changed = yield* concerned({ key: "many/i0", before: after, after: version(2, "now") })
      assert.deepStrictEqual(changed, ["many/i1", "many/i2"])
    }).pipe(Effect.provide(layer))
  })
})
