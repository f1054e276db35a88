/** `version`: prints the version, as `--version` does. */
import { Console } from "effect"
import { Command } from "effect/cli"
import { version } from "../version.ts"

export const versionCommand = Command.make("version", {}, () => Console.log(`skopeo-operator v${version}`)).pipe(
  Command.withDescription("Prints the version.")
)
