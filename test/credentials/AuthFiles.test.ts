/** Credentials in real files, and helpers in real processes. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { Effect, Fiber, Option, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as AuthFiles from "../../src/credentials/AuthFiles.ts"
import { CONFIGURED } from "../../src/domain/Credential.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")
const auths = (...registries: ReadonlyArray<string>) => ({
  auths: Object.fromEntries(registries.map((registry) => [registry, { auth: base64(`me:secret of ${registry}`) }]))
})

/** A temporary folder, which is first on PATH during the test. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "skopeo-operator-"))
    const before = process.env["PATH"] ?? ""
    process.env["PATH"] = `${path}${delimiter}${before}`
    return { path, before }
  }),
  ({ before, path }) =>
    Effect.sync(() => {
      process.env["PATH"] = before
      rmSync(path, { recursive: true, force: true })
    })
)

interface World {
  readonly write: (name: string, content: unknown) => string
  /** Installs a helper, which is a script with the requested server in `$server`. */
  readonly helper: (name: string, script: string) => void
  /** The servers for which a helper was asked, in order. */
  readonly asked: () => ReadonlyArray<string>
  readonly path: string
}

const world = Effect.map(folder, ({ path }): World => ({
  path,
  write: (name, content) => {
    writeFileSync(join(path, name), typeof content === "string" ? content : JSON.stringify(content))
    return join(path, name)
  },
  helper: (name, script) => {
    const file = join(path, `docker-credential-${name}`)
    writeFileSync(
      file,
      `#!/bin/sh\nread -r server\n[ "$1" = get ] || exit 9\necho "$server" >>${path}/asked\n${script}\n`
    )
    chmodSync(file, 0o755)
  },
  asked: () => (existsSync(join(path, "asked")) ? readFileSync(join(path, "asked"), "utf8").trim().split("\n") : [])
}))

/** Finds the credential of a name such as `quay.io/team/app` in files. */
const finder = Effect.fnUntraced(function* (files: ReadonlyArray<AuthFiles.AuthFile>) {
  const source = yield* AuthFiles.make(files, "Operator")
  return (name: string) => {
    const [registry = "", ...rest] = name.split("/")
    return Effect.map(
      source({
        side: "source",
        repository: { registry, path: rest.join("/") },
        namespace: "team",
        choice: CONFIGURED
      }),
      Option.match({
        onNone: () => "",
        onSome: ({ credential: { identityToken, password, username } }) =>
          [username, Redacted.value(password), identityToken === undefined ? "" : Redacted.value(identityToken)]
            .join(" ")
            .trim()
      })
    )
  }
})

const find = (config: unknown, name: string) =>
  Effect.gen(function* () {
    const { write } = yield* world
    const file = { path: write("config.json", config), variable: "REGISTRY_AUTH_FILE" }
    return yield* (yield* finder([file]))(name)
  })

const live = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>) =>
  Effect.provide(effect, NodeServices.layer)

describe("files with credentials", () => {
  it.live("files are read in order, and files without a variable may be missing", () =>
    live(
      Effect.gen(function* () {
        const { path, write } = yield* world
        const found = yield* finder([
          { path: join(path, "missing.json") },
          { path: join(path, "no", "folder", "auth.json") },
          { path: write("auth.json", auths("a.test", "b.test/team")) },
          { path: write("config.json", { auths: { "b.test": { username: "other", password: "x" } } }) }
        ])
        assert.strictEqual(yield* found("a.test/app"), "me secret of a.test")
        assert.strictEqual(yield* found("b.test/team/app"), "me secret of b.test/team")
        assert.strictEqual(yield* found("b.test/app"), "other x")
        assert.strictEqual(yield* found("c.test/app"), "")
      })
    )
  )

  it.live("a missing file with a variable is an error that names the variable", () =>
    live(
      Effect.gen(function* () {
        const { path } = yield* world
        const found = yield* finder([{ path: join(path, "auth.json"), variable: "REGISTRY_AUTH_FILE" }])
        const error = yield* Effect.flip(found("a.test/app"))
        assert.strictEqual(error.message, `REGISTRY_AUTH_FILE: "${path}/auth.json" cannot be read (NotFound)`)
        assert.deepStrictEqual([error.reason, error.stalled], ["AuthFileInvalid", false])
      })
    )
  )

  it.live.each<readonly [what: string, content: unknown, message: RegExp]>([
    ["no JSON", "hunter2", /" is no Docker configuration; it is JSON such as /u],
    [
      "an entry that is broken",
      { auths: { "a.test": { auth: base64("hunter2") } } },
      /" has for a\.test an auth that/u
    ],
    ["more than a file of credentials has", `{"x":"${"x".repeat(1_100_000)}"}`, /" is no Docker configuration/u]
  ])("a file that holds %s is an error without any text of the file", ([, content, message]) =>
    live(
      Effect.gen(function* () {
        const error = yield* Effect.flip(find(content, "a.test/app"))
        assert.match(error.message, message)
        assert.notInclude(error.message, "hunter2")
      })
    )
  )

  it.effect("a file is read again, so that a login is seen within half a minute", () =>
    live(
      Effect.gen(function* () {
        const { write } = yield* world
        const found = yield* finder([{ path: write("auth.json", auths("a.test")) }])
        assert.strictEqual(yield* found("b.test/app"), "")
        write("auth.json", auths("a.test", "b.test"))
        yield* TestClock.adjust("31 seconds")
        assert.strictEqual(yield* found("b.test/app"), "me secret of b.test")
      })
    )
  )
})

describe("credential helpers", () => {
  const answer = (user: string, secret: string) =>
    `printf '{"ServerURL":"%s","Username":"${user}","Secret":"${secret}"}' "$server"`

  it.live("a helper gets the registry on standard input, and the registry's own helper wins over the store", () =>
    live(
      Effect.gen(function* () {
        const { asked, helper, write } = yield* world
        helper("one", answer("of-one", "s1"))
        helper("all", answer("of-all", "s2"))
        const found = yield* finder([
          {
            path: write("config.json", {
              auths: { "a.test": {}, "c.test": { auth: base64("me:in file") } },
              credHelpers: { "a.test": "one" },
              credsStore: "all"
            })
          }
        ])
        assert.strictEqual(yield* found("a.test/app"), "of-one s1")
        assert.strictEqual(yield* found("b.test:5000/app"), "of-all s2")
        assert.strictEqual(yield* found("c.test/app"), "me in file")
        assert.deepStrictEqual(asked(), ["a.test", "b.test:5000"])
        // Several Images share one answer.
        yield* found("a.test/other")
        assert.lengthOf(asked(), 2)
      })
    )
  )

  it.live("a helper is asked for Docker Hub by the names of configurations", () =>
    live(
      Effect.gen(function* () {
        const { asked, helper, write } = yield* world
        helper(
          "all",
          `[ "$server" = docker.io ] || { echo "credentials not found in native keychain"; exit 1; }\n${answer("me", "hub")}`
        )
        const found = yield* finder([{ path: write("config.json", { credsStore: "all" }) }])
        assert.strictEqual(yield* found("docker.io/library/nginx"), "me hub")
        assert.deepStrictEqual(asked(), ["https://index.docker.io/v1/", "docker.io"])
      })
    )
  )

  it.live.each<readonly [what: string, script: string, expected: string]>([
    ["an identity token", answer("<token>", "refresh"), "<token>  refresh"],
    ["that it has none", 'echo "credentials not found in native keychain"; exit 1', ""],
    ["empty texts", answer("", ""), ""],
    ["without having read its input", `exec <&-\n${answer("me", "s")}`, "me s"]
  ])("a helper may answer with %s", ([, script, expected]) =>
    live(
      Effect.gen(function* () {
        const { helper, write } = yield* world
        helper("all", script)
        const found = yield* finder([{ path: write("config.json", { credsStore: "all" }) }])
        assert.strictEqual(yield* found("a.test/app"), expected)
      })
    )
  )

  it.live.each<readonly [what: string, script: string, message: string]>([
    [
      "fails",
      'echo "pass not initialized"; echo hunter2 >&2; exit 3',
      "names docker-credential-bad, which failed for a.test with exit code 3: pass not initialized"
    ],
    [
      "fails with an answer",
      `${answer("me", "hunter2")}; exit 1`,
      "names docker-credential-bad, which failed for a.test with exit code 1"
    ],
    [
      "answers with no JSON",
      "echo hunter2",
      "names docker-credential-bad, whose answer for a.test is not the JSON of a credential"
    ],
    [
      "answers without end",
      "while :; do echo hunter2hunter2hunter2hunter2; done",
      "names docker-credential-bad, which answers with more than 65536 bytes"
    ]
  ])("a helper that %s is an error that names the helper", ([, script, message]) =>
    live(
      Effect.gen(function* () {
        const { helper, write } = yield* world
        helper("bad", script)
        const path = write("config.json", { credsStore: "bad" })
        const error = yield* Effect.flip((yield* finder([{ path }]))("a.test/app"))
        assert.strictEqual(error.message, `credentials: "${path}" ${message}`)
        assert.deepStrictEqual([error.reason, error.stalled], ["CredentialHelperFailed", false])
      })
    )
  )

  it.live("a missing helper is named", () =>
    live(
      Effect.gen(function* () {
        const error = yield* Effect.flip(find({ credHelpers: { "a.test": "no-such" } }, "a.test/app"))
        assert.include(error.message, "names docker-credential-no-such, which is not on PATH; install the program")
      })
    )
  )

  it.live("the name of a helper is not a path to another program", () =>
    live(
      Effect.gen(function* () {
        for (const name of ["../evil", "/bin/sh", "a b", "-x", "$(id)"]) {
          const error = yield* Effect.flip(find({ credsStore: name }, "a.test/app"))
          assert.include(error.message, "write only the NAME of docker-credential-NAME")
        }
      })
    )
  )

  it.effect("a helper that does not end is stopped", () =>
    live(
      Effect.gen(function* () {
        const { asked, helper, path, write } = yield* world
        helper("slow", `echo $$ >${path}/pid\nexec sleep 600`)
        const found = yield* finder([{ path: write("config.json", { credsStore: "slow" }) }])
        const fiber = yield* Effect.forkChild(Effect.flip(found("a.test/app")))
        while (asked().length === 0 || !existsSync(join(path, "pid")))
          yield* Effect.promise(() => new Promise(setImmediate))
        yield* TestClock.adjust("30 seconds")
        const error = yield* Fiber.join(fiber)
        assert.include(error.message, "names docker-credential-slow, which did not answer for a.test within 30 seconds")
        const pid = Number(readFileSync(join(path, "pid"), "utf8"))
        assert.throws(() => process.kill(pid, 0))
      })
    )
  )
})
