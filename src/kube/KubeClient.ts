/** The port to the Kubernetes API, with the calls that a controller needs. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { KubeObject, Resource } from "./Resource.ts"

/**
 * A request that the API server refused or did not answer.
 *
 * `code` is the HTTP status, or 0 if there was no answer. `reason` is the server's reason: `Conflict` (the object
 * changed since it was read), `AlreadyExists`, `NotFound`, `Invalid`, `Forbidden`, `Expired` (the version of a watch
 * or page is too old), or `Unreachable` if there was no answer or a broken one.
 */
export class KubeError extends Schema.TaggedError<KubeError>()("KubeError", {
  operation: Schema.String,
  code: Schema.Int,
  reason: Schema.String,
  detail: Schema.String,
  /** The time before which the server accepts no retry, in milliseconds of the Clock; at most 30 seconds ahead. */
  until: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return `${this.operation}: ${this.detail} (${this.reason})`
  }
}

/**
 * The objects of a list or watch: all objects, those of a namespace, those with labels (a selector as kubectl takes it), or
 * those with fields (`key=value,…`).
 */
export interface ListScope {
  readonly namespace?: string
  readonly labelSelector?: string
  /** Selects objects by fields, such as `involvedObject.uid` of events. An API server supports only some fields of a kind. */
  readonly fieldSelector?: string
}

export interface ListPage<A> {
  readonly items: ReadonlyArray<A>
  /** The version from which a watch continues. */
  readonly resourceVersion: string
  /** The token of the next page. Absent on the last page. */
  readonly continue?: string
}

/**
 * One line of a watch. A bookmark has no object, only the version from which a later watch may start. With `isInitialEnd` the
 * bookmark ends the list of a watch that began without a version. An error is the last line of a watch that cannot continue.
 */
export type WatchEvent<A> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: A; readonly resourceVersion: string }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly isInitialEnd?: boolean }
  | { readonly type: "ERROR"; readonly error: KubeError }

export interface ObjectName {
  readonly namespace?: string
  readonly name: string
}

/** The metadata that the operator writes. A resource may read fewer fields. */
export interface WrittenMetadata extends ObjectName {
  readonly uid?: string
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: ReadonlyArray<OwnerReference>
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** An object to write. Its resource gives `apiVersion` and `kind`, and may not read the spec. */
export type Written<A extends KubeObject> = Omit<A, keyof KubeObject | "spec"> & {
  readonly metadata: WrittenMetadata
  readonly spec?: unknown
}

/** An object that replaces the version `metadata.resourceVersion`, and no other version. */
export type Replacement<A extends KubeObject> = Written<A> & {
  readonly metadata: WrittenMetadata & { readonly resourceVersion: string }
}

/** The fields that a merge patch sets, or removes by null. */
export interface MergePatch {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string | null>>
    readonly annotations?: Readonly<Record<string, string | null>>
  }
  readonly spec?: Readonly<Record<string, unknown>>
}

/**
 * Typed access to one API server. Every call except a watch has a time limit. The server ends a watch. Objects are
 * read with the fields of their resource's schema, and are written with any fields. Every method fails with a {@link
 * KubeError}.
 *
 * Layers: `KubeClientHttp` for a real API server, `KubeClientMemory` for tests and for work without a cluster. One
 * conformance suite checks that both behave alike.
 */
export class KubeClient extends Context.Service<
  KubeClient,
  {
    /** Reads an object. `None` if there is no such object. */
    readonly get: <A extends KubeObject>(
      resource: Resource<A>,
      name: ObjectName
    ) => Effect.Effect<Option.Option<A>, KubeError>

    readonly list: <A extends KubeObject>(
      resource: Resource<A>,
      scope: ListScope & { readonly limit?: number; readonly continue?: string }
    ) => Effect.Effect<ListPage<A>, KubeError>

    /**
     * The changes after `resourceVersion`. The server ends the watch after `timeoutSeconds`. A connection that is silent for
     * longer is dead, and the watch ends too. If the version is too old, the request fails with 410, or the watch has an
     * `ERROR` line with 410.
     *
     * Without a version the watch begins with a list as a stream: each existing object as ADDED, and then a bookmark with
     * `isInitialEnd`. Changes may come before that bookmark. Not every server has such lists.
     */
    readonly watch: <A extends KubeObject>(
      resource: Resource<A>,
      scope: ListScope & { readonly resourceVersion?: string; readonly timeoutSeconds?: number }
    ) => Stream.Stream<WatchEvent<A>, KubeError>

    /** Creates an object. Fails with `AlreadyExists` if there is an object with the name. */
    readonly create: <A extends KubeObject>(resource: Resource<A>, object: Written<A>) => Effect.Effect<A, KubeError>

    /**
     * Replaces the object. A field that is left out is removed; the status of a resource with a status subresource stays. Fails
     * with `Conflict` if the object has changed since `metadata.resourceVersion` or has another uid than `metadata.uid`, and
     * with `NotFound` if there is no such object.
     */
    readonly update: <A extends KubeObject>(
      resource: Resource<A>,
      object: Replacement<A>
    ) => Effect.Effect<A, KubeError>

    /**
     * Server-side apply with force: creates the object, or takes ownership of the given fields. With `metadata.uid` or
     * `metadata.resourceVersion` the call fails with `Conflict` if the object has another uid or another version.
     */
    readonly apply: <A extends KubeObject>(
      resource: Resource<A>,
      object: Written<A>,
      fieldManager: string
    ) => Effect.Effect<A, KubeError>

    /**
     * Applies only the status; the spec stays unchanged. Fails with `NotFound` if there is no such object. Use
     * `metadata.resourceVersion` against conflicts: API servers ignore a different `metadata.uid` in this call.
     */
    readonly applyStatus: <A extends KubeObject>(
      resource: Resource<A>,
      object: Written<A>,
      fieldManager: string
    ) => Effect.Effect<A, KubeError>

    /**
     * Merges fields into an object (JSON merge patch, RFC 7386): a field that is left out stays, and null removes a field. The status
     * of a resource with a status subresource stays. Fails with `NotFound` if there is no such object.
     */
    readonly patch: <A extends KubeObject>(
      resource: Resource<A>,
      name: ObjectName,
      patch: MergePatch,
      fieldManager: string
    ) => Effect.Effect<A, KubeError>

    /**
     * Deletes an object and, in the background, the objects that it owns. Succeeds if there is no such object. With
     * `uid` the call fails with `Conflict` if another object has the name now.
     */
    readonly delete: (
      resource: Resource<KubeObject>,
      name: ObjectName,
      options?: { readonly uid?: string }
    ) => Effect.Effect<void, KubeError>
  }
>()("skopeo-operator/kube/KubeClient") {}
