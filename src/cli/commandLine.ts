/** Runs a program from its arguments: global flags, short flags, help, usage errors, colours and failures. */
import { Console, Effect, Layer, Stdio } from "effect"
import { CliConfig, Command, TerminalCapabilities } from "effect/cli"
import * as console from "./console.ts"
import { CommandTree, describe } from "./CommandTree.ts"
import { builtIns, colorIn, flags, globalFlags, layerLogLevel } from "./globalFlags.ts"
import * as PlainLogger from "./PlainLogger.ts"
import * as presenter from "./presenter.ts"
import { describeFailure } from "./report.ts"
import { flagsByName, normalizeArguments } from "./shortFlags.ts"

/** The capabilities of the terminal, with the colours that `--color` asks for. */
const layerColors = (args: ReadonlyArray<string>) =>
  Layer.effect(
    TerminalCapabilities.TerminalCapabilities,
    Effect.map(TerminalCapabilities.TerminalCapabilities, (detected) => {
      const choice = colorIn(args)
      const { canAnimate, canColor, canPrompt } = detected
      return { canAnimate, canPrompt, canColor: choice === "auto" ? canColor : choice === "always" }
    })
  ).pipe(Layer.provide(TerminalCapabilities.layer))

/** Runs the arguments of Stdio with a program, and prints a failure. The caller ends the process. */
export const runCommandLine = <Name extends string, Input, ContextInput, E, R>(
  program: Command.Command<Name, Input, ContextInput, E, R>,
  { version }: { readonly version: string }
) =>
  Effect.gen(function* () {
    const tree = describe(program, flags)
    const args = normalizeArguments(yield* (yield* Stdio.Stdio).args, flagsByName(tree))
    const root = program.pipe(Command.provide(layerLogLevel), Command.withGlobalFlags(globalFlags))
    const layer = presenter
      .layer(args)
      .pipe(Layer.provideMerge(Layer.merge(layerColors(args), Layer.succeed(CommandTree, tree))))
    yield* Command.runWith(root, { version })(args).pipe(Effect.provide(layer))
  }).pipe(
    Effect.tapCause((cause) => {
      const text = describeFailure(cause)
      return text === "" ? Effect.void : Console.error(text.replaceAll(/^/gmu, `${program.name}: `))
    }),
    Effect.provide(Layer.mergeAll(PlainLogger.layer, CliConfig.layer({ builtIns }), console.layer))
  )
