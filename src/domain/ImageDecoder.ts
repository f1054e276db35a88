/** Decodes an Image from any object, and reports problems by field. */
import { Result, Schema, SchemaIssue } from "effect"
import { NOT_A_PLATFORM } from "../oci/Platform.ts"
import { specSchema, type StructuralSchema } from "./CustomResourceDefinition.ts"
import { NOT_A_FREQUENCY } from "./Frequency.ts"
import { shorten } from "../text/line.ts"
import {
  API_VERSION,
  type Image,
  type ImageHeader,
  ImageSpec,
  ImageStatus,
  KIND,
  MISSPELT_RECURRENT,
  REQUEST_LENGTH,
  REQUESTED_AT
} from "./Image.ts"
import { isObjectName } from "./objectName.ts"
import type { Problem } from "./Problem.ts"
import { refusals } from "./rules.ts"
import { nearestOf, suggestion } from "./suggestion.ts"

/**
 * Decodes a stored Image. Unknown fields are ignored. An empty text counts as unset, because the Go releases stored every field.
 * Two misspellings of Recurrent, which earlier charts accepted, are decoded as Recurrent with a notice. Fails with the problems
 * of the spec.
 *
 * @example
 * ```ts
 * Result.map(decodeImage(object), ({ spec }) => spec.source.name)
 * ```
 */
export const decodeImage = (object: unknown): Result.Result<Image, ReadonlyArray<Problem>> => {
  const fields = recordOf(object)
  const spec = recordOf(fields["spec"])
  const mode = spec["mode"]
  const misspelt = typeof mode === "string" && MISSPELT_RECURRENT.includes(mode)
  return Result.map(decodeSpec(misspelt ? { ...spec, mode: "Recurrent" } : fields["spec"], "stored"), (decoded) =>
    imageOf(fields, decoded, misspelt ? [`spec.mode: "${mode}" runs as Recurrent; write Recurrent`] : [])
  )
}

/**
 * Decodes a new Image, and refuses what an API server with the CRD refuses. Fails with all problems.
 *
 * @example
 * admitImage(parse(yaml)) // or formatProblem of each failure
 */
export const admitImage = (object: unknown): Result.Result<Image, ReadonlyArray<Problem>> => {
  const fields = recordOf(object)
  const kind = kindProblems(fields)
  if (kind.length > 0) return Result.fail(kind)
  const unknown = [
    ...nameProblems(recordOf(fields["metadata"])["name"]),
    ...unknownKeys(fields, ["apiVersion", "kind", "metadata", "spec", "status"], ""),
    ...unknownKeys(recordOf(fields["metadata"]), METADATA, "metadata.")
  ]
  return Result.flatMap(decodeSpec(fields["spec"], "new"), (spec) => {
    const problems = [...unknown, ...refusals(spec)]
    return problems.length > 0 ? Result.fail(problems) : Result.succeed(imageOf(fields, spec, []))
  }).pipe(Result.mapError((problems) => [...new Set([...unknown, ...problems])]))
}

/** The metadata fields of any Kubernetes object. */
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

const kindProblems = (fields: Readonly<Record<string, unknown>>): ReadonlyArray<Problem> => {
  if (fields["kind"] === KIND && fields["apiVersion"] === API_VERSION) return []
  const found = typeof fields["kind"] === "string" ? `${String(fields["apiVersion"])} ${fields["kind"]}` : undefined
  return [invalid("kind", found, `is not an Image; write apiVersion: ${API_VERSION} and kind: ${KIND}`)]
}

const nameProblems = (name: unknown): ReadonlyArray<Problem> => {
  if (typeof name === "string" && isObjectName(name)) return []
  const message =
    name === undefined || name === null
      ? "is missing; it is required"
      : "is not an object name; write lower-case letters, digits, dashes and dots"
  return [invalid("metadata.name", name ?? undefined, message)]
}

const imageOf = (
  fields: Readonly<Record<string, unknown>>,
  spec: ImageSpec,
  notices: ReadonlyArray<string>
): Image => ({ ...decodeHeader(fields), spec, notices })

/**
 * Decodes an Image without its spec. Total: a status that cannot be decoded is empty.
 *
 * @example
 * ```ts
 * decodeHeader(object).status.tags // "12/14"
 * ```
 */
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
    ...requestIn(recordOf(metadata["annotations"])),
    notices: []
  }
}

const requestIn = ({ [REQUESTED_AT]: value }: Readonly<Record<string, unknown>>): Pick<ImageHeader, "requestedAt"> =>
  typeof value === "string" && value !== "" ? { requestedAt: shorten(value, REQUEST_LENGTH) } : {}

const decodeStatus = Schema.decodeUnknownResult(ImageStatus)

/** A status that cannot be decoded, of an earlier release or written by hand, is empty: the next check restores it. */
const statusOf = (status: unknown): ImageStatus =>
  Result.match(decodeStatus(status ?? {}), { onFailure: () => ({}), onSuccess: (decoded) => decoded })

const decodeSpecResult = Schema.decodeUnknownResult(ImageSpec)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook: (issue) => issue._tag })

const decodeSpec = (spec: unknown, origin: "stored" | "new"): Result.Result<ImageSpec, ReadonlyArray<Problem>> =>
  decodeSpecResult(withoutUnset(spec, [], origin === "stored" ? [null, ""] : [null]), {
    errors: "all",
    onExcessProperty: origin === "stored" ? "ignore" : "error"
  }).pipe(
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

/**
 * Drops the fields with a value that means unset, so that their defaults apply. `null` is such a value everywhere: an API server
 * drops a field that is left blank in YAML.
 */
const withoutUnset = (value: unknown, path: ReadonlyArray<string>, unset: ReadonlyArray<unknown>): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([key, field]) => !unset.includes(field) || schemaAt([...path, key]) === undefined)
          .map(([key, field]) => [key, withoutUnset(field, [...path, key], unset)])
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
    return invalid(field, value, `is not a field of an Image; ${suggestion(last, siblings)}`)
  }
  const isAbsent = value === undefined || (value === null && path.length > 0)
  if (isAbsent) return invalid(field, undefined, "is missing; it is required")
  const schema = schemaAt(path)
  if (last === "frequency" && typeof value === "string") {
    return { field, value, reason: "InvalidFrequency", message: NOT_A_FREQUENCY }
  }
  if (schema?.enum !== undefined) {
    const meant = nearestOf(typeof value === "string" ? value : "", schema.enum)
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`
    return invalid(field, value, `must be one of ${schema.enum.join(", ")}${hint}`)
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
    return invalid(field, value, NOT_A_PLATFORM)
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

/** Whether a field of an Image, such as `["spec", "source", "version"]`, is a text of any form. */
export const isFreeText = ([root, ...path]: ReadonlyArray<string>): boolean => {
  if (root === "metadata") return path[0] === "name" || path[0] === "namespace"
  const schema = root === "spec" ? schemaAt(path) : undefined
  return schema?.type === "string" && schema.enum === undefined && schema["pattern"] === undefined
}

const schemaAt = (path: ReadonlyArray<string>): StructuralSchema | undefined =>
  path.reduce<StructuralSchema | undefined>(
    (schema, key) => (schema?.type === "array" ? schema.items : schema?.properties?.[key]),
    specSchema()
  )

const unknownKeys = (
  fields: Readonly<Record<string, unknown>>,
  known: ReadonlyArray<string>,
  prefix: string
): ReadonlyArray<Problem> =>
  Object.keys(fields)
    .filter((key) => !known.includes(key))
    .map((key) => invalid(prefix + key, fields[key], `is not a field of an Image; ${suggestion(key, known)}`))

const invalid = (field: string, value: unknown, message: string): Problem => ({
  field,
  value,
  reason: "InvalidSpec",
  message
})

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}
