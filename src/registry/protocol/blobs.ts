/** Blobs over HTTP: read, sent, mounted, and brought from one registry to another in constant memory. */
import { createHash } from "node:crypto"
import { Cause, Duration, Effect, Exit, Option, Redacted, Schedule, type Scope, Stream } from "effect"
import { innermostCause } from "../../text/Cause.ts"
import type { RawAnswer } from "../../http/bulk.ts"
import * as BlobUpload from "./uploads.ts"
import { verified } from "../../oci/Digest.ts"
import { excerpt } from "../../text/line.ts"
import { drain, ERROR_BYTES, errorAt, operationOf } from "../pipeline/refusal.ts"
import type { HttpAnswer } from "../../http/Http.ts"
import type { BlobDescriptor } from "../../oci/Manifest.ts"
import type { CopyBlobOptions, RepositoryAccess } from "../RegistryClient.ts"
import { onSide, RegistryError } from "../RegistryError.ts"
import { pathOf, type Requests } from "../pipeline/requests.ts"
import type { Transport } from "../pipeline/transport.ts"

export interface BlobOptions {
  /** How long a blob's bytes may stand still. */
  readonly idleTimeout: Duration.Duration
  /** The pause before a broken transfer is taken up again, doubled each time. */
  readonly retryDelay: Duration.Input
}

/** How often a read may break off in one transfer, each time going on where it was. */
const RESUMPTIONS = 3
/** How often a transfer may begin again. */
const RESTARTS = 2

/** A body that is being read. */
interface Opened {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Breaks it off, so that it can be gone on with elsewhere. */
  readonly discard: () => void
}

export const make = (transport: Transport, requests: Requests, options: BlobOptions) => {
  const { authorized, bounded, refused, repeated, request } = requests
  const { idleTimeout, retryDelay } = options
  const uploads = BlobUpload.make(transport, requests, idleTimeout)
  /** Registries that take no blob in one piece. */
  const chunked = new Set<string>()

  const hasBlob = (access: RepositoryAccess, blob: BlobDescriptor) =>
    repeated(
      bounded(
        access,
        `asking for blob ${blob.digest}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull,push", (origin) => ({
            method: "HEAD",
            url: origin + pathOf(access.repository, `blobs/${blob.digest}`),
            headers: {}
          }))
          yield* drain(response)
          if (response.status === 404) return false
          return response.status === 200 ? true : yield* refused(access, "GET", response)
        })
      )
    )

  const standsStill = (access: RepositoryAccess, operation: string) =>
    errorAt(access, "Unreachable", `${operation} brought nothing for ${Duration.format(idleTimeout)}`)

  const brokeOff = (access: RepositoryAccess, operation: string, cause: unknown) =>
    errorAt(access, "Unreachable", `${operation} broke off: ${excerpt(innermostCause(cause))}`)

  const blob = (access: RepositoryAccess, blob: BlobDescriptor): Stream.Stream<Uint8Array, RegistryError> =>
    Stream.unwrap(
      repeated(
        bounded(
          access,
          `reading blob ${blob.digest}`,
          Effect.gen(function* () {
            const { response } = yield* request(access, "pull", (origin) => ({
              method: "GET",
              url: origin + pathOf(access.repository, `blobs/${blob.digest}`),
              headers: {}
            }))
            return response.status === 200 ? response : yield* refused(access, "GET", response)
          })
        )
      ).pipe(
        Effect.map((response) => {
          const operation = operationOf(response.request)
          return Stream.fromAsyncIterable(response.body, (cause) => brokeOff(access, operation, cause)).pipe(
            Stream.timeoutOrElse({
              duration: idleTimeout,
              orElse: () => Stream.fail(standsStill(access, operation))
            }),
            Stream.ensuring(Effect.sync(response.discard)),
            verified(blob, RegistryError.damaged(access.repository, blob))
          )
        })
      )
    )

  /** Asks for a blob's bytes from an offset on, to be read in bulk. */
  const open = (access: RepositoryAccess, { digest, size }: BlobDescriptor, offset: number) => {
    const path = pathOf(access.repository, `blobs/${digest}`)
    const range: Readonly<Record<string, string>> = offset === 0 ? {} : { range: `bytes=${offset}-` }
    return repeated(
      bounded(
        access,
        `reading blob ${digest}`,
        Effect.gen(function* (): Effect.gen.Return<Opened, RegistryError> {
          const { response } = yield* authorized(access, "pull", {
            send: (origin, header) =>
              transport.read(access, origin + path, {
                ...range,
                ...(header === undefined ? {} : { authorization: Redacted.value(header) })
              }),
            drop: (answer: RawAnswer) => Effect.sync(answer.discard)
          })
          const isRest = response.status === 206 && startOf(response.headers["content-range"]) === offset
          if (response.body !== undefined && (response.status === 200 || isRest)) {
            const { body, discard } = response
            return { bytes: isRest ? body : skip(body, offset), discard }
          }
          const length = Number(response.headers["content-length"] ?? Number.POSITIVE_INFINITY)
          if (response.body !== undefined && response.status >= 300 && length <= ERROR_BYTES) {
            const { body } = response
            const refusal: HttpAnswer = { ...response, body, request: { method: "GET", url: path, headers: {} } }
            return yield* refused(access, "GET", refusal)
          }
          response.discard()
          // Not a plain answer: the general client reads it, however its end is marked.
          const general = yield* request(access, "pull", (origin) => ({
            method: "GET",
            url: origin + path,
            headers: range
          }))
          const { body, discard, headers, status } = general.response
          const rest = status === 206 && startOf(headers["content-range"]) === offset
          if (status !== 200 && !rest) return yield* refused(access, "GET", general.response)
          return { bytes: rest ? body : skip(body, offset), discard }
        })
      )
    ).pipe(Effect.map((opened) => ({ ...opened, operation: `GET ${path}`, size })))
  }

  const chunkedKey = (access: RepositoryAccess): string => access.repository.registry

  /** One transfer from the first byte to the last. */
  const transferScoped = Effect.fnUntraced(function* ({
    blob,
    destination,
    mountFrom,
    onBytes,
    source
  }: CopyBlobOptions): Effect.fn.Return<"Mounted" | "Sent", RegistryError, Scope.Scope> {
    const upload = yield* onSide("destination")(beginOrMount(destination, blob, mountFrom))
    if (upload === undefined) return "Mounted"
    const services = yield* Effect.context()
    const first = yield* onSide("source")(open(source, blob, 0))
    let moved = 0
    let over = false
    /** Whoever sends may ask for one more chunk after it has failed; that one does not count any more. */
    const takeBack = () => {
      over = true
      onBytes?.(-moved)
    }
    /** Whether the transfer is over, and what is still asked of the source with it. */
    let ended = false
    let aborter: AbortController | undefined
    let sourceFailure: RegistryError | undefined
    const failed = (error: RegistryError): RegistryError => {
      sourceFailure = error
      return error
    }
    const mismatch = (detail: string) =>
      failed(
        errorAt(
          source,
          "DigestMismatch",
          `blob ${blob.digest} ${detail}; the registry or what stands before it has damaged it`
        )
      )
    const resume = async () => {
      aborter = new AbortController()
      const reopened = open(source, blob, moved).pipe(Effect.delay(retryDelay))
      const exit = await Effect.runPromiseExitWith(services)(reopened, { signal: aborter.signal })
      if (Exit.isSuccess(exit)) return exit.value
      throw failed(Option.getOrElse(Cause.findErrorOption(exit.cause), () => standsStill(source, first.operation)))
    }
    let current: Opened = first
    /** Whether the next bytes are the source's to bring, and whether it was too slow to. */
    let reading = false
    let isStill = false
    const revive = (): boolean => {
      if (!reading) return false
      isStill = true
      current.discard()
      return true
    }
    async function* bytes(): AsyncGenerator<Uint8Array> {
      const hash = createHash("sha256")
      for (let breaks = 0; ; breaks++) {
        try {
          reading = true
          for await (const chunk of current.bytes) {
            if (over) return
            moved += chunk.length
            if (moved > blob.size) throw mismatch(`has more bytes than its ${blob.size}`)
            hash.update(chunk)
            onBytes?.(chunk.length)
            reading = false
            yield chunk
            reading = true
          }
          break
        } catch (cause) {
          if (sourceFailure !== undefined || ended) throw cause
          // Announced more than there is, and than is wanted.
          if (moved === blob.size) break
          if (breaks === RESUMPTIONS) {
            throw failed(isStill ? standsStill(source, first.operation) : brokeOff(source, first.operation, cause))
          }
          isStill = false
          current = await resume()
        }
      }
      reading = false
      if (moved !== blob.size) throw mismatch(`has ${moved} bytes instead of ${blob.size}`)
      const found = `sha256:${hash.digest("hex")}`
      if (found !== blob.digest) throw mismatch(`has bytes of ${found}`)
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        ended = true
        aborter?.abort()
        current.discard()
      })
    )
    const sending: BlobUpload.Sending = { body: bytes(), moved: () => moved, revive }
    const host = chunkedKey(destination)
    const sent = chunked.has(host)
      ? Effect.as(uploads.sendChunks(destination, upload, blob, sending), undefined)
      : uploads.sendWhole(destination, upload, blob, sending)
    const refusal = yield* sent.pipe(
      Effect.mapError((error) => (sourceFailure === undefined ? error.at("destination") : sourceFailure.at("source"))),
      Effect.onError(() => Effect.sync(takeBack))
    )
    if (refusal === undefined) return "Sent"
    takeBack()
    chunked.add(host)
    const again = { source, destination, blob, ...(onBytes === undefined ? {} : { onBytes }) }
    return yield* transfer(again)
  })

  const transfer = (options: CopyBlobOptions) => Effect.scoped(transferScoped(options))

  /** A registry that does not want to mount is asked to take the blob instead. */
  const beginOrMount = (access: RepositoryAccess, blob: BlobDescriptor, mountFrom: string | undefined) =>
    mountFrom === undefined
      ? uploads.begin(access, blob)
      : uploads
          .begin(access, blob, mountFrom)
          .pipe(Effect.catchIf(isUnwillingToMount, () => uploads.begin(access, blob)))

  return {
    hasBlob,
    blob,

    putBlob: <E>(
      access: RepositoryAccess,
      blob: BlobDescriptor,
      bytes: Stream.Stream<Uint8Array, E>
    ): Effect.Effect<void, RegistryError | E> =>
      Effect.gen(function* () {
        const upload = yield* uploads.begin(access, blob)
        if (upload === undefined) return
        let moved = 0
        let failure: { readonly error: E } | undefined
        const body = Stream.toAsyncIterable(
          bytes.pipe(
            Stream.tap((chunk) =>
              Effect.sync(() => {
                moved += chunk.length
              })
            ),
            Stream.tapError((error) =>
              Effect.sync(() => {
                failure = { error }
              })
            )
          )
        )
        const refusal = yield* uploads
          .sendWhole(access, upload, blob, { body, moved: () => moved })
          .pipe(Effect.mapError((error): RegistryError | E => (failure === undefined ? error : failure.error)))
        if (refusal !== undefined) return yield* refusal
      }),

    mountBlob: (access: RepositoryAccess, blob: BlobDescriptor, from: string) =>
      Effect.gen(function* () {
        const upload = yield* uploads.begin(access, blob, from)
        if (upload === undefined) return true
        yield* uploads.cancel(access, upload)
        return false
      }).pipe(Effect.catchIf(isUnwillingToMount, () => Effect.succeed(false))),

    copyBlob: (options: CopyBlobOptions): Effect.Effect<"Mounted" | "Sent", RegistryError> =>
      transfer(options).pipe(
        Effect.retry({
          while: isWorthAnotherTry,
          times: RESTARTS,
          schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
        })
      )
  }
}

const isUnwillingToMount = ({ reason }: RegistryError): boolean =>
  reason._tag === "AuthenticationFailed" || reason._tag === "PushRefused"

/** A source that cannot be reached has been asked again already; damaged bytes and broken writes begin anew. */
const isWorthAnotherTry = ({ reason, side }: RegistryError): boolean => {
  switch (reason._tag) {
    case "DigestMismatch":
      return true
    case "Unreachable":
    case "ServerError":
    case "UploadLost":
      return side === "destination"
    case "AuthenticationFailed":
      return reason.renewed === true
    case "NotFound":
    case "RateLimited":
    case "InvalidAnswer":
    case "DestinationRepositoryMissing":
    case "PushRefused":
    case "PlatformMissing":
    case "UnsupportedManifest":
      return false
  }
}

/** `Content-Range: bytes 5-9/10` begins at 5. */
const startOf = (contentRange: string | undefined): number | undefined => {
  const start = /^bytes ([0-9]+)-/u.exec(contentRange ?? "")?.[1]
  return start === undefined ? undefined : Number(start)
}

/**
 * A host that knows no ranges sends everything again. What is left of a piece is copied: a short one may wait in a socket
 * for longer than the buffer that it came in is its own.
 */
export async function* skip(bytes: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let passed = 0
  for await (const chunk of bytes) {
    const from = Math.min(chunk.length, Math.max(0, offset - passed))
    passed += chunk.length
    if (from < chunk.length) yield from === 0 ? chunk : Uint8Array.from(chunk.subarray(from))
  }
}
