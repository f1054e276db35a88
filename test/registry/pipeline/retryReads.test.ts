/** The requests that are retried. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { retryReads } from "../../../src/registry/pipeline/retryReads.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import { accessOf, type Answer, answering, requestOf, unreachable } from "../../support/handler.ts"

const limited = RegistryError.of("RateLimited", accessOf("registry.test").repository, "not now")

const outcomeOf = Effect.fnUntraced(function* (method: "GET" | "HEAD" | "PUT", answers: ReadonlyArray<Answer>) {
  const { next, seen } = answering(...answers)
  const fiber = yield* Effect.forkChild(Effect.result(retryReads("250 millis")(next)(requestOf({ method }))))
  yield* TestClock.adjust("10 seconds")
  const result = yield* Fiber.join(fiber)
  return [seen.length, result._tag === "Success" ? result.success.status : result.failure.reason._tag]
})

describe("retryReads", () => {
  for (const [what, method, answers, expected] of [
    ["a read that succeeds", "GET", [{ status: 200 }], [1, 200]],
    ["a read that is spoilt once", "GET", [unreachable(), { status: 200 }], [2, 200]],
    ["a read that a server spoils twice", "HEAD", [{ status: 500 }, { status: 503 }, { status: 200 }], [3, 200]],
    ["a read that is always spoilt", "GET", [unreachable()], [3, "Unreachable"]],
    ["a read that a server always spoils, with its last answer", "GET", [{ status: 502 }], [3, 502]],
    ["a read that is refused", "GET", [{ status: 404 }], [1, 404]],
    ["a read that a limit holds back", "GET", [limited], [1, "RateLimited"]],
    ["a write that is spoilt", "PUT", [unreachable()], [1, "Unreachable"]],
    ["a write that a server spoils", "PUT", [{ status: 500 }], [1, 500]]
  ] as const) {
    it.effect(`retryReads retries as often as it helps: ${what}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* outcomeOf(method, answers), [...expected])
      })
    )
  }
})
