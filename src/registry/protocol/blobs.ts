/** Blobs over HTTP: whether they are there, and their bytes. */
import { Effect, Stream } from "effect"
import { ConnectionError } from "../../http/ConnectionError.ts"
import type { BodyStream, HttpRequest, HttpResponse } from "../../http/Http.ts"
import { verified } from "../../oci/Digest.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import { notSent } from "../pipeline/transport.ts"
import { pathOf, type Requests } from "../pipeline/requests.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { type OpenBlob, skip } from "./ResumableSource.ts"

export interface Blobs {
  readonly hasBlob: (access: RepositoryAccess, blob: BlobDescriptor) => Effect.Effect<boolean, RegistryError>
  /** The bytes of a blob from an offset on, not checked. */
  readonly openBlob: (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    offset: number
  ) => Effect.Effect<OpenBlob, RegistryError>
  readonly blob: (access: RepositoryAccess, blob: BlobDescriptor) => Stream.Stream<Uint8Array, RegistryError>
}

export const makeBlobs = ({ bounded, refused, repeated, request }: Requests): Blobs => {
  const blobAt = (access: RepositoryAccess, { digest }: BlobDescriptor) => pathOf(access.repository, `blobs/${digest}`)

  const openBlob: Blobs["openBlob"] = (access, blob, offset) =>
    repeated(
      bounded(
        access,
        `reading blob ${blob.digest}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull", (origin) => ({
            method: "GET",
            url: new URL(origin + blobAt(access, blob)),
            headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
            reads: "stream"
          }))
          const { stream } = response
          const bytes = stream === undefined ? undefined : bytesFrom(offset, response, stream)
          if (stream === undefined || bytes === undefined) {
            stream?.discard()
            return yield* refused(access, "GET", response)
          }
          return { bytes, discard: stream.discard, brokenBy: brokenIn(access, response.request) }
        })
      )
    )

  return {
    hasBlob: (access, blob) =>
      repeated(
        bounded(
          access,
          `asking for blob ${blob.digest}`,
          Effect.gen(function* () {
            const { response } = yield* request(access, "pull,push", (origin) => ({
              method: "HEAD",
              url: new URL(origin + blobAt(access, blob)),
              headers: {}
            }))
            if (response.status === 404) return false
            return response.status === 200 ? true : yield* refused(access, "GET", response)
          })
        )
      ),

    openBlob,

    blob: (access, blob) =>
      Stream.unwrap(
        Effect.map(openBlob(access, blob, 0), ({ brokenBy, bytes, discard }) =>
          Stream.fromAsyncIterable(bytes, brokenBy).pipe(
            Stream.ensuring(Effect.sync(discard)),
            verified(blob, RegistryError.damaged(access.repository, blob))
          )
        )
      )
  }
}

/** A body's bytes from an offset on; `undefined` if the answer is about others. */
const bytesFrom = (
  offset: number,
  { headers, status }: HttpResponse,
  { bytes }: BodyStream
): AsyncIterable<Uint8Array> | undefined => {
  if (status === 200) return offset === 0 ? bytes : skip(bytes, offset)
  return status === 206 && startOf(headers["content-range"]) === offset ? bytes : undefined
}

/** `Content-Range: bytes 5-9/10` begins at 5. */
const startOf = (contentRange: string | undefined): number | undefined => {
  const start = /^bytes ([0-9]+)-/u.exec(contentRange ?? "")?.[1]
  return start === undefined ? undefined : Number(start)
}

const brokenIn = (access: RepositoryAccess, request: HttpRequest) => (cause: unknown) =>
  notSent(access, request)(ConnectionError.from(cause, { isConnected: true, isAnswered: true }))
