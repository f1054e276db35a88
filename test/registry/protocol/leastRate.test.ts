/** A transfer that is too slow ends, and every other transfer goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { failWhenSlow, type Transfer } from "../../../src/registry/protocol/leastRate.ts"
import type { RepositoryAccess } from "../../../src/registry/RegistryClient.ts"

const MB = 1_000_000
const accessTo = (registry: string): RepositoryAccess => ({
  repository: { registry, path: "app" },
  tlsVerify: true,
  credential: Option.none()
})
const options = {
  source: accessTo("source.test"),
  destination: accessTo("dest.test"),
  blob: { digest: `sha256:${"a".repeat(64)}`, size: 100 * MB }
}

/** The messages of a watched transfer, after each period of ten minutes with the given state at the end of the period. */
const watched = Effect.fnUntraced(function* (first: Transfer, ends: ReadonlyArray<Transfer>) {
  let now = first
  const transfer: Transfer = {
    get passed() {
      return now.passed
    },
    get isBegun() {
      return now.isBegun
    },
    get isReading() {
      return now.isReading
    }
  }
  const watch = yield* Effect.forkChild(failWhenSlow(transfer, options), { startImmediately: true })
  const failures: Array<string | undefined> = []
  for (const end of ends) {
    yield* TestClock.adjust("9 minutes")
    now = end
    yield* TestClock.adjust("1 minute")
    const exit = watch.pollUnsafe()
    failures.push(exit === undefined ? undefined : messageOf(exit))
  }
  yield* Fiber.interrupt(watch)
  return failures
})

const messageOf = (exit: Exit.Exit<never, { readonly side?: string | undefined; readonly message: string }>) =>
  Option.getOrThrow(Option.map(Exit.findErrorOption(exit), ({ message, side }) => `${side}: ${message}`))

const begun = (passed: number, isReading = true): Transfer => ({ passed, isBegun: true, isReading })

describe("a transfer", () => {
  it.effect("goes on while at least 6 MB pass in each ten minutes", () =>
    Effect.gen(function* () {
      const failures = yield* watched(begun(0), [begun(6 * MB), begun(12 * MB), begun(90 * MB)])
      assert.deepStrictEqual(failures, [undefined, undefined, undefined])
    })
  )

  it.effect("fails at the source if the source sends too little", () =>
    Effect.gen(function* () {
      const [first, second] = yield* watched(begun(0), [begun(6 * MB), begun(6 * MB + 128)])
      assert.isUndefined(first)
      assert.match(
        second ?? "",
        /^source: source\.test\/app: moved 128 bytes of blob sha256:a+ in 10m, and a copy needs 6000000;/u
      )
    })
  )

  it.effect("fails at the destination if the destination takes too little", () =>
    Effect.gen(function* () {
      const [first] = yield* watched(begun(0), [begun(MB, false)])
      assert.match(first ?? "", /^destination: dest\.test\/app: moved 1000000 bytes/u)
    })
  )

  it.effect("may wait for a rate limit before its first byte, and for the registry after its last byte", () =>
    Effect.gen(function* () {
      const waiting: Transfer = { passed: 0, isBegun: false, isReading: false }
      const failures = yield* watched(waiting, [waiting, begun(10), begun(100 * MB), begun(100 * MB, false)])
      assert.deepStrictEqual(failures, [undefined, undefined, undefined, undefined])
    })
  )
})
