/** The list that `kubectl get images` shows, of a run of the operator over registries in memory. */
import { Clock, Effect, Layer, Logger, Option } from "effect"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import { Controller } from "../../src/controller/Controller.ts"
import * as Operator from "../../src/controller/Operator.ts"
import { CopyLimits } from "../../src/copy/CopyLimits.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { customResourceDefinition } from "../../src/domain/CustomResourceDefinition.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Images } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { GREEN, RED, YELLOW, drawTerminal } from "./terminal.ts"

const DESTINATION = "registry.example.com"

interface Sample {
  readonly name: string
  readonly registry: string
  readonly path: string
  readonly version: string
  readonly mode?: string
  readonly tags: ReadonlyArray<string>
}

const numbered = (text: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => text.replace("N", String(index)))

const SAMPLES: ReadonlyArray<Sample> = [
  { name: "argocd", registry: "quay.io", path: "argoproj/argocd", version: "v2.13.x", tags: numbered("v2.13.N", 9) },
  { name: "nginx", registry: "docker.io", path: "library/nginx", version: "1.27.3-alpine", tags: ["1.27.3-alpine"] },
  {
    name: "node-22",
    registry: "docker.io",
    path: "library/node",
    version: "22-alpine",
    mode: "Recurrent",
    tags: ["22-alpine"]
  },
  {
    name: "python",
    registry: "public.ecr.aws",
    path: "docker/library/python",
    version: "3.x.x-slim",
    tags: numbered("3.13.N-slim", 40)
  },
  { name: "redis", registry: "docker.io", path: "library/redis", version: "v7.x", tags: ["7.4.1", "7.4.2"] }
]

/** Pulls that the limited registry allows. Each copy of a sample image takes three. */
const PULLS = 95

const pathIn = (value: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (node, key) => (typeof node === "object" && node !== null ? Reflect.get(node, key) : undefined),
    value
  )

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const listing = Effect.gen(function* () {
  const kube = yield* KubeClient
  yield* (yield* Controller).synced
  for (const { mode, name, path, registry, version } of SAMPLES) {
    yield* kube.create(Images, {
      metadata: { name, namespace: "default" },
      spec: {
        ...(mode === undefined ? {} : { mode }),
        source: { name: `${registry}/${path}`, version },
        destination: { name: `${DESTINATION}/${path}` }
      }
    })
  }
  const started = yield* Clock.currentTimeMillis
  const ready = (name: string) =>
    Effect.map(kube.get(Images, { name, namespace: "default" }), (found) => {
      const conditions = pathIn(Option.getOrUndefined(found), ["status", "conditions"])
      return Array.isArray(conditions)
        ? conditions.find((condition: unknown) => pathIn(condition, ["type"]) === "Ready")
        : undefined
    })
  const isCopying = Effect.map(
    Effect.forEach(SAMPLES, ({ name }) => ready(name)),
    (conditions) => conditions.some((condition) => ["Copying", ""].includes(textOf(pathIn(condition, ["reason"]))))
  )
  yield* Effect.sleep("500 millis").pipe(Effect.repeat({ while: () => isCopying, times: 100 }))
  const age = `${Math.round(((yield* Clock.currentTimeMillis) - started) / 1_000)}s`
  const columns = (customResourceDefinition.spec.versions[0]?.additionalPrinterColumns ?? []).filter(
    (column) => !("priority" in column)
  )
  const rows = yield* Effect.forEach(
    SAMPLES,
    Effect.fnUntraced(function* ({ name }) {
      const object = Option.getOrUndefined(yield* kube.get(Images, { name, namespace: "default" }))
      const condition = yield* ready(name)
      return [
        name,
        ...columns.map(({ jsonPath }) => {
          if (jsonPath === ".metadata.creationTimestamp") return age
          const [, field] = /^\.status\.conditions\[.*\]\.(\w+)$/u.exec(jsonPath) ?? []
          return textOf(field === undefined ? pathIn(object, jsonPath.split(".").slice(1)) : pathIn(condition, [field]))
        })
      ]
    })
  )
  const table = [["NAME", ...columns.map(({ name }) => name.toUpperCase())], ...rows]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length))) ?? []
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
      .join("")
      .trimEnd()
  )
})

export const imagesPicture = (): Promise<string> => {
  const registries = RegistryClientMemory.registriesOf(DESTINATION, ...SAMPLES.map(({ registry }) => registry))
  for (const { path, registry, tags } of SAMPLES) {
    const store = registries.get(registry)
    for (const tag of tags) if (store !== undefined) pushSampleImage(store, path, tag, tag)
  }
  let pulls = 0
  const limiter = ({ kind, registry }: RegistryClientMemory.LimitedRequest) => {
    if (registry !== "public.ecr.aws" || kind !== "Pull") return { status: 200, headers: {} }
    pulls++
    return pulls > PULLS ? { status: 429, headers: { "retry-after": "1800" } } : { status: 200, headers: {} }
  }
  const layer = Operator.layer(DirectEngine.layer, {}).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        RegistryClientMemory.layer(registries, {
          limiter,
          limits: new Map([["public.ecr.aws", {}]])
        }),
        Credentials.layerAnonymous,
        Policy.layerNone,
        CopyLimits.layer(),
        KubeClientMemory.layer(),
        Metrics.layerNoop,
        ImageEvents.layerNone,
        Logger.layer([])
      )
    )
  )
  return Effect.runPromise(
    Effect.map(listing.pipe(Effect.scoped, Effect.provide(layer)), (lines) =>
      drawTerminal(
        "The output of kubectl get images",
        ["$ kubectl get images", ...lines],
        [
          [GREEN, (line) => line.includes(" True ")],
          [RED, (line) => line.includes(" False ")],
          [YELLOW, (line) => line.includes(" Unknown ")]
        ]
      )
    )
  )
}
