/** What a request to a registry can fail with. */
import { Effect, Schema } from "effect"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { formatRepository, type Repository } from "../oci/Reference.ts"

/** Milliseconds of the Clock since the epoch: before then the registry is not to be asked again. */
const until = Schema.optionalKey(Schema.Finite)

/**
 * Why a request failed. The tag is the reason of the condition that a user reads, word for word.
 *
 * - `Unreachable`: no connection, no TLS, or no answer in time; `unconnected` if nothing was sent at all
 * - `AuthenticationFailed`: 401 or 403, after the credentials there are were tried; `renewed` if only a token had ended,
 *   and the next try brings another
 * - `NotFound`: no such repository, tag, manifest or blob
 * - `RateLimited`: 429, or not sent because of a limit; `until` where a time is known
 * - `ServerError`: 5xx; `until` if the registry named a time
 * - `InvalidAnswer`: HTML, broken JSON, an answer that is too large, or a redirect to where it must not lead
 * - `DigestMismatch`: bytes that are not those of their digest
 * - `UploadLost`: the registry no longer knows an upload that it began; the upload may begin again
 * - `DestinationRepositoryMissing`: a push to a repository that must be created first
 * - `PushRefused`: any other refusal of an upload
 * - `PlatformMissing`: an image that lacks a platform that its Image asks for
 * - `UnsupportedManifest`: a manifest that cannot be copied as it is
 */
export const RegistryErrorReason = Schema.Union([
  Schema.TaggedStruct("Unreachable", { unconnected: Schema.optionalKey(Schema.Boolean) }),
  Schema.TaggedStruct("AuthenticationFailed", { renewed: Schema.optionalKey(Schema.Boolean) }),
  Schema.TaggedStruct("NotFound", {}),
  Schema.TaggedStruct("RateLimited", { until }),
  Schema.TaggedStruct("ServerError", { status: Schema.Int, until }),
  Schema.TaggedStruct("InvalidAnswer", {}),
  Schema.TaggedStruct("DigestMismatch", {}),
  Schema.TaggedStruct("UploadLost", {}),
  Schema.TaggedStruct("DestinationRepositoryMissing", {}),
  Schema.TaggedStruct("PushRefused", {}),
  Schema.TaggedStruct("PlatformMissing", {}),
  Schema.TaggedStruct("UnsupportedManifest", {})
])
export type RegistryErrorReason = typeof RegistryErrorReason.Type

/** The tag of a reason. */
export type RegistryErrorTag = RegistryErrorReason["_tag"]

/** A tag that needs no more to be a reason. */
type PlainTag = Exclude<RegistryErrorTag, "ServerError">

/**
 * How much a failure speaks of: the whole registry, one repository, or one tag, digest or blob in it. A check may take
 * the last as a fact about one tag, and go on with the others.
 */
export const Concerns = Schema.Literals(["Registry", "Repository", "Reference"])
export type Concerns = typeof Concerns.Type

/** The side of a copy. */
export type Side = "source" | "destination"

/** What a reason speaks of where nothing else is known. */
export const usuallyConcerns = (reason: RegistryErrorReason | PlainTag): Concerns => {
  switch (typeof reason === "string" ? reason : reason._tag) {
    case "Unreachable":
    case "RateLimited":
      return "Registry"
    case "ServerError":
      return typeof reason !== "string" && "until" in reason && reason.until !== undefined ? "Registry" : "Reference"
    case "AuthenticationFailed":
    case "DestinationRepositoryMissing":
      return "Repository"
    case "NotFound":
    case "InvalidAnswer":
    case "DigestMismatch":
    case "UploadLost":
    case "PushRefused":
    case "PlatformMissing":
    case "UnsupportedManifest":
      return "Reference"
  }
}

interface Details {
  readonly concerns?: Concerns
  readonly operation?: string
}

/**
 * A request to a registry that failed. The message is for users, in one line, and holds no secret.
 *
 * @example
 * ```ts
 * client.manifest(access, "v1").pipe(
 *   Effect.map(Option.some),
 *   Effect.catchReason("RegistryError", "NotFound", () => Effect.succeedNone)
 * )
 * ```
 */
export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  reason: RegistryErrorReason,
  concerns: Concerns,
  /** `registry/path`. */
  repository: Schema.String,
  /** Method and path of the request, without a query, which may hold what signs an upload. */
  operation: Schema.optionalKey(Schema.String),
  /** Set where the request was part of a copy: {@link onSide}. */
  side: Schema.optionalKey(Schema.Literals(["source", "destination"])),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.repository}: ${this.detail}`
  }

  /** Before when the registry is not to be asked again, in milliseconds of the Clock since the epoch; if that is known. */
  get until(): number | undefined {
    return this.reason._tag === "RateLimited" || this.reason._tag === "ServerError" ? this.reason.until : undefined
  }

  get isRateLimited(): boolean {
    return this.reason._tag === "RateLimited"
  }

  /** The same error of a side of a copy. */
  at(side: Side): RegistryError {
    return new RegistryError({ ...fieldsOf(this), side })
  }

  /** The same error, with a time that is later by some milliseconds where it has one. */
  postponed(millis: number): RegistryError {
    const { reason } = this
    if (reason._tag !== "RateLimited" && reason._tag !== "ServerError") return this
    if (reason.until === undefined) return this
    return new RegistryError({ ...fieldsOf(this), reason: { ...reason, until: reason.until + millis } })
  }

  /** The same error in other words. */
  withDetail(detail: string): RegistryError {
    return new RegistryError({ ...fieldsOf(this), detail })
  }

  /** The details say more than the reason alone tells; `concerns` is what the reason usually speaks of. */
  static of(
    reason: RegistryErrorReason | PlainTag,
    repository: Repository,
    detail: string,
    details: Details = {}
  ): RegistryError {
    const full: RegistryErrorReason = typeof reason === "string" ? { _tag: reason } : reason
    return new RegistryError({
      reason: full,
      repository: formatRepository(repository),
      detail,
      ...details,
      concerns: details.concerns ?? usuallyConcerns(full)
    })
  }

  /** Bytes of a blob that are not those of its digest; `detail` is read after the blob's digest. */
  static damaged(repository: Repository, { digest }: BlobDescriptor): (detail: string) => RegistryError {
    return (detail) =>
      RegistryError.of(
        "DigestMismatch",
        repository,
        `blob ${digest} ${detail}; the registry or what stands before it has damaged it`
      )
  }
}

const fieldsOf = ({ concerns, detail, operation, reason, repository, side }: RegistryError) => ({
  concerns,
  detail,
  reason,
  repository,
  ...(operation === undefined ? {} : { operation }),
  ...(side === undefined ? {} : { side })
})

/** Marks the failures of an effect with the side of the copy that it is part of. */
export const onSide =
  (side: Side) =>
  <A, R>(effect: Effect.Effect<A, RegistryError, R>): Effect.Effect<A, RegistryError, R> =>
    Effect.mapError(effect, (error) => error.at(side))
