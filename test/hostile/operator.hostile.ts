/** Each attack on the operator as a process, alone and ten at once. The limit is the memory that the chart gives. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { Effect, Exit, Scope } from "effect"
import { startWorld } from "./process.ts"
import { attacks, besiege, inBatches, megabytes, type NamedAttack, type World } from "./suite.ts"

/** A file for the log of the operator. */
const LOG = process.env["HOSTILE_LOG"]

describe("the operator under attack", () => {
  const scope = Scope.makeUnsafe()
  let world: World
  const rows: Array<string> = []

  beforeAll(async () => {
    world = await Effect.runPromise(Scope.provide(startWorld, scope))
  })
  afterAll(async () => {
    if (LOG !== undefined) writeFileSync(LOG, await Effect.runPromise(world.target.log))
    console.log(`\npeak MB  honest Image after s\n${rows.join("\n")}`)
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const survives = (title: string, besiegers: ReadonlyArray<NamedAttack>) =>
    it.live(title, () =>
      Effect.gen(function* () {
        const { peakBytes, problems, servedSeconds } = yield* besiege(world, besiegers)
        rows.push(`${String(megabytes(peakBytes)).padStart(7)}  ${servedSeconds.toFixed(1).padStart(5)}  ${title}`)
        assert.deepStrictEqual(problems, [])
      })
    )

  for (const attack of attacks) survives(`the operator holds against ${attack.name}`, [attack])
  for (const batch of inBatches(attacks)) {
    survives(`the operator holds against ${batch.length} at once: ${batch.map(({ name }) => name).join(", ")}`, batch)
  }
})
