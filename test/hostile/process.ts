/** The operator as a process of the built program, over an API server in memory, with honest registries. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { kubeconfigOf, serveApiServer } from "../support/apiServerHttp.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startLocalOperator } from "../support/localOperator.ts"
import { directory } from "../support/realRegistries.ts"
import { CHART_LIMIT } from "./chartLimit.ts"
import { HONEST_SEED } from "./Attack.ts"
import type { World } from "./suite.ts"

const ADDRESS = "127.0.0.1"
const PROGRAM = fileURLToPath(new URL("../../dist/image/main.cjs", import.meta.url))
const NAMES = new URL("names.mjs", import.meta.url).href

/** The flags of the container image, and the heap that Node.js takes for itself within the chart's limit: a half. */
const FLAGS = [
  "--max-semi-space-size=4",
  "--initial-old-space-size=32",
  `--max-old-space-size=${CHART_LIMIT / 2}`,
  `--import=${NAMES}`
]

/** The most memory of a process since the last call. */
const peakOf = (pid: number): number => {
  if (!existsSync(`/proc/${pid}/clear_refs`)) return NaN
  const [, kilobytes = "NaN"] = /^VmHWM:\s+([0-9]+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  // proc(5): 5 resets the peak to the current size.
  writeFileSync(`/proc/${pid}/clear_refs`, "5")
  return Number(kilobytes) * 1_024
}

/** Starts the world. All of it ends with the scope. */
export const startWorld = Effect.gen(function* (): Effect.fn.Return<World, unknown, Scope.Scope> {
  const scope = yield* Effect.scope
  const store = new ApiServerStore()
  const authority = makeAuthority("hostile suite")
  const [source, destination, home] = [yield* startRegistry(), yield* startRegistry(), yield* directory]
  pushSampleImage(source.store, "honest/app", "1.0.0", HONEST_SEED)
  const [kubeconfig, certificates] = [`${home}/kubeconfig`, `${home}/ca.pem`]
  writeFileSync(kubeconfig, kubeconfigOf(yield* serveApiServer(store)))
  writeFileSync(certificates, authority.certificate)
  const context = yield* Layer.build(Layer.merge(KubeClientMemory.layer({ store }), FetchHttpClient.layer))
  const http = Context.get(context, HttpClient.HttpClient)

  const start = Effect.gen(function* () {
    const own = yield* Scope.fork(scope)
    const operator = yield* startLocalOperator({
      program: [...FLAGS, PROGRAM],
      env: { KUBECONFIG: kubeconfig, COPY_ENGINE: "direct", LEADER_ELECTION: "false", REGISTRY_CA_FILE: certificates }
    }).pipe(Scope.provide(own), Effect.provideService(HttpClient.HttpClient, http))
    return { operator, stop: Scope.close(own, Exit.void) }
  })
  let current = yield* start
  /** The logs of operators before the current one. */
  let earlier = ""

  return {
    kube: Context.get(context, KubeClient),
    stage: { address: ADDRESS, destination: destination.host, certificate: authority.issue([ADDRESS]) },
    honest: `${source.host}/honest/app`,
    target: {
      log: Effect.sync(() => earlier + current.operator.log()),
      // An operator that has died has no metrics.
      metrics: Effect.suspend(() => Effect.flatMap(http.get(current.operator.metrics), ({ text }) => text)).pipe(
        Effect.orElseSucceed(() => "")
      ),
      peakBytes: Effect.sync(() => peakOf(current.operator.pid)),
      limitBytes: CHART_LIMIT * 1024 ** 2,
      restart: Effect.orDie(
        Effect.gen(function* () {
          earlier += current.operator.log()
          yield* current.stop
          current = yield* start
        })
      ),
      death: Effect.sync(() => current.operator.death())
    }
  }
})
