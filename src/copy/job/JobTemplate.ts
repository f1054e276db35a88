/** What whoever installs the operator decides about the Jobs of copies and their pods: `JOB_TEMPLATE`. */
import { Result, Schema, SchemaIssue } from "effect"

const Marks = Schema.Record(Schema.String, Schema.String)
/** What the API server alone understands; a mistake in it is in its answer to the create of a Job. */
const PodField = Schema.Record(Schema.String, Schema.Unknown)
const Quantities = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite]))
const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 604_800 }))

/** Every field may be left out, and has then the value of {@link DEFAULT_TEMPLATE}. */
const PartialTemplate = Schema.Struct({
  /** Of Jobs and pods, beside the operator's own. */
  labels: Schema.optionalKey(Marks),
  annotations: Schema.optionalKey(Marks),
  /** Of Skopeo's container, as Kubernetes writes them. */
  resources: Schema.optionalKey(
    Schema.Struct({ requests: Schema.optionalKey(Quantities), limits: Schema.optionalKey(Quantities) })
  ),
  nodeSelector: Schema.optionalKey(Marks),
  tolerations: Schema.optionalKey(Schema.Array(PodField)),
  affinity: Schema.optionalKey(PodField),
  /** Names of Secrets in the namespace of the Jobs. */
  imagePullSecrets: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /** Empty for the cluster's default. */
  priorityClassName: Schema.optionalKey(Schema.String),
  /** User and group of the pod. `null` leaves both to the cluster, as OpenShift wants it. */
  runAsUser: Schema.optionalKey(Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))),
  /** How much Skopeo may write beside the registries. */
  workSizeLimit: Schema.optionalKey(Schema.NonEmptyString),
  /** How long a pod may run. */
  deadlineSeconds: Schema.optionalKey(Seconds),
  /** How long a Job may have no container that runs before it is deleted, and tried again later. */
  startSeconds: Schema.optionalKey(Seconds)
})

export type JobTemplate = Required<typeof PartialTemplate.Type>

export const DEFAULT_TEMPLATE: JobTemplate = {
  labels: {},
  annotations: {},
  resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
  nodeSelector: {},
  tolerations: [],
  affinity: {},
  imagePullSecrets: [],
  priorityClassName: "",
  // Skopeo's image has no user of its own, and runAsNonRoot refuses root.
  runAsUser: 65_532,
  workSizeLimit: "1Gi",
  deadlineSeconds: 3_600,
  startSeconds: 300
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "UnexpectedKey" ? "there is no such field" : SchemaIssue.defaultLeafHook(issue))
})
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(PartialTemplate), {
  errors: "all",
  onExcessProperty: "error"
})

/**
 * A template, with defaults for what it leaves out; or what is wrong with which of its fields.
 *
 * @example
 * parseJobTemplate(`{ "resources": { "limits": { "cpu": "1", "memory": "2Gi" } }, "runAsUser": null }`)
 */
export const parseJobTemplate = (text: string): Result.Result<JobTemplate, string> =>
  decode(text).pipe(
    Result.map((template) => ({ ...DEFAULT_TEMPLATE, ...template })),
    Result.mapError(({ issue }) =>
      issuesOf(issue)
        .issues.map(({ message, path = [] }) =>
          path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`
        )
        .join("; ")
    )
  )
