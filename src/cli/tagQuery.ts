/** Parses the command line of `tags`: a repository with flags, or the Images of files. Pure. */
import { Option, Result } from "effect"
import type { Command } from "effect/cli"
import { CONFIGURED, type CredentialChoice, type RegistrySide } from "../domain/Credential.ts"
import { type Expression, parseExpression } from "../domain/Expression.ts"
import { parseExtraction } from "../domain/Extraction.ts"
import { type Mirror, type MirrorDefaults, parseMirror } from "../domain/Mirror.ts"
import { formatProblem } from "../domain/Problem.ts"
import { type FilterTerms, SPEC_TERMS, type TagFilter } from "../domain/TagFilter.ts"
import { type ExactVersion, isExact, parseTagPattern } from "../domain/TagPattern.ts"
import { keyOf } from "../kube/Store.ts"
import { parseRepository, type Repository } from "../oci/Reference.ts"
import type { AdmittedImage } from "./manifests.ts"
import type { flags } from "./tagFlags.ts"

export type Given = Command.Command.Config.Infer<typeof flags>

/** One question to one registry. */
export interface TagQuery {
  /** The Image that asks, such as `default/argocd`. Empty without an Image. */
  readonly image: string
  readonly side: RegistrySide
  readonly namespace: string
  readonly repository: Repository
  /** The name of the repository as the user wrote it. */
  readonly name: string
  /** What the user calls the repository and the version, for messages. */
  readonly fields: { readonly repository: string; readonly version: string }
  readonly tlsVerify: boolean | undefined
  readonly credentials: CredentialChoice
  /** `undefined` lists all tags. */
  readonly version: ExactVersion | TagFilter | undefined
  readonly terms: FilterTerms
}

const FLAG_TERMS: FilterTerms = {
  candidates: "--allow-candidate-release",
  extract: "--extract",
  include: "--include",
  atLeast: "--at-least",
  latest: "--latest",
  max: "--max"
}

/** The flags that refine a version, and whether each is given. */
const refinementsOf = (given: Given): ReadonlyArray<readonly [flag: string, isGiven: boolean]> => [
  ["--include", given.include.length > 0],
  ["--exclude", given.exclude.length > 0],
  ["--extract", Option.isSome(given.extract)],
  ["--latest", Option.isSome(given.latest)],
  ["--at-least", Option.isSome(given.atLeast)],
  ["--max", Option.isSome(given.max)]
]

/** Parses a repository and its flags. Fails with one line for each mistake. */
export const parseQuery = (given: Given): Result.Result<TagQuery, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const take = <A>(field: string, value: unknown, parsed: Result.Result<A, string>): A | undefined => {
    if (Result.isFailure(parsed)) problems.push(formatProblem({ field, value, message: parsed.failure }))
    return Result.getOrUndefined(parsed)
  }
  const expressions = (field: string, texts: ReadonlyArray<string>): ReadonlyArray<Expression> =>
    texts.flatMap((text) => take(field, text, parseExpression(text)) ?? [])
  const positive = (field: string, number: Option.Option<number>): number | undefined =>
    take(
      field,
      Option.getOrUndefined(number),
      Option.exists(number, (value) => value < 1)
        ? Result.fail("is too small; write 1 or more")
        : Result.succeed(Option.getOrUndefined(number))
    )
  const name = Option.getOrElse(given.repository, () => "")
  const repository = take("REPOSITORY", name, parseRepository(name))
  const versionText = Option.getOrUndefined(given.version)
  const pattern = versionText === undefined ? undefined : take("VERSION", versionText, parseTagPattern(versionText))
  const extractText = Option.getOrUndefined(given.extract)
  const extract =
    extractText === undefined ? undefined : take("--extract", extractText, parseExtraction(extractText, pattern))
  const latest = positive("--latest", given.latest)
  const atLeast = positive("--at-least", given.atLeast)
  const max = positive("--max", given.max)
  const refinement: Omit<TagFilter, "pattern"> = {
    allowCandidateRelease: given.allowCandidateRelease,
    include: expressions("--include", given.include),
    exclude: expressions("--exclude", given.exclude),
    ...(extract === undefined ? {} : { extract }),
    ...(latest === undefined ? {} : { latest }),
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(max === undefined ? {} : { max })
  }
  if (versionText === undefined || (pattern !== undefined && isExact(pattern))) {
    const why =
      versionText === undefined
        ? "refines a pattern or a range; write one as VERSION, such as x.x.x"
        : `refines a pattern or a range, and VERSION (${versionText}) is neither`
    for (const [flag, isGiven] of refinementsOf(given)) {
      if (isGiven) take(flag, undefined, Result.fail(versionText === undefined ? why : `${why}; remove ${flag}`))
    }
  }
  for (const [flag, isGiven] of [
    ["--namespace", Option.isSome(given.namespace)],
    ["--selector", Option.isSome(given.selector)],
    ["--recursive", given.recursive]
  ] as const) {
    if (isGiven) take(flag, undefined, Result.fail("selects Images of --file; add --file, or remove the flag"))
  }
  if (problems.length > 0 || repository === undefined) return Result.fail(problems)
  return Result.succeed({
    image: "",
    side: given.destination ? "destination" : "source",
    namespace: "",
    repository,
    name,
    fields: { repository: "REPOSITORY", version: "VERSION" },
    tlsVerify: Option.getOrUndefined(given.tlsVerify),
    credentials: CONFIGURED,
    version: pattern === undefined ? undefined : isExact(pattern) ? pattern : { pattern, ...refinement },
    terms: FLAG_TERMS
  })
}

/** The mistakes of flags and arguments that an Image's fields replace. One line each. */
export const mistakesBesideFile = (given: Given): ReadonlyArray<string> =>
  [
    ...refinementsOf(given),
    ["--allow-candidate-release", given.allowCandidateRelease] as const,
    ["VERSION", Option.isSome(given.version)] as const
  ].flatMap(([field, isGiven]) =>
    isGiven
      ? [formatProblem({ field, value: undefined, message: `is a field of the Images in --file; remove ${field}` })]
      : []
  )

/** The question of an Image. Its manifest has been checked. */
export const queryOf = (
  { metadata, spec }: AdmittedImage,
  { destination, tlsVerify }: Pick<Given, "destination" | "tlsVerify">,
  defaults: MirrorDefaults
): Option.Option<TagQuery> =>
  Option.map(Result.getSuccess(parseMirror(spec, defaults)), (mirror) => {
    const side = destination ? "destination" : "source"
    const { credentials, name, repository, tlsVerify: own } = mirror[side]
    return {
      image: keyOf(metadata),
      side,
      namespace: metadata.namespace ?? "",
      repository,
      name,
      fields: { repository: `spec.${side}.name`, version: "spec.source.version" },
      tlsVerify: Option.getOrElse(tlsVerify, () => own),
      credentials,
      version: versionOf(mirror, side),
      terms: SPEC_TERMS
    }
  })

const versionOf = ({ tags }: Mirror, side: RegistrySide): ExactVersion | TagFilter => {
  if (tags._tag === "Listed") return tags.filter
  return side === "source" ? tags.version : { _tag: "Tag", tag: tags.destinationTag }
}
