#!/usr/bin/env node
/** The process: command line -> layers -> run. The one place that composes the layers. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Exit, Layer, Logger, Option } from "effect"
import { Command } from "effect/cli"
import { crdCommand } from "./cli/Crd.ts"
import { operatorCommand } from "./cli/Operator.ts"
import { describeFailure, exitCodeOf } from "./cli/report.ts"
import { syncCommand } from "./cli/Sync.ts"
import { tagsCommand } from "./cli/Tags.ts"
import { inClusterConfig, operatorConfig, registryConfig } from "./Config.ts"
import { Controller } from "./controller/Controller.ts"
import { Reconciler } from "./controller/Reconciler.ts"
import { CopyLimits } from "./copy/CopyLimits.ts"
import * as DirectEngine from "./copy/DirectEngine.ts"
import * as SkopeoJobEngine from "./copy/SkopeoJobEngine.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import { Metrics } from "./Metrics.ts"
import { Credentials } from "./registry/Credentials.ts"
import * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
import { metricsServer, probesServer } from "./Server.ts"
import { version } from "./version.ts"

const registries = (config: Effect.Success<typeof registryConfig>) =>
  Layer.mergeAll(
    RegistryClientHttp.layer({
      userAgent: `skopeo-operator/${version}`,
      certificates: config.certificates,
      proxies: config.proxies
    }),
    Credentials.layer(config.credentials),
    CopyLimits.layer()
  )

const kubeAccess = Layer.unwrap(
  Effect.gen(function* () {
    const address = yield* inClusterConfig
    return Option.isNone(address) ? KubeAccess.layerKubeconfig : KubeAccess.layerInCluster(address.value)
  })
)

/** The operator in a cluster. */
const operatorLayer = Layer.unwrap(
  Effect.gen(function* () {
    const registry = yield* registryConfig
    const { engine, job, metricsPort, probesPort } = yield* operatorConfig
    return Layer.mergeAll(probesServer(probesPort), metricsServer(metricsPort)).pipe(
      Layer.provideMerge(Controller.layer()),
      Layer.provideMerge(Reconciler.layer(registry)),
      Layer.provideMerge(engine === "direct" ? DirectEngine.layer : SkopeoJobEngine.layer(job)),
      Layer.provideMerge(Layer.mergeAll(registries(registry), Metrics.layer(), KubeClientHttp.layer)),
      Layer.provide(kubeAccess)
    )
  })
).pipe(Layer.provideMerge(Logger.layer([Logger.consoleJson])))

/** A run without a cluster: an API server in memory, and copies made in this process. */
const localLayer = Layer.unwrap(
  Effect.map(registryConfig, (registry) =>
    Controller.layer().pipe(
      Layer.provideMerge(Reconciler.layer(registry)),
      Layer.provideMerge(DirectEngine.layer),
      Layer.provideMerge(Layer.mergeAll(registries(registry), Metrics.layerNoop, KubeClientMemory.layer()))
    )
  )
)

/** A question to a registry, with nothing kept. */
const registryLayer = Layer.unwrap(Effect.map(registryConfig, registries))

/** Words for a person at a terminal, on standard error: standard output is for results. */
const plainLogger = Logger.make<unknown, void>(({ logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  process.stderr.write(logLevel === "Info" ? `${text}\n` : `${logLevel.toLowerCase()}: ${text}\n`)
})

const command = Command.make("skopeo-operator").pipe(
  Command.withDescription("Keeps container images copied from one registry to another."),
  Command.withSubcommands([
    operatorCommand.pipe(Command.provide(operatorLayer)),
    syncCommand.pipe(Command.provide(localLayer)),
    tagsCommand.pipe(Command.provide(registryLayer)),
    crdCommand
  ])
)

/** Which signal ended the process. */
let stoppedBy: "SIGINT" | "SIGTERM" = "SIGINT"
process.once("SIGTERM", () => {
  stoppedBy = "SIGTERM"
})

const isOperator = process.argv[2] === "operator"

Command.run(command, { version }).pipe(
  Effect.tapCause((cause) => {
    const text = describeFailure(cause)
    return text === "" ? Effect.void : Console.error(`skopeo-operator: ${text}`)
  }),
  Effect.provide(Layer.mergeAll(NodeServices.layer, Logger.layer([plainLogger]))),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (!Exit.hasInterrupts(exit)) onExit(exitCodeOf(exit))
      // To be stopped is how an operator ends; for a command it is a failure that shells know by 128 + the signal.
      else onExit(isOperator ? 0 : stoppedBy === "SIGTERM" ? 143 : 130)
    }
  })
)
