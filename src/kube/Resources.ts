/** The kinds of objects that the operator reads and writes. Each Schema has only the fields that the operator reads. */
import { Option, Result, Schema } from "effect"
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
 * A Lease of a leader election. An update replaces the whole object, so the operator reads all labels and annotations and writes
 * them back.
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

/** Messages of the cluster's components about an object. */
export const Events: Resource<EventObject> = {
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  schema: EventObject,
  statusSubresource: false
}

const ReportedEvent = Schema.Struct({
  ...typeFields,
  metadata: Metadata,
  eventTime: Schema.NullOr(Schema.String),
  reportingController: Schema.optionalKey(Schema.String),
  reportingInstance: Schema.optionalKey(Schema.String),
  action: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String),
  type: Schema.optionalKey(Schema.String),
  note: Schema.optionalKey(Schema.String),
  regarding: Schema.optionalKey(
    Schema.Struct({
      apiVersion: Schema.optionalKey(Schema.String),
      kind: Schema.optionalKey(Schema.String),
      namespace: Schema.optionalKey(Schema.String),
      name: Schema.optionalKey(Schema.String),
      uid: Schema.optionalKey(Schema.String)
    })
  ),
  series: Schema.optionalKey(Schema.Struct({ count: Schema.Int, lastObservedTime: Schema.String }))
})
export type ReportedEvent = typeof ReportedEvent.Type

/** What the operator says about Images. An API server has the same objects as {@link Events}, with other names of fields. */
export const ReportedEvents: Resource<ReportedEvent> = {
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  schema: ReportedEvent,
  statusSubresource: false,
  admit: (object) => {
    const refusal = Option.match(Schema.decodeUnknownOption(ReportedEvent)(object), {
      onNone: () => "the fields are not those of an Event",
      onSome: refusalOf
    })
    return refusal === undefined ? Result.succeed(object) : Result.fail(refusal)
  }
}

const TEXTS = ["reportingController", "reportingInstance", "action", "reason"] as const

/** The rules of an API server for Events that concern the operator. */
const refusalOf = (event: ReportedEvent): string | undefined => {
  const missing = TEXTS.find((field) => (event[field] ?? "") === "")
  if (missing !== undefined) return `${missing}: Required value`
  if (event.eventTime === null) return "eventTime: Required value"
  if (event.type !== "Normal" && event.type !== "Warning") return 'type: Invalid value: must be "Normal" or "Warning"'
  if (new TextEncoder().encode(event.note).length > 1_024) return "note: can have at most 1024 bytes"
  if (event.regarding?.namespace !== event.metadata.namespace) return "regarding.namespace: does not match the Event"
  if (event.series !== undefined && event.series.count < 2) return "series.count: should be at least 2"
  return undefined
}
