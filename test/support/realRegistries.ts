/** Real registries as processes, and programs that run against them. */
import { assert } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Redacted, type Scope } from "effect"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"
import type { Credential } from "../../src/registry/RegistryClient.ts"
import type { TokenServer } from "./TokenServer.ts"

const root = new URL("../../", import.meta.url).pathname

/** A directory that is deleted with the scope. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-registries-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

interface Ended {
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end. HOME is empty, so that no configuration of this machine's user matters. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  home: string,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(program, args, { env: { PATH: process.env["PATH"], HOME: home, ...env }, cwd: root })
    let output = ""
    const add = (text: Buffer) => {
      output += text.toString()
    }
    child.stdout.on("data", add)
    child.stderr.on("data", add)
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

export const succeeds = (
  program: string,
  args: ReadonlyArray<string>,
  home: string,
  env?: Readonly<Record<string, string>>
) =>
  Effect.tap(run(program, args, home, env), ({ code, output }) =>
    Effect.sync(() => assert.strictEqual(code, 0, `${program} ${args.join(" ")}\n${output}`))
  )

/** The login of the one user of a registry with a password. */
export const PASSWORD = "hunter2-destination"
/** bcrypt of {@link PASSWORD}, cost 4. */
const HTPASSWD = "robot:$2b$04$3J03PY6.1q2Y4SRORoT1.uLIXpgtTFXNQIUJiaFm2wp/Nmq5SFHCq\n"
export const ROBOT: Credential = { username: "robot", password: Redacted.make(PASSWORD) }

export interface RealRegistry {
  readonly host: string
  /** The requests in the access log so far. */
  readonly requests: () => ReadonlyArray<string>
}

const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGTERM")
  })

export interface RealRegistryOptions {
  /** The authentication: {@link ROBOT} with Basic, or the tokens of a server. Default: none. */
  readonly auth?: "password" | TokenServer
  /** The registry's TLS certificate. Default: plain HTTP. */
  readonly tls?: KeyedCertificate
  /** The address to listen on. Default: the loopback. */
  readonly address?: string
  /** More sections of the registry's configuration. */
  readonly config?: object
}

/** A `docker-registry` (2.8) or `registry` (3) process on a port that the process chooses and logs. */
export const startReal = Effect.fnUntraced(function* (
  program: string,
  { address = "127.0.0.1", auth, config: further = {}, tls }: RealRegistryOptions = {}
): Effect.fn.Return<RealRegistry, never, Scope.Scope> {
  const home = yield* directory
  const write = (name: string, text: string): string => {
    writeFileSync(join(home, name), text)
    return join(home, name)
  }
  const authOf = (from: RealRegistryOptions["auth"]) => {
    if (from === undefined) return {}
    if (from === "password") return { auth: { htpasswd: { realm: "test", path: write("htpasswd", HTPASSWD) } } }
    const { authority, issuer, realm, service } = from
    return { auth: { token: { realm, service, issuer, rootcertbundle: write("tokens.pem", authority) } } }
  }
  const config = {
    version: 0.1,
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(home, "data") } },
    http: {
      addr: `${address}:0`,
      ...(tls === undefined
        ? {}
        : { tls: { certificate: write("registry.pem", tls.certificate), key: write("registry.key", tls.key) } })
    },
    ...authOf(auth),
    ...further
  }
  // YAML includes JSON.
  writeFileSync(join(home, "config.yml"), JSON.stringify(config))
  let log = ""
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(program, ["serve", join(home, "config.yml")], {
        env: { PATH: process.env["PATH"], HOME: home, OTEL_TRACES_EXPORTER: "none" },
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    ended
  )
  const host = yield* Effect.callback<string>((resume) => {
    const read = (text: Buffer) => {
      log += text.toString()
      const port = /listening on [0-9.]+:([0-9]+)/u.exec(log)?.[1]
      if (port !== undefined) resume(Effect.succeed(`${address}:${port}`))
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.on("exit", () => resume(Effect.die(new Error(`${program} has ended:\n${log}`))))
  })
  return {
    host,
    requests: () =>
      [...log.matchAll(/"((?:GET|HEAD|PUT|POST|PATCH|DELETE) \/v2\/[^" ]*) HTTP\//gu)].map(([, line]) => line ?? "")
  }
})
