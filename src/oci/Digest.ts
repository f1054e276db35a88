/** SHA-256 digests of content, as registries write them: `sha256:` and 64 hexadecimal digits. */
import { createHash } from "node:crypto"
import { Effect, Stream } from "effect"
import type { BlobDescriptor } from "./Manifest.ts"

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

/**
 * Passes a blob's bytes on and checks them. The stream fails at its end if the bytes do not have the blob's digest and
 * size. `failure` makes the error from a detail that is read after "blob sha256:…".
 */
export const verified =
  <E2>(blob: BlobDescriptor, failure: (detail: string) => E2) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | E2> =>
    Stream.suspend(() => {
      const hash = createHash("sha256")
      let size = 0
      const mismatch = (detail: string) => Effect.fail(failure(detail))
      return bytes.pipe(
        // Too many bytes fail at once: a hostile stream may never end.
        Stream.mapEffect((chunk) => {
          hash.update(chunk)
          size += chunk.length
          return size > blob.size ? mismatch(`has more bytes than its ${blob.size}`) : Effect.succeed(chunk)
        }),
        Stream.concat(
          Stream.suspend(() => {
            if (size !== blob.size) return Stream.fromEffect(mismatch(`has ${size} bytes instead of ${blob.size}`))
            const actual = `sha256:${hash.digest("hex")}`
            return actual === blob.digest ? Stream.empty : Stream.fromEffect(mismatch(`has bytes of ${actual}`))
          })
        )
      )
    })
