/** Answers the questions of `tags` with the tags of a registry. */
import { Effect, Option } from "effect"
import { patternInstead } from "../domain/Mismatch.ts"
import { newestFirst } from "../domain/newestFirst.ts"
import {
  describeMisfit,
  describeNoMatch,
  describeVerdict,
  explainTag,
  type FilterTerms,
  type JudgedTag,
  judgeTags,
  misfitOf,
  nearestFirst,
  nearestTags,
  type TagFilter
} from "../domain/TagFilter.ts"
import type { ExactVersion } from "../domain/TagPattern.ts"
import { formatReference, formatRepository } from "../oci/Reference.ts"
import { RegistryClient, type RepositoryAccess } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { boundedLine, cell, oneLine } from "../text/line.ts"
import { formatTable, wrapped } from "./table.ts"
import type { TagQuery } from "./tagQuery.ts"

/** The answer to a question: the text and the fields to print, and whether a tag matched. */
export interface Answer {
  readonly text: string
  readonly document: Readonly<Record<string, unknown>>
  /** The tags that match, or the digest that exists, as references. */
  readonly references: ReadonlyArray<string>
  readonly matched: boolean
}

/** How an answer is shown. */
export interface Shown {
  readonly all: boolean
  readonly width: number
}

/** How many tags that do not match are shown without `--all`. */
const SHOWN = 20

/** Asks the registry. */
export const answer = (
  query: TagQuery,
  access: RepositoryAccess,
  shown: Shown
): Effect.Effect<Answer, RegistryError, RegistryClient> => {
  const { version } = query
  if (version === undefined) return listAll(access)
  return "pattern" in version ? listMatching(query, version, access, shown) : askExact(query, version, access)
}

/** Tags of a registry as references. */
const named = ({ repository }: RepositoryAccess, tags: ReadonlyArray<string>): ReadonlyArray<string> =>
  tags.map((tag) => oneLine(formatReference({ repository, tag })))

const listAll = Effect.fnUntraced(function* (
  access: RepositoryAccess
): Effect.fn.Return<Answer, RegistryError, RegistryClient> {
  const tags = newestFirst(yield* (yield* RegistryClient).tags(access))
  const repository = formatRepository(access.repository)
  return {
    matched: true,
    text: tags.map(cell).join("\n"),
    document: { repository, tags },
    references: named(access, tags)
  }
})

/** The numbers of tags that are not shown, by the reason why they do not match. */
const hiddenRows = (
  hidden: ReadonlyArray<JudgedTag>,
  version: string,
  terms: FilterTerms
): ReadonlyArray<ReadonlyArray<string>> => {
  const counts = new Map<string, number>()
  for (const { verdict } of hidden) {
    const why = describeVerdict(verdict, version, terms)
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  return [...counts].map(([why, count]) => [`… ${count} more`, "no", why])
}

const listMatching = Effect.fnUntraced(function* (
  { terms }: TagQuery,
  filter: TagFilter,
  access: RepositoryAccess,
  { all, width }: Shown
): Effect.fn.Return<Answer, RegistryError, RegistryClient> {
  const judged = judgeTags(filter, yield* (yield* RegistryClient).tags(access))
  const repository = formatRepository(access.repository)
  const { pattern } = filter
  const version = pattern.text
  const selected = judged.filter(({ verdict }) => verdict.selected)
  const matches = selected.map(({ tag }) => tag)
  const others = nearestFirst(pattern, judged)
  const listing = { repository, size: judged.length }
  const misfit = misfitOf(filter, judged)
  const summary =
    misfit !== undefined
      ? describeMisfit(misfit, filter, listing, terms)
      : selected.length === 0
        ? describeNoMatch(pattern, listing, nearestTags(pattern, judged), terms)
        : `${selected.length} of the ${judged.length} tags of ${repository} ${selected.length === 1 ? "matches" : "match"} ${version}`
  const shown = all ? judged.filter(({ verdict }) => !verdict.selected) : others.slice(0, SHOWN)
  const hidden = all ? [] : others.slice(SHOWN)
  const rows = [
    ...[...selected, ...shown].map((one) => [
      one.tag,
      one.verdict.selected ? "yes" : "no",
      explainTag(one, pattern, terms)
    ]),
    ...hiddenRows(hidden, version, terms)
  ]
  return {
    matched: selected.length > 0 && misfit?._tag !== "TooFew",
    text: [
      ...(rows.length === 0 ? [] : [formatTable(["TAG", "MATCHES", "WHY"], rows, width), ""]),
      ...wrapped(boundedLine(hidden.length === 0 ? summary : `${summary}; --all shows every tag`), width)
    ].join("\n"),
    references: named(access, matches),
    document: {
      repository,
      version,
      matched: matches,
      notMatched: judged.flatMap((one) =>
        one.verdict.selected
          ? []
          : [{ tag: one.tag, reason: one.verdict.reason, message: explainTag(one, pattern, terms) }]
      ),
      message: summary
    }
  }
})

/** Asks for a tag or a digest by HEAD. */
const askExact = Effect.fnUntraced(function* (
  { fields }: TagQuery,
  version: ExactVersion,
  access: RepositoryAccess
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
  const exact = {
    ...(tag === undefined ? {} : { tag }),
    ...(version.digest === undefined ? {} : { digest: version.digest })
  }
  const moved =
    tag === undefined || version.digest === undefined || named === version.digest
      ? ""
      : named === undefined
        ? `; the tag ${tag} does not exist, and a copy by digest does not need the tag`
        : `; the tag ${tag} now names ${named}, and a copy by digest does not depend on the tag`
  const message =
    digest === undefined
      ? `${written} is not in ${repository}; correct ${fields.version} or ${fields.repository}, or ${patternInstead(written)}`
      : `${written} is in ${repository}: ${digest}${moved}`
  return {
    matched: digest !== undefined,
    text: boundedLine(message),
    references: digest === undefined ? [] : [formatReference({ repository: access.repository, ...exact })],
    document: { repository, version: written, ...(digest === undefined ? {} : { digest }), message }
  }
})
