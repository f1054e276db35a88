/** The errors of requests to registries. */
import { Effect, Schema } from "effect"
import type { BlobDescriptor } from "../oci/Manifest.ts"
import { formatRepository, type Repository } from "../oci/Reference.ts"
import { boundedLine } from "../text/line.ts"

/** The time of the next request, in milliseconds of the Clock since the epoch. */
const until = Schema.optionalKey(Schema.Finite)

/**
 * Why a request failed. The tag is the reason of the Image's condition, word for word.
 *
 * - `Unreachable`: no connection, no TLS, or no answer in time; `unconnected` if nothing was sent
 * - `AuthenticationFailed`: 401 or 403 although the credentials were sent; `renewed` if only a token had expired, and
 *   the next try sends a new token
 * - `CredentialsNotSent`: the registry asks for credentials by plain HTTP, or for a token server of another owner, and the
 *   configuration does not allow that
 * - `NotFound`: no such repository, tag, manifest or blob
 * - `RateLimited`: 429, or a request that a limit held back; `until` if the time of the next request is known
 * - `ServerError`: 5xx; `until` if the registry named the time of the next request
 * - `NotARegistry`: a page for people, such as that of a login or of a proxy
 * - `InvalidAnswer`: broken JSON, an answer that is too large, or a redirect to a forbidden host
 * - `DigestMismatch`: the bytes do not have the expected digest
 * - `UploadLost`: the registry no longer knows an upload that it began; the upload may start over
 * - `DestinationRepositoryMissing`: a push to a repository that must be created before
 * - `QuotaExceeded`: a quota, or storage that is full; `passing` if the registry answered with 5xx, as to a fault of its own,
 *   which may pass within seconds
 * - `TagImmutable`: a tag that must not be overwritten
 * - `BlockedByRegistry`: a rule of the registry, such as one about vulnerabilities, a lock, or a read-only mode
 * - `PushRefused`: any other refusal of an upload
 * - `PlatformMissing`: an image that lacks a platform that its Image asks for
 * - `UnsupportedManifest`: a manifest that cannot be copied as it is
 */
export const RegistryErrorReason = Schema.Union([
  Schema.TaggedStruct("Unreachable", { unconnected: Schema.optionalKey(Schema.Boolean) }),
  Schema.TaggedStruct("AuthenticationFailed", { renewed: Schema.optionalKey(Schema.Boolean) }),
  Schema.TaggedStruct("CredentialsNotSent", {}),
  Schema.TaggedStruct("NotFound", {}),
  Schema.TaggedStruct("RateLimited", { until }),
  Schema.TaggedStruct("ServerError", { status: Schema.Int, until }),
  Schema.TaggedStruct("NotARegistry", {}),
  Schema.TaggedStruct("InvalidAnswer", {}),
  Schema.TaggedStruct("DigestMismatch", {}),
  Schema.TaggedStruct("UploadLost", {}),
  Schema.TaggedStruct("DestinationRepositoryMissing", {}),
  Schema.TaggedStruct("QuotaExceeded", { passing: Schema.optionalKey(Schema.Boolean) }),
  Schema.TaggedStruct("TagImmutable", {}),
  Schema.TaggedStruct("BlockedByRegistry", {}),
  Schema.TaggedStruct("PushRefused", {}),
  Schema.TaggedStruct("PlatformMissing", {}),
  Schema.TaggedStruct("UnsupportedManifest", {})
])
export type RegistryErrorReason = typeof RegistryErrorReason.Type

/** The tag of a reason. */
export type RegistryErrorTag = RegistryErrorReason["_tag"]

/** The tag of a reason without required fields. */
export type FieldlessErrorTag = Exclude<RegistryErrorTag, "ServerError">

/**
 * What a failure is about: the whole registry, one repository, or one tag, digest or blob. A check may treat
 * `Reference` as a fact about one tag and continue with the other tags.
 */
export const Concerns = Schema.Literals(["Registry", "Repository", "Reference"])
export type Concerns = typeof Concerns.Type

/** The side of a copy. */
export type Side = "source" | "destination"

/** What a reason is about by default. */
export const usuallyConcerns = (reason: RegistryErrorReason | FieldlessErrorTag): Concerns => {
  switch (typeof reason === "string" ? reason : reason._tag) {
    case "Unreachable":
    case "RateLimited":
      return "Registry"
    case "ServerError":
      return typeof reason !== "string" && "until" in reason && reason.until !== undefined ? "Registry" : "Reference"
    case "AuthenticationFailed":
    case "CredentialsNotSent":
    case "DestinationRepositoryMissing":
      return "Repository"
    case "NotFound":
    case "NotARegistry":
    case "InvalidAnswer":
    case "DigestMismatch":
    case "UploadLost":
    case "QuotaExceeded":
    case "TagImmutable":
    case "BlockedByRegistry":
    case "PushRefused":
    case "PlatformMissing":
    case "UnsupportedManifest":
      return "Reference"
  }
}

/** The options of `RegistryError.of`. */
export interface RegistryErrorDetails {
  readonly concerns?: Concerns
  readonly operation?: string
}

/**
 * A failed request to a registry. The message is for users: one line of bounded length, without secrets.
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
  /** Method and path of the request. The query is left out because it may hold a signature. */
  operation: Schema.optionalKey(Schema.String),
  /** The side of the copy that the request was part of. {@link onSide} sets the side. */
  side: Schema.optionalKey(Schema.Literals(["source", "destination"])),
  /** The message without the repository. */
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.repository}: ${this.detail}`
  }

  /** The time of the next request, in milliseconds of the Clock since the epoch, if it is known. */
  get until(): number | undefined {
    return this.reason._tag === "RateLimited" || this.reason._tag === "ServerError" ? this.reason.until : undefined
  }

  get isRateLimited(): boolean {
    return this.reason._tag === "RateLimited"
  }

  /** The same error with the side of a copy. */
  at(side: Side): RegistryError {
    return new RegistryError({ ...fieldsOf(this), side })
  }

  /** The same error with `until`, if it has one, some milliseconds later. */
  delayed(millis: number): RegistryError {
    const { reason } = this
    if (reason._tag !== "RateLimited" && reason._tag !== "ServerError") return this
    if (reason.until === undefined) return this
    return new RegistryError({ ...fieldsOf(this), reason: { ...reason, until: reason.until + millis } })
  }

  /** The same error with another detail. */
  withDetail(detail: string): RegistryError {
    return new RegistryError({ ...fieldsOf(this), detail: boundedLine(detail) })
  }

  /** Makes an error. `concerns` defaults to {@link usuallyConcerns}. */
  static of(
    reason: RegistryErrorReason | FieldlessErrorTag,
    repository: Repository,
    detail: string,
    details: RegistryErrorDetails = {}
  ): RegistryError {
    const full: RegistryErrorReason = typeof reason === "string" ? { _tag: reason } : reason
    return new RegistryError({
      reason: full,
      repository: formatRepository(repository),
      detail: boundedLine(detail),
      ...details,
      concerns: details.concerns ?? usuallyConcerns(full)
    })
  }

  /** Makes the error of a blob whose bytes do not have its digest. `detail` is read after the blob's digest. */
  static damaged(
    repository: Repository,
    { digest }: BlobDescriptor,
    why = "the registry, or a proxy before the registry, has damaged the blob"
  ): (detail: string) => RegistryError {
    return (detail) => RegistryError.of("DigestMismatch", repository, `blob ${digest} ${detail}; ${why}`)
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

/** Sets the side of a copy in the errors of an effect. */
export const onSide =
  (side: Side) =>
  <A, R>(effect: Effect.Effect<A, RegistryError, R>): Effect.Effect<A, RegistryError, R> =>
    Effect.mapError(effect, (error) => error.at(side))
