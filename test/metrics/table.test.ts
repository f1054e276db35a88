/** The table of metrics is what the operator exposes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { METRICS, PROCESS } from "../../src/metrics/table.ts"

describe("the table of metrics", () => {
  it.effect("every metric of the table is exposed by its type, and no other metric is", () =>
    Effect.gen(function* () {
      const { exposition } = yield* Metrics
      const { body } = yield* exposition
      const exposed = Array.from(body.matchAll(/^# TYPE (\S+) (\S+)$/gmu), ([, name, type]) => `${name} ${type}`)
      const described = [METRICS, PROCESS].flatMap((table) =>
        Object.entries(table).map(([name, { type }]) => `${name} ${type}`)
      )
      assert.sameMembers(exposed, described)
    }).pipe(Effect.provide(Metrics.layer))
  )
})
