/** What a kind of Kubernetes objects is to this code, and what is kept of any object. */
import { type Result, Schema } from "effect"

/**
 * The metadata that is kept of every object. The operator holds all objects of a kind, and their writers can fill labels,
 * annotations and managedFields with a megabyte: a resource that needs more than this names it in its schema.
 */
export const metadataFields = {
  name: Schema.String,
  namespace: Schema.optionalKey(Schema.String),
  uid: Schema.optionalKey(Schema.String),
  resourceVersion: Schema.optionalKey(Schema.String),
  generation: Schema.optionalKey(Schema.Int),
  creationTimestamp: Schema.optionalKey(Schema.String),
  deletionTimestamp: Schema.optionalKey(Schema.String)
}
export const Metadata = Schema.Struct(metadataFields)

/** What every object has. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: typeof Metadata.Type
}

/** A kind of object: where the API server has it, and what is kept of it. */
export interface Resource<A extends KubeObject> {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  /** What is read of an object: a field that the schema does not name is dropped, and takes no memory. */
  readonly schema: Schema.Codec<A, unknown>
  /** Whether a client writes status by its own path, and a write to the object leaves it alone. */
  readonly statusSubresource: boolean
  /** Refuses what the real API server's schema would refuse, and fills in defaults; the in-memory server's admission. */
  readonly admit?: (
    object: Readonly<Record<string, unknown>>
  ) => Result.Result<Readonly<Record<string, unknown>>, string>
}

/** `v1` or `group/version`. */
export const apiVersionOf = (resource: Pick<Resource<KubeObject>, "group" | "version">): string =>
  resource.group === "" ? resource.version : `${resource.group}/${resource.version}`

/** The key of an object: `namespace/name`, or `/name` without a namespace. Joined, so that it does not keep its pieces. */
export const keyOf = ({ name, namespace = "" }: { readonly name: string; readonly namespace?: string }): string =>
  [namespace, name].join("/")

/** The fields of an object beside `metadata` that every schema names. */
export const typeFields = {
  apiVersion: Schema.optionalKey(Schema.String),
  kind: Schema.optionalKey(Schema.String)
}
