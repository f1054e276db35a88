/** The simulation finds faults: each test puts back one fault that the operator once had. */
import { assert, describe, it } from "@effect/vitest"
import { SEEDS } from "./manySeeds.ts"
import { MUTANTS } from "./mutants.ts"
import { simulate } from "./simulate.ts"

const TIMEOUT = 60_000

describe("a simulation of an operator with a fault", () => {
  for (const [name, { engine, fault, oracle, parts, seed }] of Object.entries(MUTANTS)) {
    it(
      `a simulation reports ${oracle} if ${fault} (${name})`,
      async () => {
        const run = await simulate({ seed, engine, size: "small", parts })
        assert.include(
          run.violations.map((violation) => violation.oracle),
          oracle
        )
      },
      TIMEOUT
    )
  }
})

describe("a simulation", () => {
  it("the seeds that show a fault are among the seeds of the tests, in which an operator without the fault violates no oracle", () => {
    for (const { seed } of Object.values(MUTANTS)) assert.isAtMost(seed, SEEDS)
  })

  it(
    "simulations with the same seed have the same story",
    async () => {
      for (const engine of ["direct", "job"] as const) {
        const [one, other] = [
          await simulate({ seed: 3, engine, size: "small", isFull: true }),
          await simulate({ seed: 3, engine, size: "small", isFull: true })
        ]
        assert.deepStrictEqual(other.story, one.story)
        assert.strictEqual(other.digest, one.digest)
      }
    },
    TIMEOUT
  )
})
