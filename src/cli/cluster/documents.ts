/** Kubernetes objects as JSON or YAML on standard output, in kubectl's shapes. */
import { Console } from "effect"
import { stringify } from "yaml"
import { jsonText } from "../../text/line.ts"

/** Prints one object, or a list. A command that names one object gets the object itself. */
export const printObjects = (format: "json" | "yaml", objects: ReadonlyArray<object>, isOne: boolean) => {
  const document =
    isOne && objects.length === 1 ? objects[0] : { apiVersion: "v1", kind: "List", metadata: {}, items: objects }
  return Console.log(format === "json" ? jsonText(document, 2) : stringify(document, { lineWidth: 0 }).trimEnd())
}
