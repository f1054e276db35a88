/** The layers of the operator in a cluster, configured by environment variables. */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { Effect, Layer, Logger, Option } from "effect"
import * as ClusterAccess from "./ClusterAccess.ts"
import { copyLimits, inClusterConfig, operatorConfig, registryConfig } from "./Config.ts"
import * as KubeImageEvents from "./controller/events/KubeImageEvents.ts"
import { ImageStore } from "./controller/ImageStore.ts"
import { LeaderElection } from "./controller/LeaderElection.ts"
import * as Operator from "./controller/Operator.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as JobEngine from "./copy/job/JobEngine.ts"
import * as JsonLogger from "./JsonLogger.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"
import { RequestObserver } from "./kube/exchange.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
import { metricsServer, probesServer } from "./Server.ts"

const observed = Layer.effect(
  RequestObserver,
  Effect.map(Metrics, ({ apiServer }) => apiServer)
)

/** The name of this process in the election. The host's name is the pod's, and the UUID distinguishes restarted containers. */
const identity = Effect.sync(() => `${hostname()}_${randomUUID()}`)

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const registry = yield* registryConfig
    const limits = yield* copyLimits
    const isInCluster = Option.isSome(yield* inClusterConfig)
    const { engine, job, leaderElection, metricsPort, probesPort, reconcilesAtOnce, scopes } = yield* operatorConfig
    const writers = Operator.writers(engine === "direct" ? DirectEngine.layer : JobEngine.layer(job), {
      concurrency: reconcilesAtOnce
    })

    const elected = Layer.unwrap(
      Effect.gen(function* () {
        const { namespace } = yield* KubeAccess.KubeAccess
        return LeaderElection.layer(writers, {
          lease: {
            name: leaderElection.name,
            // A process outside of a cluster has no namespace. It uses the namespace of its Jobs, which is by default the
            // chart's namespace, so that it competes with the pods of the chart.
            namespace: leaderElection.namespace.pipe(
              Option.orElse(() => namespace),
              Option.getOrElse(() => job.namespace)
            )
          },
          identity: yield* identity,
          exit: Effect.sync(() => process.exit(1))
        })
      })
    )

    return Layer.mergeAll(
      probesServer({ port: probesPort, setting: "PROBES_PORT" }),
      metricsServer({ port: metricsPort, setting: "METRICS_PORT" })
    ).pipe(
      Layer.provideMerge(leaderElection.enabled ? elected : LeaderElection.layerAlone(writers)),
      Layer.provideMerge(ImageStore.layer({ ...registry, scopes })),
      Layer.provideMerge(
        Layer.mergeAll(
          // In a pod, loopback is the operator itself and the other containers of its pod.
          Registries.client(registry, !isInCluster),
          Registries.clusterCredentials(registry),
          Registries.policy(registry),
          CopyLimits.layer(limits)
        )
      ),
      Layer.provideMerge(KubeImageEvents.layer({ instance: hostname() })),
      Layer.provideMerge(KubeClientHttp.layer),
      Layer.provide(observed),
      Layer.provideMerge(Metrics.layer),
      Layer.provide(ClusterAccess.layer())
    )
  })
).pipe(Layer.provideMerge(Logger.layer([JsonLogger.logger])))
