/** Reads blobs over HTTP, and finds out whether a repository has a blob. */
import { Effect, Stream } from "effect"
import { ConnectionError } from "../../http/ConnectionError.ts"
import type { BodyStream } from "../../http/Http.ts"
import { verified } from "../../oci/Digest.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import { unreachable } from "../pipeline/exchange.ts"
import { refused, whyDamaged } from "../pipeline/refusal.ts"
import { type Handler, pathOf, type RegistryRequest, type RegistryResponse } from "../pipeline/request.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { type HeadSupport, isAboutHead } from "./HeadSupport.ts"
import { type OpenBlob, skip } from "./ResumableSource.ts"

export interface Blobs {
  readonly hasBlob: (access: RepositoryAccess, blob: BlobDescriptor) => Effect.Effect<boolean, RegistryError>
  /** Opens the bytes of a blob from an offset on, without a check of the digest. */
  readonly openBlob: (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    offset: number
  ) => Effect.Effect<OpenBlob, RegistryError>
  readonly blob: (access: RepositoryAccess, blob: BlobDescriptor) => Stream.Stream<Uint8Array, RegistryError>
}

export const makeBlobs = (send: Handler, heads: HeadSupport): Blobs => {
  const openBlob: Blobs["openBlob"] = Effect.fnUntraced(function* (access, { digest }, offset) {
    const request: RegistryRequest = {
      access,
      route: "blob",
      need: "pull",
      method: "GET",
      to: pathOf(access.repository, `blobs/${digest}`),
      headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
      reads: "stream"
    }
    const response = yield* send(request)
    const { stream } = response
    const bytes = stream === undefined ? undefined : bytesFrom(offset, response, stream)
    if (stream === undefined || bytes === undefined) return yield* refused(request, response)
    const brokenBy = (cause: unknown) =>
      unreachable(
        { ...request, to: response.request.url },
        ConnectionError.from(cause, { isConnected: true, isAnswered: true })
      )
    return { bytes, discard: stream.discard, brokenBy, whyDamaged: whyDamaged(response, "blob") }
  })

  /** Whether a repository has a blob, by a read of the blob that ends at the first byte. */
  const hasFirstByte = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    { digest, size }: BlobDescriptor
  ): Effect.fn.Return<boolean, RegistryError> {
    const request: RegistryRequest = {
      access,
      route: "blob",
      need: "pull,push",
      method: "GET",
      to: pathOf(access.repository, `blobs/${digest}`),
      headers: size === 0 ? {} : { range: "bytes=0-0" },
      reads: "stream"
    }
    const response = yield* send(request)
    response.stream?.discard()
    if (response.status === 200 || response.status === 206) return true
    return response.status === 404 ? false : yield* refused(request, response)
  })

  return {
    hasBlob: Effect.fnUntraced(function* (access, blob) {
      const request: RegistryRequest = {
        access,
        route: "blob",
        need: "pull,push",
        method: "HEAD",
        to: pathOf(access.repository, `blobs/${blob.digest}`)
      }
      const response = yield* send(request)
      if (response.status === 200) return true
      if (response.status === 404 && !heads.misleads(access)) return false
      // A store to which the registry redirects may refuse HEAD: https://github.com/distribution/distribution/issues/2055
      return isAboutHead(response.status) ? yield* hasFirstByte(access, blob) : yield* refused(request, response)
    }, spanOf("hasBlob")),

    openBlob,

    blob: (access, blob) =>
      Stream.unwrap(
        Effect.map(openBlob(access, blob, 0), ({ brokenBy, bytes, discard, whyDamaged: why }) =>
          Stream.fromAsyncIterable(bytes, brokenBy).pipe(
            Stream.ensuring(Effect.sync(discard)),
            verified(blob, RegistryError.damaged(access.repository, blob, why))
          )
        )
      ).pipe(Stream.withSpan("RegistryClient.blob"))
  }
}

/** The bytes of an answer from an offset on. `undefined` if the answer has another range. */
const bytesFrom = (
  offset: number,
  { headers, status }: RegistryResponse,
  { bytes }: BodyStream
): AsyncIterable<Uint8Array> | undefined => {
  // A host without support for ranges sends the whole blob.
  if (status === 200) return offset === 0 ? bytes : skip(bytes, offset)
  return status === 206 && startOf(headers["content-range"]) === offset ? bytes : undefined
}

/** `Content-Range: bytes 5-9/10` begins at 5. */
const startOf = (contentRange: string | undefined): number | undefined => {
  const start = /^bytes ([0-9]+)-/u.exec(contentRange ?? "")?.[1]
  return start === undefined ? undefined : Number(start)
}
