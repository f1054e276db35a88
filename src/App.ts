/** The program: each command with its layers. */
import { Console, Effect, Layer, Option } from "effect"
import { CliConfig, Command } from "effect/cli"
import * as console from "./cli/console.ts"
import { crdCommand } from "./cli/Crd.ts"
import { runsUntilStopped } from "./cli/Ending.ts"
import { globalFlags } from "./cli/globalFlags.ts"
import { operatorCommand } from "./cli/Operator.ts"
import * as PlainLogger from "./cli/PlainLogger.ts"
import { describeFailure } from "./cli/report.ts"
import { syncCommand } from "./cli/Sync.ts"
import { tagsCommand } from "./cli/Tags.ts"
import { registryConfig } from "./Config.ts"
import * as LocalOperator from "./LocalOperator.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
import { version } from "./version.ts"

/** The layers of a command that only sends requests to registries. */
const registryLayer = Layer.unwrap(
  Effect.map(registryConfig, (registry) =>
    Layer.merge(Registries.localClient(registry), Registries.localCredentials(registry))
  )
).pipe(Layer.provide(Metrics.layerNoop))

/** Loaded by its command: a short command starts without the parts that need a cluster. */
const clusterOperator = Layer.unwrap(Effect.promise(async () => (await import("./ClusterOperator.ts")).layer))

const command = Command.make("skopeo-operator").pipe(
  Command.withDescription("Keeps container images copied from one registry to another."),
  Command.withSubcommands([
    operatorCommand.pipe(Command.provide(clusterOperator), Command.provideEffectDiscard(runsUntilStopped)),
    syncCommand.pipe(
      Command.provide(({ policy }) => LocalOperator.layer(Option.isNone(policy) ? {} : { policy: policy.value }))
    ),
    tagsCommand.pipe(Command.provide(registryLayer)),
    crdCommand
  ])
)

/** Runs the command line of Stdio, and prints a failure. The caller ends the process. */
export const run = Command.run(command, { version }).pipe(
  Effect.tapCause((cause) => {
    const text = describeFailure(cause)
    return text === "" ? Effect.void : Console.error(`skopeo-operator: ${text}`)
  }),
  Effect.provide(Layer.mergeAll(PlainLogger.layer, CliConfig.layer({ builtIns: globalFlags }), console.layer))
)
