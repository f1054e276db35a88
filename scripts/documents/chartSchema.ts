/** values.schema.json of the chart: the types of the values in values.yaml, with their comments and defaults. */
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from "yaml"
import { chartValues, isGroup } from "./chartValues.ts"

/** A JSON Schema, by keyword. */
export type Schema = Readonly<Record<string, unknown>>

const BOOLEAN = { type: "boolean" }
const TEXT = { type: "string" }
const integer = (minimum: number, maximum?: number): Schema => ({
  type: "integer",
  minimum,
  ...(maximum === undefined ? {} : { maximum })
})
const nullOr = ({ type, ...rest }: Schema): Schema => ({ type: [type, "null"], ...rest })
const listOf = (items: Schema): Schema => ({ type: "array", items })
const oneOf = (...values: ReadonlyArray<unknown>): Schema => ({ enum: values })
/** An object of Kubernetes, which the API server checks. */
const OBJECT = { type: "object" }
const mapOf = (values: Schema): Schema => ({ type: "object", additionalProperties: values })
/** In the units of Kubernetes: 1, 0.5, 50m, 128Mi. */
const QUANTITY = { type: ["string", "number"] }
const PORT = integer(1, 65_535)
const SECONDS = integer(1, 604_800)
const RETRIES = integer(0, 10)
/** The earlier operator's chart also took the word in quotes. */
const WORD_OR_BOOLEAN = oneOf(true, false, "true", "false")

/** The types that the defaults do not show. The limits are those of src/Config.ts. */
const TYPES: Readonly<Record<string, Schema>> = {
  "image.imagePullPolicy": oneOf("Always", "IfNotPresent", "Never"),
  replicas: integer(0),
  "podDisruptionBudget.maxUnavailable": { type: ["integer", "string"] },
  logLevel: oneOf("all", "trace", "debug", "info", "warn", "error", "fatal", "none"),
  "ports.metrics": PORT,
  "ports.probes": PORT,
  instanceName: { ...TEXT, pattern: "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$" },
  affinity: OBJECT,
  tolerations: listOf(OBJECT),
  topologySpreadConstraints: listOf(OBJECT),
  terminationGracePeriodSeconds: integer(0),
  podSecurityContext: OBJECT,
  securityContext: OBJECT,
  extraEnv: listOf({ type: "object", required: ["name"] }),
  extraEnvFrom: listOf(OBJECT),
  extraVolumes: listOf({ type: "object", required: ["name"] }),
  extraVolumeMounts: listOf({ type: "object", required: ["name", "mountPath"] }),
  "resources.requests": mapOf(QUANTITY),
  "resources.limits": mapOf(QUANTITY),
  watchNamespaces: {
    ...listOf({ ...TEXT, pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" }),
    maxItems: 64,
    uniqueItems: true
  },
  "config.copyEngine": oneOf("skopeo-job", "direct"),
  "config.source.disabledTlsCheck": WORD_OR_BOOLEAN,
  "config.destination.disabledTlsCheck": WORD_OR_BOOLEAN,
  "config.jobDeletionDelaySeconds": { ...integer(0, 86_400), type: ["integer", "string"], pattern: "^[0-9]+$" },
  "config.reconcilesAtOnce": integer(1, 1_000),
  "config.copies.total": integer(1, 10_000),
  "config.copies.perRegistry": integer(1, 10_000),
  "config.copies.perNamespace": nullOr(integer(1, 10_000)),
  "config.copies.deadlineSeconds": SECONDS,
  "config.jobs.resources.requests": mapOf(QUANTITY),
  "config.jobs.resources.limits": mapOf(QUANTITY),
  "config.jobs.tolerations": listOf(OBJECT),
  "config.jobs.affinity": OBJECT,
  "config.jobs.hostUsers": nullOr(BOOLEAN),
  "config.jobs.runAsUser": nullOr(integer(1)),
  "config.jobs.backoffLimit": RETRIES,
  "config.jobs.retryTimes": RETRIES,
  "config.jobs.deadlineSeconds": SECONDS,
  "config.jobs.startSeconds": SECONDS,
  "jobNamespace.quota": mapOf(QUANTITY),
  // The templates check a policy, and name the rule and the remedy.
  policy: {},
  "networkPolicy.dnsPorts": listOf(PORT),
  "networkPolicy.operator.metricsFrom": listOf(OBJECT),
  "monitoring.podMonitor.podMetricsEndpoints": listOf(OBJECT),
  "monitoring.serviceMonitor.endpoints": listOf(OBJECT),
  "monitoring.prometheusRule.outOfSyncSeconds": integer(1),
  "monitoring.prometheusRule.disabled": { ...listOf(TEXT), uniqueItems: true },
  "monitoring.prometheusRule.overrides": mapOf(OBJECT),
  "tracing.protocol": oneOf("http/protobuf", "http/json"),
  // `helm --set` gives a fraction as a text.
  "tracing.sampleRatio": { type: ["number", "string"], minimum: 0, maximum: 1, pattern: String.raw`^(0|1|0?\.[0-9]+)$` }
}

/** Helm gives these to a chart that is a dependency of another chart. */
const OF_A_DEPENDENCY: Readonly<Record<string, Schema>> = {
  global: {
    description: "The global values of a chart that has this chart as a dependency. Not used.",
    type: "object"
  },
  enabled: {
    description: "For the condition of a chart that has this chart as a dependency. Not used.",
    type: "boolean"
  }
}

/** Only the named values. */
const groupOf = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  additionalProperties: false,
  properties
})

/** The type that a default shows. */
const typeOf = (path: string, value: unknown): Schema => {
  if (/(?:^|\.)(?:[a-z]*[lL]abels|[a-z]*[aA]nnotations|nodeSelector)$/u.test(path)) return mapOf(TEXT)
  if (typeof value === "boolean") return BOOLEAN
  if (typeof value === "string") return TEXT
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return listOf(TEXT)
  throw new Error(
    `${path}: its default ${JSON.stringify(value)} does not show its type; name the type in scripts/documents/chartSchema.ts`
  )
}

/** The schema of the values in values.yaml. Unknown values are refused wherever the chart itself names the values. */
export const chartSchema = (text: string): Schema => {
  const meanings = new Map(chartValues(text).map(({ meaning, path }) => [path, meaning]))
  const unused = new Set(Object.keys(TYPES))

  const leaf = (path: string, value: unknown): Schema => {
    unused.delete(path)
    return { ...(TYPES[path] ?? typeOf(path, value)), default: value }
  }

  const propertiesOf = (map: YAMLMap, path: string): Readonly<Record<string, Schema>> =>
    Object.fromEntries(
      map.items.flatMap(({ key, value }): ReadonlyArray<readonly [string, Schema]> => {
        if (!isScalar(key)) return []
        const here = path === "" ? String(key.value) : `${path}.${String(key.value)}`
        const description = meanings.get(here)
        const schema = isGroup(value)
          ? groupOf(propertiesOf(value, here))
          : leaf(here, isNode(value) ? value.toJSON() : null)
        return [[String(key.value), { ...(description === undefined ? {} : { description }), ...schema }]]
      })
    )

  const { contents } = parseDocument(text)
  if (!isMap(contents)) throw new Error("values.yaml is not a mapping")
  const properties = propertiesOf(contents, "")
  const [first] = unused
  if (first !== undefined) {
    throw new Error(`${first}: values.yaml has no such value; remove it from scripts/documents/chartSchema.ts`)
  }
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart skopeo-operator",
    ...groupOf({ ...properties, ...OF_A_DEPENDENCY })
  }
}
