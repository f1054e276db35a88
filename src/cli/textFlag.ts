/** Flags whose value is a text. */
import { Option } from "effect"
import { Flag } from "effect/cli"

/**
 * A flag with a text that is not empty. The text is empty if a shell's variable is not set, as in `--file "$FILE"`. An empty file
 * would mean the current directory, and an empty selector would choose all Images.
 */
export const textFlag = (name: string): Flag.Flag<string> =>
  Flag.filterMap(
    Flag.String(name),
    (text) => (text === "" ? Option.none() : Option.some(text)),
    () => "needs a value"
  )
