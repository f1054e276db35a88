#!/usr/bin/env node
/** The process: command line -> layers -> run. The one place that composes the layers. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Exit, Layer, Logger, Option } from "effect"
import { CliConfig, Command } from "effect/cli"
import { crdCommand } from "./cli/Crd.ts"
import { endProcess } from "./cli/endProcess.ts"
import { globalFlags } from "./cli/globalFlags.ts"
import { LiveArea } from "./cli/LiveArea.ts"
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
import * as ConfiguredCredentials from "./credentials/ConfiguredCredentials.ts"
import * as AuthFiles from "./credentials/AuthFiles.ts"
import * as AwsEcr from "./credentials/AwsEcr.ts"
import * as CloudIdentity from "./credentials/CloudIdentity.ts"
import { Credentials } from "./credentials/Credentials.ts"
import * as ImageSecrets from "./credentials/ImageSecrets.ts"
import * as KubeAccess from "./kube/KubeAccess.ts"
import * as KubeClientHttp from "./kube/KubeClientHttp.ts"
import * as KubeClientMemory from "./kube/KubeClientMemory.ts"
import { Metrics } from "./Metrics.ts"
import * as RegistryClientHttp from "./registry/RegistryClientHttp.ts"
import { metricsServer, probesServer } from "./Server.ts"
import { version } from "./version.ts"

type RegistryConfig = Effect.Success<typeof registryConfig>

const registryClient = ({ certificates, limits, privateHosts, proxies }: RegistryConfig) =>
  Layer.unwrap(
    Effect.map(Metrics, ({ registries: observer }) =>
      RegistryClientHttp.layer({
        userAgent: `skopeo-operator/${version}`,
        certificates,
        privateHosts,
        proxies,
        limits,
        observer
      })
    )
  )

const cloud = ({ awsVariables, certificates, proxies }: RegistryConfig) =>
  AwsEcr.layer({ variables: awsVariables, certificates, proxies })

/** In a cluster Images have Secrets of their own. */
const clusterCredentials = (config: RegistryConfig) =>
  Credentials.layer(
    Effect.all([
      ImageSecrets.make({ enabled: config.perImage }),
      CloudIdentity.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials)
    ]),
    config
  ).pipe(Layer.provide(cloud(config)))

/** Without a cluster there are no Secrets: the logins of this machine's user stand in for them. */
const localCredentials = (config: RegistryConfig) =>
  Credentials.layer(
    Effect.all([
      CloudIdentity.make,
      AuthFiles.make(config.authFiles.named, "Operator"),
      ConfiguredCredentials.make(config.credentials),
      AuthFiles.make(config.authFiles.machine, "User")
    ]),
    config
  ).pipe(Layer.provide(cloud(config)))

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
      Layer.provideMerge(Layer.mergeAll(registryClient(registry), clusterCredentials(registry), CopyLimits.layer())),
      Layer.provideMerge(Layer.mergeAll(KubeClientHttp.layer, Metrics.layer())),
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
      Layer.provideMerge(
        Layer.mergeAll(
          registryClient(registry),
          localCredentials(registry),
          CopyLimits.layer(),
          KubeClientMemory.layer()
        )
      ),
      Layer.provideMerge(Metrics.layerNoop)
    )
  )
)

/** A question to a registry, with nothing kept. */
const registryLayer = Layer.unwrap(
  Effect.map(registryConfig, (registry) => Layer.merge(registryClient(registry), localCredentials(registry)))
).pipe(Layer.provide(Metrics.layerNoop))

const standardError = LiveArea.make({
  write: (text) => void process.stderr.write(text),
  // A terminal that nobody has sized says 0.
  columns: () => process.stderr.columns || 80,
  rows: () => process.stderr.rows || 24
})

/** Words for a person at a terminal, on standard error: standard output is for results. */
const plainLogger = Logger.make<unknown, void>(({ logLevel, message }) => {
  const full = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  // A terminal has no room for whole digests; a log has.
  const text = process.stderr.isTTY ? full.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/gu, "$1…") : full
  standardError.print(logLevel === "Info" ? `${text}\n` : `${logLevel.toLowerCase()}: ${text}\n`)
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
  Effect.provide(
    Layer.mergeAll(
      NodeServices.layer,
      CliConfig.layer({ builtIns: globalFlags }),
      Layer.succeed(LiveArea, standardError),
      Logger.layer([plainLogger])
    )
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (!Exit.hasInterrupts(exit)) endProcess(exitCodeOf(exit))
      // To be stopped is how an operator ends; for a command it is a failure that shells know by 128 + the signal.
      else onExit(isOperator ? 0 : stoppedBy === "SIGTERM" ? 143 : 130)
    }
  })
)
