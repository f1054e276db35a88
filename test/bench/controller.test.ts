/** The parts of the controller's bench that decide what its table says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { missingFor, NOTHING } from "./controller/environment.ts"
import * as Milestones from "./controller/milestones.ts"
import { HEADER, linesOf } from "./controller/report.ts"

describe("the controller's table", () => {
  const met = (measured: number, goal?: number) => {
    const figure = { what: "a figure", unit: "s", measured, ...(goal === undefined ? {} : { goal }) } as const
    return linesOf([{ _tag: "Measured", row: "row", figures: [figure] }])[0]?.[HEADER.indexOf("MET")]
  }

  it("a figure meets a goal that it does not exceed", () => {
    assert.deepStrictEqual([met(1, 1), met(1.01, 1), met(1)], ["yes", "no", ""])
  })

  it("a number that could not be measured meets no goal", () => {
    assert.strictEqual(met(Number.NaN, 1), "no")
  })

  it("a row that failed is a line that meets no goal", () => {
    const [line] = linesOf([{ _tag: "Failed", row: "row", why: "no cluster" }])
    assert.deepStrictEqual(line, ["row", "failed", "", "", "", "no"])
  })
})

describe("the needs of a bench", () => {
  it("a sentence names each missing variable and program once", () => {
    const needs = { variables: { KUBECONFIG: "", E2E_SOURCE: "registry.test" }, programs: ["no-such-program"] }
    assert.strictEqual(
      missingFor([needs, needs, NOTHING]),
      "the bench needs KUBECONFIG in the environment, and no-such-program on PATH; CONTRIBUTING.md describes the cluster"
    )
  })

  it("nothing is missing for rows without needs", () => {
    assert.strictEqual(missingFor([NOTHING]), "")
  })
})

describe("milestones", () => {
  it.effect("a milestone has the time of its first event, and a later reader gets the same time", () =>
    Effect.gen(function* () {
      const milestones = Milestones.make()
      yield* milestones.reached("a")
      yield* TestClock.adjust("2 seconds")
      yield* milestones.reached("a")
      yield* milestones.reached("b")
      const [a, last] = [yield* milestones.at("a"), yield* milestones.all(["b", "a"])]
      assert.strictEqual(Milestones.secondsBetween(a, last), 2)
      assert.strictEqual(milestones.count(), 2)
    })
  )
})
