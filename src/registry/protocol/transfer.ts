/** Copies a blob from one registry to another in constant memory. */
import { type Duration, Effect, Exit, Schedule, type Scope } from "effect"
import { BoundedMap } from "../../collections/BoundedMap.ts"
import { spanOf } from "../pipeline/traced.ts"
import type { CopyBlobOptions } from "../RegistryClient.ts"
import { onSide, type RegistryError } from "../RegistryError.ts"
import type { Blobs } from "./blobs.ts"
import { failWhenSlow } from "./leastRate.ts"
import { ResumableSource } from "./ResumableSource.ts"
import type { Uploads } from "./uploads.ts"

/** The most registries whose way to take blobs is remembered. */
const REGISTRIES = 1_000

/** How often a transfer may start over. */
const RESTARTS = 2

export type CopyBlob = (options: CopyBlobOptions) => Effect.Effect<"Mounted" | "Sent", RegistryError>

/** `retryDelay` is the pause before a broken transfer starts over, doubled each time. */
export const makeCopyBlob = (blobs: Blobs, uploads: Uploads, retryDelay: Duration.Input): CopyBlob => {
  /** Registries that do not accept a blob in one request. A forgotten one costs one more request. */
  const chunked = new BoundedMap<string, true>({ capacity: REGISTRIES })

  /** Transfers a blob from the first byte to the last. */
  const transferScoped = Effect.fnUntraced(function* (
    options: CopyBlobOptions
  ): Effect.fn.Return<"Mounted" | "Sent", RegistryError, Scope.Scope> {
    const { blob, destination, mountFrom, onBytes, source } = options
    const upload = yield* onSide("destination")(uploads.beginOrMount(destination, blob, mountFrom))
    if (upload === undefined) return "Mounted"
    yield* Effect.addFinalizer((exit) =>
      Exit.hasInterrupts(exit) ? uploads.withdraw(destination, upload) : Effect.void
    )
    const bytes = yield* ResumableSource.open({
      access: source,
      blob,
      open: (offset) => blobs.openBlob(source, blob, offset),
      resumeDelay: retryDelay,
      ...(onBytes === undefined ? {} : { onBytes })
    }).pipe(onSide("source"))
    const body = { bytes: bytes.bytes(), size: blob.size, isPaused: () => bytes.isReading }
    const { registry } = destination.repository
    const isChunked = chunked.has(registry)
    const sent = isChunked
      ? Effect.as(uploads.sendChunks(destination, upload, blob, body), undefined)
      : uploads.sendWhole(destination, upload, blob, body)
    const refusal = yield* sent.pipe(
      Effect.mapError((error) => bytes.failure?.at("source") ?? error.at("destination")),
      Effect.raceFirst(failWhenSlow(bytes, options)),
      Effect.onError(() => Effect.sync(() => bytes.retract()))
    )
    if (refusal === undefined) return "Sent"
    bytes.retract()
    chunked.set(registry, true)
    const again = { source, destination, blob, ...(onBytes === undefined ? {} : { onBytes }) }
    return yield* Effect.scoped(transferScoped(again))
  })

  /**
   * A registry may refuse a blob because the blob is there, as Nexus does (https://github.com/sonatype/nexus-public/issues/967).
   * Two copies may also have sent the blob at once.
   */
  const acceptPresent = ({ blob, destination }: CopyBlobOptions, refusal: RegistryError) =>
    Effect.matchEffect(blobs.hasBlob(destination, blob), {
      onFailure: () => Effect.fail(refusal),
      onSuccess: (isThere) => (isThere ? Effect.succeed("Mounted" as const) : Effect.fail(refusal))
    })

  const transfer: CopyBlob = (options) =>
    Effect.scoped(transferScoped(options)).pipe(
      Effect.catchIf(
        ({ reason, side }) =>
          side === "destination" && (reason._tag === "PushRefused" || reason._tag === "TagImmutable"),
        (refusal) => acceptPresent(options, refusal)
      )
    )

  const policy = {
    while: isWorthAnotherTry,
    times: RESTARTS,
    schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
  }
  return (options) => transfer(options).pipe(Effect.retry(policy), spanOf("copyBlob"))
}

/** Damaged bytes and broken uploads start over. Reads from an unreachable source were already retried by a stage. */
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
    case "QuotaExceeded":
      return side === "destination" && reason.passing === true
    case "CredentialsNotSent":
    case "NotFound":
    case "RateLimited":
    case "NotARegistry":
    case "InvalidAnswer":
    case "DestinationRepositoryMissing":
    case "TagImmutable":
    case "BlockedByRegistry":
    case "PushRefused":
    case "PlatformMissing":
    case "UnsupportedManifest":
      return false
  }
}
