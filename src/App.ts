/** The program: each command with its layers. */
import { Effect, Layer, Option } from "effect"
import { Command } from "effect/cli"
import { runCommandLine } from "./cli/commandLine.ts"
import { completionCommand } from "./cli/Completion.ts"
import { crdCommand } from "./cli/Crd.ts"
import { runsUntilStopped } from "./cli/Ending.ts"
import { helpCommand } from "./cli/Help.ts"
import { ImageDefaults } from "./cli/ImageDefaults.ts"
import { operatorCommand } from "./cli/Operator.ts"
import { planCommand } from "./cli/Plan.ts"
import { syncCommand } from "./cli/Sync.ts"
import { tagsCommand } from "./cli/Tags.ts"
import { versionCommand } from "./cli/Version.ts"
import * as ClusterOperator from "./ClusterOperator.ts"
import { registryConfig } from "./Config.ts"
import * as LocalOperator from "./LocalOperator.ts"
import * as LocalPlanner from "./LocalPlanner.ts"
import { Metrics } from "./metrics/Metrics.ts"
import * as Registries from "./Registries.ts"
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

/** The options of the layers without a cluster. */
const localOptions = ({
  policy,
  tlsVerify
}: {
  readonly policy: Option.Option<string>
  readonly tlsVerify: Option.Option<boolean>
}): LocalOperator.LocalOperatorOptions => ({
  ...Option.match(policy, { onNone: () => ({}), onSome: (policy) => ({ policy }) }),
  ...Option.match(tlsVerify, { onNone: () => ({}), onSome: (tlsVerify) => ({ tlsVerify }) })
})

/** All commands, in the order of the help. */
const commands = [
  syncCommand.pipe(Command.provide((flags) => LocalOperator.layer(localOptions(flags)))),
  planCommand.pipe(Command.provide((flags) => LocalPlanner.layer(localOptions(flags)))),
  tagsCommand.pipe(Command.provide(registryLayer)),
  operatorCommand.pipe(Command.provide(ClusterOperator.layer), Command.provideEffectDiscard(runsUntilStopped)),
  crdCommand,
  versionCommand,
  completionCommand,
  helpCommand
] as const

const program = Command.make("skopeo-operator").pipe(
  Command.withDescription(
    "Keeps container images copied from registry to registry. An Image, a YAML manifest, names a source, the tags to copy and a destination: plan and sync read Images from files, and operator copies those of a Kubernetes cluster."
  ),
  Command.withExamples([
    { command: "skopeo-operator plan -f image.yaml", description: "What would sync do?" },
    { command: "skopeo-operator sync -f image.yaml", description: "Copy what a file says, once" },
    {
      command: "skopeo-operator tags quay.io/argoproj/argocd v2.13.x",
      description: "Which tags does a pattern match?"
    },
    { command: "skopeo-operator crd | kubectl apply -f -", description: "Let a cluster know Images" }
  ]),
  Command.withSubcommands(commands)
)

/** Runs the command line of Stdio, and prints a failure. The caller ends the process. */
export const run = runCommandLine(program, { version })
