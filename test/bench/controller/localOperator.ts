/** The operator as a process of this machine, with the program of the container image. */
import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect, type Scope, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { shipped } from "../../../scripts/bundle/shipped.ts"
import { CLUSTER } from "../../support/cluster.ts"
import { freePort } from "../../support/freePort.ts"
import { BenchFailed, temporaryDirectory } from "../copy/measure.ts"
import { secondsBetween } from "./milestones.ts"

/**
 * Starts the operator for Images of some namespaces, with copies in its process and without a leader election. It is killed
 * when the Scope closes. Gives the seconds from the start of the process until /readyz answers 200.
 */
export const startOperator = Effect.fnUntraced(function* (
  bundle: string,
  namespaces: ReadonlyArray<string>
): Effect.fn.Return<number, BenchFailed, HttpClient.HttpClient | Scope.Scope> {
  const client = yield* HttpClient.HttpClient
  const directory = yield* temporaryDirectory
  const [metrics, probes] = [yield* freePort, yield* freePort]
  const log = join(directory, "log")
  const start = yield* Clock.currentTimeNanos
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const output = openSync(log, "a")
      const child = spawn(process.execPath, [...shipped(bundle), "operator"], {
        stdio: ["ignore", output, output],
        env: {
          PATH: process.env["PATH"],
          HOME: directory,
          NODE_ENV: "production",
          KUBECONFIG: CLUSTER.kubeconfig,
          COPY_ENGINE: "direct",
          LEADER_ELECTION: "false",
          WATCH_NAMESPACES: namespaces.join(","),
          DISABLE_SRC_TLS_VERIFICATION: "true",
          DISABLE_DEST_TLS_VERIFICATION: "true",
          METRICS_PORT: String(metrics),
          PROBES_PORT: String(probes)
        }
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
  yield* client.get(`http://127.0.0.1:${probes}/readyz`).pipe(
    Effect.filterOrFail(({ status }) => status === 200),
    Effect.retry({
      while: () => child.exitCode === null,
      schedule: Schedule.spaced("5 millis")
    }),
    Effect.timeout("60 seconds"),
    Effect.mapError(
      () => new BenchFailed({ detail: `the operator is not ready:\n${readFileSync(log, "utf8").slice(-2_000)}` })
    )
  )
  const ready = yield* Clock.currentTimeNanos
  return secondsBetween(start, ready)
})
