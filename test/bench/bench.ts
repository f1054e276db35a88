/** `npm run bench -- NAME`: costs, measured on this machine. Each bench is a command in a file of its name. */
import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { version } from "../../src/version.ts"
import { controllerCommand } from "./controller.ts"
import { copyCommand } from "./copy.ts"
import { tagsCommand } from "./tags.ts"

const command = Command.make("bench").pipe(
  Command.withDescription("Measures costs on this machine."),
  Command.withSubcommands([copyCommand, tagsCommand, controllerCommand])
)

Command.run(command, { version }).pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(RegistryClientHttp.layer(), NodeServices.layer, NodeHttpClient.layerUndici)),
  NodeRuntime.runMain
)
