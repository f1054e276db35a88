/** The parsed form of an Image's spec. */
import { Option, Result } from "effect"
import { CONFIGURED, type CredentialChoice } from "./Credential.ts"
import { type Expression, parseExpression } from "./Expression.ts"
import { parseExtraction } from "./Extraction.ts"
import { parseFrequency } from "./Frequency.ts"
import type { ImageSpec } from "./Image.ts"
import type { Problem, ProblemReason } from "./Problem.ts"
import { type Platform, parsePlatform } from "../oci/Platform.ts"
import { DEFAULT_REGISTRY, parseRepository, type Repository, TAG_PATTERN } from "../oci/Reference.ts"
import { refusals } from "./rules.ts"
import type { TagFilter } from "./TagFilter.ts"
import { type ExactVersion, isExact, parseTagPattern, type TagPattern } from "./TagPattern.ts"

/** One end of a mirror, as its Image names it. */
export interface MirrorEndpoint {
  /** The name as the user wrote it, for messages. */
  readonly name: string
  readonly repository: Repository
  /** Default the operator's configuration. */
  readonly tlsVerify?: boolean
  readonly credentials: CredentialChoice
}

/** The tags to copy: one version under a given tag, or the selected tags of a listing under their own names. */
export type MirroredTags =
  | { readonly _tag: "Exact"; readonly version: ExactVersion; readonly destinationTag: string }
  | { readonly _tag: "Listed"; readonly filter: TagFilter }

/** A parsed spec. */
export interface Mirror {
  readonly mode: "OneShot" | "Recurrent"
  readonly frequencyMillis: number
  readonly suspend: boolean
  readonly tags: MirroredTags
  /** The platforms to copy. Empty means all platforms. */
  readonly platforms: ReadonlyArray<Platform>
  /** Whether signatures and other referrers of an image are copied too. */
  readonly referrers: boolean
  readonly source: MirrorEndpoint
  readonly destination: MirrorEndpoint
}

/** Defaults of the operator's configuration. */
export interface MirrorDefaults {
  /** The registry of a destination whose name has no registry. Default docker.io. */
  readonly destinationRegistry?: string
}

/** Takes a parsed value. If parsing failed, records the problem and gives `undefined`. */
type Take = <A>(field: string, value: unknown, reason: ProblemReason, parsed: Result.Result<A, string>) => A | undefined

/**
 * Parses a spec. Fails with all problems, each with its field, its value and the remedy.
 *
 * @example
 * ```ts
 * Result.flatMap(decodeImage(object), ({ spec }) => parseMirror(spec, { destinationRegistry: "registry.corp" }))
 * ```
 */
export const parseMirror = (
  spec: ImageSpec,
  defaults: MirrorDefaults = {}
): Result.Result<Mirror, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const take: Take = (field, value, reason, parsed) => {
    if (Result.isFailure(parsed)) problems.push({ field, value, reason, message: parsed.failure })
    return Result.getOrUndefined(parsed)
  }
  const frequencyMillis = take("spec.frequency", spec.frequency, "InvalidFrequency", parseFrequency(spec.frequency))
  const source = takeEndpoint("source", spec.source, DEFAULT_REGISTRY, take)
  const { destinationRegistry = DEFAULT_REGISTRY } = defaults
  const destination = takeEndpoint("destination", spec.destination, destinationRegistry, take)
  const { version } = spec.source
  const pattern = take("spec.source.version", version, "InvalidPattern", parseTagPattern(version))
  problems.push(...refusals(spec))
  const tags = takeTags(spec, pattern, take)
  // The rules have reported the platforms that cannot be parsed.
  const platforms = (spec.platforms ?? []).flatMap((text) => Option.toArray(Result.getSuccess(parsePlatform(text))))
  if (
    problems.length > 0 ||
    frequencyMillis === undefined ||
    source === undefined ||
    destination === undefined ||
    tags === undefined
  ) {
    return Result.fail(problems)
  }
  return Result.succeed({
    mode: spec.mode === "Recurrent" ? "Recurrent" : "OneShot",
    frequencyMillis,
    suspend: spec.suspend,
    tags,
    platforms,
    referrers: spec.referrers ?? false,
    source,
    destination
  })
}

const takeEndpoint = (
  side: "source" | "destination",
  { credentials, name, tlsVerify, useAwsIRSA }: Omit<ImageSpec["source"], "version">,
  defaultRegistry: string,
  take: Take
): MirrorEndpoint | undefined => {
  const repository = take(`spec.${side}.name`, name, "InvalidReference", parseRepository(name, defaultRegistry))
  if (repository === undefined) return undefined
  return {
    name,
    repository,
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    // A Secret wins over the AWS identity, because it is more specific.
    credentials:
      credentials !== undefined
        ? { _tag: "Secret", name: credentials.secretRef.name }
        : useAwsIRSA === true
          ? { _tag: "AwsIdentity" }
          : CONFIGURED
  }
}

/** Parses the expressions even if the version cannot be parsed, so that all problems are reported at once. */
const takeTags = (spec: ImageSpec, pattern: TagPattern | undefined, take: Take): MirroredTags | undefined => {
  const { destination, tags: refinement = {} } = spec
  const expressions = (field: "include" | "exclude"): ReadonlyArray<Expression> =>
    (refinement[field] ?? []).flatMap(
      (text, index) => take(`spec.tags.${field}[${index}]`, text, "InvalidExpression", parseExpression(text)) ?? []
    )
  const [include, exclude] = [expressions("include"), expressions("exclude")]
  const { extract: written } = refinement
  const extract =
    written === undefined
      ? undefined
      : take("spec.tags.extract", written, "InvalidExpression", parseExtraction(written, pattern))
  if (pattern === undefined) return undefined
  if (isExact(pattern)) {
    const destinationTag = destination.version ?? (pattern._tag === "Tag" ? pattern.tag : undefined)
    if (destinationTag === undefined) return undefined
    const tag = take(
      "spec.destination.version",
      destination.version,
      "InvalidDestinationVersion",
      TAG_PATTERN.test(destinationTag)
        ? Result.succeed(destinationTag)
        : Result.fail("is not a tag; write at most 128 letters, digits, dots, dashes and underscores")
    )
    return tag === undefined ? undefined : { _tag: "Exact", version: pattern, destinationTag: tag }
  }
  const { atLeast, latest, max } = refinement
  return {
    _tag: "Listed",
    filter: {
      pattern,
      allowCandidateRelease: spec.allowCandidateRelease,
      include,
      exclude,
      ...(extract === undefined ? {} : { extract }),
      ...(latest === undefined ? {} : { latest }),
      ...(atLeast === undefined ? {} : { atLeast }),
      ...(max === undefined ? {} : { max })
    }
  }
}
