/** Both readers of bodies: whatever a source does wrong, a copy comes to the same by either. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { childrenOf, clientOf, copy, DESTINATION, SOURCE, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { FALTERS, FAULTS, LAYER, rememberLayers, sizes } from "./faults.table.ts"

/** What there is at the destination, byte for byte, but for what a copy leaves behind that failed. */
const copiedIn = (store: RegistryStore): ReadonlyArray<string> =>
  (store.tags(DESTINATION) ?? []).map((tag) => `${tag} ${store.manifest(DESTINATION, tag)?.digest ?? ""}`)

/** How a copy ends by one of the readers: with what error, and what the destination then has. */
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
  it("meets every fault of a source", () => assert.isAtLeast(ROWS.length, 25))

  for (const { intercept, name } of ROWS) {
    itOnSockets(
      `comes to the same where the source ${name}`,
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
