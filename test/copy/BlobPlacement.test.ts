/** What a process knows of blobs, when their placement is interrupted, and when it was told long ago. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { BlobPlacement } from "../../src/copy/BlobPlacement.ts"
import type { RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
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
  it.effect("is placed by the next copy, whichever step was interrupted", () =>
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
        // It yields after every few of its steps, and so can be interrupted there.
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

describe("a repository that was not there", () => {
  it.effect("is asked before a blob is sent to it again, once it has had some for long", () => {
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
      // A copy that goes on later was told the same of the repository.
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
