/** `copy` as users run it: its output, its errors, and its exit codes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { parse } from "yaml"
import { pushSampleImage, startRegistry } from "../../src/testing.ts"
import { run } from "../support/commandLine.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

const Document = Schema.Struct({
  action: Schema.Literals(["copied", "present"]),
  source: Schema.String,
  destination: Schema.String,
  digest: Schema.String,
  bytes: Schema.Int,
  bytesSent: Schema.Int,
  seconds: Schema.Finite
})

const world = Effect.gen(function* () {
  const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
  const digest = pushSampleImage(source.store, "app", "1.0", "seed")
  const copy = (...args: ReadonlyArray<string>) => run(["copy", ...args, "--tls-verify=false"])
  return { source, destination, digest, copy, from: `${source.host}/app`, to: `${destination.host}/mirror` }
})

describe("skopeo-operator copy", () => {
  itOnSockets("copy prints one line with the bytes, the digest and the time, and then that the image is there", () =>
    Effect.gen(function* () {
      const { copy, destination, digest, from, to } = yield* world
      const first = yield* copy(`${from}:1.0`, to)
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      assert.match(first.stdout, /^copied \d+\.\d kB to \S+ in \d+\.\d s\n$/u)
      assert.include(first.stdout, ` to ${to}:1.0@${digest} in `)
      assert.strictEqual(destination.store.manifest("mirror", "1.0")?.digest, digest)
      const second = yield* copy(`${from}:1.0`, to)
      assert.deepStrictEqual(second, { code: 0, stdout: `already there: ${to}:1.0@${digest}\n`, stderr: "" })
      const sibling = yield* copy(`${from}@${digest}`, `${to}:pinned`)
      assert.match(sibling.stdout, /^copied \d+\.\d kB \(\d+\.\d kB sent\) to /u)
    })
  )

  it.live("copy with -v logs each request in the words of sync", () =>
    Effect.gen(function* () {
      const { copy, destination, from, to } = yield* world
      const { stderr } = yield* copy(`${from}:1.0`, to, "-v")
      assert.include(
        stderr.split("\n"),
        `debug: request answered PUT /v2/mirror/manifests/1.0 at ${destination.host}: 201`
      )
      assert.match(stderr, /^(debug: request answered [A-Z]+ \/v2\/\S+ at \S+: \d{3}\n)+$/u)
    })
  )

  it.live("copy with -o json and -o yaml prints one document with the same fields", () =>
    Effect.gen(function* () {
      const { copy, digest, from, to } = yield* world
      const json = yield* copy(`${from}:1.0`, to, "-o", "json")
      const copied = Schema.decodeUnknownSync(Schema.fromJsonString(Document))(json.stdout)
      assert.deepInclude(copied, {
        action: "copied",
        source: `${from}:1.0@${digest}`,
        destination: `${to}:1.0@${digest}`,
        digest
      })
      const yaml = yield* copy(`${from}:1.0`, to, "-o", "yaml")
      assert.deepInclude(Schema.decodeUnknownSync(Document)(parse(yaml.stdout)), { action: "present", bytesSent: 0 })
      assert.deepStrictEqual([json.code, yaml.code], [0, 0])
    })
  )

  it.live("copy with --platform writes an index without the other platforms", () =>
    Effect.gen(function* () {
      const { copy, destination, digest, from, to } = yield* world
      const ended = yield* copy(`${from}:1.0`, to, "--platform", "linux/arm64", "--referrers")
      assert.strictEqual(ended.code, 0, ended.stderr)
      const manifest = destination.store.manifest("mirror", "1.0")
      assert.notStrictEqual(manifest?.digest, digest)
      assert.notInclude(manifest?.bytes.toString() ?? "", "amd64")
      const both = yield* copy(`${from}:1.0`, `${to}:both`, "--platform", "linux/arm64,linux/amd64")
      assert.strictEqual(both.code, 0, both.stderr)
      assert.match(destination.store.manifest("mirror", "both")?.bytes.toString() ?? "", /amd64.*arm64/u)
    })
  )

  itOnSockets("copy verifies the registry of each side unless the flag of the side or of both says otherwise", () =>
    Effect.gen(function* () {
      const { from, to } = yield* world
      const rows: ReadonlyArray<readonly [flags: ReadonlyArray<string>, failing: string | undefined]> = [
        [["--dest-tls-verify"], "/mirror: "],
        [["--tls-verify", "--dest-tls-verify=false"], "/app: "],
        [["--tls-verify=false", "--dest-tls-verify"], "/mirror: "],
        [["--tls-verify", "--src-tls-verify=false", "--dest-tls-verify=false"], undefined],
        // A registry on this machine may speak plain HTTP.
        [[], undefined]
      ]
      for (const [flags, failing] of rows) {
        const { code, stderr, stdout } = yield* run(["copy", `${from}:1.0`, to, ...flags])
        assert.strictEqual(code, failing === undefined ? 0 : 1, stderr)
        if (failing === undefined) continue
        assert.include(stderr, failing)
        assert.strictEqual(stdout, "")
      }
    })
  )

  it.live("copy ends with 2 and one line for an argument that is not valid, and with 1 for a tag that is missing", () =>
    Effect.gen(function* () {
      const { copy, from, to } = yield* world
      const rows: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, said: string]> = [
        [["Quay.io/App", to], 2, 'SOURCE: "Quay.io/App" has upper-case letters'],
        [[from, `docker://${to}`], 2, `DESTINATION: "docker://${to}" starts with docker://`],
        [[from, "localhost:5000"], 2, 'DESTINATION: "localhost:5000" names a registry without a repository'],
        [[from, to, "--platform=linux/amd64,"], 2, '--platform: "" is not a platform'],
        [[from, to, "--platform=amd64"], 2, '--platform: "amd64" is not a platform'],
        [
          [from, to, "--platform=linux/x86_64"],
          2,
          '--platform: "linux/x86_64" has the architecture x86_64, which images call amd64; write linux/amd64'
        ],
        [[`${from}:9`, to], 1, `${from}: has no tag 9`]
      ]
      for (const [args, code, said] of rows) {
        const ended = yield* copy(...args)
        assert.strictEqual(ended.stdout, "")
        assert.include(ended.stderr, said)
        assert.lengthOf(ended.stderr.trimEnd().split("\n"), 1)
        assert.strictEqual(ended.code, code)
      }
    })
  )
})
