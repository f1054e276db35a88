/** The changes that the controller reacts to, their order, and the end of a controller that misses changes. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option, PubSub, Random, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Controller, ControllerStopped } from "../../src/controller/Controller.ts"
import { DestinationClaims } from "../../src/controller/DestinationClaims.ts"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import { ImageStore, type ImageStoreOptions } from "../../src/controller/ImageStore.ts"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { CopyEngine, CopyEngineError } from "../../src/copy/CopyEngine.ts"
import type { ImageKey } from "../../src/domain/ImageKey.ts"
import * as JobEngine from "../../src/copy/job/JobEngine.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images, Jobs } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { whole } from "../support/wholeObjects.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { endpoint } from "../support/endpoints.ts"
import * as Faults from "../support/Faults.ts"
import { makeEngineWorld, passSeconds } from "../support/engineWorld.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

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

/** An engine that has a copy at its start, as the Job engine may, and an API server with slow lists. */
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
  it.effect("a copy without an Image at the API server is ended, and not before all Images are listed", () => {
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
    it.effect(`a copy is kept if the API server has the Image, and the controller follows Images ${what}`, () => {
      const { cancelled, layer, store } = makeWorld({ scopes: [scope] })
      store.create(Images, image, 0)
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(cancelled, [])
        assert.deepStrictEqual(store.get(Images, image.metadata)?.["status"], { observedGeneration: -1 })
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("a copy is kept, and its Image is read once, if the operator has no right to read the Image", () => {
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
  })

  it.effect("a copy is ended if the controller followed its Image and the scope no longer has the Image", () => {
    const { cancelled, layer, store } = makeWorld({ scopes: [{ labelSelector: "mirror=yes" }] })
    const labelled = (mirror: string) => ({ ...image, metadata: { ...image.metadata, labels: { mirror } } })
    store.create(Images, labelled("no"), 0)
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(cancelled, [], "another operator may follow it")
      yield* (yield* KubeClient).apply(whole(Images), labelled("yes"), "test")
      yield* TestClock.adjust("1 minute")
      cancelled.length = 0
      yield* (yield* KubeClient).apply(whole(Images), labelled("no"), "test")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(cancelled, ["team/app"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a copy of an earlier Image of the same name is ended", () => {
    const { cancelled, layer, store } = makeWorld({ scopes: [{ namespace: "team" }] })
    store.create(Images, image, 0)
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(cancelled, ["team/app"])
    }).pipe(Effect.provide(layer))
  })
})

/** A reconciler that a test controls and that records each Image and its time; an engine without copies. */
const makeDriven = (
  reconcile: (name: string) => Effect.Effect<number | undefined, CopyEngineError> = () => Effect.undefined
) => {
  const store = new ApiServerStore()
  const log: Array<string> = []
  const copyChanges: { of: Stream.Stream<ImageKey> } = { of: Stream.never }
  const reconciler = Layer.succeed(Reconciler, {
    reconcile: ({ name }) =>
      Effect.gen(function* () {
        log.push(name)
        const millis = yield* reconcile(name)
        return {
          next: millis === undefined ? { _tag: "Never", why: "Done" } : { _tag: "At", millis, why: "Interval" },
          written: Option.none()
        }
      }),
    removed: ({ name }) => Effect.sync(() => void log.push(`${name} is gone`))
  })
  const engine = Layer.succeed(CopyEngine, {
    supports: { platforms: true, referrers: true, manifests: true },
    start: () => Effect.succeed(true),
    copies: () => Effect.succeed([]),
    cancel: () => Effect.void,
    release: () => Effect.void,
    changes: Stream.suspend(() => copyChanges.of)
  })
  const create = (name: string, version = "v1") =>
    Effect.sync(() => {
      store.create(Images, { ...image, metadata: { namespace: "team", name }, spec: withVersion(version) }, 0)
    })
  const layer = Controller.layer({ concurrency: 1 }).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        reconciler,
        engine,
        ImageStore.layer(),
        DestinationClaims.layerNone,
        ImageEvents.layerNone,
        Policy.layerNone,
        Metrics.layer
      )
    ),
    Layer.provideMerge(KubeClientMemory.layer({ store }))
  )
  return { copyChanges, create, layer, log }
}

const withVersion = (version: string) => ({
  source: { name: "source.test/app", version },
  destination: { name: "dest.test/app" }
})

const seconds = (count: number) => Effect.as(Effect.sleep(count * 1_000), undefined)

describe("the controller", () => {
  it.effect("the controller reconciles a new Image before the Images of the first list and before due Images", () => {
    const { create, layer, log } = makeDriven((name) =>
      name.startsWith("due") ? Effect.as(Effect.sleep("1 second"), 60_000) : seconds(1)
    )
    return Effect.gen(function* () {
      for (const name of ["due-1", "due-2", "due-3"]) yield* create(name)
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("1500 millis")
        yield* applyImage("new", withVersion("v1"))
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(log.splice(0), ["due-1", "due-2", "new", "due-3"])

        yield* TestClock.adjust("29500 millis")
        yield* applyImage("newer", withVersion("v1"))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(log.slice(0, 4), ["due-1", "due-2", "newer", "due-3"])
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("the controller reconciles an Image with changed copies before the Images of the first list", () => {
    const { copyChanges, create, layer, log } = makeDriven(() => seconds(1))
    return Effect.gen(function* () {
      const changes = yield* PubSub.unbounded<ImageKey>()
      copyChanges.of = Stream.fromPubSub(changes)
      for (const name of ["a", "b", "c"]) yield* create(name)
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("500 millis")
        yield* PubSub.publish(changes, { namespace: "team", name: "c" })
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(log, ["a", "c", "b"])
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("the controller retries a failed reconcile after a pause, and reconciles a changed Image at once", () => {
    const { layer, log } = makeDriven(() => new CopyEngineError({ reason: "JobsUnknown", detail: "the test says so" }))
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", withVersion("v1"))
      yield* passSeconds(100)
      // Reconciles at 0, 0.75, 2.25, 5.25, 11.25, 23.25, 47.25 and 95.25 s. The next one would be at 191.25 s.
      assert.lengthOf(log, 8)
      yield* applyImage("app", withVersion("v2"))
      yield* passSeconds(5)
      assert.lengthOf(log, 8 + 3)
    }).pipe(
      Effect.provide(layer),
      Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0, nextIntUnsafe: () => 0 })
    )
  })

  it.effect("the controller retries a reconcile that died, and keeps running", () => {
    const { create, layer, log } = makeDriven(() => (log.length === 1 ? Effect.die("a defect") : Effect.undefined))
    return Effect.gen(function* () {
      yield* create("app")
      yield* Effect.gen(function* () {
        const running = yield* Effect.forkChild((yield* Controller).running)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(log, ["app", "app"])
        assert.isUndefined(running.pollUnsafe())
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("the controller forgets the due time of a deleted Image", () => {
    const { layer, log } = makeDriven(() => Effect.succeed(10_000))
    return Effect.gen(function* () {
      const kube = yield* KubeClient
      yield* (yield* Controller).synced
      yield* applyImage("app", withVersion("v1"))
      yield* TestClock.adjust("1 second")
      yield* kube.delete(Images, { namespace: "team", name: "app" })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, ["app", "app is gone"])
    }).pipe(Effect.provide(layer))
  })

  const ends: ReadonlyArray<readonly [string, Stream.Stream<ImageKey>, (cause: Cause.Cause<unknown>) => void]> = [
    [
      "ends",
      Stream.empty,
      (cause) =>
        assert.match(
          Cause.pretty(cause),
          /ControllerStopped: the controller has stopped: the stream of changes of copies has ended; restart the operator/u
        )
    ],
    ["dies", Stream.die(new Error("a defect")), (cause) => assert.match(Cause.pretty(cause), /a defect/u)],
    [
      "is interrupted",
      Stream.fromEffect(Effect.interrupt),
      (cause) => assert.instanceOf(Option.getOrThrow(Cause.findErrorOption(cause)), ControllerStopped)
    ]
  ]
  for (const [name, end, check] of ends) {
    it.effect(`the controller fails when the stream of copies' changes ${name}`, () => {
      const { copyChanges, layer } = makeDriven()
      return Effect.gen(function* () {
        const ending = yield* Deferred.make<void>()
        copyChanges.of = Stream.unwrap(Effect.as(Deferred.await(ending), end))
        yield* Effect.gen(function* () {
          const running = yield* Effect.forkChild((yield* Controller).running)
          yield* TestClock.adjust("1 hour")
          assert.isUndefined(running.pollUnsafe())
          yield* Deferred.succeed(ending, undefined)
          const exit = yield* Fiber.await(running)
          assert.isTrue(Exit.isFailure(exit) && !Cause.hasInterrupts(exit.cause))
          if (Exit.isFailure(exit)) check(exit.cause)
        }).pipe(Effect.provide(layer))
      })
    })
  }
})

const noStreams = new KubeError({ operation: "watch", code: 422, reason: "Invalid", detail: "no lists as streams" })

describe("the controller, when a watch dies", () => {
  const jobs = JobEngine.layer({ namespace: "jobs", image: "quay.io/containers/skopeo:v1.9.3", instance: "release" })
  for (const { plural } of [Images, Jobs]) {
    for (const method of ["list", "watch"] as const) {
      it.effect(`the controller fails when the ${method} of ${plural} dies`, () => {
        const dying = Effect.die(new Error("a defect"))
        const faults = Faults.of(KubeClient, [
          { method: "list", when: ({ plural: other }) => other === plural, before: () => dying },
          // Without lists as streams, the API server is asked for pages.
          {
            method: "watch",
            when: ({ plural: other }) => other === plural,
            before: () => (method === "watch" ? dying : Effect.fail(noStreams))
          }
        ])
        const kube = faults.layer(KubeClientMemory.layer())
        return Effect.gen(function* () {
          const running = yield* Effect.forkChild((yield* Controller).running)
          yield* TestClock.adjust("1 minute")
          assert.isTrue(Exit.isFailure(running.pollUnsafe() ?? Exit.void))
        }).pipe(Effect.provide(operatorLayer(makeRegistries(), { engine: jobs, kube })))
      })
    }
  }
})

describe("the idle controller", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(
      `the controller is idle once every copy is recorded, even if a retry is due later: engine ${engine}`,
      () => {
        const world = makeEngineWorld(engine)
        for (const tag of ["v1", "v2"]) world.push(tag)
        world.behaviour.takes = (tag) => (tag === "v1" ? 0 : 60_000)
        world.behaviour.fails = (tag) => tag === "v1"
        return Effect.gen(function* () {
          const controller = yield* Controller
          const { copies } = yield* CopyEngine
          yield* controller.synced
          yield* TestClock.adjust("1 second")
          yield* controller.idle
          for (const tag of ["v1", "v2"]) {
            yield* applyImage(tag, {
              source: { name: "source.test/app", version: tag },
              destination: { name: "dest.test/m/app" }
            })
          }
          yield* TestClock.adjust("1 second")
          const idle = yield* Effect.forkChild(controller.idle)
          yield* passSeconds(58)
          assert.isUndefined(idle.pollUnsafe())
          // The copy of v1 has failed and waits for its next retry.
          yield* passSeconds(4)
          assert.isDefined(idle.pollUnsafe())
          assert.strictEqual(conditionText(yield* readImage("v1"), "Reconciling"), "True ProgressingWithRetry")
          assert.strictEqual(conditionText(yield* readImage("v2"), "Ready"), "True Copied")
          assert.deepStrictEqual(yield* copies({ namespace: "team", name: "v2" }), [])
        }).pipe(Effect.provide(world.layer))
      }
    )
  }
})
