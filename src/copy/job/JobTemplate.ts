/** The settings for the Jobs of copies and for their pods: the variable `JOB_TEMPLATE`. */
import { Predicate, Result, Schema, SchemaIssue } from "effect"
import { excerpt } from "../../text/line.ts"

const Marks = Schema.Record(Schema.String, Schema.String)
/** A field that only the API server understands. The API server reports a mistake when a Job is created. */
const PodField = Schema.Record(Schema.String, Schema.Unknown)
const Quantities = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite]))
const Retries = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))
const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 604_800 }))

/** A field that is left out has the value of {@link DEFAULT_TEMPLATE}. */
const PartialTemplate = Schema.Struct({
  /** Labels of Jobs and pods, in addition to the operator's labels. */
  labels: Schema.optionalKey(Marks),
  /** Annotations of Jobs and pods. */
  annotations: Schema.optionalKey(Marks),
  /** The requests and limits of Skopeo's container, in the units of Kubernetes. */
  resources: Schema.optionalKey(
    Schema.Struct({ requests: Schema.optionalKey(Quantities), limits: Schema.optionalKey(Quantities) })
  ),
  nodeSelector: Schema.optionalKey(Marks),
  tolerations: Schema.optionalKey(Schema.Array(PodField)),
  affinity: Schema.optionalKey(PodField),
  /** The names of Secrets in the namespace of the Jobs. */
  imagePullSecrets: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /** Empty: the cluster's default. */
  priorityClassName: Schema.optionalKey(Schema.String),
  /** The service account of the pods, whose token is never mounted. Empty: the namespace's `default`. */
  serviceAccountName: Schema.optionalKey(Schema.String),
  /** `false` gives the pods a user namespace of their own. `null` leaves the field out, for clusters without user namespaces. */
  hostUsers: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  /** User and group of the pod. `null` leaves both to the cluster, which OpenShift requires. */
  runAsUser: Schema.optionalKey(Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))),
  /**
   * The size of the folder for Skopeo's temporary files. Also the limit of all that a container writes to its node
   * (`ephemeral-storage`), if `resources` has no such limit.
   */
  workSizeLimit: Schema.optionalKey(Schema.NonEmptyString),
  /** How often a Job makes another pod after a pod has failed. */
  backoffLimit: Schema.optionalKey(Retries),
  /** How often Skopeo retries a request within a pod: `--retry-times`. */
  retryTimes: Schema.optionalKey(Retries),
  /** How long a pod may run, in seconds. */
  deadlineSeconds: Schema.optionalKey(Seconds),
  /** How long a Job may have no running container, in seconds. Then it is deleted, and the copy is tried again later. */
  startSeconds: Schema.optionalKey(Seconds)
})

export type JobTemplate = Required<typeof PartialTemplate.Type>

/** The bytes that a container writes to its node: temporary files and its log. */
export const EPHEMERAL_STORAGE = "ephemeral-storage"

export const DEFAULT_TEMPLATE: JobTemplate = {
  labels: {},
  annotations: {},
  resources: { requests: { cpu: "50m", memory: "128Mi", [EPHEMERAL_STORAGE]: "16Mi" }, limits: { memory: "1Gi" } },
  nodeSelector: {},
  tolerations: [],
  affinity: {},
  imagePullSecrets: [],
  priorityClassName: "",
  serviceAccountName: "",
  hostUsers: null,
  // Skopeo's image names no user, and runAsNonRoot refuses root.
  runAsUser: 65_532,
  workSizeLimit: "1Gi",
  backoffLimit: 1,
  retryTimes: 3,
  deadlineSeconds: 3_600,
  startSeconds: 300
}

/** Names the fields that are known where an unknown field stands. */
const knownAt = (path: ReadonlyArray<string>): string => {
  const fields = path.length === 1 ? Object.keys(PartialTemplate.fields) : ["requests", "limits"]
  return `known are ${fields.join(", ")}`
}

const UNKNOWN = "UnexpectedKey"
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "UnexpectedKey" ? UNKNOWN : SchemaIssue.defaultLeafHook(issue))
})

const decode = Schema.decodeUnknownResult(PartialTemplate, { errors: "all", onExcessProperty: "error" })

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => `${JSON.stringify(excerpt(text, 40))} is not JSON; write an object such as {"runAsUser": 1000}`
  })

/**
 * Parses a template, and adds the defaults. The failure names each wrong field, the field's value and the remedy.
 *
 * @example
 * parseJobTemplate(`{ "resources": { "limits": { "cpu": "1", "memory": "2Gi" } }, "runAsUser": null }`)
 */
export const parseJobTemplate = (text: string): Result.Result<JobTemplate, string> =>
  Result.flatMap(parseJson(text), (value) =>
    decode(value).pipe(
      Result.map((template) => ({ ...DEFAULT_TEMPLATE, ...template })),
      Result.mapError(({ issue }) =>
        [...new Set(issuesOf(issue).issues.map((each) => problemOf(value, each)))].join("; ")
      )
    )
  )

type Issue = ReturnType<typeof issuesOf>["issues"][number]

/** A problem of one field, in words. */
const problemOf = (template: unknown, { message, path = [] }: Issue): string => {
  const keys = path.map((segment) => String(typeof segment === "object" ? segment.key : segment))
  const field = keys.join(".")
  if (message === UNKNOWN) return `${field}: there is no such field; ${knownAt(keys)}`
  const value = keys.reduce<unknown>(
    (node, key) => (Predicate.hasProperty(node, key) ? node[key] : undefined),
    template
  )
  const written = excerpt(JSON.stringify(value) ?? "", 40)
  return `${field === "" ? "the template" : field}: ${written} is not accepted; ${message.replace(/^Expected/u, "expected")}`
}
