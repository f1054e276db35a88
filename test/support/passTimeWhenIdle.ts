/** Time for tests that wait for real sockets and for Effect's clock at once. */
import { it } from "@effect/vitest"
import { performance } from "node:perf_hooks"
import { Clock, Duration, Effect, Scheduler, type Scope } from "effect"
import { TestClock } from "effect/testing"
// src/ loads this module on demand, and this file may not notice the steps of Node's loader.
import "tldts"

/** The number of empty rounds of the event loop after which no event is left that could arrive without time. */
const QUIET_ROUNDS = 10
/** The same while a write to a socket is unfinished: on a busy machine the kernel may deliver its bytes later, on another core. */
const WRITING_ROUNDS = 1_000

/**
 * The work outside this thread that reaches the event loop without time: files, names and processes, by the names of
 * Node.js. Compression and cryptography on other threads are not listed: tests of signed requests to AWS move
 * the Clock themselves.
 */
const ELSEWHERE = new Set(["FSReqCallback", "FSReqPromise", "CloseReq", "GetAddrInfoReqWrap", "ProcessWrap"])

/** The rounds after which the time may pass. Infinite while there is work elsewhere. */
const roundsNeeded = (): number => {
  const resources = process.getActiveResourcesInfo()
  if (resources.some((resource) => ELSEWHERE.has(resource))) return Infinity
  return resources.includes("WriteWrap") ? WRITING_ROUNDS : QUIET_ROUNDS
}

/** The number of events of sockets, files and processes that the event loop has handled. */
const eventsHandled = (): number => performance.nodeTiming.uvMetricsInfo.events

/** Counts the scheduled steps of fibers that have not begun. */
const counting = (scheduler: Scheduler.Scheduler) => {
  let pending = 0
  const counted: Scheduler.Scheduler = {
    executionMode: scheduler.executionMode,
    shouldYield: (fiber) => scheduler.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = scheduler.makeDispatcher()
      return {
        scheduleTask: (task, priority) => {
          pending += 1
          dispatcher.scheduleTask(() => {
            pending -= 1
            task()
          }, priority)
        },
        flush: () => dispatcher.flush()
      }
    }
  }
  return { scheduler: counted, isPending: () => pending > 0 }
}

/**
 * Runs an effect under the TestClock of `it.effect`, and moves the clock: when no work is left before time passes, the clock
 * goes to the next time that a fiber sleeps until. A timeout therefore ends only if the other side is truly silent,
 * however slow the machine is. A pause of an hour takes no time.
 *
 * No work is left when no fiber has a step to take, and the event loop has run {@link roundsNeeded} rounds without
 * an event of a socket, while no file is read, no name is resolved and no process runs. Both ends of each connection must
 * therefore be in this process, and must use no timers but Effect's.
 */
export const passTimeWhenIdle = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  TestClock.testClockWith((clock) =>
    Effect.flatMap(Scheduler.Scheduler, (scheduler) => {
      const steps = counting(scheduler)
      const sleepers = new Set<{ readonly until: number }>()
      const observed: TestClock.TestClock = {
        ...clock,
        sleep: (duration) =>
          Effect.suspend(() => {
            const sleeper = { until: clock.currentTimeMillisUnsafe() + Duration.toMillis(duration) }
            sleepers.add(sleeper)
            return Effect.ensuring(
              clock.sleep(duration),
              Effect.sync(() => sleepers.delete(sleeper))
            )
          })
      }
      const idle = Effect.callback<void>((resume) => {
        let quiet = 0
        let before = eventsHandled()
        const observe = (): void => {
          const now = eventsHandled()
          const isQuiet = now === before && !steps.isPending() && sleepers.size > 0
          quiet = isQuiet ? quiet + 1 : 0
          before = now
          if (quiet < QUIET_ROUNDS || quiet < roundsNeeded()) round = setImmediate(observe)
          else resume(Effect.void)
        }
        let round = setImmediate(observe)
        return Effect.sync(() => clearImmediate(round))
      })
      const next = Effect.suspend(() => clock.setTime(Math.min(...[...sleepers].map(({ until }) => until))))
      const pump = Effect.forever(Effect.andThen(idle, next), { disableYield: true })
      return Effect.raceFirst(
        effect.pipe(
          Effect.provideService(Clock.Clock, observed),
          Effect.provideService(Scheduler.Scheduler, steps.scheduler)
        ),
        pump
      )
    })
  )

/** Within {@link passTimeWhenIdle}: completes after all other work that needs no time. */
export const everythingElse = Effect.sleep("1 millis")

/** A test over real sockets. Its time passes when the sockets are idle. */
export const itOnSockets = <A, E>(name: string, test: () => Effect.Effect<A, E, Scope.Scope>, timeout?: number): void =>
  it.effect(name, () => passTimeWhenIdle(test()), timeout)
