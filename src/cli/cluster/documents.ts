/** Kubernetes objects as JSON or YAML on standard output, in kubectl's shapes. */
import { Console } from "effect"
import { formatDocument } from "../output.ts"

/** Prints one object, or a list. A command that names one object gets the object itself. */
export const printObjects = (format: "json" | "yaml", objects: ReadonlyArray<object>, isOne: boolean) => {
  const [only] = isOne ? objects : []
  return Console.log(formatDocument(only ?? { apiVersion: "v1", kind: "List", metadata: {}, items: objects }, format))
}
