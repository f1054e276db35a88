/** The kinds of objects that the operator reads and writes. Each Schema has only the fields that the operator reads. */
import { Result, Schema } from "effect"
import { GROUP, KIND, PLURAL, VERSION } from "../domain/Image.ts"
import { admitImage } from "../domain/ImageDecoder.ts"
import { formatProblem } from "../domain/Problem.ts"
import { Metadata, metadataFields, type Resource, typeFields } from "./Resource.ts"

/** The operator's own labels or annotations. */
const OwnMarks = Schema.Record(Schema.TemplateLiteral([`${GROUP}/`, Schema.String]), Schema.String)

/**
 * An Image as stored. `spec` and `status` are not decoded here, because one broken object must not fail a whole list.
 * domain/ImageDecoder decodes them Image by Image.
 */
const ImageObject = Schema.Struct({
  ...typeFields,
  metadata: Metadata,
  spec: Schema.optionalKey(Schema.Unknown),
  status: Schema.optionalKey(Schema.Unknown)
})
export type ImageObject = typeof ImageObject.Type

/** The resource of Images, for `KubeClient` and `Store`. */
export const Images: Resource<ImageObject> = {
  group: GROUP,
  version: VERSION,
  kind: KIND,
  plural: PLURAL,
  schema: ImageObject,
  statusSubresource: true,
  admit: (object) =>
    admitImage(object).pipe(
      Result.mapError((problems) => problems.map(formatProblem).join("; ")),
      // The CRD's default: the status of a new object must not count as observed.
      Result.map((image) => ({ status: { observedGeneration: -1 }, ...object, spec: image.spec }))
    )
}

const JobCondition = Schema.Struct({
  type: Schema.String,
  status: Schema.String,
  reason: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  lastTransitionTime: Schema.optionalKey(Schema.String)
})

const JobObject = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({
    ...metadataFields,
    labels: Schema.optionalKey(OwnMarks),
    annotations: Schema.optionalKey(OwnMarks)
  }),
  status: Schema.optionalKey(
    Schema.Struct({
      active: Schema.optionalKey(Schema.Int),
      completionTime: Schema.optionalKey(Schema.String),
      conditions: Schema.optionalKey(Schema.Array(JobCondition))
    })
  )
})
export type JobObject = typeof JobObject.Type

export const Jobs: Resource<JobObject> = {
  group: "batch",
  version: "v1",
  kind: "Job",
  plural: "jobs",
  schema: JobObject,
  statusSubresource: true
}

const ContainerState = Schema.Struct({
  waiting: Schema.optionalKey(
    Schema.Struct({ reason: Schema.optionalKey(Schema.String), message: Schema.optionalKey(Schema.String) })
  ),
  terminated: Schema.optionalKey(
    Schema.Struct({
      exitCode: Schema.Int,
      reason: Schema.optionalKey(Schema.String),
      message: Schema.optionalKey(Schema.String)
    })
  )
})

const ContainerStatuses = Schema.Array(
  Schema.Struct({ name: Schema.String, state: Schema.optionalKey(ContainerState) })
)

const PodObject = Schema.Struct({
  ...typeFields,
  metadata: Metadata,
  status: Schema.optionalKey(
    Schema.Struct({
      phase: Schema.optionalKey(Schema.String),
      reason: Schema.optionalKey(Schema.String),
      message: Schema.optionalKey(Schema.String),
      initContainerStatuses: Schema.optionalKey(ContainerStatuses),
      containerStatuses: Schema.optionalKey(ContainerStatuses)
    })
  )
})
export type PodObject = typeof PodObject.Type

export const Pods: Resource<PodObject> = {
  group: "",
  version: "v1",
  kind: "Pod",
  plural: "pods",
  schema: PodObject,
  statusSubresource: true
}

const SecretObject = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({ ...metadataFields, annotations: Schema.optionalKey(OwnMarks) }),
  type: Schema.optionalKey(Schema.String),
  immutable: Schema.optionalKey(Schema.Boolean),
  data: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})
export type SecretObject = typeof SecretObject.Type

export const Secrets: Resource<SecretObject> = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  schema: SecretObject,
  statusSubresource: false
}

/**
 * Who leads, and for how long since the last renewal. Labels and annotations are read to be written back: an update
 * replaces the whole object, and other clients may have set them.
 */
const LeaseObject = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({
    ...metadataFields,
    labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  }),
  spec: Schema.optionalKey(
    Schema.Struct({
      holderIdentity: Schema.optionalKey(Schema.String),
      leaseDurationSeconds: Schema.optionalKey(Schema.Int),
      acquireTime: Schema.optionalKey(Schema.String),
      renewTime: Schema.optionalKey(Schema.String),
      leaseTransitions: Schema.optionalKey(Schema.Int)
    })
  )
})
export type LeaseObject = typeof LeaseObject.Type

export const Leases: Resource<LeaseObject> = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  schema: LeaseObject,
  statusSubresource: false
}
