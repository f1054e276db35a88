/** The flags of `sync --watch`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { parseAddress } from "../../../src/cli/watch/watchFlags.ts"
import { file, run } from "../../support/commandLine.ts"
import { scripted } from "../../support/ScriptedServer.ts"

const IMAGE = `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec: { source: { name: source.test/app, version: "1" }, destination: { name: dest.test/app }, suspend: true }
`

describe("an address to listen on", () => {
  for (const [text, address] of [
    [":8080", { port: 8_080 }],
    ["127.0.0.1:8080", { host: "127.0.0.1", port: 8_080 }],
    ["localhost:1", { host: "localhost", port: 1 }],
    ["[::1]:65535", { host: "::1", port: 65_535 }]
  ] as const) {
    it(`${text} is an address`, () => assert.deepStrictEqual(Result.getOrThrow(parseAddress(text)), address))
  }
  for (const text of ["", "8080", ":0", ":65536", "::1:80", "http://a:80", "a b:80", ":-1", "[a:80"]) {
    it(`${JSON.stringify(text)} is no address`, () => assert.isTrue(Result.isFailure(parseAddress(text))))
  }
})

describe("the flags of sync --watch", () => {
  for (const [args, message] of [
    [["--state-dir", "/tmp/x"], "--state-dir: works with --watch only; add --watch, or leave the flag out"],
    [["--metrics-address", ":1"], "--metrics-address: works with --watch only; add --watch, or leave the flag out"],
    [["--watch", "-f", "-"], "--file: with --watch standard input cannot be read again; name a file"],
    [["--watch", "-o", "json"], "--output: with --watch there is no result to print; leave the flag out"],
    [
      ["--watch", "--wait-for-rate-limit"],
      "--wait-for-rate-limit: --watch always waits for rate limits; leave the flag out"
    ],
    [
      ["--watch", "--health-address", "8080"],
      '--health-address: "8080" is no address; write HOST:PORT such as 127.0.0.1:8080, or :8080 for all addresses'
    ]
  ] as const) {
    it.live(`sync ${args.join(" ")} is a mistake in the usage, which has two lines`, () =>
      Effect.gen(function* () {
        const images = yield* file("images.yaml", IMAGE)
        const stderr = `error: ${message}\nSee 'skopeo-operator sync --help'\n`
        assert.deepStrictEqual(yield* run(["sync", "-f", images, ...args]), { code: 2, stdout: "", stderr })
      })
    )
  }

  it.live("sync --watch needs a directory for its state", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", IMAGE)
      const { code, stderr, stdout } = yield* run(["sync", "-f", images, "--watch"])
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.include(
        stderr,
        "--state-dir: neither $XDG_STATE_HOME nor $HOME names a directory; name one with --state-dir"
      )
    })
  )

  it.live("a directory that cannot be made is a mistake in the usage", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", IMAGE)
      const { code, stderr } = yield* run(["sync", "-f", images, "--watch", "--state-dir", `${images}/state`])
      assert.strictEqual(code, 2)
      assert.include(stderr, `--state-dir: ${images}/state cannot be written (`)
      assert.include(stderr, "name a directory that this user may write")
    })
  )

  it.live("an address where another program listens is named, and ends the command with 1", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", IMAGE)
      const { host } = yield* scripted((_, response) => response.end())
      const watch = ["sync", "-f", images, "--watch", "--state-dir", `${images}.state`]
      const { code, stderr } = yield* run([...watch, "--metrics-address", host])
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        new RegExp(`--metrics-address: cannot listen at ${host} \\(.*EADDRINUSE.*\\); name another address`, "u")
      )
    })
  )

  it.live("a mistake in a file ends sync --watch at its start", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", IMAGE.replace("suspend", "suspnd"))
      const { code, stderr } = yield* run(["sync", "-f", images, "--watch", "--state-dir", `${images}.state`])
      assert.strictEqual(code, 2)
      assert.match(stderr, /images\.yaml:4:[0-9]+: spec\.suspnd: .* did you mean suspend\?/u)
    })
  )
})
