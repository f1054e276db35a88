/** SHA-256 of content, the way registries name it. */
import { createHash } from "node:crypto"
import { Effect, Stream } from "effect"
import type { Repository } from "../domain/Reference.ts"
import { type BlobDescriptor, RegistryError } from "./RegistryClient.ts"

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

/** Passes a blob's bytes on, and fails after the last of them if they are not those of its digest and size. */
export const verified =
  (repository: Repository, blob: BlobDescriptor) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | RegistryError> =>
    Stream.suspend(() => {
      const hash = createHash("sha256")
      let size = 0
      const mismatch = (detail: string) =>
        Effect.fail(
          RegistryError.of(
            "DigestMismatch",
            repository,
            `blob ${blob.digest} ${detail}; the registry or what stands before it has damaged it`
          )
        )
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
