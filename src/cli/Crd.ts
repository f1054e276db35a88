/** `crd`: the CustomResourceDefinition, for those who install without the chart. */
import { Console } from "effect"
import { Command } from "effect/cli"
import { stringify } from "yaml"
import { customResourceDefinition } from "../domain/CustomResourceDefinition.ts"

/** One statement a line, however long: what is generated must not depend on a width. */
export const crdYaml = (): string => stringify(customResourceDefinition, { lineWidth: 0 })

export const crdCommand = Command.make("crd", {}, () => Console.log(crdYaml().trimEnd())).pipe(
  Command.withDescription("Prints the CustomResourceDefinition of Image as YAML.")
)
