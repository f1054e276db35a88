/** Time for tests that wait for real sockets and for Effect's clock at once. */
import { it } from "@effect/vitest"
import { performance } from "node:perf_hooks"
import { Clock, Duration, Effect, Scheduler, type Scope } from "effect"
import { TestClock } from "effect/testing"
// src/ loads it when it is needed. Under vitest another process brings a module, and nothing here would show that.
import "tldts"

/** Turns of the event loop without anything in them, after which nothing is left that could still come by itself. */
const QUIET_TURNS = 10

/**
 * What goes on outside of this thread and comes to the event loop of its own accord: files, names and processes, as Node.js
 * calls them. It does not tell of compression and cryptography on other threads: tests of what signs requests to AWS move
 * the clock themselves.
 */
const ELSEWHERE = new Set(["FSReqCallback", "FSReqPromise", "CloseReq", "GetAddrInfoReqWrap", "ProcessWrap"])

const isBusyElsewhere = (): boolean => process.getActiveResourcesInfo().some((resource) => ELSEWHERE.has(resource))

/** How many events of sockets, files and processes the event loop has handled. */
const eventsHandled = (): number => performance.nodeTiming.uvMetricsInfo.events

/** Counts the steps that fibers have been scheduled to take and have not begun. */
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
 * Runs an effect under the TestClock of `it.effect`, which moves by itself: when nothing can happen before time passes, it
 * goes to the next time that a fiber sleeps until. A timeout so comes about only where the other side is truly silent,
 * however slow the machine is, and an hour's pause takes no time.
 *
 * Nothing can happen when no fiber has a step to take, and the event loop has gone round {@link QUIET_TURNS} times without
 * an event of a socket, while no file is read, no name looked up and no process run. Both ends of each connection must
 * therefore be in this process, and have no timers of their own but Effect's.
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
        const look = (): void => {
          const now = eventsHandled()
          const isQuiet = now === before && !steps.isPending() && sleepers.size > 0
          quiet = isQuiet ? quiet + 1 : 0
          before = now
          if (quiet < QUIET_TURNS || isBusyElsewhere()) turn = setImmediate(look)
          else resume(Effect.void)
        }
        let turn = setImmediate(look)
        return Effect.sync(() => clearImmediate(turn))
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

/** Waits, within {@link passTimeWhenIdle}, until everything else that can happen has happened. */
export const everythingElse = Effect.sleep("1 millis")

/** A test over real sockets whose time passes when they are idle. */
export const itOnSockets = <A, E>(name: string, test: () => Effect.Effect<A, E, Scope.Scope>, timeout?: number): void =>
  it.effect(name, () => passTimeWhenIdle(test()), timeout)
