/**
 * The operator's layers over an API server in memory, until the end of the input. Each line of the input is a JSON list of
 * Images. The answer is the usage until all of them are Ready.
 */
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, ConfigProvider, Effect, Layer, Logger, Schema, Stream } from "effect"
import { ImageStore } from "../../../src/controller/ImageStore.ts"
import { conditionOf } from "../../../src/domain/Image.ts"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import * as LocalOperator from "../../../src/LocalOperator.ts"

const CopyRequest = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ name: Schema.String, spec: Schema.Record(Schema.String, Schema.Unknown) }))
)

/** The peak memory of this process. The value of `getrusage` would include the parent's memory. */
const peakBytes = (): number => {
  const [, kilobytes] = /^VmHWM:\s+([0-9]+) kB$/mu.exec(readFileSync("/proc/self/status", "utf8")) ?? []
  return Number(kilobytes) * 1024
}

const namespace = "default"

const carryOut = Effect.fnUntraced(function* (line: string) {
  const kube = yield* KubeClient
  const images = yield* Schema.decodeUnknownEffect(CopyRequest)(line)
  const [start, cpu] = [yield* Clock.currentTimeNanos, process.cpuUsage()]
  const created = yield* Effect.forEach(images, ({ name, spec }) =>
    kube.create(Images, { metadata: { name, namespace }, spec })
  )
  const open = new Set(created.map(({ metadata }) => metadata.uid ?? ""))
  yield* (yield* ImageStore).changes.pipe(
    Stream.takeUntil(({ after }) => {
      if (after !== undefined && conditionOf(after.status, "Ready")?.status === "True") open.delete(after.uid)
      return open.size === 0
    }),
    Stream.runDrain
  )
  const end = yield* Clock.currentTimeNanos
  const { system, user } = process.cpuUsage(cpu)
  yield* Effect.forEach(images, ({ name }) => kube.delete(Images, { namespace, name }))
  const usage = {
    seconds: Number(end - start) / 1e9,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: peakBytes()
  }
  process.stdout.write(`${JSON.stringify(usage)}\n`)
})

/** The environment has no variables of this machine. */
const environment = ConfigProvider.fromEnv({
  env: { DISABLE_SRC_TLS_VERIFICATION: "true", DISABLE_DEST_TLS_VERIFICATION: "true" }
})

Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (cause) => cause).pipe(
  Stream.runForEach(carryOut),
  Effect.provide(LocalOperator.layer()),
  Effect.provide(Layer.mergeAll(NodeServices.layer, ConfigProvider.layer(environment), Logger.layer([]))),
  NodeRuntime.runMain
)
