/** The operator as a process of this machine, with the program of the container image. */
import { readFileSync } from "node:fs"
import { Clock, Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { shipped } from "../../../scripts/bundle/shipped.ts"
import { startLocalOperator } from "../../support/localOperator.ts"
import { BenchFailed } from "../copy/measure.ts"
import { secondsBetween } from "./milestones.ts"

export interface LocalOperator {
  /** Seconds from the start of the process until /readyz answers 200. */
  readonly readySeconds: number
  /** The resident memory now, in bytes. */
  readonly rssBytes: Effect.Effect<number>
  /** The CPU time of the process so far, in seconds. */
  readonly cpuSeconds: Effect.Effect<number>
}

/** The clock ticks of /proc in a second, which is a constant of Linux. */
const TICKS = 100

/** The page size that statm counts in is unknown here, so that the memory is read as kilobytes. */
const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+([0-9]+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024

/** The program's name, in parentheses, may have spaces. The fields after it have none. */
const cpuOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /su, "")
    .split(" ")
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/**
 * Starts the operator for Images of some namespaces, with copies in its process and without a leader election. It is killed
 * when the Scope closes.
 */
export const startOperator = Effect.fnUntraced(function* (
  bundle: string,
  namespaces: ReadonlyArray<string>,
  nodeOptions: ReadonlyArray<string> = []
): Effect.fn.Return<LocalOperator, BenchFailed, HttpClient.HttpClient | Scope.Scope> {
  const start = yield* Clock.currentTimeNanos
  const { pid } = yield* startLocalOperator({
    program: [...nodeOptions, ...shipped(bundle)],
    env: {
      NODE_ENV: "production",
      COPY_ENGINE: "direct",
      LEADER_ELECTION: "false",
      WATCH_NAMESPACES: namespaces.join(","),
      DISABLE_SRC_TLS_VERIFICATION: "true",
      DISABLE_DEST_TLS_VERIFICATION: "true"
    }
  }).pipe(Effect.mapError(({ message }) => new BenchFailed({ detail: message })))
  const ready = yield* Clock.currentTimeNanos
  return {
    readySeconds: secondsBetween(start, ready),
    rssBytes: Effect.sync(() => rssOf(pid)),
    cpuSeconds: Effect.sync(() => cpuOf(pid))
  }
})
