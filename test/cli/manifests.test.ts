/** How `sync` reads files: everything is checked before anything is copied, and each mistake has its place. */
import { spawnSync } from "node:child_process"
import { mkdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SyncResult } from "../../src/cli/SyncResult.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { directory, file, run } from "../support/commandLine.ts"
import { ENVIRONMENT, main, PROCESS_TIMEOUT } from "../support/commandProcess.ts"

const HEADER = "apiVersion: skopeo.io/v1alpha1\nkind: Image\n"

/** An Image that no registry is asked for, because another manifest of the command is invalid. */
const unused = (name: string, rest = ""): string =>
  `${HEADER}metadata: { name: ${name} }
spec:
  source: { name: source.test/${name}, version: 1.0.0 }
  destination: { name: destination.test/${name} }
${rest}`

const linesOf = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

/** Two registries. The source has the tag 1.0.0 of the repositories a, b and c. */
const registries = Effect.gen(function* () {
  const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
  for (const name of ["a", "b", "c"]) pushSampleImage(source.store, name, "1.0.0", name)
  const image = (name: string, metadata = `name: ${name}`, repository = name): string =>
    `${HEADER}metadata: { ${metadata} }
spec:
  source: { name: ${source.host}/${repository}, version: 1.0.0, tlsVerify: false }
  destination: { name: ${destination.host}/${name}, tlsVerify: false }
`
  const copied = () => ["a", "b", "c"].filter((name) => destination.store.manifest(name, "1.0.0") !== undefined)
  return { destination, image, copied }
})

describe("the mistakes of files", () => {
  it.live("all mistakes of all files are reported at once with line and column, and nothing is copied", () =>
    Effect.gen(function* () {
      const { destination, image } = yield* registries
      const good = yield* file("good.yaml", image("a"))
      const bad = yield* file(
        "bad.yaml",
        `${HEADER}metadata:
  labels: { team: a }
spec:
  frequncy: 1day
  source:
    name: https://quay.io/a
    version: 3.10
  tags:
    include: ["^(v2"]
  destination:
    name: x.test/argocd:v2
---
${unused("mode", "  mode: Reccurrent")}`
      )
      const { code, stderr, stdout } = yield* run(["sync", "-f", good, "-f", "/no/such.yaml", "-f", bad])
      assert.deepStrictEqual(linesOf(stderr), [
        "/no/such.yaml: does not exist",
        `${bad}:3:1: metadata.name: is missing; it is required`,
        `${bad}:6:3: spec.frequncy: "1day" is not a field of an Image; did you mean frequency?`,
        `${bad}:8:5: spec.source.name: "https://quay.io/a" starts with https://; remove https://, because a name starts with its registry`,
        `${bad}:9:5: spec.source.version: 3.10 is a number in YAML and not a text; write version: "3.10"`,
        `${bad}:11:15: spec.tags.include[0]: "^(v2" is not a regular expression (missing closing ): \`^(v2\`); write RE2's syntax, which has no lookahead and no backreferences`,
        `${bad}:13:5: spec.destination.name: "x.test/argocd:v2" has the tag v2; write only the repository here, and v2 as the version`,
        `${bad}:21:3: spec.mode: "Reccurrent" must be one of OneShot, Recurrent, OnceByTag; did you mean Recurrent?`
      ])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.lengthOf(destination.requests, 0)
    })
  )

  it.live("with --output json the problems are objects in a document without Images", () =>
    Effect.gen(function* () {
      const path = yield* file("image.yaml", unused("app", "  mode: Sometimes"))
      const { code, stdout } = yield* run(["sync", "-f", path, "-o", "json"])
      assert.strictEqual(code, 2)
      const message = '"Sometimes" must be one of OneShot, Recurrent, OnceByTag'
      const document = Schema.decodeUnknownSync(SyncResult)(JSON.parse(stdout))
      assert.deepStrictEqual(document.images, [])
      assert.deepStrictEqual(document.problems, [{ file: path, line: 7, column: 3, path: "spec.mode", message }])
    })
  )

  it.live("files with very many keys, anchors or aliases are refused within seconds", () =>
    Effect.gen(function* () {
      const repeated = (line: (index: number) => string) =>
        Array.from({ length: 11_000 }, (_, index) => line(index)).join("\n")
      const keys = yield* file(
        "keys.yaml",
        repeated((index) => `key${index}: x`)
      )
      const aliases = yield* file(
        "aliases.yaml",
        repeated((index) => `- &a${index} x\n- *a${index}`)
      )
      const { code, stderr } = yield* run(["sync", "-f", keys, "-f", aliases])
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(linesOf(stderr), [
        `${keys}: has maps with too many keys; split the file`,
        `${aliases}:1:1: has more than 10000 anchors and aliases; write the values instead of the aliases`
      ])
    })
  )

  it.live("a document that refers to itself is a mistake in one line", () =>
    Effect.gen(function* () {
      const header = `${HEADER}metadata: { name: x }`
      const images = yield* file(
        "images.yaml",
        [
          `${header}\nspec: &s { source: { name: a/b, version: "1" }, destination: *s }`,
          `${header}\nspec: { source: &t { name: [ { again: *t } ] } }`,
          "&all { kind: Image, spec: *all }"
        ].join("\n---\n")
      )
      const { code, stderr } = yield* run(["sync", "-f", images])
      assert.strictEqual(code, 2)
      const why = (anchor: string) =>
        `refers to itself: the alias *${anchor} stands within its own anchor &${anchor}; write the value instead of the alias`
      assert.deepStrictEqual(linesOf(stderr), [
        `${images}:1:1: ${why("s")}`,
        `${images}:6:1: ${why("t")}`,
        `${images}:11:6: ${why("all")}`
      ])
    })
  )

  it.live.each<readonly [what: string, text: string | Uint8Array, said: string | RegExp]>([
    ["is not YAML", "kind: Image\nspec: [\n", ":3:1: is not valid YAML: "],
    [
      "is indented by tabs",
      "kind: Image\nspec:\n\tsource: x\n",
      ":3:1: is not valid YAML: Tabs are not allowed as indentation; write spaces\n"
    ],
    [
      "has a key twice",
      "kind: Image\nkind: Image\n",
      ":2:1: is not valid YAML: Map keys must be unique; write each key once\n"
    ],
    ...["version: >=1.2.0 <2.0.0", "- >=1.2.0", "version: *", "{ version: >1 }", 'exclude: ["^3\\."]'].map(
      (text) =>
        [
          `needs quotes: ${text}`,
          `spec:\n  ${text}\n`,
          /^:2:\d+: is not valid YAML: .*; write the value in single quotes\n$/u
        ] as const
    ),
    [
      "has a pattern that begins with a star",
      "spec:\n  version: *.x\n",
      ":2:12: has no anchor &.x for the alias *.x; write a text that begins with * in single quotes\n"
    ],
    ["is empty", "# nothing\n", ": has no Image; add one, or remove --file"],
    [
      "has a text",
      "hello world",
      ":1:1: is not a Kubernetes object; write apiVersion: skopeo.io/v1alpha1 and kind: Image"
    ],
    ["is not UTF-8", new Uint8Array([0x6b, 0xff, 0xfe]), ": is not valid UTF-8; save the file as UTF-8"],
    ["is too large", new Uint8Array(8 * 1_048_576 + 1).fill(0x20), ": has more than 8 MiB; split the file"],
    [
      "has another version of Image",
      "apiVersion: skopeo.io/v1\nkind: Image",
      ':2:1: kind: "skopeo.io/v1 Image" is not an Image'
    ],
    [
      "has a misspelt kind",
      "apiVersion: skopeo.io/v1alpha1\nkind: image",
      ':2:1: kind: "skopeo.io/v1alpha1 image" is not an Image'
    ],
    [
      "has a misspelt group",
      "apiVersion: scopeo.io/v1alpha1\nkind: Image",
      ':2:1: kind: "scopeo.io/v1alpha1 Image" is not an Image'
    ],
    [
      "has a Boolean as version",
      `${HEADER}metadata: { name: a }\nspec:\n  source: { name: a.test/a, version: true }\n  destination: { name: b.test/a }`,
      ':5:29: spec.source.version: true is true or false in YAML and not a text; write version: "true"'
    ]
  ])("sync says of a file that it %s", ([, text, said]) =>
    Effect.gen(function* () {
      const path = join(yield* directory({ "images.yaml": text }), "images.yaml")
      const { code, stderr } = yield* run(["sync", "-f", path])
      assert.isTrue(stderr.startsWith(path), stderr)
      const remark = stderr.slice(path.length)
      if (typeof said === "string") assert.isTrue(remark.startsWith(said), stderr)
      else assert.match(remark, said)
      assert.strictEqual(code, 2)
    })
  )

  it.live("files that are too large together are one mistake, which names the limit of all files", () =>
    Effect.gen(function* () {
      const text = new Uint8Array(8 * 1_048_576).fill(0x20)
      const names = Array.from({ length: 10 }, (_, index) => `${index}.yaml`)
      const path = yield* directory(Object.fromEntries(names.map((name) => [name, text])))
      const { code, stderr } = yield* run(["sync", "-f", path])
      assert.strictEqual(code, 2)
      assert.include(stderr, `${path}: has more than 64 MiB in all files; name fewer files`)
      assert.notInclude(stderr, "split the file")
    })
  )

  it.live("a file with very many mistakes has a bounded report", () =>
    Effect.gen(function* () {
      const path = yield* file("images.yaml", "---\nx\n".repeat(1_500))
      const { code, stderr } = yield* run(["sync", "-f", path])
      assert.strictEqual(code, 2)
      assert.lengthOf(linesOf(stderr), 1_001)
      assert.strictEqual(linesOf(stderr).at(-1), `${path}: 500 more mistakes in the files`)
    })
  )

  it.live(
    "two different Images of one name are a mistake, and an identical Image that is given twice counts once",
    () =>
      Effect.gen(function* () {
        const { copied, image } = yield* registries
        const path = yield* directory({ "a.yaml": image("a"), "again.yml": image("a"), "b.json": '{"kind":"none"}' })
        const [first, again] = [join(path, "a.yaml"), join(path, "again.yml")]
        const twice = yield* run(["sync", "-f", first, "-f", again, "-f", first])
        assert.strictEqual(twice.code, 0, twice.stderr)
        assert.lengthOf(twice.stdout.match(/^a /gmu) ?? [], 1)
        assert.deepStrictEqual(copied(), ["a"])
        const other = yield* file("other.yaml", image("a", "name: a", "b"))
        const { code, stderr } = yield* run(["sync", "-f", first, "-f", other])
        assert.deepStrictEqual(linesOf(stderr), [
          `${other}:1:1: metadata.name: the Image default/a is also at ${first}:1, with other fields; rename one of the two`
        ])
        assert.strictEqual(code, 2)
      })
  )
})

describe("the files of a command line", () => {
  it.live("a directory gives its YAML and JSON files, a List its items, and other kinds are skipped with a note", () =>
    Effect.gen(function* () {
      const { copied, image } = yield* registries
      const path = yield* directory({
        "1.yaml": `apiVersion: v1\nkind: Namespace\nmetadata: { name: x }\n---\n${image("a")}`,
        "2.json": JSON.stringify({ apiVersion: "v1", kind: "List", items: [] }),
        "3.yml": `apiVersion: v1\nkind: List\nitems:\n- ${image("b").replaceAll("\n", "\n  ")}\n- { apiVersion: v1, kind: Secret }`,
        "deep/c.yaml": image("c"),
        "README.md": "not read"
      })
      const flat = yield* run(["sync", "-f", path])
      assert.strictEqual(flat.code, 0, flat.stderr)
      assert.include(flat.stderr, `${path}/1.yaml:1:1: skipped v1 Namespace, which is not an Image\n`)
      assert.include(flat.stderr, `${path}/3.yml:11:3: skipped v1 Secret, which is not an Image\n`)
      assert.deepStrictEqual(copied(), ["a", "b"])
      mkdirSync(join(path, "deep", "deeper"))
      symlinkSync(path, join(path, "deep", "deeper", "up"))
      assert.strictEqual((yield* run(["sync", "-R", "-f", path])).code, 0)
      assert.deepStrictEqual(copied(), ["a", "b", "c"])
    })
  )

  it.live("a file without an end is a mistake", () =>
    Effect.gen(function* () {
      const stderr = "/dev/zero: has more than 8 MiB; split the file\n"
      assert.deepStrictEqual(yield* run(["plan", "-f", "/dev/zero"]), { code: 2, stdout: "", stderr })
    })
  )

  it.live("a directory without files for Images is a mistake that names the flag -R", () =>
    Effect.gen(function* () {
      const path = yield* directory({ "deep/a.yaml": unused("a"), "notes.txt": "" })
      const { code, stderr } = yield* run(["sync", "-f", path])
      assert.strictEqual(stderr, `${path}: has no file *.yaml, *.yml or *.json; add -R to read the directories in it\n`)
      assert.strictEqual(code, 2)
    })
  )

  it.live("the file - is standard input", () =>
    Effect.gen(function* () {
      const { copied, image } = yield* registries
      const { code, stderr } = yield* run(["sync", "-f", "-"], {}, image("a"))
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(copied(), ["a"])
      const bad = yield* run(["sync", "-f", "-"], {}, unused("x", "  mode: no"))
      assert.match(bad.stderr, /^stdin:7:3: spec\.mode: "no" must be one of/u)
    })
  )

  it.live(
    "a pipe is read although it has no positions",
    () =>
      Effect.gen(function* () {
        const path = yield* file("images.yaml", unused("app", "  mode: no"))
        const command = `cat "${path}" | "${process.execPath}" "${main}" sync -f /dev/stdin`
        const { status, stderr } = spawnSync("sh", ["-c", command], { env: ENVIRONMENT, encoding: "utf8" })
        assert.match(stderr, /^\/dev\/stdin:7:3: spec\.mode: "no" must be one of/u)
        assert.strictEqual(status, 2)
      }),
    PROCESS_TIMEOUT
  )
})

describe("the selection of Images", () => {
  it.live.each<readonly [args: string, names: ReadonlyArray<string>]>([
    ["", ["a", "b", "c"]],
    ["a c", ["a", "c"]],
    ["team-b/b", ["b"]],
    ["-n team-b", ["a", "b"]],
    ["-l tier=web,!old", ["a"]],
    ["-n team-b -l tier b", ["b"]]
  ])("sync copies only the selected Images: %s", ([args, names]) =>
    Effect.gen(function* () {
      const { copied, image } = yield* registries
      const path = yield* directory({
        "a.yaml": image("a", "name: a, labels: { tier: web }"),
        "b.yaml": image("b", 'name: b, namespace: team-b, labels: { tier: web, old: "1" }'),
        "c.yaml": image("c", "name: c, namespace: team-c")
      })
      const { code, stderr } = yield* run(["sync", "-f", path, ...args.split(" ").filter((arg) => arg !== "")])
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(copied(), names)
    })
  )

  it.live("a selection that leaves out the only Image says that the Image does not match", () =>
    Effect.gen(function* () {
      const path = yield* directory({ "a.yaml": unused("nginx") })
      const { code, stderr, stdout } = yield* run(["sync", "-f", path, "-l", "tier=web"])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.include(stderr, ": the only Image of the files does not match --selector tier=web; correct the selection")
    })
  )

  it.live.each<readonly [args: string, said: string]>([
    ["nginy", "no selected Image has the name nginy; did you mean nginx?"],
    ["postgres", "no selected Image has the name postgres; the files have nginx, redis"],
    [
      "-n x -l tier=web nginx",
      "the Image nginx does not match --namespace x and --selector tier=web; correct the selection"
    ],
    [
      "-n nowhere -l tier=web",
      "none of the 2 Images of the files matches --namespace nowhere and --selector tier=web; correct the selection"
    ]
  ])("a selection without an Image is a mistake: %s", ([args, said]) =>
    Effect.gen(function* () {
      const path = yield* directory({
        "a.yaml": unused("nginx").replace("name: nginx", "name: nginx, namespace: x"),
        "b.yaml": unused("redis").replace("name: redis", "name: redis, namespace: x")
      })
      const { code, stderr } = yield* run(["sync", "-f", path, ...args.split(" ")])
      assert.strictEqual(stderr, `${path}: ${said}\n`)
      assert.strictEqual(code, 2)
    })
  )
})
