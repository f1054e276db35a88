/** `tags`: tries a pattern on a repository, and says of each tag why it is taken or left. */
import { Console, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { accessTo } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { CONFIGURED } from "../domain/Credential.ts"
import { type Expression, parseExpression } from "../domain/Expression.ts"
import { formatProblem } from "../domain/Problem.ts"
import { formatRepository, parseRepository, type Repository } from "../oci/Reference.ts"
import { type ExactVersion, isExact, parseTagPattern } from "../domain/TagPattern.ts"
import {
  countMatching,
  describeNoMatch,
  describeTooFew,
  describeVerdict,
  type JudgedTag,
  judgeTags,
  nearestFirst,
  nearestTags,
  type TagFilter
} from "../domain/TagFilter.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { BAD_USAGE, CommandFailure, FAILED } from "./CommandFailure.ts"
import { formatTable, outputWidth, wrapped } from "./table.ts"

const flags = {
  repository: Argument.String("repository").pipe(
    Argument.withDescription("The repository, by Docker's naming rules, such as quay.io/argoproj/argocd")
  ),
  pattern: Argument.String("pattern").pipe(
    Argument.withDescription(
      "What source.version would be: a pattern such as v2.13.x, a range such as ^2.13.0, a tag, or a digest"
    )
  ),
  include: Flag.String("include").pipe(
    Flag.withDescription("An expression (RE2) that has to match; may be given more than once: one of them has to"),
    Flag.atLeast(0)
  ),
  exclude: Flag.String("exclude").pipe(
    Flag.withDescription("An expression (RE2) that must not match; may be given more than once"),
    Flag.atLeast(0)
  ),
  latest: Flag.Int("latest").pipe(Flag.withDescription("Takes only so many of the highest versions"), Flag.optional),
  atLeast: Flag.Int("at-least").pipe(
    Flag.withDescription("Fewer matching tags than this are not believed"),
    Flag.optional
  ),
  allowCandidateRelease: Flag.Boolean("allow-candidate-release").pipe(
    Flag.withDescription("Takes candidates such as v2.13.0-rc1 too"),
    Flag.withDefault(false)
  ),
  tlsVerify: Flag.Boolean("tls-verify").pipe(
    Flag.withDescription("false accepts any certificate, or plain HTTP where there is no TLS"),
    Flag.optional
  ),
  all: Flag.Boolean("all").pipe(
    Flag.withDescription("Shows every tag that is left, not only the nearest"),
    Flag.withDefault(false)
  ),
  output: Flag.Literals("output", ["text", "json"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("A table, or one JSON document with every tag"),
    Flag.withDefault("text" as const)
  )
}

type Given = Command.Command.Config.Infer<typeof flags>

/** What the command line asks for, once every text in it is parsed. */
interface Asked {
  readonly repository: Repository
  readonly version: ExactVersion | TagFilter
}

/** Every mistake in the command line, one line each, or what it means. */
const parse = (given: Given): Result.Result<Asked, ReadonlyArray<string>> => {
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
  const latest = positive("--latest", given.latest)
  const atLeast = positive("--at-least", given.atLeast)
  const refinement: Omit<TagFilter, "pattern"> = {
    allowCandidateRelease: given.allowCandidateRelease,
    include: expressions("--include", given.include),
    exclude: expressions("--exclude", given.exclude),
    ...(latest === undefined ? {} : { latest }),
    ...(atLeast === undefined ? {} : { atLeast })
  }
  if (pattern !== undefined && isExact(pattern)) {
    const refinements = {
      "--include": given.include.length > 0,
      "--exclude": given.exclude.length > 0,
      "--latest": Option.isSome(given.latest),
      "--at-least": Option.isSome(given.atLeast)
    }
    for (const [flag, isGiven] of Object.entries(refinements)) {
      if (!isGiven) continue
      take(
        flag,
        undefined,
        Result.fail(`refines a pattern or a range, and PATTERN (${given.pattern}) is neither; leave it out`)
      )
    }
  }
  if (problems.length > 0 || repository === undefined || pattern === undefined) return Result.fail(problems)
  return Result.succeed({
    repository,
    version: isExact(pattern) ? pattern : { pattern, ...refinement }
  })
}

/** What the registry's answer comes to: what to print, and whether something matched. */
interface Answer {
  readonly text: string
  readonly json: unknown
  readonly matched: boolean
}

/** Of a listing of thousands, so many that are left are shown. */
const SHOWN = 20

const tagRow = ({ tag, verdict }: JudgedTag, version: string): ReadonlyArray<string> => [
  tag,
  verdict.selected ? "yes" : "no",
  describeVerdict(verdict, version)
]

/** The tags that are not shown, counted by the reason why they are left. */
const hiddenRows = (hidden: ReadonlyArray<JudgedTag>, version: string): ReadonlyArray<ReadonlyArray<string>> => {
  const counts = new Map<string, number>()
  for (const { verdict } of hidden) {
    const why = describeVerdict(verdict, version)
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return [...counts].map(([why, count]) => [`… ${count} more`, "no", why])
}

const describeListed = (
  { atLeast = 0, pattern }: TagFilter,
  repository: string,
  judged: ReadonlyArray<JudgedTag>,
  { all, width }: { readonly all: boolean; readonly width: number }
): Answer => {
  const version = pattern.text
  const taken = judged.filter(({ verdict }) => verdict.selected)
  const left = nearestFirst(pattern, judged)
  const listing = { repository, size: judged.length }
  const matching = countMatching(judged)
  const summary =
    matching < atLeast
      ? describeTooFew(matching, atLeast, listing)
      : taken.length === 0
        ? describeNoMatch(version, listing, nearestTags(pattern, judged))
        : `${taken.length} of the ${judged.length} tags of ${repository} ${taken.length === 1 ? "matches" : "match"} ${version}`
  const shown = all ? judged.filter(({ verdict }) => !verdict.selected) : left.slice(0, SHOWN)
  const hidden = all ? [] : left.slice(SHOWN)
  const rows = [...[...taken, ...shown].map((tag) => tagRow(tag, version)), ...hiddenRows(hidden, version)]
  return {
    matched: taken.length > 0 && matching >= atLeast,
    text: [
      ...(rows.length === 0 ? [] : [formatTable(["TAG", "MATCHES", "WHY"], rows, width), ""]),
      ...wrapped(hidden.length === 0 ? summary : `${summary}; --all shows all that are left`, width)
    ].join("\n"),
    json: {
      repository,
      version,
      matched: taken.map(({ tag }) => tag),
      notMatched: judged.flatMap(({ tag, verdict }) =>
        verdict.selected ? [] : [{ tag, reason: verdict.reason, message: describeVerdict(verdict, version) }]
      ),
      message: summary
    }
  }
}

/** An exact version is asked for by its name: it is there or it is not. */
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
        ? `; no tag ${tag} names it, which a copy by digest does not mind`
        : `; the tag ${tag} names ${named} by now, which a copy by digest does not mind`
  const message =
    digest === undefined
      ? `${written} is not in ${repository}; check both, or write a pattern such as v2.13.x`
      : `${written} is in ${repository}: ${digest}${moved}`
  return {
    matched: digest !== undefined,
    text: message,
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
                ? `REPOSITORY: "${given.repository}" is not there, or not for everyone to see; check its name, or give credentials (${error.detail})`
                : error.message
          })
      )
    )
    yield* Console.log(given.output === "json" ? JSON.stringify(answer.json, undefined, 2) : answer.text)
    if (!answer.matched) return yield* new CommandFailure({ exitCode: FAILED, detail: "" })
  })
).pipe(
  Command.withDescription(
    "Shows which tags of a repository a pattern takes, and why each of the others is left. Ends with 0 if one matches, 1 if none does or the registry cannot be asked, 2 if the command line cannot work."
  )
)
