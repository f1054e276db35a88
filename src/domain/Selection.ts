/** What an Image asks for, once every text in it is parsed. */
import { Result } from "effect"
import { CONFIGURED, type CredentialChoice } from "./Credential.ts"
import { parseFrequency } from "./Frequency.ts"
import type { ImageSpec } from "./Image.ts"
import { ruleProblems } from "./ImageDecoder.ts"
import type { Problem, ProblemReason } from "./Problem.ts"
import { type Platform, parsePlatform } from "../oci/Platform.ts"
import { DEFAULT_REGISTRY, parseRepository, type Repository, TAG_PATTERN } from "../oci/Reference.ts"
import { isExact, parseTagPattern, type TagPattern } from "./TagPattern.ts"
import { type Expression, parseExpression } from "./Expression.ts"
import { NO_FILTER, type TagFilter } from "./TagSelection.ts"

/** A repository as one side of an Image names it; `tlsVerify` unset means the operator's configuration. */
export interface Side {
  readonly repository: Repository
  readonly tlsVerify?: boolean
  readonly credentials: CredentialChoice
}

export interface Selection {
  readonly mode: "OneShot" | "Recurrent"
  readonly frequencyMillis: number
  readonly pattern: TagPattern
  readonly allowCandidateRelease: boolean
  readonly filter: TagFilter
  /** What is copied of an image; empty means all of it. */
  readonly platforms: ReadonlyArray<Platform>
  /** Whether what refers to an image comes along. */
  readonly referrers: boolean
  readonly source: Side
  readonly destination: Side
  /** The tag to write for an exact version; the tags of a listing keep their names. */
  readonly destinationTag: string | undefined
}

export interface SelectionDefaults {
  /** The registry a destination without one means. */
  readonly destinationRegistry?: string
}

/** Notes what is wrong with a parsed text; `undefined` then. */
type Take = <A>(field: string, value: unknown, reason: ProblemReason, parsed: Result.Result<A, string>) => A | undefined

/** Parses a spec; fails with every problem in it, each naming its field, its value and what to write instead. */
export const parseSelection = (
  spec: ImageSpec,
  defaults: SelectionDefaults = {}
): Result.Result<Selection, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const take: Take = (field, value, reason, parsed) => {
    if (Result.isFailure(parsed)) problems.push({ field, value, reason, message: parsed.failure })
    return Result.getOrUndefined(parsed)
  }
  const { source, destination } = spec
  const frequencyMillis = take("spec.frequency", spec.frequency, "InvalidFrequency", parseFrequency(spec.frequency))
  const sourceRepository = take("spec.source.name", source.name, "InvalidReference", parseRepository(source.name))
  const destinationRepository = take(
    "spec.destination.name",
    destination.name,
    "InvalidReference",
    parseRepository(destination.name, defaults.destinationRegistry ?? DEFAULT_REGISTRY)
  )
  const pattern = take("spec.source.version", source.version, "InvalidPattern", parseTagPattern(source.version))
  problems.push(...ruleProblems(spec))
  const filter = takeFilter(spec, take)
  const platforms = (spec.platforms ?? []).flatMap((text, index) => {
    const platform = take(`spec.platforms[${index}]`, text, "InvalidPlatform", parsePlatform(text))
    return platform === undefined ? [] : [platform]
  })
  if (pattern !== undefined && isExact(pattern) && destination.version !== undefined) {
    take(
      "spec.destination.version",
      destination.version,
      "InvalidDestinationVersion",
      TAG_PATTERN.test(destination.version)
        ? Result.succeed(undefined)
        : Result.fail("is no tag; write at most 128 letters, digits, dots, dashes and underscores")
    )
  }
  if (
    problems.length > 0 ||
    frequencyMillis === undefined ||
    sourceRepository === undefined ||
    destinationRepository === undefined ||
    pattern === undefined
  ) {
    return Result.fail(problems)
  }
  return Result.succeed({
    mode: spec.mode === "Recurrent" ? "Recurrent" : "OneShot",
    frequencyMillis,
    pattern,
    allowCandidateRelease: spec.allowCandidateRelease,
    filter,
    platforms,
    referrers: spec.referrers ?? false,
    source: sideOf(sourceRepository, source),
    destination: sideOf(destinationRepository, destination),
    destinationTag: isExact(pattern)
      ? (destination.version ?? (pattern._tag === "Tag" ? pattern.tag : undefined))
      : undefined
  })
}

const sideOf = (
  repository: Repository,
  { credentials, tlsVerify, useAwsIRSA }: Pick<ImageSpec["source"], "credentials" | "tlsVerify" | "useAwsIRSA">
): Side => ({
  repository,
  ...(tlsVerify === undefined ? {} : { tlsVerify }),
  // A Secret is the more precise of the two.
  credentials:
    credentials !== undefined
      ? { _tag: "Secret", name: credentials.secretRef.name }
      : useAwsIRSA === true
        ? { _tag: "AwsIdentity" }
        : CONFIGURED
})

const takeFilter = ({ tags }: ImageSpec, take: Take): TagFilter => {
  if (tags === undefined) return NO_FILTER
  const expressions = (field: "include" | "exclude"): ReadonlyArray<Expression> =>
    (tags[field] ?? []).flatMap((text, index) => {
      const parsed = take(`spec.tags.${field}[${index}]`, text, "InvalidExpression", parseExpression(text))
      return parsed === undefined ? [] : [parsed]
    })
  return {
    include: expressions("include"),
    exclude: expressions("exclude"),
    ...(tags.latest === undefined ? {} : { latest: tags.latest }),
    ...(tags.atLeast === undefined ? {} : { atLeast: tags.atLeast })
  }
}
