/**
 * The tags that a `source.version` selects of a listing, in order. The rows cover every sentence of the specification.
 */
export interface TagPatternRow {
  readonly pattern: string
  readonly allowCandidateRelease?: boolean
  /** `tags.extract` */
  readonly extract?: string
  readonly tags: ReadonlyArray<string>
  /** The selected tags in the order of their copies, the newest last. */
  readonly selected: ReadonlyArray<string>
  readonly why: string
}

export const TAG_PATTERNS: ReadonlyArray<TagPatternRow> = [
  // An x stands for one number.
  {
    pattern: "2.x",
    tags: ["2.1", "2.1.3", "2013", "2.1-alpine", "2", "2."],
    selected: ["2.1"],
    why: "x is one number"
  },
  { pattern: "2.x", tags: ["12.1", "2.1x", "2.x", "2.1a", "a2.1", "2,1"], selected: [], why: "and the whole of it" },
  {
    pattern: "2.13.x",
    tags: ["2.13.1", "2.13.2", "2.13.3", "2.14.0", "2.1"],
    selected: ["2.13.1", "2.13.2", "2.13.3"],
    why: "the specification's example"
  },
  { pattern: "x.1", tags: ["1.1", "10.1", "2.1", "2.2", "x.1"], selected: ["1.1", "2.1", "10.1"], why: "x in front" },
  {
    pattern: "1.x.3",
    tags: ["1.2.3", "1.10.3", "1.2.4", "1.2.2.3"],
    selected: ["1.2.3", "1.10.3"],
    why: "x in the middle"
  },
  { pattern: "v1.x.3", tags: ["v1.2.3", "1.2.3", "v1.2.4"], selected: ["v1.2.3"], why: "in the middle, after a v" },
  {
    pattern: "1.x.x-alpine",
    tags: ["1.2.3-alpine", "1.10.0-alpine", "1.2-alpine", "1.2.3", "2.0.0-alpine"],
    selected: ["1.2.3-alpine", "1.10.0-alpine"],
    why: "x twice, before a suffix"
  },
  { pattern: "x.x.x", tags: ["1.2.3", "v1.2.3", "1.2"], selected: ["1.2.3", "v1.2.3"], why: "x everywhere" },
  { pattern: "x", tags: ["1", "2", "x"], selected: ["x"], why: "an x alone is a tag" },
  { pattern: "x-alpine", tags: ["1-alpine", "x-alpine"], selected: ["x-alpine"], why: "with a suffix too" },
  { pattern: "1.xx", tags: ["1.12", "1.xx"], selected: ["1.xx"], why: "exactly x" },
  { pattern: "x.x", tags: ["1.10", "1.9", "0.11", "1", "1.1.1"], selected: ["0.11", "1.9", "1.10"], why: "x twice" },
  { pattern: "1.x", tags: ["1.007", "1.0"], selected: ["1.0", "1.007"], why: "leading zeros are digits too" },

  // A suffix must be equal.
  {
    pattern: "3.x-alpine",
    tags: ["3.7-alpine", "3.7", "3.7-alpine3.20", "3.7-slim", "3.7.1-alpine"],
    selected: ["3.7-alpine"],
    why: "a suffix is exact"
  },
  {
    pattern: "3.x-alpine",
    tags: ["3.10-alpine", "3.9-alpine"],
    selected: ["3.9-alpine", "3.10-alpine"],
    why: "ordered by number within one suffix"
  },
  {
    pattern: "1.x-alpine3.20",
    tags: ["1.2-alpine3.20", "1.2-alpine3x20", "1.2-alpine3920"],
    selected: ["1.2-alpine3.20"],
    why: "a dot is a dot"
  },
  { pattern: "1.x-a.x", tags: ["1.2-a.x", "1.2-a.3"], selected: ["1.2-a.x"], why: "an x after the dash is a letter" },

  // A prefix must be equal.
  {
    pattern: "version-5.x.x",
    tags: ["version-5.6.16", "version-5.10.0", "5.6.16", "version-5.6", "version-v5.6.16", "xversion-5.6.16"],
    selected: ["version-5.6.16", "version-5.10.0"],
    why: "words before the version"
  },
  {
    pattern: "someenv-1.x.x",
    tags: ["someenv-1.16.0", "someenv-1.15.2", "other-1.15.2"],
    selected: ["someenv-1.15.2", "someenv-1.16.0"],
    why: "the name of an environment"
  },
  {
    pattern: "release_v1.x",
    tags: ["release_v1.2", "release_1.2", "release-v1.2"],
    selected: ["release_v1.2"],
    why: "an underscore ends a prefix too, and a v after it is part of it"
  },
  {
    pattern: "20-alpine3.x",
    tags: ["20-alpine3.9", "20-alpine3.20", "22-alpine3.20"],
    selected: ["20-alpine3.9", "20-alpine3.20"],
    why: "the first version with an x"
  },
  {
    pattern: "alpine3.x",
    tags: ["alpine3.20", "3.20", "valpine3.20"],
    selected: ["alpine3.20"],
    why: "a prefix without a dash"
  },
  {
    pattern: "1.2.x_build.1",
    tags: ["1.2.3_build.1", "1.2.4_build.1", "1.2.4", "1.2.4_build.2", "1.2.4-build.1"],
    selected: ["1.2.3_build.1", "1.2.4_build.1"],
    why: "a build after an underscore"
  },

  // A v in front is optional, unless the pattern writes it.
  { pattern: "v2.x", tags: ["v2.1", "2.1", "vv2.1", "V2.1"], selected: ["v2.1"], why: "a v in both" },
  {
    pattern: "2.x",
    tags: ["v2.1", "2.0", "vv2.1", "V2.1", "rv2.1"],
    selected: ["2.0", "v2.1"],
    why: "a v in the tag only"
  },
  { pattern: "2.x", tags: ["v2.1", "2.1", "2.0"], selected: ["2.0", "2.1", "v2.1"], why: "both of one version" },
  { pattern: "2.x-alpine", tags: ["v2.1-alpine"], selected: ["v2.1-alpine"], why: "a v and a suffix" },
  { pattern: "vx.1", tags: ["v1.1", "1.1"], selected: ["v1.1"], why: "a v before an x" },
  { pattern: "1.2", tags: ["v1.2", "1.2"], selected: ["1.2"], why: "a tag is itself" },
  { pattern: "latest", tags: ["1.2", "latest", "latest-alpine"], selected: ["latest"], why: "latest is a tag" },
  {
    pattern: `sha256-${"a".repeat(64)}.sig`,
    tags: [`sha256-${"a".repeat(64)}.sig`, `sha256-${"a".repeat(64)}`],
    selected: [`sha256-${"a".repeat(64)}.sig`],
    why: "a signature that is named"
  },

  // Versions are ordered as numbers.
  {
    pattern: "2.13.x",
    tags: ["2.13.10", "2.13.2", "2.13.1"],
    selected: ["2.13.1", "2.13.2", "2.13.10"],
    why: "numbers, not letters"
  },
  {
    pattern: "x.x",
    tags: ["10.0", "9.99", "9.100"],
    selected: ["9.99", "9.100", "10.0"],
    why: "component by component"
  },
  { pattern: "2.x", tags: ["2.1", "2.1", "2.2", "2.1"], selected: ["2.1", "2.2"], why: "a listing may repeat itself" },

  // Candidates are selected only on request.
  {
    pattern: "v2.13.x",
    tags: ["v2.13.0", "v2.13.0-rc1", "v2.13.0-rc.1", "v2.13.0-rc10"],
    selected: ["v2.13.0"],
    why: "candidates are to be asked for"
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
    why: "the dotted form"
  },
  {
    pattern: "2.x",
    allowCandidateRelease: true,
    tags: ["2.1-rc", "2.1-rc-1", "2.1rc1", "2.1-RC1", "2.1-beta1", "2.1-rc1.2", "2.1-rc..1"],
    selected: [],
    why: "other forms are no candidates"
  },
  {
    pattern: "3.x-alpine",
    allowCandidateRelease: true,
    tags: ["3.7-rc1-alpine", "3.7-alpine", "3.7-alpine-rc1", "3.7-rc1"],
    selected: ["3.7-rc1-alpine", "3.7-alpine"],
    why: "before a suffix"
  },
  { pattern: "3.x-alpine", tags: ["3.7-rc1-alpine"], selected: [], why: "before a suffix only if asked for" },
  {
    pattern: "2.x-rc1",
    tags: ["2.1-rc1", "2.1-rc2", "2.1"],
    selected: ["2.1-rc1"],
    why: "a suffix that was written out was asked for"
  },

  {
    pattern: "2.x",
    allowCandidateRelease: true,
    tags: ["2.1-rc1", "2.1-rc.1", "2.01"],
    selected: ["2.1-rc.1", "2.1-rc1", "2.01"],
    why: "of one version in two spellings, by their letters"
  },

  // A range follows npm's rules.
  {
    pattern: "^2.13.0",
    tags: ["2.13.0", "2.14.1", "3.0.0", "2.12.9", "v2.13.1"],
    selected: ["2.13.0", "v2.13.1", "2.14.1"],
    why: "caret; with and without a v"
  },
  { pattern: "~2.13.1", tags: ["2.13.0", "2.13.1", "2.13.9", "2.14.0"], selected: ["2.13.1", "2.13.9"], why: "tilde" },
  {
    pattern: ">=1.2.0 <2.0.0",
    tags: ["1.1.9", "1.2.0", "1.10.0", "2.0.0"],
    selected: ["1.2.0", "1.10.0"],
    why: "a space is an and"
  },
  { pattern: ">=1.2.0", tags: ["1.2.0", "2.0.0", "1.1.0"], selected: ["1.2.0", "2.0.0"], why: "no space" },
  { pattern: "=1.2.3", tags: ["1.2.3", "1.2.4"], selected: ["1.2.3"], why: "equals" },
  { pattern: "^1.0.0 || ^3.0.0", tags: ["1.5.0", "2.0.0", "3.1.0"], selected: ["1.5.0", "3.1.0"], why: "or" },
  {
    pattern: "1.2.0||1.4.0",
    tags: ["1.2.0", "1.3.0", "1.4.0"],
    selected: ["1.2.0", "1.4.0"],
    why: "or alone makes a range"
  },
  {
    pattern: "1.2.0 - 1.4.0",
    tags: ["1.1.0", "1.2.0", "1.4.0", "1.4.1"],
    selected: ["1.2.0", "1.4.0"],
    why: "from, to"
  },
  { pattern: "1.2.*", tags: ["1.2.0", "1.2.9", "1.3.0"], selected: ["1.2.0", "1.2.9"], why: "a star" },
  {
    pattern: "*",
    tags: ["1.2.0", "v1.2.0", "latest", "1.2", "7", "release-1.2", "7-alpine"],
    selected: ["1.2", "1.2.0", "v1.2.0", "7"],
    why: "every version, with and without a v"
  },
  {
    pattern: "v*",
    tags: ["1.2.0", "v1.2.0", "latest", "v1.1"],
    selected: ["v1.1", "v1.2.0"],
    why: "a v before a star"
  },
  { pattern: "^vx", tags: ["1.2.0", "v1.2.0"], selected: ["v1.2.0"], why: "a v before an x" },
  { pattern: "^v2.13.0", tags: ["v2.13.1", "2.13.1", "v3.0.0"], selected: ["v2.13.1"], why: "a v in the range" },
  { pattern: ">=v1.2.0 <v2.0.0", tags: ["v1.3.0", "1.3.0", "v2.0.0"], selected: ["v1.3.0"], why: "a v in each" },
  {
    pattern: "^1.0.0 || ^v2.0.0",
    tags: ["1.1.0", "v1.1.0", "2.1.0", "v2.1.0"],
    selected: ["1.1.0", "v1.1.0", "v2.1.0"],
    why: "a v counts for its alternative"
  },

  // A range takes tags with at least as many numbers as it writes.
  {
    pattern: "^1.4.0",
    tags: ["1.4", "1", "1.4.0", "1.5"],
    selected: ["1.4.0"],
    why: "a floating tag has fewer numbers"
  },
  {
    pattern: ">=3.17",
    tags: ["3.16", "3.17", "3.18", "3.18.1", "3"],
    selected: ["3.17", "3.18", "3.18.1"],
    why: "two numbers or more"
  },
  { pattern: ">= 3.17", tags: ["3.18"], selected: ["3.18"], why: "a blank after the sign" },
  {
    pattern: "~22",
    tags: ["22", "22.04", "22.10", "23.04"],
    selected: ["22", "22.04", "22.10"],
    why: "ubuntu, one number or more"
  },
  { pattern: "~22.04", tags: ["22.04", "22.10", "22.04.1"], selected: ["22.04", "22.04.1"], why: "zeros in the range" },
  { pattern: ">=3.17 <4", tags: ["3.18", "4", "3"], selected: ["3.18"], why: "the longest version counts" },
  { pattern: ">=1.2.0 <2", tags: ["1.3", "1.3.0"], selected: ["1.3.0"], why: "also if it is not the last" },
  { pattern: "^1.2.0 || >=3.1", tags: ["1.3", "1.3.0", "3.2"], selected: ["1.3.0", "3.2"], why: "by alternative" },
  { pattern: "1.2.*", tags: ["1.2", "1.2.3"], selected: ["1.2.3"], why: "a star stands for a number" },
  {
    pattern: ">=1.25.0",
    tags: ["1.25.7.5604", "1.25.8.5663", "1.24.9.9999"],
    selected: ["1.25.7.5604", "1.25.8.5663"],
    why: "more numbers than three"
  },
  { pattern: "=1.4.0", tags: ["1.4.0", "1.4.0.1"], selected: ["1.4.0"], why: "a fourth number is another version" },
  {
    pattern: "^1.4.0.5",
    tags: ["1.4.0.4", "1.4.0.6", "1.5.0"],
    selected: ["1.4.0.6"],
    why: "four numbers in the range"
  },
  {
    pattern: "^2.13.0",
    tags: ["2.13.1+build", "2.13.1.", "2.13..1", "release-2.13.1"],
    selected: [],
    why: "numbers only"
  },

  // Numbers have leading zeros and any size.
  {
    pattern: ">=2025.1.0",
    tags: ["2026.02.0", "2025.11.1", "2024.12.9", "2026.1.0"],
    selected: ["2025.11.1", "2026.1.0", "2026.02.0"],
    why: "calendar versions"
  },
  { pattern: ">=2025.01.0", tags: ["2025.1.0", "2024.12.0"], selected: ["2025.1.0"], why: "zeros in the range" },
  {
    pattern: "^1.0.0",
    tags: ["1.0.20240115123045124", "1.0.20240115123045123", "1.0.20240115123045125"],
    selected: ["1.0.20240115123045123", "1.0.20240115123045124", "1.0.20240115123045125"],
    why: "17 digits of time, past the precision of a double"
  },
  {
    pattern: ">1.0.20240115123045123",
    tags: ["1.0.20240115123045124", "1.0.20240115123045123"],
    selected: ["1.0.20240115123045124"],
    why: "17 digits in the range"
  },
  {
    pattern: "1.0.x",
    tags: ["1.0.20240115123045124", "1.0.20240115123045123"],
    selected: ["1.0.20240115123045123", "1.0.20240115123045124"],
    why: "17 digits in a pattern"
  },
  { pattern: "^2.13.0", tags: ["2.13.10", "2.13.2"], selected: ["2.13.2", "2.13.10"], why: "numeric order" },
  {
    pattern: "^2.13.0",
    allowCandidateRelease: true,
    tags: ["2.13.1-alpine", "2.13.1-rc1-alpine", "2.13.1-beta.1", "2.13.1"],
    selected: ["2.13.1"],
    why: "includePrerelease alone would take -alpine"
  },
  {
    pattern: "^2.13.0",
    tags: ["2.13.1-alpine", "2.14.0-rc1", "2.14.0-rc.1"],
    selected: [],
    why: "candidates are to be asked for"
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
    why: "a candidate as a bound is compared by its number"
  },
  {
    pattern: ">2.0.0-rc.9 <2.0.0",
    allowCandidateRelease: true,
    tags: ["2.0.0-rc10", "2.0.0-rc8", "2.0.0"],
    selected: ["2.0.0-rc10"],
    why: "rc.9 as a bound counts"
  },
  {
    pattern: "^v2.0.0",
    allowCandidateRelease: true,
    tags: ["v2.1.0-rc1", "2.1.0-rc1"],
    selected: ["v2.1.0-rc1"],
    why: "candidates with a v"
  },
  {
    pattern: ">=0.0.0",
    tags: [`${"9".repeat(40)}.0.0`, "1.0.0"],
    selected: ["1.0.0", `${"9".repeat(40)}.0.0`],
    why: "40 digits"
  },

  // tags.extract says what of a tag is its version.
  {
    pattern: "*",
    extract: "^main-(?P<number>[0-9]{8})-[0-9a-f]+$",
    tags: ["main-20250201-00fe12", "main-20250101-abc123", "main-2025-abc123", "dev-20250101-abc123", "1.0.0"],
    selected: ["main-20250101-abc123", "main-20250201-00fe12"],
    why: "builds of a branch, by their date"
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
    why: "a number has digits only, and is sorted as a number"
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
    why: "a version and its revision"
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
    why: "candidates and a v, as of a whole tag"
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
    why: "letter by letter"
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
    why: "a tag that has the form of a pattern"
  },

  // These tags are never selected.
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
    why: "signatures and nonsense"
  },
  {
    pattern: "x.x",
    tags: [`sha512-${"a".repeat(128)}`, "1.2/3", "1.2:3", "-1.2", ".1.2", `1.${"2".repeat(127)}`, "1.2"],
    selected: ["1.2"],
    why: "what no one can pull is listed by some"
  },
  { pattern: "2.x", tags: [], selected: [], why: "an empty listing" }
]
