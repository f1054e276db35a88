/** `crd`: prints the CustomResourceDefinition, for installations without the chart. */
import { Console } from "effect"
import { Command } from "effect/cli"
import { stringify } from "yaml"
import { customResourceDefinition } from "../domain/CustomResourceDefinition.ts"

/** The YAML of the CRD. Lines are never folded, so that the generated file depends on no width. */
export const crdYaml = (): string => stringify(customResourceDefinition, { lineWidth: 0 })

export const crdCommand = Command.make("crd", {}, () => Console.log(crdYaml().trimEnd())).pipe(
  Command.withDescription("Prints the CustomResourceDefinition of Image as YAML.")
)
