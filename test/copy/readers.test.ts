/** Both readers of bodies: for each fault of a source, a copy has the same outcome with either reader. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { childrenOf, clientOf, copy, DESTINATION, SOURCE, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { FALTERS, FAULTS, LAYER, rememberLayers, sizes } from "./faults.table.ts"

/** The contents of the destination, byte for byte, without the remains of a failed copy. */
const copiedIn = (store: RegistryStore): ReadonlyArray<string> =>
  (store.tags(DESTINATION) ?? []).map((tag) => `${tag} ${store.manifest(DESTINATION, tag)?.digest ?? ""}`)

/** The outcome of a copy with one of the readers: the error and the contents of the destination. */
const outcomeOf = Effect.fnUntraced(function* (intercept: Intercept, bulkReader: boolean) {
  const world = yield* worldOf({ source: { intercept } })
  const digest = pushSampleImage(world.source.store, SOURCE, "upstream", "seed", { layerSize: 4 * LAYER })
  rememberLayers(world.source.store, digest)
  for (const blob of childrenOf(world.source.store, digest).flat()) sizes.set(blob.digest, blob.size)
  const result = yield* Effect.result(copy(world, digest, undefined, clientOf({ bulkReader })))
  const failure = Result.isFailure(result) ? result.failure : undefined
  return {
    reason: failure?.reason._tag,
    side: failure?.side,
    concerns: failure?.concerns,
    copied: copiedIn(world.destination.store)
  }
})

const ROWS = [...FAULTS, ...FALTERS].filter(({ side }) => side === "source")

describe("a copy by the bulk reader, and by the general one", () => {
  it("the readers are compared on each fault of a source", () => assert.isAtLeast(ROWS.length, 25))

  for (const { intercept, name } of ROWS) {
    itOnSockets(
      `both readers have the same outcome if the source ${name}`,
      () =>
        Effect.gen(function* () {
          const inBulk = yield* outcomeOf(intercept(), true)
          const generally = yield* outcomeOf(intercept(), false)
          assert.deepStrictEqual(inBulk, generally)
        }),
      20_000
    )
  }
})
