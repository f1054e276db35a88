/** The installer's settings of copy Jobs and their pods: `JOB_TEMPLATE`. */
import { Result, Schema, SchemaIssue } from "effect"

const Marks = Schema.Record(Schema.String, Schema.String)
/** A part of a pod that is passed on unread. The API server reports a mistake in it when a Job is created. */
const PodField = Schema.Record(Schema.String, Schema.Unknown)
const Quantities = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite]))
const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 604_800 }))

/** Every field is optional. Its default is the value of {@link DEFAULT_TEMPLATE}. */
const PartialTemplate = Schema.Struct({
  /** Labels of Jobs and pods, in addition to the operator's own. */
  labels: Schema.optionalKey(Marks),
  annotations: Schema.optionalKey(Marks),
  /** The resources of Skopeo's container, as in Kubernetes. */
  resources: Schema.optionalKey(
    Schema.Struct({ requests: Schema.optionalKey(Quantities), limits: Schema.optionalKey(Quantities) })
  ),
  nodeSelector: Schema.optionalKey(Marks),
  tolerations: Schema.optionalKey(Schema.Array(PodField)),
  affinity: Schema.optionalKey(PodField),
  /** The names of Secrets in the namespace of the Jobs. */
  imagePullSecrets: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /** Empty for the default of the cluster. */
  priorityClassName: Schema.optionalKey(Schema.String),
  /** The user and group of the pod. `null` leaves both to the cluster, as OpenShift requires. */
  runAsUser: Schema.optionalKey(Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))),
  /** The limit of the volume for temporary files. */
  workSizeLimit: Schema.optionalKey(Schema.NonEmptyString),
  /** How long a pod may run, in seconds. */
  deadlineSeconds: Schema.optionalKey(Seconds),
  /** How long a Job may have no running container, in seconds. Then it is deleted, and the copy is tried again later. */
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
  // Skopeo's image names no user, and runAsNonRoot refuses root.
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
 * Parses a template. Absent fields have their defaults. A failure names each wrong field.
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
