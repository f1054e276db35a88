/** Manifests that a real API server with the CRD and the in-memory server must both accept, or both refuse. */

export interface ImageManifest {
  readonly what: string
  /** The manifest without apiVersion, kind and the name, which each run sets. */
  readonly object: Readonly<Record<string, unknown>>
  /** The field that the refusal must name. Absent if the manifest is accepted. */
  readonly refused?: string
  /** The stored spec with defaults. Absent if it is the given spec with the defaults. */
  readonly stored?: Readonly<Record<string, unknown>>
  /** A real server answers server-side apply differently from create. The answer of create is compared. */
  readonly onlyCreated?: boolean
}

type Fields = Readonly<Record<string, unknown>>

const DIGEST = `sha256:${"ab".repeat(32)}`
const DEFAULTS = { mode: "OneShot", frequency: "5m", allowCandidateRelease: false, suspend: false }
const source = { name: "quay.io/argoproj/argocd", version: "v2.13.1" }
const destination = { name: "registry.corp/mirror/argocd" }
const spec = { source, destination }

const accepted = (what: string, given: Fields, stored: Fields = given): ImageManifest => ({
  what,
  object: { spec: given },
  stored: { ...DEFAULTS, ...stored }
})
const refused = (what: string, given: unknown, field: string): ImageManifest => ({
  what,
  object: { spec: given },
  refused: field
})

const versions = (from: string, to?: string): Fields => ({
  source: { ...source, version: from },
  destination: to === undefined ? destination : { ...destination, version: to }
})

const refined = (tags: unknown): Fields => ({ ...versions("v2.13.x"), tags })

const text = (length: number) => "a".repeat(length)

export const imageManifests: ReadonlyArray<ImageManifest> = [
  accepted("the required fields only", spec),
  accepted("every field", {
    mode: "Recurrent",
    frequency: "1d12h",
    allowCandidateRelease: true,
    suspend: true,
    source: { ...source, tlsVerify: false, useAwsIRSA: false },
    destination: { ...destination, version: "stable", tlsVerify: true, useAwsIRSA: false }
  }),
  accepted("the mode of the Go releases", { ...spec, mode: "OnceByTag" }),

  refused("no spec fields", {}, "spec.source"),
  { what: "no spec", object: {}, refused: "spec" },
  refused("a text as spec", "everything", "spec"),
  refused("no source", { destination }, "spec.source"),
  refused("no destination", { source }, "spec.destination"),
  refused("no source name", { ...spec, source: { version: "v1" } }, "spec.source.name"),
  refused("no source version", { ...spec, source: { name: "a/b" } }, "spec.source.version"),
  refused("no destination name", { ...spec, destination: { version: "v1" } }, "spec.destination.name"),

  refused("an unknown field", { ...spec, sorce: source }, "sorce"),
  refused("an unknown field of the source", { ...spec, source: { ...source, tag: "v1" } }, "tag"),
  refused("an unknown field of the destination", { ...spec, destination: { ...destination, tags: [] } }, "tags"),
  { what: "an unknown field next to spec", object: { spec, specs: {} }, refused: "specs" },
  { what: "an unknown field of metadata", object: { spec, metadata: { lables: {} } }, refused: "lables" },

  refused("a misspelt mode", { ...spec, mode: "Reccurrent" }, "spec.mode"),
  refused("a mode in lower case", { ...spec, mode: "oneshot" }, "spec.mode"),
  refused("an empty mode", { ...spec, mode: "" }, "spec.mode"),

  refused("a frequency without a unit", { ...spec, frequency: "15" }, "spec.frequency"),
  refused("a frequency with a fraction", { ...spec, frequency: "1.5h" }, "spec.frequency"),
  refused("a frequency with a space", { ...spec, frequency: "1h 30m" }, "spec.frequency"),
  refused("a frequency with a line break", { ...spec, frequency: "5m\n" }, "spec.frequency"),
  refused("an empty frequency", { ...spec, frequency: "" }, "spec.frequency"),
  refused("a frequency too long to read", { ...spec, frequency: "1m".repeat(33) }, "spec.frequency"),
  accepted("the longest frequency", { ...spec, frequency: "1m".repeat(32) }),
  accepted("a frequency below the minimum, which the operator refuses", { ...spec, frequency: "1s" }),

  refused("a number as frequency", { ...spec, frequency: 15 }, "spec.frequency"),
  refused("a number as version", { ...spec, source: { ...source, version: 1.27 } }, "spec.source.version"),
  refused("a text as suspend", { ...spec, suspend: "true" }, "spec.suspend"),
  refused("a text as tlsVerify", { ...spec, source: { ...source, tlsVerify: "no" } }, "spec.source.tlsVerify"),
  refused("a list as source", { ...spec, source: [source] }, "spec.source"),
  refused("null as source", { ...spec, source: null }, "spec.source"),
  refused("null as name", { ...spec, source: { ...source, name: null } }, "spec.source.name"),
  accepted("null where there is a default", { ...spec, frequency: null, mode: null, suspend: null }, spec),
  {
    ...accepted("null where there is no default", { ...spec, source: { ...source, tlsVerify: null } }, spec),
    onlyCreated: true
  },
  {
    ...accepted("null as destination version", { ...spec, destination: { ...destination, version: null } }, spec),
    onlyCreated: true
  },
  refused("an unknown field that is null", { ...spec, sorce: null }, "sorce"),

  refused("an empty name", { ...spec, source: { ...source, name: "" } }, "spec.source.name"),
  refused("an empty destination", { ...spec, destination: { name: "" } }, "spec.destination.name"),
  refused("an empty version", versions(""), "spec.source.version"),
  refused("an empty destination version", versions("v1", ""), "spec.destination.version"),
  refused("a name too long", { ...spec, source: { ...source, name: text(513) } }, "spec.source.name"),
  accepted("the longest name", { ...spec, source: { ...source, name: text(512) } }),
  refused("a version too long", versions(text(257)), "spec.source.version"),
  accepted("the longest version", versions(text(256))),
  accepted("a name that is no repository, which the operator refuses", {
    ...spec,
    source: { ...source, name: "No Repository" }
  }),

  ...[
    "v2.13.x",
    "^2.13",
    "1.2.3",
    "x",
    "2.x-alpine",
    "3.7-alpine",
    "x.x",
    "version-5.x.x",
    "1.2.x_build.1",
    ">=1.2.0 <2.0.0",
    "*",
    "latest",
    `v2.13.1@${DIGEST}`,
    "^no-range",
    "no tag!"
  ].flatMap((version) => [
    accepted(`${version} to tags of the same name`, versions(version)),
    accepted(`${version} to the same`, versions(version, version))
  ]),
  ...["1.2.3", "x", "3.7-alpine", "1-x", "version-x", "latest", `v2.13.1@${DIGEST}`, `x.1@${DIGEST}`, "no-tag!"].map(
    (version) => accepted(`${version} to a tag of another name`, versions(version, "stable"))
  ),
  ...[
    "v2.13.x",
    "^2.13",
    "2.x-alpine",
    "x.x",
    "1-x.2",
    "vx.1",
    "version-5.x.x",
    "1.2.x_build.1",
    "x.1/no-tag",
    ">=1.2.0 <2.0.0",
    "*",
    "1.2 || 1.3",
    "^no-range",
    "1\t2"
  ].map((version) =>
    refused(`${version} to a tag of another name`, versions(version, "stable"), "spec.destination.version")
  ),
  refused("a digest without a tag", versions(DIGEST), "spec.destination"),
  refused("a broken digest without a tag", versions("sha256:short"), "spec.destination"),
  accepted("a digest with a tag", versions(DIGEST, "stable")),
  refused("a sha512 digest without a tag", versions(`sha512:${"ab".repeat(64)}`), "spec.destination"),
  accepted("a sha512 digest with a tag", versions(`sha512:${"ab".repeat(64)}`, "stable")),
  accepted("a broken digest with a tag, which the operator refuses", versions("sha256:^x.x", "stable")),

  accepted(
    "every refinement",
    refined({
      include: ["^v"],
      exclude: ["-windows$", "-debug"],
      extract: "^(?P<semver>.*)$",
      latest: 5,
      atLeast: 1,
      max: 10_000
    })
  ),
  accepted("an empty refinement", refined({})),
  accepted("refinements with empty lists", refined({ include: [], exclude: [] })),
  accepted("an invalid expression, which the operator refuses", refined({ include: ["("] })),
  accepted("the longest expression", refined({ exclude: [text(256)] })),
  accepted("the most expressions", refined({ include: Array.from({ length: 16 }, () => "a") })),
  refused("an expression too long", refined({ exclude: [text(257)] }), "spec.tags.exclude[0]"),
  refused("an empty expression", refined({ include: ["a", ""] }), "spec.tags.include[1]"),
  refused("too many expressions", refined({ include: Array.from({ length: 17 }, () => "a") }), "spec.tags.include"),
  refused("a text as expressions", refined({ include: "^v" }), "spec.tags.include"),
  refused("a number as expression", refined({ exclude: [1] }), "spec.tags.exclude[0]"),
  refused("an extract too long", refined({ extract: text(257) }), "spec.tags.extract"),
  refused("an empty extract", refined({ extract: "" }), "spec.tags.extract"),
  refused("a list as extract", refined({ extract: ["^v"] }), "spec.tags.extract"),
  refused("latest: 0", refined({ latest: 0 }), "spec.tags.latest"),
  refused("a fraction as latest", refined({ latest: 1.5 }), "spec.tags.latest"),
  refused("a text as latest", refined({ latest: "5" }), "spec.tags.latest"),
  refused("a negative atLeast", refined({ atLeast: -1 }), "spec.tags.atLeast"),
  refused("max of 0", refined({ max: 0 }), "spec.tags.max"),
  refused("max of more than 10,000", refined({ max: 10_001 }), "spec.tags.max"),
  refused("an unknown refinement", refined({ lastest: 5 }), "lastest"),
  refused("a list as refinement", refined(["^v"]), "spec.tags"),
  ...[
    "v2.13.x",
    "^2.13",
    "2.x-alpine",
    "x.x",
    "version-5.x.x",
    "1.2.x_build.1",
    "*",
    "1.2 || 1.3",
    "1\t2",
    "^no-range"
  ].map((version) => accepted(`${version} refined`, { ...versions(version), tags: { latest: 1 } })),
  ...["latest", "1.2.3", "x", "x-alpine", "1-x", "version-x", `v2.13.1@${DIGEST}`, `2.x@${DIGEST}`].map((version) =>
    refused(`${version} refined`, { ...versions(version), tags: { latest: 1 } }, "spec.tags")
  ),
  refused("a digest refined", { ...versions(DIGEST, "stable"), tags: {} }, "spec.tags"),

  accepted("platforms", { ...spec, platforms: ["linux/amd64", "linux/arm/v7", "windows/amd64", "linux/mips64le"] }),
  refused("no platforms", { ...spec, platforms: [] }, "spec.platforms"),
  refused("too many platforms", { ...spec, platforms: Array.from({ length: 33 }, () => "a/b") }, "spec.platforms"),
  ...[
    "linux",
    "linux/",
    "/amd64",
    "linux/amd64/",
    "linux/arm/v7/x",
    "Linux/amd64",
    "linux/amd64\n",
    " linux/amd64",
    ""
  ].map((platform) =>
    refused(`${JSON.stringify(platform)} as platform`, { ...spec, platforms: [platform] }, "spec.platforms[0]")
  ),
  ...(
    [
      ["linux/x86_64", "has the architecture x86_64, which images call amd64; write linux/amd64"],
      ["linux/x86_64/v2", "has the architecture x86_64, which images call amd64; write linux/amd64"],
      ["windows/aarch64", "has the architecture aarch64, which images call arm64; write windows/arm64"],
      ["linux/armv7l", "has the architecture armv7l, which images call arm/v7; write linux/arm/v7"]
    ] as const
  ).flatMap(([platform, message]) => [
    refused(`${platform} as platform`, { ...spec, platforms: ["linux/amd64", platform] }, "spec.platforms[1]"),
    refused(`${platform} as platform, with the platform to write`, { ...spec, platforms: [platform] }, message)
  ]),
  accepted("an architecture whose name begins as another program's", {
    ...spec,
    platforms: ["linux/x64a", "x64/x86b"]
  }),
  refused("a platform too long", { ...spec, platforms: [`linux/${text(60)}`] }, "spec.platforms[0]"),
  refused("a text as platforms", { ...spec, platforms: "linux/amd64" }, "spec.platforms"),

  accepted("referrers", { ...spec, referrers: true }),
  accepted("no referrers", { ...spec, referrers: false }),
  refused("a text as referrers", { ...spec, referrers: "yes" }, "spec.referrers"),
  refused("a list as referrers", { ...spec, referrers: [] }, "spec.referrers"),

  accepted("credentials of both sides", {
    source: { ...source, credentials: { secretRef: { name: "quay-pull" } } },
    destination: { ...destination, credentials: { secretRef: { name: text(253) } } }
  }),
  refused(
    "credentials that say nothing",
    { ...spec, source: { ...source, credentials: {} } },
    "spec.source.credentials.secretRef"
  ),
  refused(
    "credentials without a name",
    { ...spec, source: { ...source, credentials: { secretRef: {} } } },
    "spec.source.credentials.secretRef.name"
  ),
  refused(
    "credentials with an empty name",
    { ...spec, source: { ...source, credentials: { secretRef: { name: "" } } } },
    "spec.source.credentials.secretRef.name"
  ),
  refused(
    "credentials with a name too long",
    { ...spec, destination: { ...destination, credentials: { secretRef: { name: text(254) } } } },
    "spec.destination.credentials.secretRef.name"
  ),
  refused(
    "credentials of another namespace",
    { ...spec, source: { ...source, credentials: { secretRef: { name: "a", namespace: "b" } } } },
    "namespace"
  ),
  refused(
    "a password where a Secret is named",
    { ...spec, source: { ...source, credentials: { secretRef: { name: "a" }, password: "b" } } },
    "password"
  ),
  refused(
    "a text as credentials",
    { ...spec, source: { ...source, credentials: "quay-pull" } },
    "spec.source.credentials"
  )
]

/** Names that both servers accept or both refuse. The refusal names the field. */
export const objectNames: ReadonlyArray<{ readonly name: string; readonly refused: boolean }> = [
  { name: "argocd", refused: false },
  { name: "a.b-c.d", refused: false },
  { name: "0", refused: false },
  { name: text(253), refused: false },
  { name: text(254), refused: true },
  { name: "Argocd", refused: true },
  { name: "argo_cd", refused: true },
  { name: "-argocd", refused: true },
  { name: "argocd.", refused: true },
  { name: "a..b", refused: true },
  { name: "a.-b", refused: true }
]
