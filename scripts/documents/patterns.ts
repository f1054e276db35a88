/** docs/patterns.md: what a version selects, from the table that the tests check. */
import { TAG_PATTERN_GROUPS, type TagPatternRow } from "./TagPattern.table.ts"
import { code, codes, document, table } from "./markdown.ts"

/** Whether a reader can read the tags of a row. Others are too long, or are no tags. */
const isReadable = ({ tags }: TagPatternRow): boolean =>
  tags.length > 0 && tags.every((tag) => /^[\w.+/:,-]{1,45}$/u.test(tag))

const versionOf = ({ allowCandidateRelease, extract, pattern }: TagPatternRow): string =>
  [
    code(pattern),
    ...(extract === undefined ? [] : [`with \`tags.extract\` ${code(extract)}`]),
    ...(allowCandidateRelease === true ? ["with `allowCandidateRelease`"] : [])
  ].join(" ")

const leftOf = ({ selected, tags }: TagPatternRow): ReadonlyArray<string> => [
  ...new Set(tags.filter((tag) => !selected.includes(tag)))
]

const groups = TAG_PATTERN_GROUPS.map(({ rows, title }) => ({ rows: rows.filter(isReadable), title }))
  .filter(({ rows }) => rows.length > 0)
  .flatMap(({ rows, title }) => {
    const explained = rows.some(({ why }) => why !== "")
    return [
      `## ${title}`,
      table(
        ["`source.version`", "selects, in order", "does not select", ...(explained ? ["because"] : [])],
        rows.map((row) => [versionOf(row), codes(row.selected), codes(leftOf(row)), ...(explained ? [row.why] : [])])
      )
    ]
  })

export const patternsDocument = (): Promise<string> =>
  document("scripts/documents/TagPattern.table.ts", [
    "# Patterns and ranges",
    "`source.version` is one of these:",
    [
      "- a tag, such as `22-alpine`",
      "- a digest, `sha256:…` or `tag@sha256:…`",
      "- a **pattern**, such as `v2.13.x`: an `x` between dots stands for one number. The number of numbers, and the words before and after, must be those of the tag. Only the first version in the text may have an `x`: in `1.x-a.x` the second `x` is a letter",
      "- a **range**, such as `^2.13.0` or `>=1.2.0 <2.0.0`, by [npm's rules](https://github.com/npm/node-semver#ranges). A range takes tags that have at least as many numbers as the range, so `>=3.17` takes `3.18.1`, and `^1.4.0` does not take the moving tag `1.4`. A range takes no words before or after the version"
    ].join("\n"),
    'Without a leading `v` a pattern or a range takes tags with and without a `v`. With a `v` it takes only tags with a `v`. If a repository has `1.4.0` and `v1.4.0`, both are copied, and `tags.latest` counts them as one version. `tags.exclude: ["^v"]` leaves the tags with a `v` out.',
    "Numbers may have leading zeros and any size, and are compared as numbers. A missing number counts as 0. Neither a pattern nor a range selects a tag that is named after a digest (`sha256-….sig`).",
    "The tests check every row of this page. To try a version on a real repository, with the reason why each other tag is not selected:",
    "```sh\nskopeo-operator tags quay.io/argoproj/argocd v2.13.x --exclude='-amd64$' --latest 5\n```",
    ...groups,
    "## From a Flux ImagePolicy",
    "Write the policy's `filterTags.pattern` as `tags.extract`. Name the group that its `extract` uses after the policy: `semver` for `semver`, `number` for `numerical`, `text` for `alphabetical`. The group `semver`, or else `number`, takes the tag's place for `source.version`. If `text` is the only group, `source.version` is `*`. The highest tag is the newest.",
    '```yaml\napiVersion: skopeo.io/v1alpha1\nkind: Image\nmetadata:\n  name: main-builds\nspec:\n  source: { name: ghcr.io/team/app, version: ">=20250101" }\n  destination: { name: registry.example.com/team/app }\n  tags:\n    extract: "^main-(?P<number>[0-9]{8})-[0-9a-f]+$" # main-20250102-abc123\n    latest: 5\n```'
  ])
