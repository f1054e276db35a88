/** Time limits for bodies that stand still. */
import { Duration, Effect, type Fiber } from "effect"
import { ConnectionError } from "./ConnectionError.ts"
import type { BodyStream } from "./Http.ts"

export interface Signs {
  /** A number that changes with each step. */
  readonly moved: () => number
  /** Whether no step is expected now. */
  readonly isPaused: () => boolean
}

/** Ends once no step was made for the duration `idle`, unless the body was paused. */
export const untilIdle = (idle: Duration.Duration, { isPaused, moved }: Signs): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (true) {
      const before = moved()
      yield* Effect.sleep(idle)
      if (moved() === before && !isPaused()) return
    }
  })

export const idleFor = (idle: Duration.Duration, isAnswered: boolean): ConnectionError =>
  ConnectionError.of({ _tag: "Idle", millis: Duration.toMillis(idle) }, "nothing moved", {
    isConnected: true,
    isAnswered
  })

/**
 * The same body with a time limit: reading fails with `Idle` if no chunk comes for `idle`. Time without a reader does
 * not count.
 */
export const watched = (stream: BodyStream, idle: Duration.Duration): Effect.Effect<BodyStream> =>
  Effect.map(Effect.context(), (services) => {
    const run = Effect.runForkWith(services)
    const watch = new Watch(stream, idle, (effect) => run(effect))
    return { bytes: { [Symbol.asyncIterator]: () => watch }, discard: () => watch.discard() }
  })

/**
 * Reads a body and watches it from the first requested chunk on. Not a generator: every chunk passes here, so each call
 * counts.
 */
class Watch implements AsyncIterator<Uint8Array> {
  readonly #stream: BodyStream
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #idle: Duration.Duration
  readonly #fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  #fiber: Fiber.Fiber<void> | undefined
  #steps = 0
  #isReading = false
  #isIdle = false

  constructor(stream: BodyStream, idle: Duration.Duration, fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.#stream = stream
    this.#chunks = stream.bytes[Symbol.asyncIterator]()
    this.#idle = idle
    this.#fork = fork
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    this.#fiber ??= this.#fork(this.#expiring())
    this.#step(true)
    return this.#chunks.next().then(
      (result) => {
        this.#step(false)
        if (result.done !== true) return result
        this.#stop()
        // The general reader ends a discarded body without an error, as if the body were whole.
        if (this.#isIdle) throw idleFor(this.#idle, true)
        return result
      },
      (error: unknown) => {
        this.#stop()
        throw this.#isIdle ? idleFor(this.#idle, true) : error
      }
    )
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop()
    await this.#chunks.return?.()
    return { done: true, value: undefined }
  }

  discard(): void {
    this.#stop()
    this.#stream.discard()
  }

  #expiring(): Effect.Effect<void> {
    const signs = { moved: () => this.#steps, isPaused: () => !this.#isReading }
    return Effect.map(untilIdle(this.#idle, signs), () => {
      this.#isIdle = true
      this.#stream.discard()
    })
  }

  #step(isReading: boolean): void {
    this.#steps += 1
    this.#isReading = isReading
  }

  #stop(): void {
    this.#fiber?.interruptUnsafe()
  }
}
