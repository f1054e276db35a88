/** The notices of registries to their users. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { noteWarnings } from "../../../src/registry/pipeline/noteWarnings.ts"
import { makeNotices } from "../../../src/registry/pipeline/notices.ts"
import { answering, requestOf } from "../../support/handler.ts"

const repository = requestOf().access.repository

const warned = Effect.fnUntraced(function* (...warnings: ReadonlyArray<string>) {
  const notices = makeNotices()
  for (const warning of warnings) {
    const { next } = answering({ headers: { warning } })
    yield* noteWarnings(notices)(next)(requestOf({ authorization: Redacted.make("Bearer secret-token") }))
  }
  return notices
})

const messagesOf = (notices: ReturnType<typeof makeNotices>) =>
  Effect.map(notices.of(repository), (found) => found.map(({ message }) => message))

describe("noteWarnings", () => {
  it.effect("noteWarnings records each warning of an answer in one line, without the request's token", () =>
    Effect.gen(function* () {
      const notices = yield* warned('299 - "goes away \\"soon\\"", 299 - "not with\nsecret-token", 199 - "other"')
      assert.deepStrictEqual(yield* messagesOf(notices), [
        'registry.test says: goes away "soon"',
        "registry.test says: not with <redacted>"
      ])
    })
  )

  it.effect("a notice that is not repeated for a day is dropped", () =>
    Effect.gen(function* () {
      const notices = yield* warned('299 - "soon"')
      yield* TestClock.adjust("25 hours")
      assert.deepStrictEqual(yield* messagesOf(notices), [])
    })
  )

  it.effect("notices keep at most four of a registry that sends a new text each time", () =>
    Effect.gen(function* () {
      const notices = yield* warned(...["a", "b", "c", "d", "e"].map((text) => `299 - "${text}"`))
      assert.lengthOf(yield* messagesOf(notices), 4)
    })
  )
})
