/** The kinds of objects that the operator reads and writes. Each Schema has only the fields that the operator reads. */
import { Result, Schema } from "effect"
import { GROUP, KIND, PLURAL, REQUESTED_AT, VERSION } from "../domain/Image.ts"
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
  metadata: Schema.Struct({
    ...metadataFields,
    annotations: Schema.optionalKey(Schema.Struct({ [REQUESTED_AT]: Schema.optionalKey(Schema.String) }))
  }),
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

/** A condition of a Job or a pod. */
const ObjectCondition = Schema.Struct({
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
      completionTime: Schema.optionalKey(Schema.String),
      conditions: Schema.optionalKey(Schema.Array(ObjectCondition))
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
  running: Schema.optionalKey(Schema.Struct({ startedAt: Schema.optionalKey(Schema.String) })),
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

const PodContainer = Schema.Struct({
  name: Schema.String,
  image: Schema.optionalKey(Schema.String),
  resources: Schema.optionalKey(
    Schema.Struct({
      limits: Schema.optionalKey(Schema.Struct({ memory: Schema.optionalKey(Schema.String) }))
    })
  )
})

const PodObject = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({
    ...metadataFields,
    ownerReferences: Schema.optionalKey(
      Schema.Array(Schema.Struct({ kind: Schema.String, name: Schema.String, uid: Schema.String }))
    )
  }),
  spec: Schema.optionalKey(Schema.Struct({ containers: Schema.optionalKey(Schema.Array(PodContainer)) })),
  status: Schema.optionalKey(
    Schema.Struct({
      phase: Schema.optionalKey(Schema.String),
      reason: Schema.optionalKey(Schema.String),
      message: Schema.optionalKey(Schema.String),
      conditions: Schema.optionalKey(Schema.Array(ObjectCondition)),
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

const EventObject = Schema.Struct({
  ...typeFields,
  metadata: Metadata,
  involvedObject: Schema.Struct({
    namespace: Schema.optionalKey(Schema.String),
    uid: Schema.optionalKey(Schema.String)
  }),
  reason: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String)
})
export type EventObject = typeof EventObject.Type

/** What components of the cluster say about an object. */
export const Events: Resource<EventObject> = {
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  schema: EventObject,
  statusSubresource: false
}
