/** `tags`: tries a pattern on a repository, and says why each tag matches or does not match. */
import { Console, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { accessTo } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { CONFIGURED } from "../domain/Credential.ts"
import { type Expression, parseExpression } from "../domain/Expression.ts"
import { parseExtraction } from "../domain/Extraction.ts"
import { formatProblem } from "../domain/Problem.ts"
import { formatRepository, parseRepository, type Repository } from "../oci/Reference.ts"
import { patternInstead } from "../domain/Mismatch.ts"
import { type ExactVersion, isExact, type ListedVersion, parseTagPattern } from "../domain/TagPattern.ts"
import {
  describeMisfit,
  describeNoMatch,
  describeVerdict,
  explainTag,
  type JudgedTag,
  judgeTags,
  misfitOf,
  nearestFirst,
  nearestTags,
  type TagFilter
} from "../domain/TagFilter.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { boundedLine, jsonText } from "../text/line.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { BAD_USAGE, FAILED } from "./exitCodes.ts"
import { formatTable, outputWidth, wrapped } from "./table.ts"

const flags = {
  repository: Argument.String("repository").pipe(
    Argument.withDescription("The repository as in source.name, such as quay.io/argoproj/argocd")
  ),
  pattern: Argument.String("pattern").pipe(
    Argument.withDescription(
      "The version as in source.version: a pattern such as v2.13.x, a range such as ^2.13.0, a tag, or a digest"
    )
  ),
  include: Flag.String("include").pipe(
    Flag.withDescription("A regular expression (RE2) for tags. The flag may be repeated: a tag must match one of them"),
    Flag.atLeast(1),
    Flag.withDefault<ReadonlyArray<string>>([])
  ),
  exclude: Flag.String("exclude").pipe(
    Flag.withDescription("A regular expression (RE2) that a tag must not match. The flag may be repeated"),
    Flag.atLeast(1),
    Flag.withDefault<ReadonlyArray<string>>([])
  ),
  extract: Flag.String("extract").pipe(
    Flag.withDescription(
      "A regular expression (RE2) whose groups (?P<semver>…), (?P<number>…) and (?P<text>…) are the version in a tag"
    ),
    Flag.optional
  ),
  latest: Flag.Int("latest").pipe(
    Flag.withDescription("Selects only the tags of this number of the highest versions"),
    Flag.optional
  ),
  atLeast: Flag.Int("at-least").pipe(
    Flag.withDescription("Selects no tag if fewer tags than this number match"),
    Flag.optional
  ),
  allowCandidateRelease: Flag.Boolean("allow-candidate-release").pipe(
    Flag.withDescription("Selects candidate releases such as v2.13.0-rc1 too"),
    Flag.withDefault(false)
  ),
  tlsVerify: Flag.Boolean("tls-verify").pipe(
    Flag.withDescription("false accepts any certificate, and plain HTTP from a registry without TLS"),
    Flag.optional
  ),
  all: Flag.Boolean("all").pipe(
    Flag.withDescription("Shows every tag that does not match, not only the nearest ones"),
    Flag.withDefault(false)
  ),
  output: Flag.Literals("output", ["text", "json"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("A table, or one JSON document with every tag"),
    Flag.withDefault("text" as const)
  )
}

type Given = Command.Command.Config.Infer<typeof flags>

/** The parsed command line. */
interface Query {
  readonly repository: Repository
  readonly version: ExactVersion | TagFilter
}

/** Parses the command line. Fails with one line for each mistake. */
const parse = (given: Given): Result.Result<Query, ReadonlyArray<string>> => {
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
  const repository = take("REPOSITORY", given.repository, parseRepository(given.repository))
  const pattern = take("PATTERN", given.pattern, parseTagPattern(given.pattern))
  const extractText = Option.getOrUndefined(given.extract)
  const extract =
    extractText === undefined ? undefined : take("--extract", extractText, parseExtraction(extractText, pattern))
  const latest = positive("--latest", given.latest)
  const atLeast = positive("--at-least", given.atLeast)
  const refinement: Omit<TagFilter, "pattern"> = {
    allowCandidateRelease: given.allowCandidateRelease,
    include: expressions("--include", given.include),
    exclude: expressions("--exclude", given.exclude),
    ...(extract === undefined ? {} : { extract }),
    ...(latest === undefined ? {} : { latest }),
    ...(atLeast === undefined ? {} : { atLeast })
  }
  if (pattern !== undefined && isExact(pattern)) {
    const refinements = {
      "--include": given.include.length > 0,
      "--exclude": given.exclude.length > 0,
      "--extract": Option.isSome(given.extract),
      "--latest": Option.isSome(given.latest),
      "--at-least": Option.isSome(given.atLeast)
    }
    for (const [flag, isGiven] of Object.entries(refinements)) {
      if (!isGiven) continue
      take(
        flag,
        undefined,
        Result.fail(`refines a pattern or a range, and PATTERN (${given.pattern}) is neither; remove ${flag}`)
      )
    }
  }
  if (problems.length > 0 || repository === undefined || pattern === undefined) return Result.fail(problems)
  return Result.succeed({
    repository,
    version: isExact(pattern) ? pattern : { pattern, ...refinement }
  })
}

/** The answer to a query: the texts to print, and whether a tag matched. */
interface Answer {
  readonly text: string
  readonly json: unknown
  readonly matched: boolean
}

/** How many tags that do not match are shown without `--all`. */
const SHOWN = 20

const tagRow = (judged: JudgedTag, pattern: ListedVersion): ReadonlyArray<string> => [
  judged.tag,
  judged.verdict.selected ? "yes" : "no",
  explainTag(judged, pattern)
]

/** The numbers of tags that are not shown, by the reason why they do not match. */
const hiddenRows = (hidden: ReadonlyArray<JudgedTag>, version: string): ReadonlyArray<ReadonlyArray<string>> => {
  const counts = new Map<string, number>()
  for (const { verdict } of hidden) {
    const why = describeVerdict(verdict, version)
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return [...counts].map(([why, count]) => [`… ${count} more`, "no", why])
}

const describeListed = (
  filter: TagFilter,
  repository: string,
  judged: ReadonlyArray<JudgedTag>,
  { all, width }: { readonly all: boolean; readonly width: number }
): Answer => {
  const { pattern } = filter
  const version = pattern.text
  const selected = judged.filter(({ verdict }) => verdict.selected)
  const others = nearestFirst(pattern, judged)
  const listing = { repository, size: judged.length }
  const misfit = misfitOf(filter, judged)
  const summary =
    misfit !== undefined
      ? describeMisfit(misfit, filter, listing)
      : selected.length === 0
        ? describeNoMatch(pattern, listing, nearestTags(pattern, judged))
        : `${selected.length} of the ${judged.length} tags of ${repository} ${selected.length === 1 ? "matches" : "match"} ${version}`
  const shown = all ? judged.filter(({ verdict }) => !verdict.selected) : others.slice(0, SHOWN)
  const hidden = all ? [] : others.slice(SHOWN)
  const rows = [...[...selected, ...shown].map((tag) => tagRow(tag, pattern)), ...hiddenRows(hidden, version)]
  return {
    matched: selected.length > 0 && misfit?._tag !== "TooFew",
    text: [
      ...(rows.length === 0 ? [] : [formatTable(["TAG", "MATCHES", "WHY"], rows, width), ""]),
      ...wrapped(boundedLine(hidden.length === 0 ? summary : `${summary}; --all shows every tag`), width)
    ].join("\n"),
    json: {
      repository,
      version,
      matched: selected.map(({ tag }) => tag),
      notMatched: judged.flatMap((one) =>
        one.verdict.selected ? [] : [{ tag: one.tag, reason: one.verdict.reason, message: explainTag(one, pattern) }]
      ),
      message: summary
    }
  }
}

/** Asks for a tag or a digest by HEAD. */
const askExact = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  version: ExactVersion
): Effect.fn.Return<Answer, RegistryError, RegistryClient> {
  const client = yield* RegistryClient
  const repository = formatRepository(access.repository)
  const tag = version._tag === "Tag" ? version.tag : undefined
  const named = tag === undefined ? undefined : Option.getOrUndefined(yield* client.head(access, tag))?.digest
  const digest =
    version.digest === undefined || version.digest === named
      ? named
      : Option.getOrUndefined(yield* client.head(access, version.digest))?.digest
  const written = version.digest === undefined ? (tag ?? "") : [tag, version.digest].filter(Boolean).join("@")
  const moved =
    tag === undefined || version.digest === undefined || named === version.digest
      ? ""
      : named === undefined
        ? `; the tag ${tag} does not exist, and a copy by digest does not need the tag`
        : `; the tag ${tag} now names ${named}, and a copy by digest does not depend on the tag`
  const message =
    digest === undefined
      ? `${written} is not in ${repository}; correct PATTERN or REPOSITORY, or ${patternInstead(written)}`
      : `${written} is in ${repository}: ${digest}${moved}`
  return {
    matched: digest !== undefined,
    text: boundedLine(message),
    json: { repository, version: written, ...(digest === undefined ? {} : { digest }), message }
  }
})

const askListed = Effect.fnUntraced(function* (
  access: RepositoryAccess,
  filter: TagFilter,
  shown: { readonly all: boolean; readonly width: number }
): Effect.fn.Return<Answer, RegistryError, RegistryClient> {
  const client = yield* RegistryClient
  const listed = yield* client.tags(access)
  return describeListed(filter, formatRepository(access.repository), judgeTags(filter, listed), shown)
})

export const tagsCommand = Command.make(
  "tags",
  flags,
  Effect.fn(function* (given) {
    const parsed = parse(given)
    if (Result.isFailure(parsed)) {
      return yield* new CommandFailure({ exitCode: BAD_USAGE, detail: parsed.failure.join("\nskopeo-operator: ") })
    }
    const { repository, version } = parsed.success
    const credentials = yield* Credentials
    const tlsVerify = Option.getOrElse(given.tlsVerify, () => credentials.tlsVerify.source)
    const request = { side: "source", repository, namespace: "", choice: CONFIGURED } as const
    const access = yield* accessTo(credentials, request, tlsVerify).pipe(
      Effect.mapError(({ message }) => new CommandFailure({ exitCode: FAILED, detail: message }))
    )
    const width = yield* outputWidth
    const answer = yield* (
      "pattern" in version ? askListed(access, version, { all: given.all, width }) : askExact(access, version)
    ).pipe(
      Effect.mapError(
        (error) =>
          new CommandFailure({
            exitCode: FAILED,
            detail:
              error.reason._tag === "NotFound"
                ? `REPOSITORY: "${given.repository}" does not exist or needs credentials; correct the name, or log in to the registry (${error.detail})`
                : error.message
          })
      )
    )
    yield* Console.log(given.output === "json" ? jsonText(answer.json, 2) : answer.text)
    if (!answer.matched) return yield* new CommandFailure({ exitCode: FAILED, detail: "" })
  })
).pipe(
  Command.withDescription(
    "Shows which tags of a repository match a pattern, and why each other tag does not. Ends with 0 if a tag matches, 1 if no tag matches or the registry fails, 2 if the command line is invalid."
  )
)
