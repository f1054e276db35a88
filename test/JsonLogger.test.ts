/** Records as JSON for a cluster's collector. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger, Redacted, Tracer } from "effect"
import { TestConsole } from "effect/testing"
import * as JsonLogger from "../src/JsonLogger.ts"

const lineOf = Effect.fnUntraced(function* (logging: Effect.Effect<void>) {
  yield* Effect.provide(logging, Logger.layer([JsonLogger.logger]))
  const lines = yield* TestConsole.logLines
  assert.lengthOf(lines, 1)
  return String(lines[0])
}, Effect.provide(TestConsole.layer))

const at = "1970-01-01T00:00:00.000Z"

describe("a record for a collector", () => {
  it.effect("a record is one JSON object with the annotations as fields", () =>
    Effect.gen(function* () {
      const facts = { image: "team/app", tag: "v1", count: 2, onlyIfMissing: false }
      const line = yield* lineOf(Effect.logInfo("copied").pipe(Effect.annotateLogs(facts)))
      assert.strictEqual(line, JSON.stringify({ timestamp: at, level: "INFO", message: "copied", ...facts }))
    })
  )

  it.effect("a record is one line of limited length, whatever a registry wrote", () =>
    Effect.gen(function* () {
      const error = `first\nsecond\u2028third${"x".repeat(100_000)}`
      const nested = { a: ["b".repeat(100_000)] }
      const line = yield* lineOf(Effect.logWarning("check failed").pipe(Effect.annotateLogs({ error, nested })))
      assert.notMatch(line, /[\n\u2028]/u)
      assert.isBelow(line.length, 2_500)
      assert.include(line, "first second third")
    })
  )

  it.effect("a record keeps its time, level and message despite annotations of these names, and has no secret", () =>
    Effect.gen(function* () {
      const facts = { message: "another", level: "another", timestamp: "another", secret: Redacted.make("hunter2") }
      const line = yield* lineOf(Effect.logError("copy failed").pipe(Effect.annotateLogs(facts)))
      assert.notInclude(line, "hunter2")
      assert.notInclude(line, "another")
      assert.include(line, `{"timestamp":"${at}","level":"ERROR","message":"copy failed"`)
    })
  )

  it.effect("a record has the cause of its error on the same line", () =>
    Effect.gen(function* () {
      const line = yield* lineOf(Effect.logError("the controller ended", Cause.die(new Error("boom"))))
      assert.include(line, `"cause":"Error: boom `)
    })
  )

  const span = { traceId: "t", spanId: "s" }
  it.effect.each([
    ["a span that is exported", Effect.withParentSpan(Tracer.externalSpan({ ...span, sampled: true })), true],
    ["a span that is not sampled", Effect.withParentSpan(Tracer.externalSpan({ ...span, sampled: false })), false],
    ["a span of Effect's own tracer", Effect.withSpan("reconcile"), false]
  ] as const)("a record within %s has a trace only if the trace is exported", ([, within, hasTrace]) =>
    Effect.gen(function* () {
      const line = yield* lineOf(within(Effect.logInfo("copied")))
      const trace = hasTrace ? { trace_id: "t", span_id: "s" } : {}
      assert.strictEqual(line, JSON.stringify({ timestamp: at, level: "INFO", message: "copied", ...trace }))
    })
  )
})
