/** Tests of many runs. A failure names the command that prints the run's story. */
import { assert, it } from "@effect/vitest"
import type { Engine } from "./Shape.ts"
import { type Run, simulate } from "./simulate.ts"

/** The seeds of the tests are 1 to this number, with each engine. */
export const SEEDS = 50

/** The seeds of one test, and its time limit in milliseconds on a busy machine. */
const SEEDS_A_TEST = 10
const LONGEST_TEST = 120_000

const unexpected = ({ shape, violations }: Run): ReadonlyArray<string> =>
  violations.map(
    ({ detail, oracle }) =>
      `npm run simulate -- --seeds ${shape.seed} --engine ${shape.engine} --story (${oracle}: ${detail})`
  )

/** Tests that no oracle is violated in the worlds of the first seeds. */
export const itSurvives = (engine: Engine): void => {
  for (let first = 1; first <= SEEDS; first += SEEDS_A_TEST) {
    const last = first + SEEDS_A_TEST - 1
    it(
      `no oracle is violated in the worlds of the seeds ${first} to ${last} with the engine ${engine}`,
      async () => {
        const found: Array<string> = []
        for (let seed = first; seed <= last; seed += 1)
          found.push(...unexpected(await simulate({ seed, engine, size: "small" })))
        assert.deepStrictEqual(found, [])
      },
      LONGEST_TEST
    )
  }
}
