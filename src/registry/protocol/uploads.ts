/** Uploads blobs: mounts a blob, sends it in one request, or sends it in chunks if the registry requires chunks. No blob is held in memory. */
import { Effect, Stream } from "effect"
import { UNVERIFIED_BY } from "../../http/failures.ts"
import type { StreamedBody } from "../../http/Http.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import { isPageOfSuccess, refusalOf, refused } from "../pipeline/refusal.ts"
import {
  errorOf,
  type Handler,
  pathOf,
  type RegistryRequest,
  type RegistryResponse,
  shownHost,
  shownOperation
} from "../pipeline/request.ts"
import type { Need } from "../pipeline/scope.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { RegistryClient, RepositoryAccess } from "../RegistryClient.ts"
import { isRefusalCause } from "../refusalCause.ts"
import type { RegistryError } from "../RegistryError.ts"

/** An upload that a registry has begun. */
export interface Upload {
  readonly target: URL
  /** What the token of its requests must allow. Absent for another origin, which gets no credentials. */
  readonly need?: Need
  /** The fewest bytes that a registry accepts in one chunk. */
  readonly chunkMinimum: number
}

const OCTETS = { "content-type": "application/octet-stream" }
/** The bytes of a chunk, unless the registry asks for more. Proxies that refuse large bodies mostly accept so many. */
const CHUNK_BYTES = 4 * 1024 * 1024
/** The statuses of registries, and of proxies before them, that do not accept a blob in one request. */
const REFUSED_WHOLE = new Set([405, 411, 413, 501])

/**
 * The statuses of a write that was done. The distribution specification has one for each write, and registries answer with
 * another: Pulp with 204 to PATCH (https://github.com/pulp/pulp_container/issues/2199), old releases of distribution with 202
 * to PUT of a manifest (https://github.com/distribution/distribution/issues/142).
 */
const DONE = new Set([200, 201, 202, 204])

/** The longest time that the end of an interrupted copy waits for the answer to a withdrawal. */
const WITHDRAWAL = "1 second"

/**
 * Whether a write was done. A 200 with a page for people, such as that of a login, says nothing about the write. The type alone
 * shows no page: Quay and Pulp name it in answers without a body.
 */
export const isDone = (response: RegistryResponse): boolean => DONE.has(response.status) && !isPageOfSuccess(response)

export interface Uploads extends Pick<RegistryClient["Service"], "putBlob" | "mountBlob"> {
  /** Begins an upload. `undefined` if the registry mounted the blob instead. */
  readonly beginOrMount: (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    mountFrom: string | undefined
  ) => Effect.Effect<Upload | undefined, RegistryError>
  /**
   * Tells a registry that an upload is given up, so that the registry need not keep the bytes. Waits for at most a second, and
   * never fails: a registry removes unfinished uploads by itself.
   */
  readonly withdraw: (access: RepositoryAccess, upload: Upload) => Effect.Effect<void>
  /** Sends a blob in one request. Answers with the refusal if the registry may accept chunks instead. */
  readonly sendWhole: (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ) => Effect.Effect<RegistryError | undefined, RegistryError>
  /** Sends a blob in chunks. The answer to each chunk names the URL of the next. */
  readonly sendChunks: (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ) => Effect.Effect<void, RegistryError>
}

export const makeUploads = (send: Handler): Uploads => {
  const begin = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    blob: BlobDescriptor,
    mountFrom?: string
  ): Effect.fn.Return<Upload | undefined, RegistryError> {
    const query = mountFrom === undefined ? "" : `?mount=${blob.digest}&from=${encodeURIComponent(mountFrom)}`
    const request: RegistryRequest = {
      access,
      route: "upload",
      need: mountFrom === undefined || mountFrom === access.repository.path ? "pull,push" : { mountFrom },
      method: "POST",
      to: `${pathOf(access.repository, "blobs/uploads/")}${query}`
    }
    const response = yield* send(request)
    if (response.status === 201 && mountFrom !== undefined) return undefined
    if (!isDone(response)) return yield* refused(request, response)
    const upload = yield* uploadAt(request, response)
    if (upload === undefined) {
      const words = `${shownOperation(request)} answered ${response.status} without the URL of the upload (Location)`
      return yield* errorOf(request, "PushRefused", words)
    }
    return upload
  })

  /** If a registry refuses to mount, an upload begins. */
  const beginOrMount: Uploads["beginOrMount"] = (access, blob, mountFrom) =>
    mountFrom === undefined
      ? begin(access, blob)
      : Effect.catchIf(begin(access, blob, mountFrom), isUnwillingToMount, () => begin(access, blob))

  const withdraw: Uploads["withdraw"] = (access, upload) =>
    send({ ...requestOf(access, upload), method: "DELETE" }).pipe(
      // The end of an interrupted copy cannot be interrupted, and a registry may not answer.
      Effect.interruptible,
      Effect.timeoutOption(WITHDRAWAL),
      Effect.ignore
    )

  const sendWhole = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ): Effect.fn.Return<RegistryError | undefined, RegistryError> {
    const to = withDigest(upload.target, blob)
    const request = { ...requestOf(access, upload), method: "PUT", to, headers: OCTETS, body } as const
    const response = yield* send(request)
    if (isDone(response)) return undefined
    const refusal = yield* refusalOf(request, response)
    if (REFUSED_WHOLE.has(response.status) && !isRefusalCause(refusal.reason._tag)) return refusal
    return yield* refusal
  })

  const sendChunks = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    upload: Upload,
    blob: BlobDescriptor,
    body: StreamedBody
  ): Effect.fn.Return<void, RegistryError> {
    const size = Math.max(CHUNK_BYTES, Math.ceil(upload.chunkMinimum))
    const chunks = new Chunks(body)
    let current = upload
    for (let start = 0; start < blob.size;) {
      const bytes = Math.min(size, blob.size - start)
      const chunk = chunks.next(bytes)
      const headers = { ...OCTETS, "content-range": `${start}-${start + bytes - 1}` }
      const request = { ...requestOf(access, current), method: "PATCH", headers, body: chunk } as const
      const response = yield* send(request)
      if (!isDone(response)) return yield* refused(request, response)
      if (chunks.left > 0) {
        return yield* errorOf(request, "PushRefused", "the registry answered to a chunk before the chunk's end")
      }
      current = (yield* uploadAt(request, response)) ?? current
      start += bytes
    }
    yield* Effect.tryPromise({
      try: () => chunks.end(),
      catch: (cause) =>
        errorOf(
          { ...requestOf(access, current), method: "PUT" },
          "Unreachable",
          `the source of the upload broke off: ${String(cause)}`
        )
    })
    const last = { ...requestOf(access, current), method: "PUT", to: withDigest(current.target, blob) } as const
    const response = yield* send(last)
    if (!isDone(response)) return yield* refused(last, response)
  })

  return {
    beginOrMount,
    withdraw,
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
      }).pipe(spanOf("putBlob")),

    mountBlob: Effect.fnUntraced(
      function* (access, blob, from) {
        const upload = yield* begin(access, blob, from)
        if (upload === undefined) return true
        yield* withdraw(access, upload)
        return false
      },
      Effect.catchIf(isUnwillingToMount, () => Effect.succeed(false)),
      spanOf("mountBlob")
    )
  }
}

/** The common fields of an upload's requests. */
const requestOf = (access: RepositoryAccess, { need, target }: Upload) => ({
  access,
  route: "upload" as const,
  to: target,
  ...(need === undefined ? {} : { need })
})

/** An upload that moved to another origin gets no credentials from then on, even if that origin refers back. */
const uploadAt = (
  request: RegistryRequest,
  { base, headers }: RegistryResponse
): Effect.Effect<Upload | undefined, RegistryError> => {
  const location = headers["location"]
  const named = location === undefined ? null : URL.parse(location, base.href)
  return Effect.map(uploadTarget(request, base, named), (target) =>
    target === null
      ? undefined
      : {
          target,
          ...(request.need !== undefined && target.origin === base.origin ? { need: request.need } : {}),
          chunkMinimum: Number(headers["oci-chunk-min-length"] ?? 0) || 0
        }
  )
}

/**
 * Whether a registry has refused to mount. A mount only saves bytes, and the plain upload says whether a refusal is about more,
 * such as a repository that must be created. A rate limit or a broken connection is not about the mount.
 */
const isUnwillingToMount = ({ reason }: RegistryError): boolean =>
  reason._tag !== "RateLimited" && reason._tag !== "Unreachable" && reason._tag !== "CredentialsNotSent"

/** Adds the digest to the URL. The rest of the URL stays unchanged because the URL may be signed. */
const withDigest = (target: URL, blob: BlobDescriptor): URL => {
  const complete = new URL(target)
  const parts = target.search.slice(1).split("&")
  const others = parts.filter((part) => !part.startsWith("digest=")).join("&")
  complete.search = `${others === "" ? "" : `${others}&`}digest=${encodeURIComponent(blob.digest)}`
  return complete
}

/**
 * The URL of an upload. Behind a proxy a registry may not know that it is served by HTTPS, and name `http:`. At the
 * registry's own host the scheme is then corrected. Another host would get the image by plain HTTP, so it is refused. A port
 * that has just answered by plain HTTP speaks no TLS, whatever the registry names.
 */
const uploadTarget = (
  request: RegistryRequest,
  from: URL,
  target: URL | null
): Effect.Effect<URL | null, RegistryError> => {
  if (target !== null && target.protocol === "https:" && from.protocol === "http:" && isSamePort(target, from)) {
    return Effect.succeed(new URL(`${from.origin}${target.pathname}${target.search}`))
  }
  if (target === null || target.protocol !== "http:" || from.protocol !== "https:") return Effect.succeed(target)
  if (target.hostname === from.hostname && (target.port === "" || target.port === from.port)) {
    return Effect.succeed(new URL(`${from.origin}${target.pathname}${target.search}`))
  }
  return request.access.tlsVerify
    ? Effect.fail(
        errorOf(
          request,
          "PushRefused",
          `the registry names an upload by plain HTTP at ${shownHost(request, target.host)}, which is not allowed; set ${request.access.unverifiedBy ?? UNVERIFIED_BY} if that is intended`
        )
      )
    : Effect.succeed(target)
}

/** Whether two URLs name one host and one port, and the port is not the one of a scheme. */
const isSamePort = (a: URL, b: URL): boolean => a.host === b.host && a.port !== ""

/** Divides a body into chunks. Each chunk is sent while it is read: a registry may ask for chunks of any size. */
class Chunks {
  readonly #body: StreamedBody
  readonly #pieces: AsyncIterator<Uint8Array>
  /** The bytes of the last piece that belong to the next chunk. */
  #rest: Uint8Array = new Uint8Array()
  #left = 0

  constructor(body: StreamedBody) {
    this.#body = body
    this.#pieces = body.bytes[Symbol.asyncIterator]()
  }

  /** The bytes of the current chunk that have not been read. */
  get left(): number {
    return this.#left
  }

  /** The chunk after the current one, which must have been read. */
  next(size: number): StreamedBody {
    this.#left = size
    return { ...this.#body, bytes: this.#read(), size }
  }

  /** Reads the end of the body, where the source checks the digest. */
  async end(): Promise<void> {
    const { done } = await this.#pieces.next()
    if (done !== true) throw new Error(`the body has more bytes than its ${this.#body.size}`)
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const piece = await this.#piece()
      if (piece === undefined) return
      const taken = Math.min(piece.length, this.#left)
      this.#left -= taken
      if (taken === piece.length) {
        this.#rest = new Uint8Array()
        yield piece
        continue
      }
      // Both parts are copied: a short part may wait in the socket while the source reuses its buffer.
      this.#rest = Uint8Array.from(piece.subarray(taken))
      yield Uint8Array.from(piece.subarray(0, taken))
    }
  }

  async #piece(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest
    const { done, value } = await this.#pieces.next()
    return done === true ? undefined : value
  }
}
