/** The engine through its public interface: registries in memory, with faults and the TestClock. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Option, Redacted, References, Result, Stream } from "effect"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import type { ImageKey } from "../../src/domain/ImageKey.ts"
import { CopyLimits } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import { type Copy, type CopyTask, isFinished, progressOf } from "../../src/domain/Copy.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import * as ImageSecrets from "../../src/credentials/ImageSecrets.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"
import type { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { TestClock } from "effect/testing"
import { endpoint } from "../support/endpoints.ts"
import * as Faults from "../support/Faults.ts"

const IMAGE = { namespace: "team", name: "app", uid: "uid-1" }
const OTHER = { namespace: "rivals", name: "app", uid: "uid-2" }

interface WorldOptions {
  /** The faults of requests to the registries. */
  readonly faults?: Array<Faults.Fault<RegistryClient["Service"]>>
  /** How many copies run at once. Default: as in an operator. */
  readonly atOnce?: number
  /** Default: a login for the source. */
  readonly credentials?: Layer.Layer<Credentials, never, KubeClient>
}

/** An engine between `source.test` and `dest.test`, with an image under v1 and v2. */
const world = Effect.fnUntraced(function* (options: WorldOptions = {}) {
  const registries = RegistryClientMemory.registriesOf("source.test", "dest.test")
  const [source, destination] = [registries.get("source.test"), registries.get("dest.test")]
  assert(source !== undefined && destination !== undefined)
  const digest = pushSampleImage(source, "app", "v1", "seed")
  const client = Faults.of(RegistryClient, options.faults)
  const credentials =
    options.credentials ??
    Credentials.layer(
      Effect.all([
        ConfiguredCredentials.make({
          source: Option.some({ username: "reader", password: Redacted.make("r"), registries: ["source.test"] }),
          destination: Option.none()
        })
      ])
    )
  const context = yield* Layer.build(
    DirectEngine.layer.pipe(
      Layer.provide(
        Layer.mergeAll(
          client.layer(RegistryClientMemory.layer(registries)),
          credentials,
          Policy.layerNone,
          CopyLimits.layer(options.atOnce === undefined ? {} : { total: options.atOnce })
        )
      ),
      Layer.provide(KubeClientMemory.layer())
    )
  )
  const engine = yield* Effect.provide(CopyEngine, context)
  const task = (tag = "v1", image = IMAGE, onlyIfMissing = false): CopyTask => ({
    image,
    generation: 1,
    source: endpoint("source.test", "app"),
    digest,
    platforms: [],
    destinationDigest: digest,
    referrers: false,
    destination: endpoint("dest.test", "mirror/app", { tlsVerify: false }),
    tag,
    onlyIfMissing
  })
  /** The copy of a tag, once the copy has the desired state. */
  const copyWhen = (tag: string, isDesired: (copy: Copy) => boolean, image: ImageKey = IMAGE) =>
    Effect.gen(function* () {
      for (let turn = 0; turn < 1_000; turn++) {
        const found = (yield* engine.copies(image)).find((copy) => copy.tag === tag)
        if (found !== undefined && isDesired(found)) return found
        yield* Effect.yieldNow
      }
      return yield* Effect.die(`copy to ${tag} never had the desired state`)
    })
  /** The access of each read manifest, and the written manifests. */
  const reads = () => client.calls.flatMap((call) => (call.method === "manifest" ? [call.args[0]] : []))
  const writes = () => client.calls.flatMap((call) => (call.method === "putManifest" ? [call.args[1]] : []))
  return { copyWhen, destination, digest, engine, reads, source, task, writes }
})

/** Holds each write of a manifest until the test opens the gate. */
const heldUntil = (gate: Deferred.Deferred<void>): WorldOptions => ({
  faults: [{ method: "putManifest", ...Faults.heldUntil(gate) }]
})

const running = (copy: Copy): boolean => copy.state._tag === "Running"
const finished = isFinished

const failing = (reason: Parameters<typeof RegistryError.of>[0]) => (access: RepositoryAccess) =>
  Effect.fail(RegistryError.of(reason, access.repository, `said ${typeof reason === "string" ? reason : reason._tag}`))

describe("DirectEngine", () => {
  it.effect("the engine copies a task and reports its outcome", () =>
    Effect.gen(function* () {
      const { copyWhen, destination, digest, engine, task } = yield* world()
      assert.isTrue(yield* engine.start(task()))
      const copy = yield* copyWhen("v1", finished)
      assert.deepStrictEqual(copy.state, {
        _tag: "Succeeded",
        at: 0,
        progress: { done: 12_997, total: 12_997, sent: 12_997 }
      })
      assert.strictEqual(copy.digest, digest)
      assert.strictEqual(destination.manifest("mirror/app", "v1")?.digest, digest)
    })
  )

  it.effect("of two copies of an Image that need the same blobs, the second says that the first counts them", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, task } = yield* world()
      yield* engine.start(task("v1"))
      yield* engine.start(task("v2"))
      const [first, second] = [yield* copyWhen("v1", finished), yield* copyWhen("v2", finished)].map(progressOf)
      assert.isUndefined(first?.shared)
      const { done = 0, shared, total = 0 } = second ?? {}
      assert.strictEqual(done, total)
      assert.isAbove(shared?.total ?? 0, 9_000)
      assert.strictEqual(shared?.done, shared?.total)
      for (const tag of ["v1", "v2"]) yield* engine.release(yield* copyWhen(tag, finished))
      yield* engine.start(task("v2"))
      assert.isUndefined(progressOf(yield* copyWhen("v2", finished))?.shared, "an Image without copies counts anew")
    })
  )

  it.effect("a copy says when it has left the queue, and is logged as started then", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task } = yield* world({ ...heldUntil(gate), atOnce: 1 })
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ fiber, message }) => {
        lines.push(`${String(message)} ${String(fiber.getRef(References.CurrentLogAnnotations)["tag"])}`)
      })
      yield* Effect.gen(function* () {
        yield* engine.start(task("v1"))
        yield* engine.start(task("v2"))
        assert.deepStrictEqual(lines, ["copy started v1"])
        assert.isUndefined((yield* copyWhen("v2", () => true)).begunAt)
        yield* copyWhen("v1", running)
        yield* TestClock.adjust("7 seconds")
        yield* Deferred.succeed(gate, undefined)
        yield* copyWhen("v1", finished)
        assert.strictEqual((yield* copyWhen("v2", finished)).begunAt, 7_000)
        assert.deepStrictEqual(lines, ["copy started v1", "copy started v2"])
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  )

  it.effect("the engine starts a copy once, however often start is called", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task, writes } = yield* world(heldUntil(gate))
      assert.isTrue(yield* engine.start(task()))
      const first = yield* copyWhen("v1", running)
      assert.isFalse(yield* engine.start(task()))
      yield* Deferred.succeed(gate, undefined)
      const done = yield* copyWhen("v1", finished)
      assert.strictEqual(done.id, first.id)
      // Finished and not released, because its outcome is not recorded yet.
      assert.isFalse(yield* engine.start(task()))
      assert.strictEqual((yield* engine.copies(IMAGE)).length, 1)
      assert.lengthOf(
        writes().filter((reference) => reference === "v1"),
        1
      )
    })
  )

  it.effect("the engine starts a released copy again, as another attempt", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, task } = yield* world()
      yield* engine.start(task())
      const first = yield* copyWhen("v1", finished)
      yield* engine.release(first)
      assert.deepStrictEqual(yield* engine.copies(IMAGE), [])
      assert.isTrue(yield* engine.start(task()))
      const second = yield* copyWhen("v1", finished)
      assert.notStrictEqual(second.id, first.id)
      // A late release of the first copy must not drop the second copy.
      yield* engine.release(first)
      yield* engine.cancel(first)
      assert.deepStrictEqual(
        (yield* engine.copies(IMAGE)).map(({ id }) => id),
        [second.id]
      )
    })
  )

  it.effect("the engine refuses a destination that another Image's copy writes, until that copy is released", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task } = yield* world(heldUntil(gate))
      yield* engine.start(task())
      const busy = yield* Effect.flip(engine.start(task("v1", OTHER)))
      assert.strictEqual(busy.reason, "DestinationBusy")
      assert.include(busy.message, "dest.test/mirror/app:v1")
      assert.include(busy.message, "team/app")
      assert.isTrue(yield* engine.start(task("v2", OTHER)))
      assert.deepStrictEqual(
        (yield* engine.copies(OTHER)).map(({ tag }) => tag),
        ["v2"]
      )
      yield* Deferred.succeed(gate, undefined)
      const done = yield* copyWhen("v1", finished)
      assert.isTrue(Result.isFailure(yield* Effect.result(engine.start(task("v1", OTHER)))))
      yield* engine.release(done)
      assert.isTrue(yield* engine.start(task("v1", OTHER)))
    })
  )

  it.effect("the engine distinguishes a later Image of the same name", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { engine, task } = yield* world(heldUntil(gate))
      yield* engine.start(task())
      const later = { ...IMAGE, uid: "uid-of-a-later-one" }
      assert.strictEqual((yield* Effect.flip(engine.start(task("v1", later)))).reason, "DestinationBusy")
    })
  )

  it.effect("a cancelled copy stops, and its tag is not written", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, destination, engine, task } = yield* world(heldUntil(gate))
      yield* engine.start(task())
      yield* engine.cancel(yield* copyWhen("v1", running))
      assert.deepStrictEqual(yield* engine.copies(IMAGE), [])
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
      assert.isUndefined(destination.manifest("mirror/app", "v1"))
      assert.deepStrictEqual(yield* engine.copies(IMAGE), [])
      assert.isTrue(yield* engine.start(task()))
    })
  )

  it.effect("a copy that runs longer than its deadline fails, and frees its slot", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, destination, engine, task } = yield* world(heldUntil(gate))
      yield* engine.start(task())
      yield* copyWhen("v1", running)
      yield* TestClock.adjust("5 hours")
      yield* copyWhen("v1", running)
      yield* TestClock.adjust("1 hour")
      const { state } = yield* copyWhen("v1", finished)
      assert(state._tag === "Failed")
      assert.deepStrictEqual([state.reason, state.message], ["DeadlineExceeded", "the copy has not ended after 6h"])
      assert.isUndefined(destination.manifest("mirror/app", "v1"))
    })
  )

  for (const onlyIfMissing of [true, false]) {
    const what = onlyIfMissing ? "kept with onlyIfMissing" : "overwritten otherwise"
    it.effect(`a tag that others push before its write is ${what}`, () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { copyWhen, destination, digest, engine, task, writes } = yield* world({
          faults: [{ method: "putManifest", when: (_, reference) => reference !== "v1", ...Faults.heldUntil(gate) }]
        })
        yield* engine.start(task("v1", IMAGE, onlyIfMissing))
        yield* copyWhen("v1", running)
        const theirs = pushSampleImage(destination, "mirror/app", "v1", "theirs")
        yield* Deferred.succeed(gate, undefined)
        const { state } = yield* copyWhen("v1", finished)
        assert.strictEqual(destination.manifest("mirror/app", "v1")?.digest, onlyIfMissing ? theirs : digest)
        assert.strictEqual(writes().includes("v1"), !onlyIfMissing)
        if (!onlyIfMissing) return assert.strictEqual(state._tag, "Succeeded")
        assert(state._tag === "Present")
        assert.strictEqual(state.digest, theirs)
        assert.strictEqual(state.progress?.done, state.progress?.total)
      })
    )
  }

  it.effect("a cancelled copy is dropped before its change is published", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, task } = yield* world({
        faults: [{ method: "putManifest", before: () => Effect.never }]
      })
      yield* engine.start(task())
      const copy = yield* copyWhen("v1", running)
      const published = yield* engine.changes.pipe(
        Stream.take(1),
        Stream.mapEffect((image) => engine.copies(image)),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* engine.cancel(copy)
      assert.deepStrictEqual(yield* Fiber.join(published), [[]])
    })
  )

  it.effect("the engine publishes the Images whose copies have ended", () =>
    Effect.gen(function* () {
      const { engine, task } = yield* world()
      const published = yield* engine.changes.pipe(
        Stream.take(2),
        Stream.mapEffect(({ name, namespace }) =>
          Effect.map(engine.copies({ namespace, name }), (copies) => `${namespace}/${name} ${copies.every(isFinished)}`)
        ),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* engine.start(task("v1"))
      yield* engine.start(task("v2", OTHER))
      assert.deepStrictEqual((yield* Fiber.join(published)).toSorted(), ["rivals/app true", "team/app true"])
    })
  )

  it.effect("the engine reports the progress of a copy", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, task } = yield* world({
        faults: [{ method: "putManifest", before: () => Effect.never }]
      })
      yield* engine.start(task())
      const copy = yield* copyWhen(
        "v1",
        ({ state }) => state._tag === "Running" && state.progress !== undefined && state.progress.done > 8_000
      )
      assert(copy.state._tag === "Running" && copy.state.progress !== undefined)
      assert.isBelow(copy.state.progress.done, copy.state.progress.total)
    })
  )

  it.effect("copies beyond the limit of a registry wait, with the limits as their reason", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task } = yield* world(heldUntil(gate))
      const tags = Array.from({ length: 6 }, (_, n) => `t${n}`)
      for (const tag of tags) yield* engine.start(task(tag))
      for (const tag of tags.slice(0, 4)) yield* copyWhen(tag, running)
      for (const tag of tags.slice(4)) {
        const { state } = yield* copyWhen(tag, () => true)
        assert(state._tag === "Waiting")
        assert.include(state.reason, "4 per registry")
      }
      // A waiting copy can be cancelled too.
      yield* engine.cancel(yield* copyWhen("t4", () => true))
      yield* Deferred.succeed(gate, undefined)
      for (const tag of tags.filter((name) => name !== "t4")) yield* copyWhen(tag, finished)
      assert.notInclude(
        (yield* engine.copies(IMAGE)).map(({ tag }) => tag),
        "t4"
      )
    })
  )

  it.effect("an Image is published once when one of its copies ends and another of its copies begins", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task } = yield* world(heldUntil(gate))
      const tags = ["t0", "t1", "t2", "t3", "t4"]
      for (const tag of tags) yield* engine.start(task(tag))
      const published: Array<string> = []
      yield* engine.changes.pipe(
        Stream.runForEach(({ name }) => Effect.sync(() => published.push(name))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.succeed(gate, undefined)
      for (const tag of tags) yield* copyWhen(tag, finished)
      yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
      assert.lengthOf(published, tags.length)
    })
  )

  it.effect("the engine publishes that a copy waits and that the copy has begun", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { copyWhen, engine, task } = yield* world(heldUntil(gate))
      const published = yield* engine.changes.pipe(
        Stream.filter(({ name }) => name === "late"),
        Stream.take(2),
        Stream.mapEffect((image) =>
          Effect.map(engine.copies(image), (copies) => copies.map(({ state }) => state._tag))
        ),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      for (const tag of ["t0", "t1", "t2", "t3"]) yield* engine.start(task(tag))
      const late = { namespace: "team", name: "late", uid: "uid-late" }
      yield* engine.start(task("t4", late))
      yield* copyWhen("t4", ({ state }) => state._tag === "Waiting", late)
      yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
      yield* engine.cancel(yield* copyWhen("t0", running))
      assert.deepStrictEqual(yield* Fiber.join(published), [["Waiting"], ["Running"]])
    })
  )

  for (const [side, kind, reason] of [
    ["source", "NotFound", "SourceNotFound"],
    ["source", "AuthenticationFailed", "AuthenticationFailed"],
    ["source", "RateLimited", "RateLimited"],
    ["source", "UnsupportedManifest", "UnsupportedManifest"],
    ["destination", "NotFound", "DestinationNotFound"],
    ["destination", "PushRefused", "PushRefused"],
    ["destination", "DestinationRepositoryMissing", "DestinationRepositoryMissing"]
  ] as const) {
    it.effect(`${kind} at the ${side} is ${reason}, with the registry's text`, () =>
      Effect.gen(function* () {
        const { copyWhen, engine, task } = yield* world({
          faults: [{ method: side === "source" ? "manifest" : "putManifest", before: failing(kind) }]
        })
        yield* engine.start(task())
        const { state } = yield* copyWhen("v1", finished)
        assert(state._tag === "Failed")
        assert.strictEqual(state.reason, reason)
        assert.include(state.message, `said ${kind}`)
        assert.include(state.message, side === "source" ? "source.test/app" : "dest.test/mirror/app")
      })
    )
  }

  it.effect("a defect in a copy fails that copy, with one line", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, task } = yield* world({
        faults: [{ method: "manifest", before: () => Effect.die(new Error("a bug\nof two lines")) }]
      })
      yield* engine.start(task())
      const { state } = yield* copyWhen("v1", finished)
      assert(state._tag === "Failed")
      assert.strictEqual(state.reason, "CopyFailed")
      assert.include(state.message, "a bug")
      assert.notInclude(state.message, "\n")
    })
  )

  it.effect("each side is reached with the task's TLS setting and its own credential", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, reads, task } = yield* world()
      yield* engine.start(task())
      yield* copyWhen("v1", finished)
      assert.isAbove(reads().length, 0)
      for (const access of reads()) {
        assert.isTrue(access.tlsVerify)
        assert.strictEqual(Option.getOrUndefined(access.credential)?.username, "reader")
      }
    })
  )

  it.effect("a copy without its credentials fails with the remedy, and sends no request", () =>
    Effect.gen(function* () {
      const { copyWhen, engine, reads, task } = yield* world({
        credentials: Credentials.layer(Effect.all([ImageSecrets.make({ enabled: false })]))
      })
      const source = endpoint("source.test", "app", { credentials: { _tag: "Secret", name: "pull" } })
      yield* engine.start({ ...task(), source })
      const { state } = yield* copyWhen("v1", finished)
      assert(state._tag === "Failed")
      assert.strictEqual(state.reason, "SecretsDisabled")
      assert.include(state.message, 'spec.source.credentials.secretRef.name: "pull" is a Secret')
      assert.deepStrictEqual(reads(), [])
    })
  )

  it.effect("the end of the engine's scope stops its copies", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { copyWhen, engine, task } = yield* world({
            faults: [
              {
                method: "putManifest",
                before: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
              }
            ]
          })
          yield* engine.start(task())
          yield* copyWhen("v1", ({ state }) => state._tag === "Running" && state.progress !== undefined)
          yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
        })
      )
      yield* Deferred.await(interrupted)
    })
  )
})
