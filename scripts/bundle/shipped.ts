/** The start of the program in the container image. */
import { readFileSync } from "node:fs"
import { Schema } from "effect"

const Command = Schema.fromJsonString(Schema.NonEmptyArray(Schema.String))

/** The arguments of Node.js in the Dockerfile, for a bundle in another directory. */
export const shipped = (bundle: string): ReadonlyArray<string> => {
  const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8")
  const line = /^ENTRYPOINT (\[.*\])$/mu.exec(dockerfile)?.[1]
  const [, ...args] = Schema.decodeUnknownSync(Command)(line)
  return args.map((arg) => arg.replace(/^\/app(?=\/)/u, bundle))
}
