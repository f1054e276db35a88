/**
 * Simulated time: a clock and a scheduler for a whole program in one process. Steps of fibers run in the order in which they were
 * scheduled. When no step is left, the clock moves to the earliest time for which a fiber sleeps. A run therefore depends only on
 * its program, and not on the event loop, the wall clock or other load of the machine.
 *
 * TestClock waits for the event loop at each wake, and takes twenty times as long. Sleeps end at whole milliseconds, because a
 * status cannot have a fraction of a millisecond.
 */
import { Clock, Duration, Effect, type Exit, Random, Scheduler } from "effect"

/** More steps than this at one time are a loop without a pause. */
const STEPS_AT_ONE_MOMENT = 500_000
/** After this number of times the event loop runs, so that the test runner stays alive. */
const MOMENTS_A_TURN = 2_000
/** The operations of a fiber before another fiber runs. Effect's scheduler has the same number. */
const OPERATIONS_A_STEP = 2_048

/** The program loops without a pause, or waits for ever. */
export class TimeStandsStill extends Error {}

interface Sleeper {
  readonly until: number
  readonly wake: () => void
  awake: boolean
}

export class SimulatedTime {
  #now = 0
  #steps: Array<() => void> = []
  /** In the reverse order of their times. */
  readonly #sleepers: Array<Sleeper> = []

  readonly clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => this.#now,
    currentTimeMillis: Effect.sync(() => this.#now),
    currentTimeNanosUnsafe: () => this.#nanos(),
    currentTimeNanos: Effect.sync(() => this.#nanos()),
    monotonicTimeNanosUnsafe: () => this.#nanos(),
    monotonicTimeNanos: Effect.sync(() => this.#nanos()),
    sleep: (duration) => this.#sleep(Duration.toMillis(duration))
  }

  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => fiber.currentOpCount >= OPERATIONS_A_STEP,
    makeDispatcher: () => ({
      scheduleTask: (task) => void this.#steps.push(task),
      flush: () => this.#settle()
    })
  }

  /** Milliseconds since the epoch. */
  get now(): number {
    return this.#now
  }

  /** Runs a program to its end. The seed is that of Effect's Random. */
  async run<A, E>(program: Effect.Effect<A, E>, seed: number): Promise<Exit.Exit<A, E>> {
    const fiber = Effect.runFork(
      program.pipe(
        Effect.provideService(Clock.Clock, this.clock),
        Effect.provideService(Scheduler.Scheduler, this.scheduler),
        Random.withSeed(`${seed}`)
      ),
      { scheduler: this.scheduler }
    )
    for (let moments = 1; ; moments += 1) {
      this.#settle()
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      if (!this.#wakeNext()) throw new TimeStandsStill(`everything waits for ever since ${this.#now} ms`)
      if (moments % MOMENTS_A_TURN === 0) await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  }

  #nanos(): bigint {
    return BigInt(this.#now) * 1_000_000n
  }

  #settle(): void {
    let taken = 0
    while (this.#steps.length > 0) {
      const steps = this.#steps
      this.#steps = []
      for (const step of steps) step()
      taken += steps.length
      if (taken > STEPS_AT_ONE_MOMENT) throw new TimeStandsStill(`a loop without a pause at ${this.#now} ms`)
    }
  }

  #sleep(millis: number): Effect.Effect<void> {
    if (millis <= 0) return Effect.void
    return Effect.callback<void>((resume) => {
      const sleeper: Sleeper = { until: this.#now + Math.ceil(millis), wake: () => resume(Effect.void), awake: false }
      // Sleepers with the same time wake in the order in which they began to sleep.
      const at = this.#sleepers.findLastIndex(({ until }) => until > sleeper.until)
      this.#sleepers.splice(at + 1, 0, sleeper)
      return Effect.sync(() => {
        sleeper.awake = true
      })
    })
  }

  #wakeNext(): boolean {
    for (let next = this.#sleepers.pop(); next !== undefined; next = this.#sleepers.pop()) {
      if (next.awake) continue
      this.#now = Math.max(this.#now, next.until)
      next.wake()
      return true
    }
    return false
  }
}
