/** Objects with all fields of an API server, for tests of fields that the operator does not decode. */
import { Schema } from "effect"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"

const Marks = Schema.Record(Schema.String, Schema.String)

export const ObjectMeta = Schema.Struct({
  name: Schema.String,
  namespace: Schema.optionalKey(Schema.String),
  uid: Schema.optionalKey(Schema.String),
  resourceVersion: Schema.optionalKey(Schema.String),
  generation: Schema.optionalKey(Schema.Int),
  creationTimestamp: Schema.optionalKey(Schema.String),
  deletionTimestamp: Schema.optionalKey(Schema.String),
  labels: Schema.optionalKey(Marks),
  annotations: Schema.optionalKey(Marks),
  finalizers: Schema.optionalKey(Schema.Array(Schema.String)),
  ownerReferences: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({ apiVersion: Schema.String, kind: Schema.String, name: Schema.String, uid: Schema.String })
    )
  )
})
export type ObjectMeta = typeof ObjectMeta.Type

export const WholeObject = Schema.Struct({
  apiVersion: Schema.optionalKey(Schema.String),
  kind: Schema.optionalKey(Schema.String),
  metadata: ObjectMeta,
  spec: Schema.optionalKey(Schema.Unknown),
  status: Schema.optionalKey(Schema.Unknown)
})
export type WholeObject = typeof WholeObject.Type

/** The same resource with all metadata. */
export const whole = (resource: Resource<KubeObject>): Resource<WholeObject> => ({ ...resource, schema: WholeObject })
