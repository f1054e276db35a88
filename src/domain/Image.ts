/**
 * The Image object (`skopeo.io/v1alpha1`): what a user writes and what the operator answers. This Schema is the one
 * source of the CRD, of defaults, and of what is refused.
 *
 * Schema comes from `effect`: the `@effect/schema` package of old was merged into it.
 */
import { Effect, Schema, SchemaTransformation, Struct } from "effect"
import { oneLine, shorten } from "../text/line.ts"
import type { ImageIdentity } from "./Copy.ts"
import { EXPRESSION_LENGTH } from "./Expression.ts"
import { DEFAULT_FREQUENCY, FREQUENCY_PATTERN } from "./Frequency.ts"
import { isReason, type Reason, REASONS } from "./Reason.ts"

export const GROUP = "skopeo.io"
export const VERSION = "v1alpha1"
export const API_VERSION = `${GROUP}/${VERSION}`
export const KIND = "Image"
export const PLURAL = "images"

/** The modes a new Image may name. `OnceByTag` means `OneShot`; users of the Go releases have it in their manifests. */
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

const TagRefinement = Schema.Struct({
  include: described(
    Schema.optionalKey(Expressions),
    "Regular expressions (RE2), one of which has to match somewhere in a tag."
  ),
  exclude: described(Schema.optionalKey(Expressions), "Regular expressions (RE2), none of which may match."),
  latest: described(Schema.optionalKey(Positive), "Takes only so many of the highest versions."),
  atLeast: described(
    Schema.optionalKey(Positive),
    "Fewer matching tags than this are taken for a registry's mistake, and nothing is copied."
  )
})

const PLATFORM_PATTERN = "^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$"

const Endpoint = {
  name: described(Name, "Repository, by Docker's naming rules: a name without a registry means docker.io."),
  tlsVerify: described(
    Schema.optionalKey(Schema.Boolean),
    "false accepts any certificate, or plain HTTP where there is no TLS; the operator's own credentials are then sent only if the operator is configured to the same. Unset means what the operator is configured to."
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
    "Credentials of this Image's own; they come before the operator's."
  ),
  useAwsIRSA: described(
    Schema.optionalKey(Schema.Boolean),
    "Deprecated, kept for Images of earlier releases. true asks for the operator's own AWS identity."
  )
}

/** What a user writes: the `spec` of an Image, with the defaults that the CRD fills in. */
export const ImageSpec = Schema.Struct({
  mode: defaulted(
    Schema.Literals(MODES),
    "OneShot",
    "OneShot copies what is missing and never checks it again; Recurrent also follows tags that move. OnceByTag is OneShot."
  ),
  frequency: defaulted(
    Schema.String.check(Schema.isPattern(FREQUENCY_PATTERN), Schema.isMaxLength(64)),
    DEFAULT_FREQUENCY,
    "How often patterns and Recurrent Images are checked: sums of whole numbers with s, m, h, d or w, at least 10s."
  ),
  allowCandidateRelease: defaulted(Schema.Boolean, false, "Lets a pattern take candidates such as v2.13.0-rc1."),
  suspend: defaulted(Schema.Boolean, false, "Stops checks and copies; copies that run are finished."),
  tags: described(Schema.optionalKey(TagRefinement), "Refines a pattern or range."),
  platforms: described(
    Schema.optionalKey(
      Schema.Array(
        described(
          Schema.String.check(Schema.isPattern(new RegExp(PLATFORM_PATTERN, "u")), Schema.isMaxLength(64)),
          "os/architecture, with a variant where there are several: linux/arm/v7."
        )
      ).check(Schema.isMinLength(1), Schema.isMaxLength(32))
    ),
    "Copies only these of an image's platforms, such as linux/amd64. Left out: all of them."
  ),
  referrers: described(
    Schema.optionalKey(Schema.Boolean),
    "Copies signatures, SBOMs and attestations too: cosign's tags, and OCI referrers where the copy engine can."
  ),
  source: described(
    Schema.Struct({
      ...Endpoint,
      version: described(
        VersionText,
        "A tag, a pattern such as v2.13.x, a semver range such as ^2.13.0, or a digest sha256:…"
      )
    }),
    "Where images come from."
  ),
  destination: described(
    Schema.Struct({
      ...Endpoint,
      version: described(
        Schema.optionalKey(VersionText),
        "The tag to write. Leave it out, or equal to the source's for a pattern: each tag keeps its name."
      )
    }),
    "Where images go."
  )
})
export type ImageSpec = typeof ImageSpec.Type

const Instant = Schema.String.pipe(Schema.annotateEncoded({ format: "date-time" }))
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * A reason as a status has it: any text to the API server, so that the statuses of other releases stay valid. A reason
 * that this release does not know reads as another.
 */
const storedReason = (unknown: Reason) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Literals(Struct.keys(REASONS)),
      SchemaTransformation.transform({
        decode: (text): Reason => (isReason(text) ? text : unknown),
        encode: (reason): string => reason
      })
    )
  )

/** A condition of Kubernetes. */
export const Condition = Schema.Struct({
  type: Schema.String,
  status: Schema.Literals(["True", "False", "Unknown"]),
  reason: Schema.String,
  message: Schema.String,
  observedGeneration: Schema.optionalKey(Schema.Int),
  lastTransitionTime: Instant
})
export type Condition = typeof Condition.Type

/** What an image without some of its platforms became, so that it need not be read again to be compared. */
export const PlatformSubset = Schema.Struct({
  source: described(Schema.String, "The source's digest."),
  platforms: described(Schema.String, "What was copied of it, such as linux/amd64,linux/arm64."),
  digest: described(Schema.String, "The digest of what is left, which the destination has.")
})
export type PlatformSubset = typeof PlatformSubset.Type

/**
 * A tag that failed when it was copied, or when it was checked. The time of its next attempt stands here, so that a restart
 * neither forgets nor hurries it.
 */
export const FailedCopy = Schema.Struct({
  tag: described(Schema.String, "The tag at the destination."),
  digest: described(Schema.String, "The digest that the tag should have. Empty while the source does not say it."),
  copy: described(Schema.String, "The attempt that was counted last, so that none is counted twice."),
  attempts: Count,
  nextAttemptAt: Instant,
  reason: storedReason("CopyFailed"),
  message: Schema.String
})
export type FailedCopy = typeof FailedCopy.Type

/** A check that failed. A restart neither forgets nor hurries the next one. */
export const FailedCheck = Schema.Struct({
  attempts: described(Count, "How many checks have failed in a row."),
  nextAttemptAt: described(Instant, "When the registries are asked again."),
  reason: storedReason("Unreachable"),
  message: Schema.String
})
export type FailedCheck = typeof FailedCheck.Type

/** A copy that was made. Earlier operators named neither tag nor digest. */
export const PerformedCopy = Schema.Struct({
  performedAt: Instant,
  tag: Schema.optionalKey(Schema.String),
  digest: Schema.optionalKey(Schema.String)
})
export type PerformedCopy = typeof PerformedCopy.Type

/** What the operator answers: the `status` of an Image. */
export const ImageStatus = Schema.Struct({
  observedGeneration: Schema.optionalKey(Schema.Int),
  conditions: Schema.optionalKey(
    Schema.Array(Condition).annotate({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  ),
  tags: described(Schema.optionalKey(Schema.String), "Tags at the destination of tags selected, such as 12/14."),
  lastCheckedAt: described(Schema.optionalKey(Instant), "When the registries were last asked."),
  checkFailure: described(
    Schema.optionalKey(FailedCheck),
    "Why the registries, or the credentials for them, could not be had the last time. Absent once they could."
  ),
  failures: described(
    Schema.optionalKey(Schema.Array(FailedCopy)),
    "The tags that failed when they were copied or checked, 20 at most."
  ),
  subsets: described(
    Schema.optionalKey(Schema.Array(PlatformSubset)),
    "What images became without platforms that were not asked for: those of the newest 300 tags that are selected."
  ),
  history: described(Schema.optionalKey(Schema.Array(PerformedCopy)), "The newest copies that were made, 20 at most.")
})
export type ImageStatus = typeof ImageStatus.Type

/** The condition of a type, if the status has one. */
export const conditionOf = (status: ImageStatus, type: string): Condition | undefined =>
  status.conditions?.find((condition) => condition.type === type)

const MESSAGE_MAXIMUM = 4_000

/** A message as a status has it: one line that ends. */
export const statusMessage = (text: string): string => shorten(oneLine(text), MESSAGE_MAXIMUM)

/** What is known of an Image whatever its spec says: enough to say in its status that the spec cannot be read. */
export interface ImageHeader extends ImageIdentity {
  readonly generation: number
  readonly status: ImageStatus
  /** What the operator accepts from objects stored long ago, and what a user should write instead. */
  readonly notices: ReadonlyArray<string>
}

/** A whole Image, as decoded; defaults filled in. */
export interface Image extends ImageHeader {
  readonly spec: ImageSpec
}

/** Two modes that earlier charts accepted by a slip; stored ones run as Recurrent, new ones are refused. */
export const MISSPELT_RECURRENT: ReadonlyArray<string> = ["Reccurrent", "Reccurent"]
