/** Uploads of blobs: begun, mounted or sent whole, and sent in chunks where a registry takes none whole. */
import { Effect, type Redacted, Stream } from "effect"
import { errorAt } from "../pipeline/refusal.ts"
import type { HttpResponse, StreamedBody } from "../../http/Http.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import { RegistryError } from "../RegistryError.ts"
import { authorize, pathOf, type Requests } from "../pipeline/requests.ts"
import type { Need } from "../pipeline/Scope.ts"
import type { Transport } from "../pipeline/transport.ts"

/** Where a registry wants the bytes of an upload; another origin gets no credentials. */
export interface Upload {
  readonly target: URL
  readonly header: Redacted.Redacted | undefined
  /** What the header is for. */
  readonly need: Need | undefined
  /** The least that a registry takes in one chunk. */
  readonly chunkMinimum: number
}

const OCTETS = { "content-type": "application/octet-stream" }
const CHUNK_BYTES = 4 * 1024 * 1024
/** A chunk is held in memory, however much a registry asks for. */
const CHUNK_MAXIMUM = 32 * 1024 * 1024
/** Answers of registries, and of proxies before them, that take no blob in one piece. */
const REFUSED_WHOLE = new Set([405, 411, 413, 501])

export interface Uploads {
  /** Begins an upload; `undefined` if the blob could be mounted instead. */
  readonly beginOrMount: (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    mountFrom: string | undefined
  ) => Effect.Effect<Upload | undefined, RegistryError>
  /** Sends a blob in one request; answers with the refusal if the registry may take it in chunks instead. */
  readonly sendWhole: (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ) => Effect.Effect<RegistryError | undefined, RegistryError>
  /** Sends a blob in chunks, each where the registry says after the one before. */
  readonly sendChunks: (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ) => Effect.Effect<void, RegistryError>
  readonly putBlob: <E>(
    access: RepositoryAccess,
    blob: BlobDescriptor,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<void, RegistryError | E>
  readonly mountBlob: (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    from: string
  ) => Effect.Effect<boolean, RegistryError>
}

export const makeUploads = (transport: Transport, requests: Requests): Uploads => {
  const { bounded, headerFor, refused, request } = requests

  /** An upload that went to another origin is that origin's from then on: nothing it says brings credentials back. */
  const uploadAt = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    base: URL,
    { headers }: HttpResponse,
    need: Need | undefined
  ): Effect.fn.Return<Upload | undefined, RegistryError> {
    const location = headers["location"]
    const target = location === undefined ? null : yield* uploadTarget(access, base, URL.parse(location, base.href))
    if (target === null) return undefined
    return {
      target,
      header: need !== undefined && target.origin === base.origin ? yield* headerFor(access, need) : undefined,
      need,
      chunkMinimum: Number(headers["oci-chunk-min-length"] ?? 0) || 0
    }
  })

  const begin = (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    mountFrom?: string
  ): Effect.Effect<Upload | undefined, RegistryError> =>
    bounded(
      access,
      "starting an upload",
      Effect.gen(function* () {
        const query = mountFrom === undefined ? "" : `?mount=${blob.digest}&from=${encodeURIComponent(mountFrom)}`
        const path = `${pathOf(access.repository, "blobs/uploads/")}${query}`
        const need = mountFrom === undefined || mountFrom === access.repository.path ? "pull,push" : { mountFrom }
        const { origin, response } = yield* request(access, need, (base) => ({
          method: "POST",
          url: new URL(base + path),
          headers: {}
        }))
        if (response.status === 201 && mountFrom !== undefined) return undefined
        const upload = yield* uploadAt(access, new URL(origin + path), response, need)
        if (response.status !== 202 || upload === undefined) return yield* refused(access, "PUSH", response)
        return upload
      })
    )

  /** A registry that does not want to mount is asked to take the blob instead. */
  const beginOrMount: Uploads["beginOrMount"] = (access, blob, mountFrom) =>
    mountFrom === undefined
      ? begin(access, blob)
      : Effect.catchIf(begin(access, blob, mountFrom), isUnwillingToMount, () => begin(access, blob))

  /** Tells whether only a token has ended in the middle of an upload: the next try brings another. */
  const refusedUpload = (
    access: RepositoryAccess,
    upload: Upload,
    answer: HttpResponse
  ): Effect.Effect<never, RegistryError> =>
    Effect.gen(function* () {
      const isRenewed = answer.status === 401 && (yield* requests.renew(access, upload.need, upload.header, answer))
      return yield* Effect.mapError(refused(access, "PUSH", answer), (error) =>
        isRenewed
          ? RegistryError.of({ _tag: "AuthenticationFailed", renewed: true }, access.repository, error.detail)
          : error
      )
    })

  const sendWhole: Uploads["sendWhole"] = (access, upload, blob, body) =>
    transport
      .transmit(
        access,
        authorize({ method: "PUT", url: withDigest(upload.target, blob), headers: OCTETS, body }, upload.header)
      )
      .pipe(
        Effect.flatMap((answer): Effect.Effect<RegistryError | undefined, RegistryError> => {
          if (answer.status === 201) return Effect.succeed(undefined)
          const refusal = refusedUpload(access, upload, answer)
          return REFUSED_WHOLE.has(answer.status) ? Effect.flip(refusal) : refusal
        })
      )

  const sendChunks = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ): Effect.fn.Return<void, RegistryError> {
    const size = Math.max(CHUNK_BYTES, upload.chunkMinimum)
    if (size > CHUNK_MAXIMUM) {
      return yield* errorAt(
        access,
        "PushRefused",
        `the registry wants chunks of at least ${upload.chunkMinimum} bytes, and more than ${CHUNK_MAXIMUM} are not held in memory`
      )
    }
    const send = (upload: Upload, part: Parameters<typeof authorize>[0]) =>
      bounded(access, `uploading blob ${blob.digest}`, transport.transmit(access, authorize(part, upload.header)))
    const chunks = chunksOf(body.bytes, size)
    let at = upload
    let start = 0
    while (true) {
      const next = yield* Effect.tryPromise({
        try: () => chunks.next(),
        catch: (cause) => errorAt(access, "Unreachable", `the bytes to send broke off: ${String(cause)}`)
      })
      if (next.done === true) break
      const bytes = next.value
      const answer = yield* send(at, {
        method: "PATCH",
        url: at.target,
        headers: { ...OCTETS, "content-range": `${start}-${start + bytes.length - 1}` },
        body: bytes
      })
      const further = yield* uploadAt(access, at.target, answer, at.header === undefined ? undefined : "pull,push")
      if (answer.status !== 202 || further === undefined) return yield* refusedUpload(access, at, answer)
      at = further
      start += bytes.length
    }
    const answer = yield* send(at, { method: "PUT", url: withDigest(at.target, blob), headers: {} })
    if (answer.status !== 201) return yield* refusedUpload(access, at, answer)
  })

  /** An upload that is not to be made; the registry drops it by itself in time, if this does not reach it. */
  const cancel = (access: RepositoryAccess, upload: Upload) =>
    bounded(
      access,
      "cancelling an upload",
      transport.transmit(access, authorize({ method: "DELETE", url: upload.target, headers: {} }, upload.header))
    ).pipe(Effect.ignore)

  return {
    beginOrMount,
    sendWhole,
    sendChunks,

    putBlob: <E>(access: RepositoryAccess, blob: BlobDescriptor, bytes: Stream.Stream<Uint8Array, E>) =>
      Effect.gen(function* () {
        const upload = yield* begin(access, blob)
        if (upload === undefined) return
        let failure: { readonly error: E } | undefined
        const noting = Stream.tapError(bytes, (error) =>
          Effect.sync(() => {
            failure = { error }
          })
        )
        const body = { bytes: Stream.toAsyncIterable(noting), size: blob.size }
        const refusal = yield* sendWhole(access, upload, blob, body).pipe(
          Effect.mapError((error): RegistryError | E => (failure === undefined ? error : failure.error))
        )
        if (refusal !== undefined) return yield* refusal
      }),

    mountBlob: (access, blob, from) =>
      Effect.gen(function* () {
        const upload = yield* begin(access, blob, from)
        if (upload === undefined) return true
        yield* cancel(access, upload)
        return false
      }).pipe(Effect.catchIf(isUnwillingToMount, () => Effect.succeed(false)))
  }
}

const isUnwillingToMount = ({ reason }: RegistryError): boolean =>
  reason._tag === "AuthenticationFailed" || reason._tag === "PushRefused"

/** What the registry wrote into the address stays as it is: it may be signed. */
const withDigest = (target: URL, blob: BlobDescriptor): URL => {
  const complete = new URL(target)
  const parts = target.search.slice(1).split("&")
  const others = parts.filter((part) => !part.startsWith("digest=")).join("&")
  complete.search = `${others === "" ? "" : `${others}&`}digest=${encodeURIComponent(blob.digest)}`
  return complete
}

/**
 * A proxy before a registry may hide from it that it is spoken to by HTTPS: the same host is meant. Another one would get
 * an image in the clear.
 */
const uploadTarget = (
  access: RepositoryAccess,
  from: URL,
  target: URL | null
): Effect.Effect<URL | null, RegistryError> => {
  if (target === null || target.protocol !== "http:" || from.protocol !== "https:") return Effect.succeed(target)
  if (target.hostname === from.hostname && (target.port === "" || target.port === from.port)) {
    return Effect.succeed(new URL(`${from.origin}${target.pathname}${target.search}`))
  }
  return access.tlsVerify
    ? Effect.fail(
        errorAt(
          access,
          "PushRefused",
          `the registry wants an upload sent by plain HTTP to ${target.host}, which is not done; set tlsVerify: false if that is meant`
        )
      )
    : Effect.succeed(target)
}

async function* chunksOf(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let held = Buffer.allocUnsafe(size)
  let length = 0
  for await (const piece of body) {
    for (let offset = 0; offset < piece.length;) {
      const taken = Math.min(size - length, piece.length - offset)
      held.set(piece.subarray(offset, offset + taken), length)
      offset += taken
      length += taken
      if (length < size) continue
      yield held
      held = Buffer.allocUnsafe(size)
      length = 0
    }
  }
  if (length > 0) yield held.subarray(0, length)
}
