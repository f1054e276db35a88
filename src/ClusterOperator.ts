/** The layers of the operator in a cluster, configured by environment variables. */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { type Config, Effect, type FileSystem, Layer, Logger, Option, type Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import * as ClusterAccess from "./ClusterAccess.ts"
import { copyLimits, inClusterConfig, metricsConfig, operatorConfig, registryConfig } from "./Config.ts"
import type { ImageEvents } from "./controller/events/ImageEvents.ts"
import * as KubeImageEvents from "./controller/events/KubeImageEvents.ts"
import { ImageStore } from "./controller/ImageStore.ts"
import { LeaderElection } from "./controller/LeaderElection.ts"
import * as Operator from "./controller/Operator.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as JobEngine from "./copy/job/JobEngine.ts"
import type { Credentials } from "./credentials/Credentials.ts"
import type { Policy, PolicyFileError } from "./credentials/Policy.ts"
import * as JsonLogger from "./JsonLogger.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"
import { RequestObserver } from "./kube/exchange.ts"
import type { KubeClient } from "./kube/KubeClient.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import type { OverlappingScopes } from "./kube/Store.ts"
import { Metrics } from "./metrics/Metrics.ts"
import type { RegistryLimits } from "./registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "./registry/RegistryClient.ts"
import { notifying } from "./Notifications.ts"
import * as Registries from "./Registries.ts"
import { type ListenError, metricsServer, probesServer } from "./Server.ts"

const observed = Layer.effect(
  RequestObserver,
  Effect.map(Metrics, ({ apiServer }) => apiServer)
)

/** The name of this process in the election. The host's name is the pod's, and the UUID distinguishes restarted containers. */
const identity = Effect.sync(() => `${hostname()}_${randomUUID()}`)

/** The services of an operator in a cluster. Only the leader of the election reconciles. */
export type ClusterOperator =
  | CopyLimits
  | Credentials
  | ImageEvents
  | ImageStore
  | KubeClient
  | LeaderElection
  | Metrics
  | Policy
  | RegistryClient
  | RegistryLimits

/**
 * The operator in a cluster, as the command `operator` runs it. It reads the variables of the command from the `ConfigProvider`.
 *
 * **Gotchas**
 *
 * - The operator reconciles only while `lead` of `LeaderElection` runs.
 * - The process is ended with 1 if it cannot stop its work before another process may lead.
 * - The log is JSON on standard output, and the ports of the probes and of the metrics are served.
 * - Outside of a pod the kubeconfig is used, for which your project installs `@kubernetes/client-node`.
 *
 * @example
 * ```ts
 * import { NodeRuntime, NodeServices } from "@effect/platform-node"
 * import { Console, Effect, Layer } from "effect"
 * import { Cluster, LeaderElection, OutcomeListener } from "skopeo-operator"
 *
 * const notify = Layer.succeed(OutcomeListener, (_image, { ended }) =>
 *   Effect.forEach(ended, ({ state, tag }) => Console.log(tag, state._tag), { discard: true })
 * )
 *
 * Effect.flatMap(LeaderElection, ({ lead }) => lead).pipe(
 *   Effect.provide(Cluster.layer.pipe(Layer.provide([notify, NodeServices.layer]))),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const layer: Layer.Layer<
  ClusterOperator,
  Config.ConfigError | KubeAccess.KubeAccessError | OverlappingScopes | PolicyFileError | ListenError,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> = Layer.unwrap(
  Effect.gen(function* () {
    const registry = yield* registryConfig
    const limits = yield* copyLimits
    const metrics = yield* metricsConfig
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
      Layer.provideMerge(notifying(KubeImageEvents.layer({ instance: hostname() }))),
      Layer.provideMerge(KubeClientHttp.layer),
      Layer.provide(observed),
      Layer.provideMerge(Metrics.layerWith(metrics)),
      Layer.provide(ClusterAccess.layer())
    )
  })
).pipe(Layer.provideMerge(Logger.layer([JsonLogger.logger])))
