/** The program: each command with its layers. */
import { Console, Effect, Layer, Option } from "effect"
import { CliConfig, Command } from "effect/cli"
import { eventsCommand } from "./cli/cluster/Events.ts"
import { getCommand } from "./cli/cluster/Get.ts"
import { reconcileCommand } from "./cli/cluster/Reconcile.ts"
import { resumeCommand, suspendCommand } from "./cli/cluster/Suspend.ts"
import * as console from "./cli/console.ts"
import { crdCommand } from "./cli/Crd.ts"
import { runsUntilStopped } from "./cli/Ending.ts"
import { globalFlags } from "./cli/globalFlags.ts"
import type { ImageSelection } from "./cli/imageFlags.ts"
import { operatorCommand } from "./cli/Operator.ts"
import * as PlainLogger from "./cli/PlainLogger.ts"
import { describeFailure } from "./cli/report.ts"
import { syncCommand } from "./cli/Sync.ts"
import { tagsCommand } from "./cli/Tags.ts"
import { checkWatchFlags, type WatchInput } from "./cli/watch/watchFlags.ts"
import * as ClusterAccess from "./ClusterAccess.ts"
import * as ClusterOperator from "./ClusterOperator.ts"
import { registryConfig } from "./Config.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import * as LocalOperator from "./LocalOperator.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
import * as WatchOperator from "./WatchOperator.ts"
import { version } from "./version.ts"

/** The layers of a command that only sends requests to registries. */
const registryLayer = Layer.unwrap(
  Effect.map(registryConfig, (registry) =>
    Layer.merge(Registries.localClient(registry), Registries.localCredentials(registry))
  )
).pipe(Layer.provide(Metrics.layerNoop))

/** The layers of `sync`. */
const syncLayer = (
  input: ImageSelection & WatchInput & { readonly output: string; readonly policy: Option.Option<string> }
) => {
  const options = Option.isNone(input.policy) ? {} : { policy: input.policy.value }
  return Layer.unwrap(
    Effect.map(checkWatchFlags(input), () =>
      input.watch ? WatchOperator.layer(options, input) : LocalOperator.layer(options)
    )
  )
}

/** The layers of a command for a cluster. */
const clusterLayer = ({
  context,
  kubeconfig
}: {
  readonly context: Option.Option<string>
  readonly kubeconfig: Option.Option<string>
}) =>
  KubeClientHttp.layer.pipe(
    Layer.provideMerge(
      ClusterAccess.layer({ context: Option.getOrUndefined(context), kubeconfig: Option.getOrUndefined(kubeconfig) })
    )
  )

const clusterCommands = [
  getCommand.pipe(Command.provide((input) => clusterLayer(input))),
  eventsCommand.pipe(Command.provide((input) => clusterLayer(input))),
  suspendCommand.pipe(Command.provide((input) => clusterLayer(input))),
  resumeCommand.pipe(Command.provide((input) => clusterLayer(input))),
  reconcileCommand.pipe(Command.provide((input) => clusterLayer(input)))
] as const

const tags = tagsCommand.pipe(Command.provide(registryLayer))

const command = Command.make("skopeo-operator").pipe(
  Command.withDescription("Keeps container images copied from one registry to another."),
  Command.withSubcommands([
    operatorCommand.pipe(Command.provide(ClusterOperator.layer), Command.provideEffectDiscard(runsUntilStopped)),
    syncCommand.pipe(Command.provide((input) => syncLayer(input))),
    tags,
    ...clusterCommands,
    crdCommand
  ])
)

/** The plugin of kubectl: the commands that a user of a cluster needs. `kubectl image get` runs `kubectl-image get`. */
const plugin = Command.make("kubectl image").pipe(
  Command.withDescription("Works with the Images of a cluster, which the skopeo-operator keeps copied."),
  Command.withSubcommands([...clusterCommands, tags])
)

/** Runs the command line of Stdio with a program, and prints a failure. */
const runProgram = <Name extends string, Input, ContextInput, E, R>(
  program: Command.Command<Name, Input, ContextInput, E, R>
) =>
  Command.run(program, { version }).pipe(
    Effect.tapCause((cause) => {
      const text = describeFailure(cause)
      return text === "" ? Effect.void : Console.error(`${program.name}: ${text}`)
    }),
    Effect.provide(Layer.mergeAll(PlainLogger.layer, CliConfig.layer({ builtIns: globalFlags }), console.layer))
  )

/** Runs the command line of Stdio. The caller ends the process. */
export const run = runProgram(command)

/** Runs the command line of Stdio as the plugin of kubectl. The caller ends the process. */
export const runPlugin = runProgram(plugin)
