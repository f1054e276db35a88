/**
 * The Image object (`skopeo.io/v1alpha1`): the spec that a user writes and the status that the operator writes. This
 * Schema is the only source of the CRD, of the defaults, and of the rules for single fields.
 *
 * Schema comes from `effect`, into which the package `@effect/schema` was merged.
 */
import { Effect, Schema, SchemaTransformation, Struct } from "effect"
import { PLATFORM_PATTERN } from "../oci/Platform.ts"
import type { ImageIdentity } from "./Copy.ts"
import { EXPRESSION_LENGTH } from "./Expression.ts"
import { DEFAULT_FREQUENCY, FREQUENCY_PATTERN } from "./Frequency.ts"
import { isReason, type Reason, REASONS } from "./Reason.ts"
import { TAGS_SELECTED } from "./TagFilter.ts"

export const GROUP = "skopeo.io"
export const VERSION = "v1alpha1"
export const API_VERSION = `${GROUP}/${VERSION}`
export const KIND = "Image"
export const PLURAL = "images"

/**
 * The annotation that asks for a check at once. Any value that the status has not answered asks for one. Of a longer value the
 * first {@link REQUEST_LENGTH} characters count.
 */
export const REQUESTED_AT = `${GROUP}/requestedAt` as const
export const REQUEST_LENGTH = 256

/** The modes that a new Image may name. `OnceByTag` means `OneShot`, and is in manifests for the Go releases. */
export const MODES = ["OneShot", "Recurrent", "OnceByTag"] as const

const described = <S extends Schema.Top>(schema: S, description: string) =>
  schema.pipe(Schema.annotateEncoded({ description }))

const defaulted = <S extends Schema.Top>(schema: S, value: S["Encoded"] & Schema.Json, description: string) =>
  schema.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(value)),
    Schema.annotateEncoded({ default: value, description })
  )

const Name = Schema.NonEmptyString.check(Schema.isMaxLength(512))
const VersionText = Schema.NonEmptyString.check(Schema.isMaxLength(256))

const Expressions = Schema.Array(
  described(Schema.NonEmptyString.check(Schema.isMaxLength(EXPRESSION_LENGTH)), "A regular expression.")
).check(Schema.isMaxLength(16))
const Positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** The most tags that `spec.tags.max` may allow. A check asks for each tag. */
const TAGS_MAXIMUM = 10_000

const TagRefinement = Schema.Struct({
  include: described(
    Schema.optionalKey(Expressions),
    "Regular expressions (RE2). At least one must match somewhere in a tag."
  ),
  exclude: described(Schema.optionalKey(Expressions), "Regular expressions (RE2). None may match."),
  extract: described(
    Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(EXPRESSION_LENGTH))),
    "A regular expression (RE2) whose named groups are the version in a tag. (?P<semver>…) or (?P<number>…) is judged by source.version in the tag's place; (?P<text>…) is sorted by its letters. Several groups sort in their order."
  ),
  latest: described(
    Schema.optionalKey(Positive),
    "Selects only the tags of this number of the highest versions. Tags of one version, such as 1.4.0 and v1.4.0, count once."
  ),
  atLeast: described(
    Schema.optionalKey(Positive),
    "If fewer tags match, the list counts as a registry's mistake and nothing is copied."
  ),
  max: described(
    Schema.optionalKey(Positive.check(Schema.isLessThanOrEqualTo(TAGS_MAXIMUM))),
    `If more tags are selected, nothing is copied. Default ${TAGS_SELECTED}, at most ${TAGS_MAXIMUM}.`
  )
})

const Endpoint = {
  name: described(Name, "Repository, by Docker's naming rules. A name without a registry means docker.io."),
  tlsVerify: described(
    Schema.optionalKey(Schema.Boolean),
    "false accepts any certificate, and plain HTTP if the host speaks no TLS. The operator's own credentials are then sent only if the operator is configured in the same way. The default is the operator's configuration."
  ),
  credentials: described(
    Schema.optionalKey(
      Schema.Struct({
        secretRef: described(
          Schema.Struct({
            name: described(Schema.NonEmptyString.check(Schema.isMaxLength(253)), "Name of the Secret.")
          }),
          "A Secret in the Image's own namespace, of type kubernetes.io/dockerconfigjson, or kubernetes.io/basic-auth with the annotation skopeo.io/registry."
        )
      })
    ),
    "The Image's own credentials, which are used instead of the operator's."
  ),
  useAwsIRSA: described(
    Schema.optionalKey(Schema.Boolean),
    "true uses the operator's own AWS identity, for a private registry of Amazon ECR. The Image is Stalled if the operator has no such identity."
  )
}

/** The `spec` of an Image, with the defaults that the CRD sets. */
export const ImageSpec = Schema.Struct({
  mode: defaulted(
    Schema.Literals(MODES),
    "OneShot",
    "OneShot copies missing tags and never checks them again. Recurrent also follows tags that move. OnceByTag means OneShot."
  ),
  frequency: defaulted(
    Schema.String.check(Schema.isPattern(FREQUENCY_PATTERN), Schema.isMaxLength(64)),
    DEFAULT_FREQUENCY,
    "How often patterns and Recurrent Images are checked, such as 15m or 1d12h: whole numbers with s, m, h, d or w. At least 10s."
  ),
  allowCandidateRelease: defaulted(Schema.Boolean, false, "Lets a pattern select candidates such as v2.13.0-rc1."),
  suspend: defaulted(Schema.Boolean, false, "Stops checks and new copies. Running copies finish."),
  tags: described(Schema.optionalKey(TagRefinement), "Refines a pattern or range."),
  platforms: described(
    Schema.optionalKey(
      Schema.Array(
        described(
          Schema.String.check(Schema.isPattern(new RegExp(PLATFORM_PATTERN, "u")), Schema.isMaxLength(64)),
          "os/architecture, with a variant if the architecture has several: linux/arm/v7."
        )
      ).check(Schema.isMinLength(1), Schema.isMaxLength(32))
    ),
    "The platforms of an image to copy, such as linux/amd64. Default all platforms."
  ),
  referrers: described(
    Schema.optionalKey(Schema.Boolean),
    "Copies signatures, SBOMs and attestations too: cosign's tags, and OCI referrers if the copy engine supports them."
  ),
  source: described(
    Schema.Struct({
      ...Endpoint,
      version: described(
        VersionText,
        "A tag, a pattern such as v2.13.x, a semver range such as ^2.13.0, or a digest, sha256:… or sha512:… In a pattern x stands for a number. A range takes tags with at least as many numbers as it writes. Without a leading v both take tags with and without one."
      )
    }),
    "The repository to copy from."
  ),
  destination: described(
    Schema.Struct({
      ...Endpoint,
      version: described(
        Schema.optionalKey(VersionText),
        "The tag to write. For a pattern leave it out, because each tag keeps its name."
      )
    }),
    "The repository to copy to."
  )
})
export type ImageSpec = typeof ImageSpec.Type

const Instant = Schema.String.pipe(Schema.annotateEncoded({ format: "date-time" }))
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** The schema of a reason in a status. The API server accepts any text, so that the statuses of other releases stay valid. */
export interface StoredReason extends Schema.Codec<Reason, string> {}

/** A reason that this release does not know is decoded as `unknown`. */
const storedReason = (unknown: Reason): StoredReason =>
  described(
    Schema.String.pipe(
      Schema.decodeTo(
        Schema.Literals(Struct.keys(REASONS)),
        SchemaTransformation.transform({
          decode: (text): Reason => (isReason(text) ? text : unknown),
          encode: (reason): string => reason
        })
      )
    ),
    "The cause of the failure, in one word, as in conditions."
  )

/** A condition of Kubernetes. */
export const Condition = Schema.Struct({
  type: described(
    Schema.String,
    "Ready, Reconciling, Stalled, or a warning: CredentialsUnbound, CredentialsWithheld, RegistryWarning."
  ),
  status: described(
    Schema.Literals(["True", "False", "Unknown"]),
    "True, False or Unknown. Conditions other than Ready are present only while they are True."
  ),
  reason: described(
    Schema.String,
    "The cause, in one word. docs/troubleshooting.md explains each reason, with its remedy."
  ),
  message: described(Schema.String, "The cause in full, with the remedy."),
  observedGeneration: described(
    Schema.optionalKey(Schema.Int),
    "The metadata.generation of the Image to which the condition applies."
  ),
  lastTransitionTime: described(Instant, "The time when the status of the condition changed last.")
})
export type Condition = typeof Condition.Type

/** The digest of an image without some of its platforms. With it a check compares digests without reading the image. */
export const PlatformSubset = Schema.Struct({
  source: described(Schema.String, "The source's digest."),
  platforms: described(Schema.String, "The copied platforms, such as linux/amd64,linux/arm64."),
  digest: described(Schema.String, "The digest of the image with these platforms only, which the destination has.")
})
export type PlatformSubset = typeof PlatformSubset.Type

/**
 * A tag whose copy or whose check failed. The status holds the time of the next attempt, so that a restart neither loses nor
 * advances it.
 */
export const FailedCopy = Schema.Struct({
  tag: described(Schema.String, "The tag at the destination."),
  digest: described(Schema.String, "The digest that the tag should have. Empty while the source does not say it."),
  copy: described(Schema.String, "The attempt that was counted last, so that no attempt is counted twice."),
  attempts: described(Count, "How many attempts have failed in a row."),
  nextAttemptAt: described(Instant, "The time of the next attempt."),
  reason: storedReason("CopyFailed"),
  message: described(Schema.String, "The cause of the failure in full, with the remedy.")
})
export type FailedCopy = typeof FailedCopy.Type

/** A failed check. The status holds the time of the next check, so that a restart neither loses nor advances it. */
export const FailedCheck = Schema.Struct({
  attempts: described(Count, "How many checks have failed in a row."),
  nextAttemptAt: described(Instant, "The time of the next check."),
  reason: storedReason("Unreachable"),
  message: described(Schema.String, "The cause of the failure in full, with the remedy.")
})
export type FailedCheck = typeof FailedCheck.Type

/**
 * A tag that is going to be copied. The reason is one of {@link PlanReason}; the API server accepts any text, so that the
 * statuses of other releases stay valid.
 */
export const PlannedTag = Schema.Struct({
  tag: described(Schema.String, "The tag at the destination."),
  reason: described(
    Schema.String,
    "Missing, Moved, PlatformsChanged, ReferrersMissing, or Retry for a tag whose last copy failed."
  ),
  digest: described(Schema.String, "The digest of the image at the source.")
})
export type PlannedTag = typeof PlannedTag.Type

/** Why a tag is going to be copied. */
export type PlanReason = "Missing" | "Moved" | "PlatformsChanged" | "ReferrersMissing" | "Retry"

/** What is going to be copied. */
export const CopyPlan = Schema.Struct({
  copies: described(Count, "The number of copies that remain, including those under way."),
  tags: described(Schema.Array(PlannedTag), "The first of their tags, at most 20.")
})
export type CopyPlan = typeof CopyPlan.Type

/** A successful copy. Earlier releases wrote neither tag nor digest. */
export const PerformedCopy = Schema.Struct({
  performedAt: described(Instant, "The time when the copy was recorded."),
  tag: described(Schema.optionalKey(Schema.String), "The tag at the destination. Earlier releases did not write it."),
  digest: described(
    Schema.optionalKey(Schema.String),
    "The digest that the tag then had. Earlier releases did not write it."
  )
})
export type PerformedCopy = typeof PerformedCopy.Type

/** The `status` of an Image, which the operator writes. */
export const ImageStatus = Schema.Struct({
  observedGeneration: described(
    Schema.optionalKey(Schema.Int),
    "The metadata.generation of the Image that this status describes. -1 until the operator has written a status."
  ),
  conditions: described(
    Schema.optionalKey(
      Schema.Array(Condition).annotate({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
    ),
    "The state of the Image. Ready is True if the destination has every selected tag. Reconciling is present while work remains, and Stalled while a person has to correct something. Other conditions are warnings."
  ),
  tags: described(
    Schema.optionalKey(Schema.String),
    "The number of selected tags that are at the destination, of all selected tags: 12/14."
  ),
  lastHandledReconcileAt: described(
    Schema.optionalKey(Schema.String),
    `The value of the annotation ${REQUESTED_AT} whose check was made last, at most ${REQUEST_LENGTH} characters.`
  ),
  lastCheckedAt: described(Schema.optionalKey(Instant), "The time of the last successful check."),
  lastInSyncAt: described(
    Schema.optionalKey(Instant),
    "When a check or a copy last showed that the destination has every selected tag. A change of the spec of an Image in sync sets the time too."
  ),
  checkFailure: described(
    Schema.optionalKey(FailedCheck),
    "Why the last check failed. Absent after a successful check."
  ),
  plan: described(
    Schema.optionalKey(CopyPlan),
    "What remains to be copied, written before the first copy starts. Absent if nothing remains."
  ),
  failures: described(
    Schema.optionalKey(Schema.Array(FailedCopy)),
    "The tags whose copy or whose check failed, at most 20."
  ),
  subsets: described(
    Schema.optionalKey(Schema.Array(PlatformSubset)),
    "The digests of images with the requested platforms only, for the newest 300 selected tags."
  ),
  history: described(Schema.optionalKey(Schema.Array(PerformedCopy)), "The newest successful copies, at most 20.")
})
export type ImageStatus = typeof ImageStatus.Type

/**
 * The condition of a type, if the status has one.
 *
 * @example
 * ```ts
 * conditionOf(image.status, "Ready")?.reason // "Copied"
 * ```
 */
export const conditionOf = (status: ImageStatus, type: string): Condition | undefined =>
  status.conditions?.find((condition) => condition.type === type)

/** The value of the annotation for a check at once, if the status has not answered that value. */
export const openRequest = ({ requestedAt, status }: ImageHeader): string | undefined =>
  requestedAt === status.lastHandledReconcileAt ? undefined : requestedAt

/** The part of an Image that does not depend on its spec. A status about an invalid spec needs only this part. */
export interface ImageHeader extends ImageIdentity {
  readonly generation: number
  readonly status: ImageStatus
  /** The value of the annotation {@link REQUESTED_AT}, which asks for a check at once. */
  readonly requestedAt?: string
  /** Deprecated values that the operator still accepts in stored objects, with the remedy. */
  readonly notices: ReadonlyArray<string>
}

/** A decoded Image, with defaults. */
export interface Image extends ImageHeader {
  readonly spec: ImageSpec
}

/** Two misspelt modes that earlier charts accepted. Stored ones run as Recurrent, new ones are refused. */
export const MISSPELT_RECURRENT: ReadonlyArray<string> = ["Reccurrent", "Reccurent"]
