/** Runs programs, and measures their time and memory. */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Effect, Schema, type Scope } from "effect"

export class BenchFailed extends Schema.TaggedError<BenchFailed>()("BenchFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

export interface ProgramCall {
  readonly program: string
  readonly args: ReadonlyArray<string>
}

export interface Usage {
  /** Seconds from before the process starts until it has ended. */
  readonly seconds: number
  readonly cpuSeconds: number
  /** The peak memory of the process. */
  readonly peakBytes: number
}

export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export const TIMEOUT = "5 minutes"

/** The environment has no configuration of this machine's user. */
const environment = (home: string): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], HOME: home })

/** The output of a program that has ended with 0. */
export const run = ({ args, program }: ProgramCall, home: string): Effect.Effect<string, BenchFailed> =>
  Effect.callback<string, BenchFailed>((resume) => {
    const child = spawn(program, args, { env: environment(home), stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const add = (text: Buffer) => {
      output += text.toString()
    }
    child.stdout.on("data", add)
    child.stderr.on("data", add)
    const fail = (detail: string) => resume(Effect.fail(new BenchFailed({ detail })))
    child.once("error", (error) => fail(`${program}: ${error.message}`))
    child.once("close", (code) =>
      code === 0
        ? resume(Effect.succeed(output))
        : fail(`${program} ${args.join(" ")} ended with ${code}:\n${output.slice(-2_000)}`)
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutOrElse({
      duration: TIMEOUT,
      orElse: () => Effect.fail(new BenchFailed({ detail: `${program} did not end within ${TIMEOUT}` }))
    })
  )

/** The time and memory of a program, as the kernel counts them for GNU time. */
export const measured = Effect.fnUntraced(function* (
  { args, program }: ProgramCall,
  home: string
): Effect.fn.Return<Usage, BenchFailed> {
  const report = join(home, "usage")
  const start = yield* Clock.currentTimeNanos
  yield* run({ program: "time", args: ["-f", "%U %S %M", "-o", report, program, ...args] }, home)
  const end = yield* Clock.currentTimeNanos
  const [user = 0, system = 0, kilobytes = 0] = readFileSync(report, "utf8").trim().split(" ").map(Number)
  return { seconds: Number(end - start) / 1e9, cpuSeconds: user + system, peakBytes: kilobytes * 1024 }
})

/** The usage of several programs, one after the other. */
export const inSequence = (usages: ReadonlyArray<Usage>): Usage => ({
  seconds: usages.reduce((sum, { seconds }) => sum + seconds, 0),
  cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
  peakBytes: Math.max(0, ...usages.map(({ peakBytes }) => peakBytes))
})

/** Seconds from before a program's process starts until it connects to its registry. Then the process is ended. */
export const startUp = (call: (registry: string) => ProgramCall, home: string): Effect.Effect<number, BenchFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const sockets = new Set<Socket>()
      let connected = () => {}
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        connected()
      })
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () =>
          Effect.sync(() => {
            for (const socket of sockets) socket.destroy()
            server.close()
          })
      )
      const arrival = Effect.callback<void>((resume) => {
        connected = () => resume(Effect.void)
      })
      const start = yield* Clock.currentTimeNanos
      const never = Effect.andThen(
        run(call(`127.0.0.1:${port}`), home),
        Effect.fail(new BenchFailed({ detail: "a program ended without a connection" }))
      )
      yield* Effect.raceFirst(arrival, never)
      return Number((yield* Clock.currentTimeNanos) - start) / 1e9
    })
  )
