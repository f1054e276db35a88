/** The Kubernetes API as far as a controller needs it. */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { KubeObject, Resource } from "./Resource.ts"

/**
 * An API server's refusal, or its silence.
 *
 * `code` is the HTTP status, 0 if there was no answer. `reason` is the server's own word: `Conflict` (the object changed
 * since it was read), `AlreadyExists`, `NotFound`, `Invalid`, `Forbidden`, `Expired` (a watch or page from too long
 * ago), or `Unreachable` where there was no answer, or none that can be read.
 */
export class KubeError extends Schema.TaggedError<KubeError>()("KubeError", {
  operation: Schema.String,
  code: Schema.Int,
  reason: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.operation}: ${this.detail} (${this.reason})`
  }
}

/** Which objects of a kind: all, or those of a namespace, or those with labels (`key=value,…`). */
export interface ListScope {
  readonly namespace?: string
  readonly labelSelector?: string
}

export interface ListPage<A> {
  readonly items: ReadonlyArray<A>
  /** Where a watch goes on. */
  readonly resourceVersion: string
  /** Asks for the next page; absent on the last. */
  readonly continue?: string
}

/** One line of a watch. A bookmark brings no object, only the version that a later watch may start from. */
export type WatchEvent<A> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: A; readonly resourceVersion: string }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }

export interface ObjectName {
  readonly namespace?: string
  readonly name: string
}

/** The metadata that the operator writes. A resource may read less of it. */
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

/** An object to be written: `apiVersion` and `kind` come from its resource, which need not read the spec. */
export type Written<A extends KubeObject> = Omit<A, keyof KubeObject | "spec"> & {
  readonly metadata: WrittenMetadata
  readonly spec?: unknown
}

/** An object to be written in place of one version of it, and of no other. */
export type Replacement<A extends KubeObject> = Written<A> & {
  readonly metadata: WrittenMetadata & { readonly resourceVersion: string }
}

/**
 * Typed access to one API server. Every call is bounded in time, except a watch, which its server ends. Objects are read
 * with the fields that their resource names, and are written with any.
 *
 * Two layers: `KubeClientHttp` for a real API server, `KubeClientMemory` for tests and for work without a cluster. One
 * conformance suite holds them to the same behaviour.
 */
export class KubeClient extends Context.Service<
  KubeClient,
  {
    /** `None` if there is no such object. */
    readonly get: <A extends KubeObject>(
      resource: Resource<A>,
      name: ObjectName
    ) => Effect.Effect<Option.Option<A>, KubeError>

    readonly list: <A extends KubeObject>(
      resource: Resource<A>,
      scope: ListScope & { readonly limit?: number; readonly continue?: string }
    ) => Effect.Effect<ListPage<A>, KubeError>

    /** What changes after `resourceVersion`; ends when the server closes it, fails with 410 if that was too long ago. */
    readonly watch: <A extends KubeObject>(
      resource: Resource<A>,
      scope: ListScope & { readonly resourceVersion: string }
    ) => Stream.Stream<WatchEvent<A>, KubeError>

    /** Fails with `AlreadyExists` if there is one of that name. */
    readonly create: <A extends KubeObject>(resource: Resource<A>, object: Written<A>) => Effect.Effect<A, KubeError>

    /**
     * Replaces the object: a field that is left out is gone, but for the status of a resource that has it by its own path.
     * Fails with `Conflict` if the object has changed since `metadata.resourceVersion`, or is another than `metadata.uid`
     * says; with `NotFound` if it is gone.
     */
    readonly update: <A extends KubeObject>(
      resource: Resource<A>,
      object: Replacement<A>
    ) => Effect.Effect<A, KubeError>

    /**
     * Server-side apply with force: creates the object, or makes the named fields ours. With `metadata.uid` or
     * `metadata.resourceVersion` it fails with `Conflict` if the object is another or a newer one.
     */
    readonly apply: <A extends KubeObject>(
      resource: Resource<A>,
      object: Written<A>,
      fieldManager: string
    ) => Effect.Effect<A, KubeError>

    /**
     * The same for the status alone; spec stays as it is. Fails with `NotFound` if the object is gone. Only
     * `metadata.resourceVersion` guards it: API servers pass over another `metadata.uid` here.
     */
    readonly applyStatus: <A extends KubeObject>(
      resource: Resource<A>,
      object: Written<A>,
      fieldManager: string
    ) => Effect.Effect<A, KubeError>

    /**
     * Deletes an object and, in the background, what it owns. Succeeds if it is gone already; with `uid` it fails with
     * `Conflict` if another object has taken the name.
     */
    readonly delete: (
      resource: Resource<KubeObject>,
      name: ObjectName,
      options?: { readonly uid?: string }
    ) => Effect.Effect<void, KubeError>
  }
>()("skopeo-operator/kube/KubeClient") {}
