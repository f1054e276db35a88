/** The operator as a process of this machine, which a test can kill within a millisecond. */
import { spawn } from "node:child_process"
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schedule, Schema, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { CLUSTER } from "./cluster.ts"
import { freePort } from "./freePort.ts"

export interface LocalOperator {
  readonly pid: number
  /** The URL of the metrics. */
  readonly metrics: string
  /** Kills the process at once, as `kill -9` does. */
  readonly kill: () => void
  /** Waits for the end of the process. */
  readonly ended: Effect.Effect<void>
  /** How the process ended, if it has. */
  readonly death: () => string | undefined
  /** The output so far. */
  readonly log: () => string
}

export class OperatorNotReady extends Schema.TaggedError<OperatorNotReady>()("OperatorNotReady", {
  log: Schema.String
}) {
  override get message(): string {
    return `the operator is not ready:\n${this.log}`
  }
}

export interface LocalOperatorOptions {
  /** The arguments of Node.js before `operator`: the program and its flags. */
  readonly program: ReadonlyArray<string>
  /** Variables besides those of the cluster and the ports. */
  readonly env: Readonly<Record<string, string>>
}

/** Starts the operator, and waits until /readyz answers 200. The operator is killed when the Scope closes. */
export const startLocalOperator = Effect.fnUntraced(function* ({
  env,
  program
}: LocalOperatorOptions): Effect.fn.Return<LocalOperator, OperatorNotReady, HttpClient.HttpClient | Scope.Scope> {
  const client = yield* HttpClient.HttpClient
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-process-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const [metrics, probes] = [yield* freePort, yield* freePort]
  const file = join(home, "log")
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const output = openSync(file, "a")
      const child = spawn(process.execPath, [...program, "operator"], {
        stdio: ["ignore", output, output],
        env: {
          PATH: process.env["PATH"],
          HOME: home,
          KUBECONFIG: CLUSTER.kubeconfig,
          METRICS_PORT: String(metrics),
          PROBES_PORT: String(probes),
          ...env
        }
      })
      closeSync(output)
      return child
    }),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        endOf(child)
      )
  )
  const log = () => readFileSync(file, "utf8")
  yield* client.get(`http://127.0.0.1:${probes}/readyz`).pipe(
    Effect.filterOrFail(({ status }) => status === 200),
    Effect.retry({ while: () => child.exitCode === null, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("60 seconds"),
    Effect.mapError(() => new OperatorNotReady({ log: log().slice(-2_000) }))
  )
  return {
    pid: child.pid ?? 0,
    metrics: `http://127.0.0.1:${metrics}/metrics`,
    kill: () => void child.kill("SIGKILL"),
    ended: endOf(child),
    death: () => {
      const { exitCode, signalCode } = child
      return exitCode === null && signalCode === null ? undefined : `the operator ended with ${exitCode ?? signalCode}`
    },
    log
  }
})

const endOf = (child: ReturnType<typeof spawn>): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })
