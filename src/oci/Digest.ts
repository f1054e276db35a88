/** SHA-256 of content, the way registries name it. */
import { createHash } from "node:crypto"
import { Effect, Stream } from "effect"
import type { BlobDescriptor } from "./Manifest.ts"

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

/**
 * Passes a blob's bytes on, and fails after the last of them if they are not those of its digest and size. The failure is
 * made of what is wrong, to be read after "blob sha256:…".
 */
export const verified =
  <E2>(blob: BlobDescriptor, failure: (detail: string) => E2) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | E2> =>
    Stream.suspend(() => {
      const hash = createHash("sha256")
      let size = 0
      const mismatch = (detail: string) => Effect.fail(failure(detail))
      return bytes.pipe(
        // Too many bytes are noticed at once: they need not end.
        Stream.mapEffect((chunk) => {
          hash.update(chunk)
          size += chunk.length
          return size > blob.size ? mismatch(`has more bytes than its ${blob.size}`) : Effect.succeed(chunk)
        }),
        Stream.concat(
          Stream.suspend(() => {
            if (size !== blob.size) return Stream.fromEffect(mismatch(`has ${size} bytes instead of ${blob.size}`))
            const found = `sha256:${hash.digest("hex")}`
            return found === blob.digest ? Stream.empty : Stream.fromEffect(mismatch(`has bytes of ${found}`))
          })
        )
      )
    })
