/** What an Image asks for, once every text in it is parsed. */
import { Result } from "effect"
import { parseFrequency } from "./Frequency.ts"
import type { ImageSpec } from "./Image.ts"
import { versionProblems } from "./ImageDecoder.ts"
import type { Problem, ProblemReason } from "./Problem.ts"
import { DEFAULT_REGISTRY, parseRepository, type Repository, TAG_PATTERN } from "./Reference.ts"
import { isExact, parseTagPattern, type TagPattern } from "./TagPattern.ts"

/** A repository as one side of an Image names it; `tlsVerify` unset means the operator's configuration. */
export interface Side {
  readonly repository: Repository
  readonly tlsVerify?: boolean
}

export interface Selection {
  readonly mode: "OneShot" | "Recurrent"
  readonly frequencyMillis: number
  readonly pattern: TagPattern
  readonly allowCandidateRelease: boolean
  readonly source: Side
  readonly destination: Side
  /** The tag to write for an exact version; the tags of a listing keep their names. */
  readonly destinationTag: string | undefined
}

export interface SelectionDefaults {
  /** The registry a destination without one means. */
  readonly destinationRegistry?: string
}

/** Parses a spec; fails with every problem in it, each naming its field, its value and what to write instead. */
export const parseSelection = (
  spec: ImageSpec,
  defaults: SelectionDefaults = {}
): Result.Result<Selection, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const take = <A>(field: string, value: unknown, reason: ProblemReason, parsed: Result.Result<A, string>) => {
    if (Result.isFailure(parsed)) problems.push({ field, value, reason, message: parsed.failure })
    return Result.getOrUndefined(parsed)
  }
  const { source, destination } = spec
  for (const [side, { useAwsIRSA }] of [
    ["source", source],
    ["destination", destination]
  ] as const) {
    if (useAwsIRSA !== true) continue
    take(
      `spec.${side}.useAwsIRSA`,
      true,
      "AwsIdentityUnsupported",
      Result.fail(
        "asks for the operator's AWS identity, which this release does not have; give it credentials by CREDS_* and remove the field"
      )
    )
  }
  const frequencyMillis = take("spec.frequency", spec.frequency, "InvalidFrequency", parseFrequency(spec.frequency))
  const sourceRepository = take("spec.source.name", source.name, "InvalidReference", parseRepository(source.name))
  const destinationRepository = take(
    "spec.destination.name",
    destination.name,
    "InvalidReference",
    parseRepository(destination.name, defaults.destinationRegistry ?? DEFAULT_REGISTRY)
  )
  const pattern = take("spec.source.version", source.version, "InvalidPattern", parseTagPattern(source.version))
  problems.push(...versionProblems(spec))
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
    source: sideOf(sourceRepository, source.tlsVerify),
    destination: sideOf(destinationRepository, destination.tlsVerify),
    destinationTag: isExact(pattern)
      ? (destination.version ?? (pattern._tag === "Tag" ? pattern.tag : undefined))
      : undefined
  })
}

const sideOf = (repository: Repository, tlsVerify: boolean | undefined): Side =>
  tlsVerify === undefined ? { repository } : { repository, tlsVerify }
