/** `tags` as users run it: its output, its errors, and its exit codes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { parse } from "yaml"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

const TAGS = ["latest", "v2.12.0", "v2.13.1", "v2.13.10", "v2.13.2", "v2.13.2-rc1", "v2.13.2-amd64"]

const argocd = Effect.gen(function* () {
  const registry = yield* startRegistry()
  const digests = new Map(TAGS.map((tag) => [tag, pushSampleImage(registry.store, "argocd", tag, tag)]))
  const tags = (...args: ReadonlyArray<string>) =>
    run(["tags", `${registry.host}/argocd`, ...args], { DISABLE_SRC_TLS_VERIFICATION: "true" })
  return { registry, digests, tags }
})

/** The rows of a table, with bars between the columns. */
const rowsOf = (stdout: string): ReadonlyArray<string> =>
  (stdout.split("\n\n")[0] ?? "").split("\n").map((line) => line.trimEnd().replaceAll(/ {3,}/gu, "|"))

const Document = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    matched: Schema.Array(Schema.String),
    notMatched: Schema.Array(Schema.Struct({ tag: Schema.String, reason: Schema.String, message: Schema.String })),
    message: Schema.String
  })
)

describe("skopeo-operator tags", () => {
  it.live.each<
    readonly [what: string, args: ReadonlyArray<string>, code: number, rows: ReadonlyArray<string>, said: string]
  >([
    [
      "a pattern",
      ["v2.13.x"],
      0,
      [
        "TAG|MATCHES|WHY",
        "v2.13.1|yes|matches v2.13.x",
        "v2.13.2|yes|matches v2.13.x",
        "v2.13.10|yes|matches v2.13.x",
        "v2.13.2-rc1|no|is a candidate release; --allow-candidate-release selects candidates",
        "v2.13.2-amd64|no|ends with -amd64; write v2.13.x-amd64",
        "v2.12.0|no|does not match v2.13.x",
        "latest|no|does not match v2.13.x"
      ],
      "3 of the 7 tags of HOST/argocd match v2.13.x"
    ],
    [
      "a range, refined",
      [
        "^v2.12.0",
        "--allow-candidate-release",
        "--include",
        "13",
        "--exclude",
        "10$",
        "--exclude=1\\.1$",
        "--latest=1"
      ],
      0,
      [
        "TAG|MATCHES|WHY",
        "v2.13.2|yes|matches ^v2.12.0",
        'v2.13.10|no|is excluded by "10$"',
        "v2.13.2-rc1|no|is not among the latest 1",
        "v2.13.1|no|is not among the latest 1",
        "v2.12.0|no|matches no expression of --include",
        "v2.13.2-amd64|no|ends with -amd64; write v2.x.x-amd64",
        "latest|no|does not match ^v2.12.0"
      ],
      "1 of the 7 tags of HOST/argocd matches ^v2.12.0"
    ],
    [
      "the version in a tag",
      ["v2.x.x", "--extract", "^(?P<semver>.*)-amd64$"],
      0,
      [
        "TAG|MATCHES|WHY",
        "v2.13.2-amd64|yes|matches v2.x.x",
        "v2.13.10|no|does not match --extract",
        "v2.13.2-rc1|no|does not match --extract",
        "v2.13.2|no|does not match --extract",
        "v2.13.1|no|does not match --extract",
        "v2.12.0|no|does not match --extract",
        "latest|no|does not match --extract"
      ],
      "1 of the 7 tags of HOST/argocd matches v2.x.x"
    ],
    [
      "too few",
      ["v2.12.x", "--at-least", "2"],
      1,
      [
        "TAG|MATCHES|WHY",
        "v2.12.0|yes|matches v2.12.x",
        "v2.13.10|no|does not match v2.12.x",
        "v2.13.2-amd64|no|does not match v2.12.x",
        "v2.13.2-rc1|no|does not match v2.12.x",
        "v2.13.2|no|does not match v2.12.x",
        "v2.13.1|no|does not match v2.12.x",
        "latest|no|does not match v2.12.x"
      ],
      "1 of the 7 tags of HOST/argocd match, and --at-least asks for 2; nothing is copied until enough tags match"
    ],
    [
      "no match, in the words of the condition",
      ["v2.12.x", "--exclude", "0$"],
      1,
      [
        "TAG|MATCHES|WHY",
        'v2.12.0|no|is excluded by "0$"',
        "v2.13.10|no|does not match v2.12.x",
        "v2.13.2-amd64|no|does not match v2.12.x",
        "v2.13.2-rc1|no|does not match v2.12.x",
        "v2.13.2|no|does not match v2.12.x",
        "v2.13.1|no|does not match v2.12.x",
        "latest|no|does not match v2.12.x"
      ],
      'no tag matches v2.12.x among the 7 of HOST/argocd; the nearest are v2.12.0, v2.13.10, v2.13.2-amd64, v2.13.2-rc1, v2.13.2; v2.12.0 is excluded by "0$"'
    ]
  ])("tags shows %s", ([, args, code, rows, said]) =>
    Effect.gen(function* () {
      const { registry, tags } = yield* argocd
      const ended = yield* tags(...args)
      assert.deepStrictEqual(rowsOf(ended.stdout), rows)
      assert.strictEqual(ended.stdout.trimEnd().split("\n").at(-1), said.replace("HOST", registry.host))
      assert.strictEqual(ended.code, code)
      assert.strictEqual(ended.stderr, "")
      assert.deepStrictEqual(registry.requests, ["GET /v2/argocd/tags/list?n=1000"])
    })
  )

  it.live("tags shows whether an exact version exists, and its digest, with at most two requests", () =>
    Effect.gen(function* () {
      const { digests, registry, tags } = yield* argocd
      const [first = "", second = ""] = [digests.get("v2.13.1"), digests.get("v2.13.2")]
      const none = `sha256:${"0".repeat(64)}`
      const rows: ReadonlyArray<readonly [version: string, code: number, said: string, requests: number]> = [
        ["v2.13.1", 0, `v2.13.1 is in HOST/argocd: ${first}`, 1],
        [first, 0, `${first} is in HOST/argocd: ${first}`, 1],
        [`v2.13.1@${first}`, 0, `v2.13.1@${first} is in HOST/argocd: ${first}`, 1],
        [
          `v2.13.2@${first}`,
          0,
          `v2.13.2@${first} is in HOST/argocd: ${first}; the tag v2.13.2 now names ${second}, and a copy by digest does not depend on the tag`,
          2
        ],
        ["v9", 1, "v9 is not in HOST/argocd; correct VERSION or REPOSITORY, or write a pattern such as v1.x", 2],
        [
          "v2.13.X",
          1,
          "v2.13.X is not in HOST/argocd; correct VERSION or REPOSITORY, or write the pattern with a small x: v2.13.x",
          2
        ],
        [none, 1, `${none} is not in HOST/argocd; correct VERSION or REPOSITORY, or write a pattern such as v1.x`, 2]
      ]
      for (const [version, code, said, requests] of rows) {
        const before = registry.requests.length
        const ended = yield* tags(version)
        assert.strictEqual(ended.stdout, `${said.replace("HOST", registry.host)}\n`, ended.stderr)
        assert.strictEqual(ended.code, code)
        const made = registry.requests.slice(before)
        assert.lengthOf(made, requests)
        // Only a missing version causes a GET, because each command knows nothing yet about HEAD at the registry.
        assert.isTrue(made.every((request) => request.startsWith("HEAD ") || (code === 1 && request === made[1])))
      }
    })
  )

  it.live("tags shows 20 of thousands of tags that do not match, and all of them with --all", () =>
    Effect.gen(function* () {
      const registry = yield* startRegistry()
      const image = pushSampleImage(registry.store, "node", "22.0.0", "node")
      const manifest = registry.store.manifest("node", image)
      if (manifest === undefined) return assert.fail("the image was just pushed")
      for (let minor = 1; minor <= 3_000; minor++) {
        registry.store.putManifest("node", `22.${minor}.0-slim`, manifest.bytes, manifest.mediaType)
      }
      registry.store.putManifest("node", `sha256-${"ab".repeat(32)}.sig`, manifest.bytes, manifest.mediaType)
      const args = ["tags", `${registry.host}/node`, "22.x.x", "--tls-verify=false"]
      const short = yield* run(args)
      const rows = rowsOf(short.stdout)
      assert.lengthOf(rows, 1 + 1 + 20 + 2, "the header, the match, the nearest tags, and two reasons for the others")
      assert.strictEqual(rows[2], "22.3000.0-slim|no|ends with -slim; write 22.x.x-slim")
      assert.deepStrictEqual(rows.slice(-2), [
        "… 2980 more|no|does not match 22.x.x",
        "… 1 more|no|is named after a digest and belongs to another image"
      ])
      assert.match(short.stdout, /^1 of the 3002 tags of .* matches 22\.x\.x; --all shows every tag$/mu)
      assert.lengthOf(rowsOf((yield* run([...args, "--all"])).stdout), 1 + 3_002)
      const document = Schema.decodeSync(Document)((yield* run([...args, "--output=json"])).stdout)
      assert.deepStrictEqual(document.matched, ["22.0.0"])
      assert.lengthOf(document.notMatched, 3_001)
      assert.deepStrictEqual(document.notMatched.at(-1), {
        tag: `sha256-${"ab".repeat(32)}.sig`,
        reason: "DigestTag",
        message: "is named after a digest and belongs to another image"
      })
    })
  )

  it.live("tags reports each mistake in one line with the argument, the value and the remedy", () =>
    Effect.gen(function* () {
      const rows: ReadonlyArray<readonly [args: ReadonlyArray<string>, ...lines: ReadonlyArray<string>]> = [
        [
          ["Quay.io/Argo", "2.x$", "--latest=0", "--include", "(?=a)"],
          'REPOSITORY: "Quay.io/Argo" has upper-case letters; a repository is lower case, such as quay.io/argo',
          'VERSION: "2.x$" is not a tag, pattern, range or digest; write a tag such as 1.27-alpine, a pattern such as v2.13.x, a range such as ^2.13.0, or a digest sha256:…',
          "--latest: 0 is too small; write 1 or more",
          `--include: "(?=a)" is not a regular expression (invalid or unsupported Perl syntax: \`(?=\`); write RE2's syntax, which has no lookahead and no backreferences`
        ],
        [
          ["quay.io/argo:v1", "latest", "--exclude", "a", "--at-least=2"],
          'REPOSITORY: "quay.io/argo:v1" has the tag v1; write only the repository here, and v1 as the version',
          "--exclude: refines a pattern or a range, and VERSION (latest) is neither; remove --exclude",
          "--at-least: refines a pattern or a range, and VERSION (latest) is neither; remove --at-least"
        ],
        [
          ["quay.io/argo", "--latest=2", "-n", "team-a"],
          "--latest: refines a pattern or a range; write one as VERSION, such as x.x.x",
          "--namespace: selects Images of --file; add --file, or remove the flag"
        ],
        [
          ["-f", "image.yaml", "argocd", "1.x", "--include=a", "--allow-candidate-release"],
          "--include: is a field of the Images in --file; remove --include",
          "--allow-candidate-release: is a field of the Images in --file; remove --allow-candidate-release",
          "VERSION: is a field of the Images in --file; remove VERSION"
        ]
      ]
      for (const [args, ...lines] of rows) {
        const { code, stderr, stdout } = yield* run(["tags", ...args])
        assert.strictEqual(stderr, lines.map((line) => `skopeo-operator: ${line}\n`).join(""))
        assert.strictEqual(stdout, "")
        assert.strictEqual(code, 2)
      }
    })
  )

  it.live("tags with -o json prints JSON only", () =>
    Effect.gen(function* () {
      const { registry } = yield* argocd
      const good = yield* run(["tags", `${registry.host}/argocd`, "v2.12.x", "--no-tls-verify", "-o", "json"])
      assert.deepStrictEqual(Schema.decodeSync(Document)(good.stdout).matched, ["v2.12.0"])
      assert.deepStrictEqual([good.code, good.stderr], [0, ""])
    })
  )

  it.live("tags with -o name prints the references of the tags that match, and nothing else", () =>
    Effect.gen(function* () {
      const { digests, registry, tags } = yield* argocd
      const name = `${registry.host}/argocd`
      const digest = digests.get("v2.13.1") ?? ""
      const rows: ReadonlyArray<
        readonly [args: ReadonlyArray<string>, code: number, references: ReadonlyArray<string>]
      > = [
        [["v2.13.x", "--latest=2"], 0, [`${name}:v2.13.2`, `${name}:v2.13.10`]],
        [["v2.13.1"], 0, [`${name}:v2.13.1`]],
        [[digest], 0, [`${name}@${digest}`]],
        [[`v2.13.1@${digest}`], 0, [`${name}:v2.13.1@${digest}`]],
        [["v3.x.x"], 1, []],
        [["v3"], 1, []]
      ]
      for (const [args, code, references] of rows) {
        const stdout = references.map((reference) => `${reference}\n`).join("")
        assert.deepStrictEqual(yield* tags(...args, "-oname"), { code, stdout, stderr: "" })
      }
      const all = yield* tags("-o", "name")
      assert.deepStrictEqual(
        all.stdout.trimEnd().split("\n").toSorted(),
        TAGS.map((tag) => `${name}:${tag}`).toSorted()
      )
    })
  )

  it.live("tags with -o yaml prints the document of -o json as YAML", () =>
    Effect.gen(function* () {
      const { registry, tags } = yield* argocd
      const path = yield* file(
        "image.yaml",
        `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: argocd }
spec:
  source: { name: ${registry.host}/argocd, version: v2.13.x }
  destination: { name: ${registry.host}/mirror }
`
      )
      for (const args of [["v2.13.x"], ["v2.13.1"], []]) {
        const [json, yaml] = [yield* tags(...args, "-ojson"), yield* tags(...args, "-oyaml")]
        assert.deepStrictEqual(parse(yaml.stdout), JSON.parse(json.stdout))
        assert.deepStrictEqual([yaml.code, yaml.stderr], [0, ""])
      }
      const ofFile = yield* run(["tags", "-f", path, "-oyaml"])
      assert.match(ofFile.stdout, /^images:\n {2}- image: default\/argocd\n/u)
    })
  )

  it.live("tags of a repository alone lists all tags, the newest first", () =>
    Effect.gen(function* () {
      const { registry, tags } = yield* argocd
      const image = registry.store.manifest("argocd", "latest")
      if (image === undefined) return assert.fail("the image was just pushed")
      for (const tag of ["2.13.2", "3f2a9c1", "20240115-build", `sha256-${"ab".repeat(32)}.sig`]) {
        registry.store.putManifest("argocd", tag, image.bytes, image.mediaType)
      }
      const expected = [
        "20240115-build",
        "v2.13.10",
        "2.13.2",
        "v2.13.2",
        "v2.13.2-amd64",
        "v2.13.2-rc1",
        "v2.13.1",
        "v2.12.0",
        "3f2a9c1",
        "latest",
        `sha256-${"ab".repeat(32)}.sig`
      ]
      assert.deepStrictEqual(yield* tags(), { code: 0, stdout: `${expected.join("\n")}\n`, stderr: "" })
      const json = yield* tags("-ojson")
      assert.deepStrictEqual(JSON.parse(json.stdout), { repository: `${registry.host}/argocd`, tags: expected })
    })
  )

  it.live("tags with --file takes the repository, the version and the rules from Images, on both sides", () =>
    Effect.gen(function* () {
      const { registry } = yield* argocd
      pushSampleImage(registry.store, "mirror", "v2.13.1", "v2.13.1")
      const manifest = (name: string, rest: string) => `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: ${name} }
spec:
  source: { name: ${registry.host}/argocd, version: ${rest} }
  destination: { name: ${registry.host}/mirror }
`
      const path = yield* file(
        "images.yaml",
        [manifest("argocd", `v2.13.x }\n  tags: { include: ["1", "2"]`), manifest("latest", "latest")].join("---\n")
      )
      const source = yield* run(["tags", "-f", path, "argocd"])
      assert.deepStrictEqual([source.code, source.stderr], [0, ""])
      assert.include(rowsOf(source.stdout), "v2.13.2|yes|matches v2.13.x")
      assert.include(
        rowsOf(source.stdout),
        "v2.13.2-rc1|no|is a candidate release; allowCandidateRelease: true selects candidates"
      )
      const destination = yield* run(["tags", "-f", path, "argocd", "--destination"])
      assert.strictEqual(destination.code, 0)
      assert.match(destination.stdout, /^1 of the 1 tags of .*\/mirror matches v2\.13\.x$/mu)
      const both = yield* run(["tags", "-f", path, "-o", "json", "--destination"])
      assert.strictEqual(both.code, 1, "the tag latest is not at the destination")
      assert.deepStrictEqual(JSON.parse(both.stdout), {
        images: [
          {
            image: "default/argocd",
            repository: `${registry.host}/mirror`,
            version: "v2.13.x",
            matched: ["v2.13.1"],
            notMatched: [],
            message: `1 of the 1 tags of ${registry.host}/mirror matches v2.13.x`
          },
          {
            image: "default/latest",
            repository: `${registry.host}/mirror`,
            version: "latest",
            message: `latest is not in ${registry.host}/mirror; correct spec.source.version or spec.destination.name, or write a pattern such as v1.x`
          }
        ]
      })
      const missing = yield* run(["tags", "-f", path, "argo"])
      assert.strictEqual(missing.stderr, `${path}: no selected Image has the name argo; did you mean argocd?\n`)
      assert.strictEqual(missing.code, 2)
    })
  )

  itOnSockets("tags ends with 1 and the cause if the registry fails", () =>
    Effect.gen(function* () {
      const { registry, tags } = yield* argocd
      const missing = yield* run(["tags", `${registry.host}/nope`, "1.x", "--no-tls-verify"])
      assert.strictEqual(missing.code, 1)
      assert.include(
        missing.stderr,
        `skopeo-operator: REPOSITORY: "${registry.host}/nope" does not exist or needs credentials; correct the name, or log in to the registry`
      )
      // The flag overrides the variable.
      const strict = yield* tags("1.x", "--tls-verify")
      assert.strictEqual(strict.code, 1)
      assert.match(
        strict.stderr,
        /^skopeo-operator: 127\.0\.0\.1:\d+\/argocd: .*; set --tls-verify=false if plain HTTP is intended/u
      )
      assert.strictEqual(strict.stdout, "")
    })
  )
})
