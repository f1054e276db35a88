/**
 * Digests of content, as registries write them: an algorithm, a colon, and lower-case hexadecimal digits. The OCI image
 * specification registers sha256 and sha512. Registries compute sha256, unless a client names a digest of the other algorithm.
 */
import { createHash, hash, type Hash } from "node:crypto"
import { Effect, Stream } from "effect"

/** An algorithm whose digests can be checked. */
export type DigestAlgorithm = "sha256" | "sha512"

/** The algorithm of a digest that no other digest determines. */
export const USUAL_ALGORITHM: DigestAlgorithm = "sha256"

/** A digest that can be checked. */
export const DIGEST_PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/u

/** How a digest is written, for messages. */
export const DIGEST_FORM = "sha256: and 64, or sha512: and 128, lower-case hexadecimal digits"

/** Whether a text is a digest that can be checked. */
export const isDigest = (text: string): boolean => DIGEST_PATTERN.test(text)

/** The algorithm of a digest. */
export const algorithmOf = (digest: string): DigestAlgorithm =>
  digest.startsWith("sha512:") ? "sha512" : USUAL_ALGORITHM

export const digestOf = (bytes: Uint8Array, algorithm: DigestAlgorithm = USUAL_ALGORITHM): string =>
  `${algorithm}:${hash(algorithm, bytes, "hex")}`

/** Whether bytes have a digest. */
export const hasDigest = (bytes: Uint8Array, digest: string): boolean => digestOf(bytes, algorithmOf(digest)) === digest

/** Computes the digest of bytes that arrive in parts, by the algorithm of an expected digest. */
export class DigestHash {
  readonly #algorithm: DigestAlgorithm
  readonly #hash: Hash

  constructor(expected: string) {
    this.#algorithm = algorithmOf(expected)
    this.#hash = createHash(this.#algorithm)
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** The digest of all bytes so far. No bytes may follow. */
  end(): string {
    return `${this.#algorithm}:${this.#hash.digest("hex")}`
  }
}

/**
 * Passes a blob's bytes on and checks them. The stream fails at its end if the bytes do not have the blob's digest and
 * size. `failure` makes the error from a detail that is read after "blob sha256:…".
 */
export const verified =
  <E2>(blob: { readonly digest: string; readonly size: number }, failure: (detail: string) => E2) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | E2> =>
    Stream.suspend(() => {
      const hash = new DigestHash(blob.digest)
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
            const actual = hash.end()
            return actual === blob.digest ? Stream.empty : Stream.fromEffect(mismatch(`has bytes of ${actual}`))
          })
        )
      )
    })
