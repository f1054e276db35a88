/**
 * `npm run bench [-- copy]`: what a copy costs, beside the peers that are on PATH, taking turns in one run. Needs
 * `registry` (distribution 3) on PATH; the peers are `skopeo`, `regctl` and `crane`. Every run copies to a repository of
 * its own. The last column is the median against the fastest of the others.
 */
import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Option, Schedule, Schema } from "effect"
import { HttpClient } from "effect/http"
import { ChildProcess } from "effect/process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { formatTable } from "../../src/cli/table.ts"
import { copyImage } from "../../src/copy/copyImage.ts"
import { KnownBlobs } from "../../src/copy/KnownBlobs.ts"
import type { RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/SampleImage.ts"
import { startRegistry } from "../support/EmbeddedRegistry.ts"

class BenchFailed extends Schema.TaggedError<BenchFailed>()("BenchFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const RUNS = 10
const LAYER = 21 * 1024 * 1024

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const run = (program: string, args: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const handle = yield* ChildProcess.make(program, args, {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        env: { HOME: home },
        extendEnv: true,
        forceKillAfter: "5 seconds"
      })
      const code = yield* handle.exitCode
      if (code !== 0) return yield* new BenchFailed({ detail: `${program} ${args.join(" ")} ended with ${code}` })
      return code
    })
  )

const onPath = (program: string) =>
  run(program, ["--help"]).pipe(
    Effect.map(() => true),
    Effect.orElseSucceed(() => false)
  )

/** A real registry on loopback, its storage gone with the scope. */
const realRegistry = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const port = yield* freePort
  const config = join(directory, "config.json")
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: "error", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, "data") } },
      http: { addr: `127.0.0.1:${port}` }
    })
  )
  yield* ChildProcess.make("registry", ["serve", config], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env: { OTEL_TRACES_EXPORTER: "none" },
    extendEnv: true,
    forceKillAfter: "5 seconds"
  })
  const client = yield* HttpClient.HttpClient
  yield* client
    .get(`http://127.0.0.1:${port}/v2/`)
    .pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100 }))
  return `127.0.0.1:${port}`
})

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2
}

const bench = Effect.gen(function* () {
  if (!(yield* onPath("registry"))) {
    return yield* new BenchFailed({ detail: "bench needs `registry` (distribution 3) on PATH" })
  }
  const seed = yield* startRegistry()
  const [source, destination] = yield* Effect.all([realRegistry, realRegistry])
  const client = yield* Effect.context<Effect.Services<ReturnType<typeof copyImage>>>()
  const copy = (options: Parameters<typeof copyImage>[0]) => Effect.provide(copyImage(options), client)
  // An image of its own for each round: Skopeo remembers where it has put a blob, and cold means that it cannot know.
  const digests = yield* Effect.forEach(Array.from({ length: RUNS + 1 }).keys(), (round) => {
    const digest = pushSampleImage(seed.store, "multi", String(round), `multi ${round}`, { layerSize: LAYER })
    const to = { destination: accessTo(source, "multi"), tag: String(round) }
    return Effect.as(copy({ source: accessTo(seed.host, "multi"), digest, ...to }), digest)
  })

  const tls = (registry: string) => ["--host", `reg=${registry},tls=disabled`]
  const contenders: Record<string, (target: string, round: number) => Effect.Effect<unknown, unknown>> = {}
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof run>>>()
  const peer = (program: string, args: (target: string, image: string) => ReadonlyArray<string>) =>
    Effect.gen(function* () {
      if (!(yield* onPath(program))) return yield* Console.log(`${program} is not on PATH and is left out`)
      contenders[program] = (target, round) =>
        Effect.provide(run(program, args(target, `${source}/multi:${round}`)), services)
    })
  contenders["skopeo-operator"] = (target, round) =>
    copy({
      source: accessTo(source, "multi"),
      digest: digests[round] ?? "",
      destination: accessTo(destination, target),
      tag: "1"
    })
  yield* peer("skopeo", (target, image) => [
    ...["copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"],
    ...[`docker://${image}`, `docker://${destination}/${target}:1`]
  ])
  yield* peer("regctl", (target, image) => [
    ...["image", "copy", ...tls(source), ...tls(destination)],
    ...[image, `${destination}/${target}:1`]
  ])
  yield* peer("crane", (target, image) => ["copy", "--insecure", image, `${destination}/${target}:1`])

  const seconds: Record<string, Array<number>> = {}
  for (let round = 0; round <= RUNS; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      const start = yield* Clock.currentTimeNanos
      yield* contender(`${name}/${round}`, round)
      const end = yield* Clock.currentTimeNanos
      // The first round warms up caches on every side.
      if (round > 0) (seconds[name] ??= []).push(Number(end - start) / 1e9)
    }
  }
  const medians = Object.entries(seconds).map(([name, values]) => ({ name, values, median: median(values) }))
  const rows = medians.map(({ name, values, median: own }) => {
    const others = medians.filter((other) => other.name !== name).map((other) => other.median)
    return [
      name,
      own.toFixed(3),
      Math.min(...values).toFixed(3),
      Math.max(...values).toFixed(3),
      others.length === 0 ? "-" : (own / Math.min(...others)).toFixed(2)
    ]
  })
  yield* Console.log(`a two-platform index of 42 MB, cold; ${RUNS} runs in turns; peers with their process's start\n`)
  yield* Console.log(formatTable(["TOOL", "MEDIAN s", "MIN", "MAX", "OF THE FASTEST OTHER"], rows))
})

bench.pipe(
  Effect.tapError((error) => Console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)),
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(RegistryClientHttp.layer(), KnownBlobs.layer, NodeServices.layer, NodeHttpClient.layerUndici)
  ),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
