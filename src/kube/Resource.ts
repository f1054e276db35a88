/** Describes a kind of Kubernetes objects, and the fields that are read of any object. */
import { type Result, Schema } from "effect"

/**
 * The metadata that is read of every object. The operator holds all objects of a kind, and their writers can fill
 * labels, annotations and managedFields with a megabyte. A resource that needs more metadata names it in its schema.
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

/** The fields of every object. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: typeof Metadata.Type
}

/** A kind of objects: its path in the API, and the schema of the fields that are read. */
export interface Resource<A extends KubeObject> {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  /** The fields that are read. Any other field is dropped and takes no memory. */
  readonly schema: Schema.Codec<A, unknown>
  /**
   * Whether the kind has a status subresource: only `applyStatus` writes the status, and other writes leave it
   * unchanged.
   */
  readonly statusSubresource: boolean
  /** The admission of the in-memory server: refuses objects that the CRD's schema refuses, and sets defaults. */
  readonly admit?: (
    object: Readonly<Record<string, unknown>>
  ) => Result.Result<Readonly<Record<string, unknown>>, string>
}

/** `v1` or `group/version`. */
export const apiVersionOf = (resource: Pick<Resource<KubeObject>, "group" | "version">): string =>
  resource.group === "" ? resource.version : `${resource.group}/${resource.version}`

/**
 * The key of an object: `namespace/name`, or `/name` without a namespace. `join` gives a flat string. A template would keep the
 * texts of its parts in memory.
 */
export const keyOf = ({ name, namespace = "" }: { readonly name: string; readonly namespace?: string }): string =>
  [namespace, name].join("/")

/** The fields other than `metadata` that every schema has. */
export const typeFields = {
  apiVersion: Schema.optionalKey(Schema.String),
  kind: Schema.optionalKey(Schema.String)
}
