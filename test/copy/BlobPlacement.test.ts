/** Facts about blobs after an interrupted placement, facts that are old, and blobs that several copies need. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, type Duration, Effect, Fiber, Option, Result } from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { BlobPlacement } from "../../src/copy/BlobPlacement.ts"
import { RequestedFor } from "../../src/registry/limits/RegistryLimits.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import * as Faults from "../support/Faults.ts"
import { putBlob, SOURCE } from "../support/copyWorld.ts"
import { withPlacement } from "../support/copying.ts"

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: true,
  credential: Option.none()
})

const yields = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

describe("a blob whose placement is interrupted", () => {
  it.effect("a blob whose placement was interrupted at any step is placed by the next copy", () =>
    Effect.gen(function* () {
      const stores = RegistryClientMemory.registriesOf("a.test", "b.test")
      const source = stores.get("a.test")
      if (source === undefined) throw new Error("no registry")
      const blob = putBlob(source, "bytes")
      const interrupted = Effect.fnUntraced(function* (steps: number, few: number) {
        const { place } = yield* BlobPlacement
        const placed = Effect.exit(
          place({
            source: accessTo("a.test", SOURCE),
            destination: accessTo("b.test", "app"),
            blob,
            image: "v1"
          })
        )
        // The placement yields after every few steps, and can be interrupted there.
        const first = yield* Effect.forkChild(Effect.provideService(placed, MaxOpsBeforeYield, few))
        yield* yields(steps)
        yield* Fiber.interrupt(first)
        const second = yield* Effect.forkChild(placed)
        yield* yields(20)
        assert.isDefined(second.pollUnsafe(), `interrupted after step ${steps} of ${few}, the next waits for ever`)
      })
      for (const few of [2, 3, 4]) {
        for (let steps = 0; steps < 60; steps++) {
          const layer = withPlacement(RegistryClientMemory.layer(stores))
          yield* Effect.provide(interrupted(steps, few), layer)
        }
      }
    })
  )
})

describe("a missing repository", () => {
  it.effect("a repository that was missing long ago gets a HEAD before a blob is sent again", () => {
    const stores = RegistryClientMemory.registriesOf("a.test", "b.test")
    const source = stores.get("a.test")
    if (source === undefined) throw new Error("no registry")
    const blobs = ["first", "second", "third"].map((text) => putBlob(source, text))
    const requests: Array<string> = []
    return Effect.gen(function* () {
      const { place } = yield* BlobPlacement
      const bring = Effect.forEach(blobs, (blob) =>
        place({
          source: accessTo("a.test", SOURCE),
          destination: accessTo("b.test", "app"),
          blob,
          image: "v1",
          missing: "Repository"
        })
      )
      yield* bring
      assert.lengthOf(
        requests.filter((request) => request.startsWith("GET a.test")),
        3
      )
      yield* TestClock.adjust("20 minutes")
      requests.length = 0
      // A later copy has the same fact about the repository.
      yield* bring
      assert.deepStrictEqual(
        requests.filter((request) => request.startsWith("GET a.test")),
        [],
        "nothing is read that is there already"
      )
    }).pipe(
      Effect.provide(
        withPlacement(RegistryClientMemory.layer(stores, { onRequest: (request) => requests.push(request) }))
      )
    )
  })
})

describe("copies that need the same blob at the same time", () => {
  /** Copies of one blob: which of them send the blob at once while no transfer ends. */
  const sending = Effect.fnUntraced(function* (
    copies: ReadonlyArray<{ readonly from: string; readonly namespace: string }>,
    wait: Duration.Input = 0
  ) {
    const stores = RegistryClientMemory.registriesOf("a.test", "evil.test", "b.test")
    const blobs = [...stores.values()].slice(0, 2).map((store) => putBlob(store, "layer"))
    const gate = yield* Deferred.make<void>()
    const client = Faults.of(RegistryClient, [{ method: "copyBlob", ...Faults.heldUntil(gate) }])
    const [blob] = blobs
    if (blob === undefined) throw new Error("no blob")
    yield* Effect.gen(function* () {
      const { place } = yield* BlobPlacement
      for (const [index, { from, namespace }] of copies.entries()) {
        yield* place({
          source: accessTo(from, SOURCE),
          destination: accessTo("b.test", `app-${index}`),
          blob,
          image: "v1",
          missing: "Repository"
        }).pipe(Effect.provideService(RequestedFor, namespace), Effect.forkScoped({ startImmediately: true }))
      }
      yield* yields(20)
      yield* TestClock.adjust(wait)
      yield* yields(20)
    }).pipe(Effect.scoped, Effect.provide(withPlacement(client.layer(RegistryClientMemory.layer(stores)))))
    return client.calls.flatMap(({ args, method }) =>
      method === "copyBlob" ? [args[0].source.repository.registry] : []
    )
  })

  it.effect("one copy sends the blob, and the others of its namespace and source wait", () =>
    Effect.gen(function* () {
      const from = { from: "a.test", namespace: "team" }
      assert.deepStrictEqual(yield* sending([from, from, from]), ["a.test"])
    })
  )

  it.effect("no copy waits for the bytes of another registry, or for a copy of another namespace", () =>
    Effect.gen(function* () {
      const sent = yield* sending([
        { from: "evil.test", namespace: "team" },
        { from: "a.test", namespace: "team" },
        { from: "a.test", namespace: "other" }
      ])
      assert.deepStrictEqual(sent, ["evil.test", "a.test", "a.test"])
    })
  )

  it.effect("a copy that has waited for five minutes sends the blob itself", () =>
    Effect.gen(function* () {
      const from = { from: "a.test", namespace: "team" }
      assert.lengthOf(yield* sending([from, from, from], "4 minutes"), 1)
      assert.lengthOf(yield* sending([from, from, from], "5 minutes"), 2)
    })
  )

  it.effect(
    "a source that sends the first blob of a registry slowly delays the other blobs once, for 30 seconds",
    () => {
      const stores = RegistryClientMemory.registriesOf("a.test", "evil.test", "b.test")
      const [source, evil] = [...stores.values()]
      const client = Faults.of(RegistryClient, [
        {
          method: "copyBlob",
          when: (options) => options.source.repository.registry === "evil.test",
          before: () => Effect.never
        }
      ])
      return Effect.gen(function* () {
        assert(source !== undefined && evil !== undefined)
        const { place } = yield* BlobPlacement
        const placing = (from: string, blob: ReturnType<typeof putBlob>) =>
          place({ source: accessTo(from, SOURCE), destination: accessTo("b.test", "app"), blob, image: "v1" }).pipe(
            Effect.forkScoped({ startImmediately: true })
          )
        yield* placing("evil.test", putBlob(evil, "slow"))
        const first = yield* placing("a.test", putBlob(source, "first"))
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(first.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.isDefined(first.pollUnsafe())
        const second = yield* placing("a.test", putBlob(source, "second"))
        yield* yields(50)
        assert.isDefined(second.pollUnsafe())
      }).pipe(Effect.scoped, Effect.provide(withPlacement(client.layer(RegistryClientMemory.layer(stores)))))
    }
  )
})

describe("a blob that another namespace's copy has brought", () => {
  /** Places a blob for `team-a`, then for another namespace from another registry: the requests of the second placement. */
  const second = Effect.fnUntraced(function* (options: {
    readonly namespace: string
    readonly repository: string
    readonly doesSourceHaveIt: boolean
  }) {
    const stores = RegistryClientMemory.registriesOf("private.test", "other.test", "b.test")
    const [from, other, destination] = [...stores.values()]
    assert(from !== undefined && other !== undefined && destination !== undefined)
    const blob = putBlob(from, "secret layer")
    if (options.doesSourceHaveIt) putBlob(other, "secret layer")
    const requests: Array<string> = []
    const outcome = yield* Effect.gen(function* () {
      const { place } = yield* BlobPlacement
      const placing = (registry: string, path: string, namespace: string) =>
        place({ source: accessTo(registry, SOURCE), destination: accessTo("b.test", path), blob, image: "v1" }).pipe(
          Effect.provideService(RequestedFor, namespace)
        )
      yield* placing("private.test", "team-a/app", "team-a")
      requests.length = 0
      return yield* Effect.result(placing("other.test", options.repository, options.namespace))
    }).pipe(
      Effect.provide(
        withPlacement(RegistryClientMemory.layer(stores, { onRequest: (request) => requests.push(request) }))
      )
    )
    return { outcome, requests, blob: destination.blob(options.repository, blob.digest) }
  })

  it.effect(
    "a blob that a source names and does not have is not mounted from the repository of another namespace",
    () =>
      Effect.gen(function* () {
        const options = { namespace: "team-b", repository: "team-b/app", doesSourceHaveIt: false }
        const { blob, outcome } = yield* second(options)
        assert(Result.isFailure(outcome))
        assert.deepStrictEqual([outcome.failure.side, outcome.failure.reason._tag], ["source", "NotFound"])
        assert.isUndefined(blob)
      })
  )

  it.effect("the blob is read from the source of the other namespace", () =>
    Effect.gen(function* () {
      const options = { namespace: "team-b", repository: "team-b/app", doesSourceHaveIt: true }
      const { blob, outcome, requests } = yield* second(options)
      assert.isTrue(Result.isSuccess(outcome))
      assert.isDefined(blob)
      assert.isTrue(requests.some((request) => request.startsWith("GET other.test")))
      assert.deepStrictEqual(
        requests.filter((request) => request.includes("team-a")),
        []
      )
    })
  )

  it.effect("another copy of the same namespace mounts the blob", () =>
    Effect.gen(function* () {
      const options = { namespace: "team-a", repository: "team-a/other", doesSourceHaveIt: true }
      const { blob, requests } = yield* second(options)
      assert.isDefined(blob)
      assert.deepStrictEqual(
        requests.filter((request) => request.includes("other.test")),
        []
      )
    })
  )

  it.effect("a repository to which two namespaces copy is asked for the blob, and gets no bytes twice", () =>
    Effect.gen(function* () {
      const options = { namespace: "team-b", repository: "team-a/app", doesSourceHaveIt: true }
      const { outcome, requests } = yield* second(options)
      assert.isTrue(Result.isSuccess(outcome))
      assert.isAbove(requests.length, 0)
      assert.deepStrictEqual(
        requests.filter((request) => request.includes("other.test")),
        []
      )
    })
  )
})
