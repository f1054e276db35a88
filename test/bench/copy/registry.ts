/** A real registry on loopback: a process with its own storage and an access log of all requests. */
import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Schedule, type Scope } from "effect"
import { HttpClient } from "effect/http"
import type { RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import { BenchFailed, temporaryDirectory } from "./measure.ts"
import { freePort } from "../../support/freePort.ts"

export interface Traffic {
  readonly requests: number
  /** The bytes of read blobs. */
  readonly blobBytes: number
}

export interface BenchRegistry {
  readonly host: string
  readonly access: (path: string) => RepositoryAccess
  /** The lines of the access log since the last call. */
  readonly newLines: Effect.Effect<ReadonlyArray<string>, BenchFailed>
}

const REQUEST = /"(?<method>[A-Z]+) (?<path>\S+) HTTP\/[0-9.]+" [0-9]{3} (?<bytes>[0-9]+)/u

/** The traffic in lines of an access log, of all repositories or of one. */
export const trafficOf = (lines: ReadonlyArray<string>, repository?: string): Traffic => {
  const start = repository === undefined ? "/v2/" : `/v2/${repository}/`
  const requests = lines.flatMap((line) => {
    const { bytes = "0", method, path = "" } = REQUEST.exec(line)?.groups ?? {}
    return method !== undefined && path.startsWith(start) ? [{ method, path, bytes: Number(bytes) }] : []
  })
  return {
    requests: requests.length,
    blobBytes: requests
      .filter(({ method, path }) => method === "GET" && path.includes("/blobs/"))
      .reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

export const startRegistry = Effect.fnUntraced(function* (
  program: string
): Effect.fn.Return<BenchRegistry, BenchFailed, Scope.Scope | HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  const directory = yield* temporaryDirectory
  const host = `127.0.0.1:${yield* freePort}`
  const [config, log] = [join(directory, "config.json"), join(directory, "log")]
  const settings = {
    version: 0.1,
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(directory, "data") } },
    http: { addr: host }
  }
  writeFileSync(config, JSON.stringify(settings))
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const output = openSync(log, "a")
      const child = spawn(program, ["serve", config], {
        stdio: ["ignore", output, output],
        env: { ...process.env, OTEL_TRACES_EXPORTER: "none" }
      })
      closeSync(output)
      return child
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || !child.kill("SIGKILL")) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
      })
  )
  yield* client.get(`http://${host}/v2/`).pipe(
    Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 500 }),
    Effect.mapError(() => new BenchFailed({ detail: `${program} does not answer:\n${readFileSync(log, "utf8")}` }))
  )

  let read = 0
  let marks = 0
  /** A request is logged after its answer. A last request of the bench shows that all earlier requests are logged. */
  const newLines = Effect.gen(function* () {
    marks += 1
    const mark = `/v2/?mark=${marks}`
    yield* Effect.ignore(client.get(`http://${host}${mark}`))
    const unread = Effect.sync(() => readFileSync(log, "utf8").slice(read))
    yield* unread.pipe(
      Effect.filterOrFail(
        (text) => text.includes(`GET ${mark} `),
        () => new BenchFailed({ detail: `${program} writes no access log` })
      ),
      Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 200 })
    )
    // A client may have the whole answer before its line is written.
    const text = yield* Effect.delay(unread, "50 millis")
    read += text.length
    return text.split("\n").filter((line) => !line.includes("/v2/?mark="))
  })
  yield* newLines
  return {
    host,
    access: (path) => ({ repository: { registry: host, path }, tlsVerify: false, credential: Option.none() }),
    newLines
  }
})
