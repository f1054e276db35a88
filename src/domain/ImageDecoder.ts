/** Reads an Image from an object of any form, and says what is wrong with it in the terms of its fields. */
import { Result, Schema, SchemaIssue } from "effect"
import leven from "leven"
import { specSchema, type StructuralSchema } from "./CustomResourceDefinition.ts"
import { API_VERSION, type Image, type ImageHeader, ImageSpec, ImageStatus, KIND, MISSPELT_RECURRENT } from "./Image.ts"
import type { Problem } from "./Problem.ts"
import { refusals } from "./rules.ts"

/**
 * Decodes an Image that is stored already. Unknown fields are passed over, and the two misspellings of Recurrent that
 * earlier charts let in run as Recurrent, with a notice.
 */
export const decodeImage = (object: unknown): Result.Result<Image, ReadonlyArray<Problem>> => {
  const fields = recordOf(object)
  const spec = recordOf(fields["spec"])
  const mode = spec["mode"]
  const misspelt = typeof mode === "string" && MISSPELT_RECURRENT.includes(mode)
  return Result.map(decodeSpec(misspelt ? { ...spec, mode: "Recurrent" } : fields["spec"], "ignore"), (decoded) =>
    imageOf(fields, decoded, misspelt ? [`spec.mode: "${mode}" runs as Recurrent; write Recurrent`] : [])
  )
}

/** Decodes an Image that is about to be written, and refuses what an API server with our CRD refuses. */
export const admitImage = (object: unknown): Result.Result<Image, ReadonlyArray<Problem>> => {
  const fields = recordOf(object)
  const identity = identityProblems(object)
  if (identity.length > 0) return Result.fail(identity)
  const unknown = [
    ...unknownKeys(fields, ["apiVersion", "kind", "metadata", "spec", "status"], ""),
    ...unknownKeys(recordOf(fields["metadata"]), METADATA, "metadata.")
  ]
  return Result.flatMap(decodeSpec(fields["spec"], "error"), (spec) => {
    const problems = [...unknown, ...refusals(spec)]
    return problems.length > 0 ? Result.fail(problems) : Result.succeed(imageOf(fields, spec, []))
  }).pipe(Result.mapError((problems) => [...new Set([...unknown, ...problems])]))
}

/** What Kubernetes knows of any object's metadata. */
const METADATA = [
  "name",
  "namespace",
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
  "generateName",
  "generation",
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "selfLink"
]

/** A DNS subdomain, by RFC 1123: what Kubernetes asks of a name. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u

const identityProblems = (object: unknown): ReadonlyArray<Problem> => {
  const fields = recordOf(object)
  if (fields["kind"] !== KIND || fields["apiVersion"] !== API_VERSION) {
    const found = typeof fields["kind"] === "string" ? `${String(fields["apiVersion"])} ${fields["kind"]}` : undefined
    return [invalid("kind", found, `is no Image; write apiVersion: ${API_VERSION} and kind: ${KIND}`)]
  }
  const name = recordOf(fields["metadata"])["name"]
  if (typeof name !== "string" || name.length > 253 || !OBJECT_NAME.test(name)) {
    return [invalid("metadata.name", name, "is no object name; write lower-case letters, digits, dashes and dots")]
  }
  return []
}

const imageOf = (
  fields: Readonly<Record<string, unknown>>,
  spec: ImageSpec,
  notices: ReadonlyArray<string>
): Image => ({ ...decodeHeader(fields), spec, notices })

/** An Image without its spec, which every object has. A status that cannot be read is empty. */
export const decodeHeader = (object: unknown): ImageHeader => {
  const fields = recordOf(object)
  const metadata = recordOf(fields["metadata"])
  const text = (key: string): string => (typeof metadata[key] === "string" ? metadata[key] : "")
  return {
    namespace: text("namespace"),
    name: text("name"),
    uid: text("uid"),
    generation: typeof metadata["generation"] === "number" ? metadata["generation"] : 0,
    status: statusOf(fields["status"]),
    notices: []
  }
}

const decodeStatus = Schema.decodeUnknownResult(ImageStatus)

/** A status that cannot be read (an earlier operator's, a hand-made one) is no status: the registries are the truth. */
const statusOf = (status: unknown): ImageStatus =>
  Result.match(decodeStatus(status ?? {}), { onFailure: () => ({}), onSuccess: (decoded) => decoded })

const decodeSpecResult = Schema.decodeUnknownResult(ImageSpec)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook: (issue) => issue._tag })

const decodeSpec = (
  spec: unknown,
  onExcessProperty: "error" | "ignore"
): Result.Result<ImageSpec, ReadonlyArray<Problem>> =>
  decodeSpecResult(withoutNulls(spec, specSchema), { errors: "all", onExcessProperty }).pipe(
    Result.mapError((error) =>
      issuesOf(error.issue).issues.map((issue) =>
        problemOf(
          spec,
          (issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment)),
          issue.message
        )
      )
    )
  )

/** A field left blank in YAML is null; an API server drops it where null is not allowed, and so it means the default. */
const withoutNulls = (value: unknown, schema: StructuralSchema | undefined): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([key, field]) => field !== null || schema?.properties?.[key] === undefined)
          .map(([key, field]) => [key, withoutNulls(field, schema?.properties?.[key])])
      )
    : value

const problemOf = (spec: unknown, path: ReadonlyArray<string>, message: string): Problem => {
  const value = path.reduce<unknown>(
    (node, key) => (Array.isArray(node) ? node[Number(key)] : recordOf(node)[key]),
    spec
  )
  const field = path.reduce((parent, key) => (/^[0-9]+$/u.test(key) ? `${parent}[${key}]` : `${parent}.${key}`), "spec")
  const last = path.at(-1) ?? ""
  if (message === "UnexpectedKey") {
    const siblings = Object.keys(schemaAt(path.slice(0, -1))?.properties ?? {})
    return invalid(field, value, `is no field of an Image; ${suggestion(last, siblings)}`)
  }
  const isAbsent = value === undefined || (value === null && path.length > 0)
  if (isAbsent) return invalid(field, undefined, "is missing; it is required")
  const schema = schemaAt(path)
  if (last === "frequency" && typeof value === "string") {
    const remedy = "is not a duration; use for example 15m, 1h30m or 1d12h"
    return { field, value, reason: "InvalidFrequency", message: remedy }
  }
  if (schema?.enum !== undefined) {
    const meant = nearestOf(typeof value === "string" ? value : "", schema.enum)
    const remedy = meant === undefined ? "write one of these" : `did you mean ${meant}?`
    return invalid(field, value, `is none of ${schema.enum.join(", ")}; ${remedy}`)
  }
  if (!isOfType(value, schema?.type)) {
    return invalid(field, value, `is not of the right type; write ${articled(schema?.type ?? "value")}`)
  }
  if (typeof value === "number")
    return invalid(field, value, `is too small; write ${String(schema?.["minimum"])} or more`)
  if (Array.isArray(value)) {
    const [least, most] = [schema?.["minItems"], schema?.["maxItems"]].map((bound) => JSON.stringify(bound ?? 0))
    return invalid(field, value, `has too few or too many items; write ${least} to ${most} of them`)
  }
  const isText = path.at(-2) === "platforms"
  if (isText && value !== "") {
    return invalid(field, value, "is not a platform; write os/architecture, such as linux/amd64, or linux/arm/v7")
  }
  return invalid(
    field,
    value,
    value === "" ? "is empty; it is required" : `is too long; write at most ${String(schema?.["maxLength"])} characters`
  )
}

const isOfType = (value: unknown, type: string | undefined): boolean => {
  if (type === "array") return Array.isArray(value)
  if (type === "integer") return Number.isInteger(value)
  return typeof value === type && value !== null && !Array.isArray(value)
}

const TYPES: Readonly<Record<string, string>> = {
  object: "a mapping of fields",
  boolean: "true or false",
  array: "a list",
  integer: "a whole number"
}

const articled = (type: string): string => TYPES[type] ?? `a ${type}, in quotes if need be`

const schemaAt = (path: ReadonlyArray<string>): StructuralSchema | undefined =>
  path.reduce<StructuralSchema | undefined>(
    (schema, key) => (schema?.type === "array" ? schema.items : schema?.properties?.[key]),
    specSchema
  )

/** Names the word that was meant, if one is near; else all there are. */
const suggestion = (written: string, known: ReadonlyArray<string>): string => {
  const meant = nearestOf(written, known)
  return meant === undefined ? `known are ${known.join(", ")}` : `did you mean ${meant}?`
}

/** Near is up to three slips, and fewer in a short word: `type` was not meant to be `mode`. */
const nearestOf = (written: string, known: ReadonlyArray<string>): string | undefined =>
  known
    .map((word) => ({ word, distance: leven(written.toLowerCase(), word.toLowerCase()) }))
    .filter(({ distance, word }) => distance <= Math.min(3, word.length / 2))
    .sort((a, b) => a.distance - b.distance)[0]?.word

const unknownKeys = (
  fields: Readonly<Record<string, unknown>>,
  known: ReadonlyArray<string>,
  prefix: string
): ReadonlyArray<Problem> =>
  Object.keys(fields)
    .filter((key) => !known.includes(key))
    .map((key) => invalid(prefix + key, fields[key], `is no field of an Image; ${suggestion(key, known)}`))

const invalid = (field: string, value: unknown, message: string): Problem => ({
  field,
  value,
  reason: "InvalidSpec",
  message
})

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : {}
