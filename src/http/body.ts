/** The whole body of an answer, within bounds. */
import { Effect } from "effect"
import type { HttpAnswer } from "./Http.ts"

/**
 * `undefined` where there are more bytes than a limit: what is left of them goes with its connection. Fails with whatever
 * breaks the body off.
 */
export const readBody = (answer: HttpAnswer, limit: number): Effect.Effect<Uint8Array | undefined, unknown> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Uint8Array> = []
      let size = 0
      for await (const chunk of answer.body) {
        size += chunk.length
        if (size > limit) return undefined
        // The next chunk may come in the same buffer.
        chunks.push(Uint8Array.from(chunk))
      }
      return Buffer.concat(chunks)
    },
    catch: (cause) => cause
  }).pipe(Effect.onInterrupt(() => Effect.sync(answer.discard)))
