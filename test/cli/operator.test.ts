/** The start of the operator: all Images are listed before the leader election. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { operate } from "../../src/cli/Operator.ts"
import { describeFailure, exitCodeOf } from "../../src/cli/report.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { LeaderElection } from "../../src/controller/LeaderElection.ts"

/** Starts an operator whose Images are listed when `listed` completes. */
const started = Effect.gen(function* () {
  const listed = yield* Deferred.make<void>()
  let leads = false
  const election = Layer.mock(LeaderElection, {
    lead: Effect.andThen(
      Effect.sync(() => {
        leads = true
      }),
      Effect.never
    )
  })
  const images = Layer.mock(ImageStore, { synced: Deferred.await(listed) })
  const running = yield* Effect.forkChild(Effect.provide(operate, Layer.merge(election, images)), {
    startImmediately: true
  })
  return { listed, running, hasBegunToLead: () => leads }
})

describe("the start of the operator", () => {
  it.effect("the operator fails with the remedy if the Images cannot be listed within two minutes", () =>
    Effect.gen(function* () {
      const { hasBegunToLead, running } = yield* started
      yield* TestClock.adjust("119 seconds")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.await(running)
      assert.isFalse(hasBegunToLead())
      assert.strictEqual(exitCodeOf(exit), 1)
      const text = Exit.isFailure(exit) ? describeFailure(exit.cause) : ""
      assert.match(text, /^the Images could not be listed within 2 minutes; .*API server.*images\.skopeo\.io$/u)
    })
  )

  it.effect("the operator takes part in the election as soon as all Images are listed, and then runs for ever", () =>
    Effect.gen(function* () {
      const { hasBegunToLead, listed, running } = yield* started
      yield* TestClock.adjust("1 minute")
      assert.isFalse(hasBegunToLead())
      yield* Deferred.succeed(listed, undefined)
      yield* TestClock.adjust("1 hour")
      assert.isTrue(hasBegunToLead())
      assert.isUndefined(running.pollUnsafe())
      yield* Fiber.interrupt(running)
    })
  )
})
