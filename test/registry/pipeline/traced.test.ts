/** The spans of requests. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { traced } from "../../../src/registry/pipeline/traced.ts"
import { answering, requestOf, unreachable } from "../../support/handler.ts"
import { makeSpans } from "../../support/spans.ts"

/** The spans of an effect: their names, attributes and exits. */
const spansOf = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown>) {
  const spans = makeSpans()
  yield* Effect.ignore(spans.collect(effect))
  return spans.all.map(({ attributes, name, status }) => ({
    name,
    attributes: Object.fromEntries(attributes),
    outcome: status._tag === "Ended" ? status.exit._tag : "none"
  }))
})

describe("traced", () => {
  const known = { registry: "registry.test", repository: "team/app", method: "GET", route: "manifest" }

  it.effect("traced makes a span of each request with attributes of the request and its answer", () =>
    Effect.gen(function* () {
      const { next } = answering({ status: 404 })
      assert.deepStrictEqual(yield* spansOf(traced(next)(requestOf())), [
        { name: "registry.request", attributes: { ...known, status: 404 }, outcome: "Success" }
      ])
    })
  )

  it.effect("the span of a failed request ends as a failure without a status", () =>
    Effect.gen(function* () {
      const { next } = answering(unreachable())
      assert.deepStrictEqual(yield* spansOf(traced(next)(requestOf())), [
        { name: "registry.request", attributes: known, outcome: "Failure" }
      ])
    })
  )
})
