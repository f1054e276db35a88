/** Which copies the controller ends because their Image is gone, and which it leaves alone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { ImageStoreOptions } from "../../src/controller/ImageStore.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { endpoint } from "../support/endpoints.ts"
import * as Faults from "../support/Faults.ts"
import { makeRegistries, operatorLayer } from "../support/world.ts"

const digest = `sha256:${"a".repeat(64)}`

const copy: Copy = {
  id: "1",
  image: { namespace: "team", name: "app", uid: "of-before" },
  generation: 1,
  source: endpoint("source.test", "app"),
  digest,
  destinationDigest: digest,
  platforms: [],
  referrers: false,
  onlyIfMissing: false,
  destination: endpoint("dest.test", "app"),
  tag: "v1",
  state: { _tag: "Running" }
}

const forbidden = new KubeError({ operation: "get", code: 403, reason: "Forbidden", detail: "scripted" })

/** An engine that finds a copy when it starts, as that of Jobs does; and an API server whose lists take a while. */
const makeWorld = (options: ImageStoreOptions, listsTake = 0) => {
  const cancelled: Array<string> = []
  const store = new ApiServerStore()
  const engine = Layer.succeed(CopyEngine, {
    supports: { platforms: true, referrers: true, manifests: true },
    start: () => Effect.succeed(true),
    copies: () => Effect.sync(() => (cancelled.length === 0 ? [copy] : [])),
    cancel: ({ image }) => Effect.sync(() => cancelled.push(`${image.namespace}/${image.name}`)),
    release: () => Effect.void,
    changes: Stream.concat(Stream.succeed(copy.image), Stream.never)
  })
  const kubeFaults = Faults.of(KubeClient, [
    { method: "watch", when: (_, scope) => scope.resourceVersion === undefined, ...Faults.delayed(listsTake) }
  ])
  const kube = kubeFaults.layer(KubeClientMemory.layer({ store }))
  const registries = makeRegistries()
  pushSampleImage(registries.source, "app", "v1", "app")
  const layer = operatorLayer(registries, { engine, kube, options })
  return { cancelled, faults: kubeFaults, layer, store }
}

const image = {
  metadata: { namespace: "team", name: "app" },
  spec: { source: { name: "source.test/app", version: "v1" }, destination: { name: "dest.test/app" } }
}

describe("a copy whose Image the controller does not know", () => {
  it.effect("is ended if the API server does not have the Image, and not before all Images are listed", () => {
    const { cancelled, layer } = makeWorld({}, 8_000)
    return Effect.gen(function* () {
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(cancelled, [])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(cancelled, ["team/app"])
    }).pipe(Effect.provide(layer))
  })

  for (const { scope, what } of [
    { what: "in another namespace", scope: { namespace: "another" } },
    { what: "with other labels", scope: { labelSelector: "team=blue" } }
  ]) {
    it.effect(`is left alone if the API server has the Image, and the controller follows those ${what}`, () => {
      const { cancelled, layer, store } = makeWorld({ scopes: [scope] })
      store.create(Images, image, 0)
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(cancelled, [])
        assert.deepStrictEqual(store.get(Images, image.metadata)?.["status"], { observedGeneration: -1 })
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect(
    "is left alone, and asked for no more, if the Image may not be read where the controller follows none",
    () => {
      const { cancelled, faults, layer } = makeWorld({ scopes: [{ namespace: "another" }] })
      faults.plan.push({ method: "get", ...Faults.failing(forbidden) })
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(cancelled, [])
        assert.lengthOf(
          faults.calls.filter(({ method }) => method === "get"),
          1
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "is left alone when the Image loses the labels that the controller follows, and the Image is as well",
    () => {
      const { cancelled, layer, store } = makeWorld({ scopes: [{ labelSelector: "team in (blue)" }] })
      const labelled = (team: string) => ({ ...image, metadata: { ...image.metadata, labels: { team } } })
      return Effect.gen(function* () {
        store.create(Images, labelled("blue"), 0)
        yield* TestClock.adjust("1 second")
        cancelled.length = 0
        store.apply(Images, labelled("red"), 0)
        const relabelled = store.get(Images, image.metadata)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(cancelled, [])
        assert.deepStrictEqual(store.get(Images, image.metadata), relabelled)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("is ended if the Image is another one of the same name", () => {
    const { cancelled, layer, store } = makeWorld({ scopes: [{ namespace: "team" }] })
    store.create(Images, image, 0)
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(cancelled, ["team/app"])
    }).pipe(Effect.provide(layer))
  })
})
