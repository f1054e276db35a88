/** Facts about blobs after an interrupted placement, and facts that are old. */
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
