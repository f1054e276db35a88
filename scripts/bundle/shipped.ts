/** How the container image starts the program. */
import { readFileSync } from "node:fs"
import { Schema } from "effect"

const Command = Schema.fromJsonString(Schema.NonEmptyArray(Schema.String))

/** The arguments of Node.js that the Dockerfile has, for a bundle in another directory than the image's. */
export const shipped = (bundle: string): ReadonlyArray<string> => {
  const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8")
  const line = /^ENTRYPOINT (\[.*\])$/mu.exec(dockerfile)?.[1]
  const [, ...args] = Schema.decodeUnknownSync(Command)(line)
  return args.map((arg) => arg.replace(/^\/app(?=\/)/u, bundle))
}
