/** `completion`: prints the script with which a shell completes commands and flags. */
import { Console, Effect } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { CommandTree } from "./CommandTree.ts"

export const completionCommand = Command.make(
  "completion",
  {
    shell: Argument.Literals("SHELL", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish"))
  },
  Effect.fn(function* ({ shell }) {
    const tree = yield* CommandTree
    // The comments of Effect's scripts name Effect's flag.
    yield* Console.log(Completions.generate(tree.name, shell, tree).replaceAll("--completions", "completion"))
  })
).pipe(
  Command.withDescription("Prints the script with which a shell completes commands and flags."),
  Command.withExamples([
    { command: "source <(skopeo-operator completion bash)", description: "In this shell only" },
    {
      command: "skopeo-operator completion zsh > ~/.zsh/completions/_skopeo-operator",
      description: "For each new zsh, if ~/.zsh/completions is in fpath"
    },
    { command: "skopeo-operator completion fish | source", description: "In this fish only" }
  ])
)
