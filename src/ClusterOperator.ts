/** The operator in a cluster, as its environment configures it. */
import { Effect, Layer, Logger, Option } from "effect"
import { copyLimits, inClusterConfig, operatorConfig, registryConfig } from "./Config.ts"
import * as Operator from "./controller/Operator.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as JobEngine from "./copy/job/JobEngine.ts"
import * as JsonLogger from "./JsonLogger.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import { Metrics } from "./Metrics.ts"
import * as Registries from "./Registries.ts"
import { metricsServer, probesServer } from "./Server.ts"

const kubeAccess = Layer.unwrap(
  Effect.gen(function* () {
    const address = yield* inClusterConfig
    return Option.isNone(address) ? KubeAccess.layerKubeconfig : KubeAccess.layerInCluster(address.value)
  })
)

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const registry = yield* registryConfig
    const limits = yield* copyLimits
    const { engine, job, metricsPort, probesPort, scopes } = yield* operatorConfig
    return Layer.mergeAll(probesServer(probesPort), metricsServer(metricsPort)).pipe(
      Layer.provideMerge(
        Operator.layer(engine === "direct" ? DirectEngine.layer : JobEngine.layer(job), { ...registry, scopes })
      ),
      Layer.provideMerge(
        Layer.mergeAll(Registries.client(registry), Registries.clusterCredentials(registry), CopyLimits.layer(limits))
      ),
      Layer.provideMerge(Layer.mergeAll(KubeClientHttp.layer, Metrics.layer())),
      Layer.provide(kubeAccess)
    )
  })
).pipe(Layer.provideMerge(Logger.layer([JsonLogger.logger])))
