/** Bodies that stand still. */
import { Duration, Effect, type Fiber } from "effect"
import { ConnectionError } from "./ConnectionError.ts"
import type { BodyStream } from "./Http.ts"

export interface Signs {
  /** A number that is another one after each step. */
  readonly moved: () => number
  /** Whether nothing is expected to move now. */
  readonly isPaused: () => boolean
}

/** Ends when nothing has moved for as long as that may be. */
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

/** The same body; reading it fails when nothing has come for so long. Time in which no one reads does not count. */
export const watched = (stream: BodyStream, idle: Duration.Duration): Effect.Effect<BodyStream> =>
  Effect.map(Effect.context(), (services) => {
    const run = Effect.runForkWith(services)
    const watch = new Watch(stream, idle, (effect) => run(effect))
    return { bytes: { [Symbol.asyncIterator]: () => watch }, discard: () => watch.discard() }
  })

/** Reads a body, and watches it from the first chunk that is asked for. No generator: this is passed by every chunk. */
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
        // A body that is discarded while it is read ends in the general reader, as if it were whole.
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
