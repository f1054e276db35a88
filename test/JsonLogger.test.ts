/** What a cluster's collector reads of a record. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger, Redacted } from "effect"
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
  it.effect("is one JSON object, with its facts as fields beside the message", () =>
    Effect.gen(function* () {
      const facts = { image: "team/app", tag: "v1", count: 2, onlyIfMissing: false }
      const line = yield* lineOf(Effect.logInfo("copied").pipe(Effect.annotateLogs(facts)))
      assert.strictEqual(line, JSON.stringify({ timestamp: at, level: "INFO", message: "copied", ...facts }))
    })
  )

  it.effect("is one line and ends, whatever a registry wrote", () =>
    Effect.gen(function* () {
      const error = `first\nsecond\u2028third${"x".repeat(100_000)}`
      const nested = { a: ["b".repeat(100_000)] }
      const line = yield* lineOf(Effect.logWarning("check failed").pipe(Effect.annotateLogs({ error, nested })))
      assert.notMatch(line, /[\n\u2028]/u)
      assert.isBelow(line.length, 2_500)
      assert.include(line, "first second third")
    })
  )

  it.effect("keeps the time, level and message that it has, and no secret", () =>
    Effect.gen(function* () {
      const facts = { message: "another", level: "another", timestamp: "another", secret: Redacted.make("hunter2") }
      const line = yield* lineOf(Effect.logError("copy failed").pipe(Effect.annotateLogs(facts)))
      assert.notInclude(line, "hunter2")
      assert.notInclude(line, "another")
      assert.include(line, `{"timestamp":"${at}","level":"ERROR","message":"copy failed"`)
    })
  )

  it.effect("tells the cause of an error on the same line", () =>
    Effect.gen(function* () {
      const line = yield* lineOf(Effect.logError("the controller ended", Cause.die(new Error("boom"))))
      assert.include(line, `"cause":"Error: boom `)
    })
  )
})
