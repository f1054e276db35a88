/** The program: each command with its layers. */
import { Effect, Layer, Logger, Option } from "effect"
import { Command } from "effect/cli"
import { eventsCommand } from "./cli/cluster/Events.ts"
import { getCommand } from "./cli/cluster/Get.ts"
import { reconcileCommand } from "./cli/cluster/Reconcile.ts"
import { resumeCommand, suspendCommand } from "./cli/cluster/Suspend.ts"
import { runCommandLine } from "./cli/commandLine.ts"
import { completionCommand } from "./cli/Completion.ts"
import { copyCommand } from "./cli/Copy.ts"
import { crdCommand } from "./cli/Crd.ts"
import { runsUntilStopped } from "./cli/Ending.ts"
import { helpCommand } from "./cli/Help.ts"
import { ImageDefaults } from "./cli/ImageDefaults.ts"
import type { ImageSelection } from "./cli/imageFlags.ts"
import { operatorCommand } from "./cli/Operator.ts"
import { planCommand } from "./cli/Plan.ts"
import { syncCommand } from "./cli/Sync.ts"
import { tagsCommand } from "./cli/Tags.ts"
import { versionCommand } from "./cli/Version.ts"
import type { WatchInput } from "./cli/watch/watchFlags.ts"
import { cacheDirectory, registryConfig } from "./Config.ts"
import * as BlobLocationsFile from "./copy/BlobLocationsFile.ts"
import * as JsonLogger from "./JsonLogger.ts"
import { StateDirectory } from "./kube/KubeClientFile.ts"
import * as LocalOperator from "./LocalOperator.ts"
import * as LocalPlanner from "./LocalPlanner.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
import { tracingConfig } from "./TracingConfig.ts"
import { version } from "./version.ts"

/** The layers of a command that only sends requests to registries. */
const registryLayer = Layer.unwrap(
  Effect.map(registryConfig, (registry) =>
    Layer.mergeAll(
      Registries.localClient(registry),
      Registries.localCredentials(registry),
      Layer.succeed(ImageDefaults, registry)
    )
  )
).pipe(Layer.provide(Metrics.layerNoop))

/** Layers that a command loads when the command runs. Other commands start without their parts. */
const loaded = <A, E, R>(load: () => Promise<Layer.Layer<A, E, R>>): Layer.Layer<A, E, R> =>
  Layer.unwrap(Effect.promise(load))

/** The export of traces, if a variable names a collector. The exporter is loaded only then. */
const tracing = Layer.unwrap(
  Effect.gen(function* () {
    const options = yield* tracingConfig
    if (Option.isNone(options)) return Layer.empty
    const { certificates, proxies } = yield* registryConfig
    const { layer } = yield* Effect.promise(() => import("./Tracing.ts"))
    return layer(options.value, { certificates, proxies })
  })
)

const clusterOperator = loaded(async () => (await import("./ClusterOperator.ts")).layer).pipe(
  Layer.provideMerge(tracing),
  // The layers below the operator log as the operator does.
  Layer.provideMerge(Logger.layer([JsonLogger.logger]))
)

/** Where earlier runs have placed blobs, for commands that copy. */
const blobLocations = Layer.unwrap(
  Effect.map(
    cacheDirectory,
    Option.match({ onNone: () => Layer.empty, onSome: (directory) => BlobLocationsFile.layer(directory) })
  )
)

/** The flags for the layers of a command without a cluster. */
interface LocalInput {
  readonly policy: Option.Option<string>
  readonly tlsVerify: Option.Option<boolean>
}

const localOptions = ({ policy, tlsVerify }: LocalInput): LocalOperator.LocalOperatorOptions => ({
  ...Option.match(policy, { onNone: () => ({}), onSome: (policy) => ({ policy }) }),
  ...Option.match(tlsVerify, { onNone: () => ({}), onSome: (tlsVerify) => ({ tlsVerify }) })
})

/** The layers of `sync`. */
const syncLayer = (input: ImageSelection & WatchInput & LocalInput) =>
  (input.watch
    ? loaded(async () => (await import("./WatchOperator.ts")).layer(localOptions(input), input))
    : Layer.merge(LocalOperator.layer(localOptions(input)), StateDirectory.layerNone)
  ).pipe(Layer.provide(blobLocations), Layer.provideMerge(tracing))

/** The layers of a command for a cluster. */
const clusterLayer = ({
  context,
  kubeconfig
}: {
  readonly context: Option.Option<string>
  readonly kubeconfig: Option.Option<string>
}) =>
  loaded(async () => {
    const [ClusterAccess, KubeClientHttp] = await Promise.all([
      import("./ClusterAccess.ts"),
      import("./kube/KubeClientHttp.ts")
    ])
    const access = { context: Option.getOrUndefined(context), kubeconfig: Option.getOrUndefined(kubeconfig) }
    return KubeClientHttp.layer.pipe(Layer.provideMerge(ClusterAccess.layer(access)))
  })

const sync = syncCommand.pipe(Command.provide((input) => syncLayer(input)))
const plan = planCommand.pipe(Command.provide((input) => LocalPlanner.layer(localOptions(input))))
const copy = copyCommand.pipe(
  Command.provide(Layer.merge(registryLayer, blobLocations).pipe(Layer.provideMerge(tracing)))
)
const tags = tagsCommand.pipe(Command.provide(registryLayer))

const clusterCommands = [
  getCommand.pipe(Command.provide((input) => clusterLayer(input))),
  eventsCommand.pipe(Command.provide((input) => clusterLayer(input))),
  suspendCommand.pipe(Command.provide((input) => clusterLayer(input))),
  resumeCommand.pipe(Command.provide((input) => clusterLayer(input))),
  reconcileCommand.pipe(Command.provide((input) => clusterLayer(input)))
] as const

/** The commands of each program. */
const commonCommands = [versionCommand, completionCommand, helpCommand] as const

const program = Command.make("skopeo-operator").pipe(
  Command.withDescription(
    "Keeps container images copied from registry to registry. An Image, a YAML manifest, names a source, the tags to copy and a destination: plan and sync read Images from files, and operator copies those of a Kubernetes cluster."
  ),
  Command.withExamples([
    { command: "skopeo-operator plan -f image.yaml", description: "What would sync do?" },
    { command: "skopeo-operator sync -f image.yaml", description: "Copy what a file says, once" },
    { command: "skopeo-operator copy nginx:1.27 registry.corp/nginx", description: "Copy one image, without a file" },
    {
      command: "skopeo-operator tags quay.io/argoproj/argocd v2.13.x",
      description: "Which tags does a pattern match?"
    },
    { command: "skopeo-operator crd | kubectl apply -f -", description: "Let a cluster know Images" }
  ]),
  Command.withSubcommands([
    copy,
    sync,
    plan,
    tags,
    ...clusterCommands,
    operatorCommand.pipe(Command.provide(clusterOperator), Command.provideEffectDiscard(runsUntilStopped)),
    crdCommand,
    ...commonCommands
  ])
)

/** The plugin of kubectl: the commands that a user of a cluster needs. `kubectl image get` runs `kubectl-image get`. */
const plugin = Command.make("kubectl image").pipe(
  Command.withDescription("Works with the Images of a cluster, which the skopeo-operator keeps copied."),
  Command.withExamples([
    { command: "kubectl image get -A", description: "All Images" },
    { command: "kubectl image reconcile argocd", description: "Check an Image now" }
  ]),
  Command.withSubcommands([...clusterCommands, plan, tags, ...commonCommands])
)

/** Runs the command line of Stdio, and prints a failure. The caller ends the process. */
export const run = runCommandLine(program, { version })

/** Runs the command line of Stdio as the plugin of kubectl. The caller ends the process. */
export const runPlugin = runCommandLine(plugin, { version })
