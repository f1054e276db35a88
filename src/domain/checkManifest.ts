/** Finds all mistakes of a manifest at once: those that an API server refuses, and those that the operator would find later. */
import { Result } from "effect"
import type { Image, ImageSpec } from "./Image.ts"
import { admitImage } from "./ImageDecoder.ts"
import { parseMirror } from "./Mirror.ts"
import type { Problem } from "./Problem.ts"

/** Decodes a manifest, and parses its spec. Fails with all problems. */
export const checkManifest = (object: unknown): Result.Result<Image, ReadonlyArray<Problem>> =>
  Result.match(admitImage(object), {
    onSuccess: (image) =>
      Result.match(parseMirror(image.spec), {
        onSuccess: () => Result.succeed(image),
        onFailure: (problems) => Result.fail(withoutTwins(problems))
      }),
    onFailure: (problems) => Result.fail(withoutTwins([...problems, ...problemsOfTheRest(object, problems)]))
  })

/** Values for required fields that are missing or refused. A pattern, because every other field is allowed beside a pattern. */
const SAMPLE: Pick<ImageSpec, "source" | "destination"> = {
  source: { name: "registry.example/app", version: "1.x" },
  destination: { name: "registry.example/app" }
}

/** The problems of the fields that admission accepts. They are found in a copy of the manifest without the refused fields. */
const problemsOfTheRest = (object: unknown, refused: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  if (!isRecord(object)) return []
  const fields = refused.map(({ field }) => segmentsOf(field))
  const spec = fields.reduce<unknown>(
    (rest, [root, ...path]) => (root === "spec" ? without(rest, path) : rest),
    object["spec"]
  )
  const { destination, source, ...others } = isRecord(spec) ? spec : {}
  const filled = {
    ...others,
    source: { ...SAMPLE.source, ...(isRecord(source) ? source : {}) },
    destination: { ...SAMPLE.destination, ...(isRecord(destination) ? destination : {}) }
  }
  const admitted = admitImage({ ...object, metadata: { name: "sample" }, spec: filled })
  return Result.match(
    Result.flatMap(admitted, (image) => parseMirror(image.spec)),
    {
      onSuccess: () => [],
      // A problem of a sample's field is a problem of the sample.
      onFailure: (problems) => problems.filter(({ field }) => refused.every((problem) => problem.field !== field))
    }
  )
}

/** The keys of a field: `spec.platforms[0]` gives `spec` and `platforms`. A refused item takes its whole list with it. */
const segmentsOf = (field: string): ReadonlyArray<string> => (field.split("[")[0] ?? "").split(".")

/** A value without the field at a path. Without a path nothing is left. */
const without = (value: unknown, [key, ...path]: ReadonlyArray<string>): unknown => {
  if (key === undefined) return undefined
  if (!isRecord(value)) return value
  const { [key]: field, ...others } = value
  return path.length === 0 || field === undefined ? others : { ...others, [key]: without(field, path) }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The rules for several fields are checked at admission and by the parser. */
const withoutTwins = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> =>
  problems.filter(
    ({ field, message }, index) =>
      problems.findIndex((other) => other.field === field && other.message === message) === index
  )
