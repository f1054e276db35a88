/** Bodies that stand still. */
import { Duration, Effect } from "effect"
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
    let steps = 0
    let isReading = false
    let isIdle = false
    let stop = (): void => {}
    const expire = (): void => {
      isIdle = true
      stream.discard()
    }
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      const watch = untilIdle(idle, { moved: () => steps, isPaused: () => !isReading })
      const fiber = Effect.runForkWith(services)(Effect.andThen(watch, Effect.sync(expire)))
      stop = () => fiber.interruptUnsafe()
      try {
        isReading = true
        for await (const chunk of stream.bytes) {
          steps += 1
          isReading = false
          yield chunk
          steps += 1
          isReading = true
        }
      } catch (cause) {
        throw isIdle ? idleFor(idle, true) : cause
      } finally {
        stop()
      }
    }
    return {
      bytes: bytes(),
      discard: () => {
        stop()
        stream.discard()
      }
    }
  })
