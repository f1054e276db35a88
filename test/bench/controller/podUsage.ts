/** The memory and the CPU time of the operator in its pod. A process outside of a cluster needs more memory, to read a kubeconfig. */
import { Effect, Schema } from "effect"
import { kubectl, NAMESPACE } from "../../support/cluster.ts"

export interface Usage {
  /** The resident memory, in bytes. */
  readonly rssBytes: number
  /** The CPU time so far, in seconds. */
  readonly cpuSeconds: number
}

const DEPLOYMENT = "deployment/skopeo-operator"

/** Linux counts CPU time in hundredths of a second. The name of a program is in parentheses and may have spaces. */
const PROGRAM = `
const { readFileSync } = require("node:fs")
const fields = readFileSync("/proc/1/stat", "utf8").replace(/^.*\\) /s, "").split(" ")
const [, kilobytes] = /^VmRSS:\\s+([0-9]+) kB$/m.exec(readFileSync("/proc/1/status", "utf8"))
console.log(JSON.stringify({ rssBytes: kilobytes * 1024, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100 }))
`

const Answer = Schema.fromJsonString(Schema.Struct({ rssBytes: Schema.Finite, cpuSeconds: Schema.Finite }))

/** The usage of the first process of the operator's pod, as another process in the pod reads it. */
export const podUsage: Effect.Effect<Usage> = kubectl(
  "exec",
  "-n",
  NAMESPACE,
  DEPLOYMENT,
  "--",
  "node",
  "-e",
  PROGRAM
).pipe(Effect.flatMap((text) => Effect.orDie(Schema.decodeUnknownEffect(Answer)(text))))

/** Replaces the operator's pod, and waits until the new one is ready. */
export const restartPod = Effect.andThen(
  kubectl("rollout", "restart", "-n", NAMESPACE, DEPLOYMENT),
  kubectl("rollout", "status", "-n", NAMESPACE, DEPLOYMENT, "--timeout=120s")
)
