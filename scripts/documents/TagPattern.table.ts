/**
 * The tags that a `source.version` selects of a list, in order. The tests check the rows, and `npm run generate` writes
 * docs/patterns.md from them.
 */
export interface TagPatternRow {
  readonly pattern: string
  readonly allowCandidateRelease?: boolean
  /** `tags.extract` */
  readonly extract?: string
  readonly tags: ReadonlyArray<string>
  /** The selected tags in the order of their copies, the newest last. */
  readonly selected: ReadonlyArray<string>
  /** The rule that the row shows, as Markdown. Empty for a row that needs none. */
  readonly why: string
}

/** Rows about one rule. */
export interface TagPatternGroup {
  readonly title: string
  readonly rows: ReadonlyArray<TagPatternRow>
}

/** A row by the tags that are selected, in order, and the tags that are not. */
const example = (pattern: string, selected: ReadonlyArray<string>, others: ReadonlyArray<string>): TagPatternRow => ({
  pattern,
  tags: [...others, ...selected.toReversed()],
  selected,
  why: ""
})

/** docs/patterns.md shows the groups in this order. */
export const TAG_PATTERN_GROUPS: ReadonlyArray<TagPatternGroup> = [
  {
    title: "Common patterns and ranges",
    rows: [
      example("1.4.x", ["1.4.0", "v1.4.1", "1.4.10"], ["1.4", "1.4.0.1", "1.4.0-alpine"]),
      example("v1.4.x", ["v1.4.0", "v1.4.10"], ["1.4.0"]),
      example("3.x-alpine", ["3.9-alpine", "3.10-alpine"], ["3.9", "3.9.1-alpine"]),
      example("version-5.x.x", ["version-5.6.16", "version-5.10.0"], ["5.6.16"]),
      example("1.2.x_build.1", ["1.2.3_build.1", "1.2.4_build.1"], ["1.2.4", "1.2.4_build.2"]),
      example("^1.4.0", ["1.4.0", "v1.5.2", "1.25.7.5604"], ["1.4", "1.5", "2.0.0", "1.4.0-slim"]),
      example("^v1.4.0", ["v1.4.0"], ["1.4.0"]),
      example(">=3.17", ["3.17", "3.18", "3.18.1"], ["3.16", "4"]),
      example("~22", ["22.04", "22.10"], ["23.04"]),
      example(">=1.2.0 <2.0.0", ["1.2.0", "1.10.0"], ["1.1.9", "2.0.0"]),
      example(">=2025.1.0", ["2025.11.1", "2026.02.0"], ["2024.12.0"]),
      example("^1.0.0", ["1.0.20240115123045123", "1.0.20240115123045124"], ["1.0"]),
      example("^1.0.0 || ^3.0.0", ["1.5.0", "3.1.0"], ["2.0.0"])
    ]
  },
  {
    title: "Patterns: `x` stands for one number",
    rows: [
      {
        pattern: "2.x",
        tags: ["2.1", "2.1.3", "2013", "2.1-alpine", "2", "2."],
        selected: ["2.1"],
        why: "`x` stands for one number"
      },
      {
        pattern: "2.x",
        tags: ["12.1", "2.1x", "2.x", "2.1a", "a2.1", "2,1"],
        selected: [],
        why: "`x` stands for the whole number"
      },
      {
        pattern: "2.13.x",
        tags: ["2.13.1", "2.13.2", "2.13.3", "2.14.0", "2.1"],
        selected: ["2.13.1", "2.13.2", "2.13.3"],
        why: "each release of a line"
      },
      {
        pattern: "x.1",
        tags: ["1.1", "10.1", "2.1", "2.2", "x.1"],
        selected: ["1.1", "2.1", "10.1"],
        why: "`x` may be the first number"
      },
      {
        pattern: "1.x.3",
        tags: ["1.2.3", "1.10.3", "1.2.4", "1.2.2.3"],
        selected: ["1.2.3", "1.10.3"],
        why: "`x` may be in the middle"
      },
      { pattern: "v1.x.3", tags: ["v1.2.3", "1.2.3", "v1.2.4"], selected: ["v1.2.3"], why: "a `v` may come before" },
      {
        pattern: "1.x.x-alpine",
        tags: ["1.2.3-alpine", "1.10.0-alpine", "1.2-alpine", "1.2.3", "2.0.0-alpine"],
        selected: ["1.2.3-alpine", "1.10.0-alpine"],
        why: "`x` may stand for two numbers, before a suffix"
      },
      {
        pattern: "x.x.x",
        tags: ["1.2.3", "v1.2.3", "1.2"],
        selected: ["1.2.3", "v1.2.3"],
        why: "`x` may stand for every number"
      },
      { pattern: "x", tags: ["1", "2", "x"], selected: ["x"], why: "`x` alone is a tag" },
      {
        pattern: "x-alpine",
        tags: ["1-alpine", "x-alpine"],
        selected: ["x-alpine"],
        why: "`x` without a dot is a letter of a tag"
      },
      { pattern: "1.xx", tags: ["1.12", "1.xx"], selected: ["1.xx"], why: "`xx` is part of a tag" },
      {
        pattern: "x.x",
        tags: ["1.10", "1.9", "0.11", "1", "1.1.1"],
        selected: ["0.11", "1.9", "1.10"],
        why: "tags are sorted by number"
      },
      { pattern: "1.x", tags: ["1.007", "1.0"], selected: ["1.0", "1.007"], why: "a number may have leading zeros" }
    ]
  },
  {
    title: "Patterns: the suffix must be equal",
    rows: [
      {
        pattern: "3.x-alpine",
        tags: ["3.7-alpine", "3.7", "3.7-alpine3.20", "3.7-slim", "3.7.1-alpine"],
        selected: ["3.7-alpine"],
        why: "the suffix must be equal"
      },
      {
        pattern: "3.x-alpine",
        tags: ["3.10-alpine", "3.9-alpine"],
        selected: ["3.9-alpine", "3.10-alpine"],
        why: "tags are sorted by number, also before a suffix"
      },
      {
        pattern: "1.x-alpine3.20",
        tags: ["1.2-alpine3.20", "1.2-alpine3x20", "1.2-alpine3920"],
        selected: ["1.2-alpine3.20"],
        why: "a dot stands for a dot only"
      },
      {
        pattern: "1.x-a.x",
        tags: ["1.2-a.x", "1.2-a.3"],
        selected: ["1.2-a.x"],
        why: "an `x` in the suffix is a letter"
      }
    ]
  },
  {
    title: "Patterns: the words before the version must be equal",
    rows: [
      {
        pattern: "version-5.x.x",
        tags: ["version-5.6.16", "version-5.10.0", "5.6.16", "version-5.6", "version-v5.6.16", "xversion-5.6.16"],
        selected: ["version-5.6.16", "version-5.10.0"],
        why: "the words before the version must be equal"
      },
      {
        pattern: "someenv-1.x.x",
        tags: ["someenv-1.16.0", "someenv-1.15.2", "other-1.15.2"],
        selected: ["someenv-1.15.2", "someenv-1.16.0"],
        why: "the words before the version may be any name"
      },
      {
        pattern: "release_v1.x",
        tags: ["release_v1.2", "release_1.2", "release-v1.2"],
        selected: ["release_v1.2"],
        why: "an underscore may end the words before; a `v` after the underscore is one of the words"
      },
      {
        pattern: "20-alpine3.x",
        tags: ["20-alpine3.9", "20-alpine3.20", "22-alpine3.20"],
        selected: ["20-alpine3.9", "20-alpine3.20"],
        why: "the numbers before the first version with an `x` must be equal"
      },
      {
        pattern: "alpine3.x",
        tags: ["alpine3.20", "3.20", "valpine3.20"],
        selected: ["alpine3.20"],
        why: "the words before need no dash"
      },
      {
        pattern: "1.2.x_build.1",
        tags: ["1.2.3_build.1", "1.2.4_build.1", "1.2.4", "1.2.4_build.2", "1.2.4-build.1"],
        selected: ["1.2.3_build.1", "1.2.4_build.1"],
        why: "the build after an underscore must be equal"
      }
    ]
  },
  {
    title: "A leading `v` is optional, unless the version has one",
    rows: [
      {
        pattern: "v2.x",
        tags: ["v2.1", "2.1", "vv2.1", "V2.1"],
        selected: ["v2.1"],
        why: "with a `v` in the pattern only tags with a `v`"
      },
      {
        pattern: "2.x",
        tags: ["v2.1", "2.0", "vv2.1", "V2.1", "rv2.1"],
        selected: ["2.0", "v2.1"],
        why: "without a `v` in the pattern, tags with and without a `v`"
      },
      {
        pattern: "2.x",
        tags: ["v2.1", "2.1", "2.0"],
        selected: ["2.0", "2.1", "v2.1"],
        why: "both tags of one version are selected"
      },
      {
        pattern: "2.x-alpine",
        tags: ["v2.1-alpine"],
        selected: ["v2.1-alpine"],
        why: "the `v` is optional before a suffix too"
      },
      { pattern: "vx.1", tags: ["v1.1", "1.1"], selected: ["v1.1"], why: "a `v` may come before an `x`" },
      {
        pattern: "1.2",
        tags: ["v1.2", "1.2"],
        selected: ["1.2"],
        why: "a version without `x` and without operators is one tag"
      },
      { pattern: "latest", tags: ["1.2", "latest", "latest-alpine"], selected: ["latest"], why: "`latest` is one tag" },
      {
        pattern: `sha256-${"a".repeat(64)}.sig`,
        tags: [`sha256-${"a".repeat(64)}.sig`, `sha256-${"a".repeat(64)}`],
        selected: [`sha256-${"a".repeat(64)}.sig`],
        why: "the tag of a signature is selected if it is named"
      }
    ]
  },
  {
    title: "Tags are sorted as numbers",
    rows: [
      {
        pattern: "2.13.x",
        tags: ["2.13.10", "2.13.2", "2.13.1"],
        selected: ["2.13.1", "2.13.2", "2.13.10"],
        why: "10 is higher than 2"
      },
      {
        pattern: "x.x",
        tags: ["10.0", "9.99", "9.100"],
        selected: ["9.99", "9.100", "10.0"],
        why: "the first number counts first"
      },
      {
        pattern: "2.x",
        tags: ["2.1", "2.1", "2.2", "2.1"],
        selected: ["2.1", "2.2"],
        why: "a tag that a registry lists twice is selected once"
      }
    ]
  },
  {
    title: "Candidates need `allowCandidateRelease`",
    rows: [
      {
        pattern: "v2.13.x",
        tags: ["v2.13.0", "v2.13.0-rc1", "v2.13.0-rc.1", "v2.13.0-rc10"],
        selected: ["v2.13.0"],
        why: "candidates need `allowCandidateRelease`"
      },
      {
        pattern: "v2.13.x",
        allowCandidateRelease: true,
        tags: ["v2.13.0", "v2.13.0-rc10", "v2.13.0-rc2", "v2.13.1-rc1"],
        selected: ["v2.13.0-rc2", "v2.13.0-rc10", "v2.13.0", "v2.13.1-rc1"],
        why: "rc2 < rc10 < the release < the next candidate"
      },
      {
        pattern: "2.x",
        allowCandidateRelease: true,
        tags: ["2.1-rc.1", "2.1-rc.10", "2.1-rc.9", "2.1"],
        selected: ["2.1-rc.1", "2.1-rc.9", "2.1-rc.10", "2.1"],
        why: "`-rc.1` is a candidate too"
      },
      {
        pattern: "2.x",
        allowCandidateRelease: true,
        tags: ["2.1-rc", "2.1-rc-1", "2.1rc1", "2.1-RC1", "2.1-beta1", "2.1-rc1.2", "2.1-rc..1"],
        selected: [],
        why: "other suffixes are not candidates"
      },
      {
        pattern: "3.x-alpine",
        allowCandidateRelease: true,
        tags: ["3.7-rc1-alpine", "3.7-alpine", "3.7-alpine-rc1", "3.7-rc1"],
        selected: ["3.7-rc1-alpine", "3.7-alpine"],
        why: "a candidate may come before a suffix"
      },
      {
        pattern: "3.x-alpine",
        tags: ["3.7-rc1-alpine"],
        selected: [],
        why: "a candidate before a suffix needs `allowCandidateRelease` too"
      },
      {
        pattern: "2.x-rc1",
        tags: ["2.1-rc1", "2.1-rc2", "2.1"],
        selected: ["2.1-rc1"],
        why: "a candidate that the pattern writes needs no `allowCandidateRelease`"
      },
      {
        pattern: "2.x",
        allowCandidateRelease: true,
        tags: ["2.1-rc1", "2.1-rc.1", "2.01"],
        selected: ["2.1-rc.1", "2.1-rc1", "2.01"],
        why: "two spellings of one version are sorted by their letters"
      }
    ]
  },
  {
    title: "Ranges follow npm's rules",
    rows: [
      {
        pattern: "^2.13.0",
        tags: ["2.13.0", "2.14.1", "3.0.0", "2.12.9", "v2.13.1"],
        selected: ["2.13.0", "v2.13.1", "2.14.1"],
        why: "the first number is fixed; tags with and without a `v`"
      },
      {
        pattern: "~2.13.1",
        tags: ["2.13.0", "2.13.1", "2.13.9", "2.14.0"],
        selected: ["2.13.1", "2.13.9"],
        why: "the first two numbers are fixed"
      },
      {
        pattern: ">=1.2.0 <2.0.0",
        tags: ["1.1.9", "1.2.0", "1.10.0", "2.0.0"],
        selected: ["1.2.0", "1.10.0"],
        why: "a space means and"
      },
      {
        pattern: ">=1.2.0",
        tags: ["1.2.0", "2.0.0", "1.1.0"],
        selected: ["1.2.0", "2.0.0"],
        why: "one bound is enough"
      },
      { pattern: "=1.2.3", tags: ["1.2.3", "1.2.4"], selected: ["1.2.3"], why: "one version" },
      {
        pattern: "^1.0.0 || ^3.0.0",
        tags: ["1.5.0", "2.0.0", "3.1.0"],
        selected: ["1.5.0", "3.1.0"],
        why: "`||` means or"
      },
      {
        pattern: "1.2.0||1.4.0",
        tags: ["1.2.0", "1.3.0", "1.4.0"],
        selected: ["1.2.0", "1.4.0"],
        why: "two versions"
      },
      {
        pattern: "1.2.0 - 1.4.0",
        tags: ["1.1.0", "1.2.0", "1.4.0", "1.4.1"],
        selected: ["1.2.0", "1.4.0"],
        why: "from the first to the second version"
      },
      {
        pattern: "1.2.*",
        tags: ["1.2.0", "1.2.9", "1.3.0"],
        selected: ["1.2.0", "1.2.9"],
        why: "`*` stands for a number"
      },
      {
        pattern: "*",
        tags: ["1.2.0", "v1.2.0", "latest", "1.2", "7", "release-1.2", "7-alpine"],
        selected: ["1.2", "1.2.0", "v1.2.0", "7"],
        why: "`*` takes every version"
      },
      {
        pattern: "v*",
        tags: ["1.2.0", "v1.2.0", "latest", "v1.1"],
        selected: ["v1.1", "v1.2.0"],
        why: "`v*` takes every version with a `v`"
      },
      { pattern: "^vx", tags: ["1.2.0", "v1.2.0"], selected: ["v1.2.0"], why: "a `v` may come before an `x`" },
      {
        pattern: "^v2.13.0",
        tags: ["v2.13.1", "2.13.1", "v3.0.0"],
        selected: ["v2.13.1"],
        why: "with a `v` in the range only tags with a `v`"
      },
      {
        pattern: ">=v1.2.0 <v2.0.0",
        tags: ["v1.3.0", "1.3.0", "v2.0.0"],
        selected: ["v1.3.0"],
        why: "the same, with a `v` in each bound"
      },
      {
        pattern: "^1.0.0 || ^v2.0.0",
        tags: ["1.1.0", "v1.1.0", "2.1.0", "v2.1.0"],
        selected: ["1.1.0", "v1.1.0", "v2.1.0"],
        why: "a `v` concerns its own alternative only"
      }
    ]
  },
  {
    title: "A range takes tags with at least as many numbers as the range",
    rows: [
      {
        pattern: "^1.4.0",
        tags: ["1.4", "1", "1.4.0", "1.5"],
        selected: ["1.4.0"],
        why: "a moving tag such as `1.4` has fewer numbers"
      },
      {
        pattern: ">=3.17",
        tags: ["3.16", "3.17", "3.18", "3.18.1", "3"],
        selected: ["3.17", "3.18", "3.18.1"],
        why: "tags with two numbers or more"
      },
      { pattern: ">= 3.17", tags: ["3.18"], selected: ["3.18"], why: "a blank after the operator is allowed" },
      {
        pattern: "~22",
        tags: ["22", "22.04", "22.10", "23.04"],
        selected: ["22", "22.04", "22.10"],
        why: "tags with one number or more"
      },
      {
        pattern: "~22.04",
        tags: ["22.04", "22.10", "22.04.1"],
        selected: ["22.04", "22.04.1"],
        why: "numbers of the range may have leading zeros"
      },
      { pattern: ">=3.17 <4", tags: ["3.18", "4", "3"], selected: ["3.18"], why: "the longest bound counts" },
      {
        pattern: ">=1.2.0 <2",
        tags: ["1.3", "1.3.0"],
        selected: ["1.3.0"],
        why: "the longest bound counts, also if it is the first"
      },
      {
        pattern: "^1.2.0 || >=3.1",
        tags: ["1.3", "1.3.0", "3.2"],
        selected: ["1.3.0", "3.2"],
        why: "each alternative has its own length"
      },
      {
        pattern: "1.2.*",
        tags: ["1.2", "1.2.3"],
        selected: ["1.2.3"],
        why: "`*` stands for a number, which the tag must have"
      },
      {
        pattern: ">=1.25.0",
        tags: ["1.25.7.5604", "1.25.8.5663", "1.24.9.9999"],
        selected: ["1.25.7.5604", "1.25.8.5663"],
        why: "tags may have more than three numbers"
      },
      {
        pattern: "=1.4.0",
        tags: ["1.4.0", "1.4.0.1"],
        selected: ["1.4.0"],
        why: "a fourth number makes another version"
      },
      {
        pattern: "^1.4.0.5",
        tags: ["1.4.0.4", "1.4.0.6", "1.5.0"],
        selected: ["1.4.0.6"],
        why: "a range may have four numbers"
      },
      {
        pattern: "^2.13.0",
        tags: ["2.13.1+build", "2.13.1.", "2.13..1", "release-2.13.1"],
        selected: [],
        why: "a range takes no words before or after the version"
      }
    ]
  },
  {
    title: "Numbers may have leading zeros and any size",
    rows: [
      {
        pattern: ">=2025.1.0",
        tags: ["2026.02.0", "2025.11.1", "2024.12.9", "2026.1.0"],
        selected: ["2025.11.1", "2026.1.0", "2026.02.0"],
        why: "calendar versions"
      },
      {
        pattern: ">=2025.01.0",
        tags: ["2025.1.0", "2024.12.0"],
        selected: ["2025.1.0"],
        why: "numbers of the range may have leading zeros"
      },
      {
        pattern: "^1.0.0",
        tags: ["1.0.20240115123045124", "1.0.20240115123045123", "1.0.20240115123045125"],
        selected: ["1.0.20240115123045123", "1.0.20240115123045124", "1.0.20240115123045125"],
        why: "numbers may have any size"
      },
      {
        pattern: ">1.0.20240115123045123",
        tags: ["1.0.20240115123045124", "1.0.20240115123045123"],
        selected: ["1.0.20240115123045124"],
        why: "a bound may have any size"
      },
      {
        pattern: "1.0.x",
        tags: ["1.0.20240115123045124", "1.0.20240115123045123"],
        selected: ["1.0.20240115123045123", "1.0.20240115123045124"],
        why: "numbers are sorted by value, whatever their size"
      },
      { pattern: "^2.13.0", tags: ["2.13.10", "2.13.2"], selected: ["2.13.2", "2.13.10"], why: "10 is higher than 2" },
      {
        pattern: "^2.13.0",
        allowCandidateRelease: true,
        tags: ["2.13.1-alpine", "2.13.1-rc1-alpine", "2.13.1-beta.1", "2.13.1"],
        selected: ["2.13.1"],
        why: "`-alpine` and `-beta.1` are not candidates"
      },
      {
        pattern: "^2.13.0",
        tags: ["2.13.1-alpine", "2.14.0-rc1", "2.14.0-rc.1"],
        selected: [],
        why: "candidates need `allowCandidateRelease`"
      },
      {
        pattern: "^2.13.0",
        allowCandidateRelease: true,
        tags: ["2.14.0", "2.14.0-rc10", "2.14.0-rc.2", "2.14.0-rc1", "2.13.0-rc1", "3.0.0-rc1"],
        selected: ["2.14.0-rc1", "2.14.0-rc.2", "2.14.0-rc10", "2.14.0"],
        why: "candidates within the range"
      },
      {
        pattern: ">=2.0.0-rc9",
        allowCandidateRelease: true,
        tags: ["2.0.0-rc10", "2.0.0-rc8", "2.0.0-rc9", "2.0.0"],
        selected: ["2.0.0-rc9", "2.0.0-rc10", "2.0.0"],
        why: "a bound may be a candidate"
      },
      {
        pattern: ">2.0.0-rc.9 <2.0.0",
        allowCandidateRelease: true,
        tags: ["2.0.0-rc10", "2.0.0-rc8", "2.0.0"],
        selected: ["2.0.0-rc10"],
        why: "a bound may be a candidate with a dot"
      },
      {
        pattern: "^v2.0.0",
        allowCandidateRelease: true,
        tags: ["v2.1.0-rc1", "2.1.0-rc1"],
        selected: ["v2.1.0-rc1"],
        why: "candidates with a `v`"
      },
      {
        pattern: ">=0.0.0",
        tags: [`${"9".repeat(40)}.0.0`, "1.0.0"],
        selected: ["1.0.0", `${"9".repeat(40)}.0.0`],
        why: "a number of 40 digits"
      }
    ]
  },
  {
    title: "`tags.extract` names the version in a tag",
    rows: [
      {
        pattern: "*",
        extract: "^main-(?P<number>[0-9]{8})-[0-9a-f]+$",
        tags: ["main-20250201-00fe12", "main-20250101-abc123", "main-2025-abc123", "dev-20250101-abc123", "1.0.0"],
        selected: ["main-20250101-abc123", "main-20250201-00fe12"],
        why: "builds of a branch, sorted by their date"
      },
      {
        pattern: ">=20250115",
        extract: "^main-(?P<number>[0-9]{8})-[0-9a-f]+$",
        tags: ["main-20250201-00fe12", "main-20250101-abc123"],
        selected: ["main-20250201-00fe12"],
        why: "builds since a date"
      },
      {
        pattern: "*",
        extract: "^sha-[0-9a-f]{7}-(?P<number>.*)$",
        tags: ["sha-0f0f0f0-9", "sha-0f0f0f1-10", "sha-0f0f0f2-x", "sha-0f0f0f2-", "sha-0f0f0f2-1.5"],
        selected: ["sha-0f0f0f0-9", "sha-0f0f0f1-10"],
        why: "a `number` has digits only, and is sorted as a number"
      },
      {
        pattern: "7.0.x",
        extract: "^(?P<semver>.+)-debian-11-r(?P<number>[0-9]+)$",
        tags: [
          "7.0.10-debian-11-r0",
          "7.0.9-debian-11-r2",
          "7.0.9-debian-11-r10",
          "7.1.0-debian-11-r0",
          "7.0.9",
          "7.0.9-debian-12-r1"
        ],
        selected: ["7.0.9-debian-11-r2", "7.0.9-debian-11-r10", "7.0.10-debian-11-r0"],
        why: "sorted by version, then by revision"
      },
      {
        pattern: ">=1.25.0",
        extract: "^(?P<semver>[0-9.]+)-[0-9a-f]{9}$",
        tags: ["1.25.10.1-980a13e02", "1.25.7.5604-980a13e02", "1.24.9.1-980a13e02", "1.26.0"],
        selected: ["1.25.7.5604-980a13e02", "1.25.10.1-980a13e02"],
        why: "a version before a commit"
      },
      {
        pattern: "^1.0.0",
        allowCandidateRelease: true,
        extract: "^app-(?P<semver>.*)$",
        tags: ["app-1.0.1-rc2", "app-v1.0.1", "app-1.0.1-rc10", "app-1.0.1-beta"],
        selected: ["app-1.0.1-rc2", "app-1.0.1-rc10", "app-v1.0.1"],
        why: "candidates and the `v` have the same rules as in a whole tag"
      },
      {
        pattern: "*",
        extract: "^RELEASE\\.(?P<text>.*Z)$",
        tags: [
          "RELEASE.2024-11-07T00-52-20Z",
          "RELEASE.2024-01-16T16-07-38Z",
          "RELEASE.2024-11-07T00-52-20Z.fips",
          "latest"
        ],
        selected: ["RELEASE.2024-01-16T16-07-38Z", "RELEASE.2024-11-07T00-52-20Z"],
        why: "`text` is sorted letter by letter"
      },
      {
        pattern: "*",
        extract: "^(?P<text>stable|unstable)-(?P<semver>.*)$",
        tags: ["stable-1.10", "unstable-1.1", "stable-1.9", "unstable-x"],
        selected: ["stable-1.9", "stable-1.10", "unstable-1.1"],
        why: "sorted by the first group first"
      },
      {
        pattern: "*",
        extract: "^(?P<text>release-1\\.x)$",
        tags: ["release-1.x", "release-1.2"],
        selected: ["release-1.x"],
        why: "one tag that has the form of a pattern"
      }
    ]
  },
  {
    title: "Some tags are never selected",
    rows: [
      {
        pattern: "x.x",
        allowCandidateRelease: true,
        tags: [`sha256-${"a".repeat(64)}.sig`, `sha256-${"1".repeat(64)}.att`],
        selected: [],
        why: "signatures"
      },
      {
        pattern: "*",
        allowCandidateRelease: true,
        tags: [`sha256-${"1".repeat(64)}.sig`, "", "..", "\n", "1.0.0\n", "1.0.0 "],
        selected: [],
        why: "signatures, and texts that are not tags"
      },
      {
        pattern: "x.x",
        tags: [`sha512-${"a".repeat(128)}`, "1.2/3", "1.2:3", "-1.2", ".1.2", `1.${"2".repeat(127)}`, "1.2"],
        selected: ["1.2"],
        why: "some registries list names that cannot be pulled"
      },
      { pattern: "2.x", tags: [], selected: [], why: "an empty list" }
    ]
  }
]

export const TAG_PATTERNS: ReadonlyArray<TagPatternRow> = TAG_PATTERN_GROUPS.flatMap(({ rows }) => rows)
