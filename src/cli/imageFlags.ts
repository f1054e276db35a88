/** The flags and arguments that select Images in files. */
import { Option, Result } from "effect"
import { Argument, type Command, Flag } from "effect/cli"
import { parseLabelSelector } from "../kube/LabelSelector.ts"
import { textFlag } from "./textFlag.ts"

const file = textFlag("file").pipe(
  Flag.withAlias("f"),
  Flag.withMetavar("FILE"),
  Flag.withDescription("A file with Images (YAML or JSON), a directory, or - for standard input. May be repeated"),
  Flag.atLeast(1)
)

/** The flags of a command that can do without files. */
export const optionalFileFlags = {
  files: file.pipe(Flag.withDefault<ReadonlyArray<string>>([])),
  recursive: Flag.Boolean("recursive").pipe(
    Flag.withAlias("R"),
    Flag.withDescription("Reads the directories in a directory too"),
    Flag.withDefault(false)
  ),
  namespace: textFlag("namespace").pipe(
    Flag.withAlias("n"),
    Flag.withMetavar("NAMESPACE"),
    Flag.withDescription("Only the Images of this namespace, and those without a namespace, which get this one"),
    Flag.optional
  ),
  selector: textFlag("selector").pipe(
    Flag.withAlias("l"),
    Flag.withMetavar("LABELS"),
    Flag.withDescription("Only the Images with these labels, such as team=a,tier!=test"),
    Flag.filterMap(
      (text) => (Result.isSuccess(parseLabelSelector(text)) ? Option.some(text) : Option.none()),
      (text) => Result.match(parseLabelSelector(text), { onSuccess: () => "", onFailure: (message) => message })
    ),
    Flag.optional
  )
}

export const imageFlags = {
  ...optionalFileFlags,
  files: file,
  names: Argument.String("NAME").pipe(
    Argument.withDescription("Only the Images of this name, or namespace/name. Default all Images"),
    Argument.atLeast(0)
  )
}

/** The files of a command line, and which of their Images it means. */
export type ImageSelection = Command.Command.Config.Infer<typeof imageFlags>
