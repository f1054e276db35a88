/** The contract of KubeClient. The tests run against the in-memory server and against a real API server. */
import { randomBytes } from "node:crypto"
import { assert, describe, layer as withLayer } from "@effect/vitest"
import { Effect, Layer, Option, Result, Schema, Stream } from "effect"
import {
  KubeClient,
  type KubeError,
  type MergePatch,
  type WatchEvent,
  type Written
} from "../../src/kube/KubeClient.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"
import {
  Events,
  type ImageObject,
  Images,
  Jobs,
  Leases,
  type ReportedEvent,
  ReportedEvents,
  Secrets
} from "../../src/kube/Resources.ts"
import { ObjectMeta, whole } from "../support/wholeObjects.ts"
import { imageManifests, objectNames } from "./imageManifests.ts"

export interface ConformanceOptions {
  /** Makes the API server drop the history of version 1. */
  readonly forget: Effect.Effect<unknown, KubeError, KubeClient>
}

const Head = {
  apiVersion: Schema.optionalKey(Schema.String),
  kind: Schema.optionalKey(Schema.String),
  metadata: ObjectMeta
}

const Namespaces: Resource<KubeObject> = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  schema: Schema.Struct(Head),
  statusSubresource: true
}

const ConfigMap = Schema.Struct({ ...Head, data: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)) })
type ConfigMap = typeof ConfigMap.Type

export const ConfigMaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  schema: ConfigMap,
  statusSubresource: false
}

const MANAGER = "conformance"
const RUN = randomBytes(4).toString("hex")
const NAMESPACE = `conformance-${RUN}`
const OTHER = `conformance-${RUN}-other`

/** Two namespaces of this run, which are deleted with everything in them. */
const namespaces = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.gen(function* () {
      const kube = yield* KubeClient
      yield* Effect.forEach([NAMESPACE, OTHER], (name) => kube.apply(Namespaces, { metadata: { name } }, MANAGER))
      return kube
    }),
    (kube) => Effect.orDie(Effect.forEach([NAMESPACE, OTHER], (name) => kube.delete(Namespaces, { name })))
  )
)

const spec = {
  source: { name: "quay.io/argoproj/argocd", version: "v2.13.1" },
  destination: { name: "registry.corp/mirror/argocd" }
}

const meta = (name: string, more: Partial<ObjectMeta> = {}): ObjectMeta => ({ namespace: NAMESPACE, name, ...more })

/** A change that a watch reports. */
type Change<A> = Extract<WatchEvent<A>, { readonly object: A }>

const summary = (event: Change<KubeObject>): string => `${event.type} ${event.object.metadata.name}`

/** What a watch reports of objects; a server may report an error as its failure or as its last line. */
const changesOf = <A, E>(watch: Stream.Stream<WatchEvent<A>, E>): Stream.Stream<Change<A>, E | KubeError> =>
  watch.pipe(
    Stream.flatMap((event): Stream.Stream<Change<A>, KubeError> => {
      if (event.type === "BOOKMARK") return Stream.empty
      return event.type === "ERROR" ? Stream.fail(event.error) : Stream.succeed(event)
    })
  )

/** The events of a watch until the object `last` comes. Fails after a minute. */
const eventsUntil = <A extends KubeObject>(
  resource: Resource<A>,
  scope: { readonly namespace?: string; readonly labelSelector?: string; readonly resourceVersion: string },
  last: string
) =>
  Effect.gen(function* () {
    const kube = yield* KubeClient
    return yield* changesOf(kube.watch(resource, scope)).pipe(
      Stream.takeUntil((event) => summary(event) === last),
      Stream.runCollect,
      Effect.timeout("1 minute")
    )
  })

const versionNow = Effect.gen(function* () {
  const kube = yield* KubeClient
  return (yield* kube.list(ConfigMaps, { namespace: NAMESPACE })).resourceVersion
})

const expectRefusal = <A>(effect: Effect.Effect<A, KubeError, KubeClient>, code: number, reason: string) =>
  Effect.map(Effect.flip(effect), (error) => assert.strictEqual(`${error.code} ${error.reason}`, `${code} ${reason}`))

const statusOf = (object: ImageObject): unknown => object.status

export const kubeClientConformance = <E>(
  name: string,
  client: Layer.Layer<KubeClient, E>,
  options: ConformanceOptions
): void => {
  withLayer(namespaces.pipe(Layer.provideMerge(client)), { excludeTestServices: true, timeout: "1 minute" })(
    name,
    (it) => {
      describe("objects", () => {
        it.effect("create creates an object once and gives it a uid", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const made = yield* kube.create(Images, { metadata: meta("once"), spec })
            assert.strictEqual(made.apiVersion, "skopeo.io/v1alpha1")
            assert.strictEqual(made.kind, "Image")
            assert.strictEqual(made.metadata.generation, 1)
            assert.isNotEmpty(made.metadata.uid)
            assert.isNotEmpty(made.metadata.resourceVersion)
            assert.match(made.metadata.creationTimestamp ?? "", /^[0-9-]+T[0-9:]+Z$/u)
            assert.deepStrictEqual(yield* kube.get(Images, meta("once")), Option.some(made))
            yield* expectRefusal(kube.create(Images, { metadata: meta("once"), spec }), 409, "AlreadyExists")
            // The same name in another namespace is another object.
            const other = yield* kube.create(Images, { metadata: meta("once", { namespace: OTHER }), spec })
            assert.notStrictEqual(other.metadata.uid, made.metadata.uid)
          })
        )

        it.effect("get gives None for a missing object", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            assert.deepStrictEqual(yield* kube.get(Images, meta("none")), Option.none())
            assert.deepStrictEqual(yield* kube.get(Secrets, meta("none")), Option.none())
          })
        )

        it.effect("every call gives an object with the metadata of its resource's schema and no other", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const { name, uid = "" } = (yield* kube.create(ConfigMaps, { metadata: meta("keeper") })).metadata
            const requested = { "skopeo.io/requestedAt": "noon" }
            const own = { "skopeo.io/own": "kept", ...requested }
            const marks = { ...own, "not-skopeo.io/own": "", "kubectl.kubernetes.io/last-applied-configuration": "" }
            const metadataOf = (kind: string) =>
              meta(`kept-${kind}`, {
                labels: marks,
                annotations: marks,
                ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name, uid }]
              })
            const readings = <A extends KubeObject>(resource: Resource<A>, written: Written<A>) =>
              Effect.gen(function* () {
                const { metadata } = written
                const scope = { namespace: NAMESPACE }
                const { resourceVersion } = yield* kube.list(resource, scope)
                const created = yield* kube.create(resource, written)
                const [event] = yield* eventsUntil(resource, { ...scope, resourceVersion }, `ADDED ${metadata.name}`)
                assert(event?.type === "ADDED")
                const applied = yield* kube.apply(resource, written, MANAGER)
                const { items } = yield* kube.list(resource, scope)
                const listed = items.find((item) => item.metadata.name === metadata.name)
                assert(listed !== undefined)
                return [created, event.object, applied, Option.getOrThrow(yield* kube.get(resource, metadata)), listed]
              })
            /** The fields of an object's metadata that not every object has. */
            const kept = ({ metadata }: KubeObject): object =>
              Object.fromEntries(
                Object.entries(metadata).filter(
                  ([key]) => !/^(name|namespace|uid|.*Version|generation|.*Timestamp)$/u.test(key)
                )
              )
            const podSpec = { restartPolicy: "Never", containers: [{ name: "a", image: "registry.invalid/a" }] }
            const images = yield* readings(Images, { metadata: metadataOf("image"), spec })
            const jobs = yield* readings(Jobs, {
              metadata: metadataOf("job"),
              spec: { suspend: true, template: { spec: podSpec } }
            })
            const secrets = yield* readings(Secrets, { metadata: metadataOf("secret") })
            const status = yield* kube.applyStatus(Images, { metadata: meta("kept-image"), status: {} }, MANAGER)
            for (const image of [...images, status]) assert.deepStrictEqual(kept(image), { annotations: requested })
            for (const job of jobs) {
              assert.deepStrictEqual(kept(job), { labels: own, annotations: own })
              assert.notProperty(job, "spec")
            }
            for (const secret of secrets) assert.deepStrictEqual(kept(secret), { annotations: own })
          })
        )

        it.effect(
          "an object gets a new version with each change and a new generation with each change of its spec",
          () =>
            Effect.gen(function* () {
              const kube = yield* KubeClient
              const apply = (labels: Readonly<Record<string, string>>, frequency: string) =>
                kube.apply(
                  whole(Images),
                  { metadata: meta("generations", { labels }), spec: { ...spec, frequency } },
                  MANAGER
                )
              const made = yield* apply({ a: "1" }, "5m")
              // A real server records the managers of the fields once more after it sets defaults.
              const first = yield* apply({ a: "1" }, "5m")
              const same = yield* apply({ a: "1" }, "5m")
              assert.strictEqual(same.metadata.resourceVersion, first.metadata.resourceVersion)
              const labelled = yield* apply({ a: "2" }, "5m")
              assert.notStrictEqual(labelled.metadata.resourceVersion, first.metadata.resourceVersion)
              assert.deepStrictEqual(labelled.metadata.labels, { a: "2" })
              const changed = yield* apply({ a: "2" }, "10m")
              const written = yield* kube.applyStatus(
                Images,
                { metadata: meta("generations"), status: { tags: "1/1" } },
                MANAGER
              )
              assert.notStrictEqual(written.metadata.resourceVersion, changed.metadata.resourceVersion)
              assert.deepStrictEqual(
                [made, labelled, changed, written].map(({ metadata }) => metadata.generation),
                [1, 1, 2, 2]
              )
              assert.strictEqual(written.metadata.uid, first.metadata.uid)
            })
        )

        it.effect("apply creates an object, or merges its fields with those of others", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            yield* kube.create(ConfigMaps, {
              metadata: meta("applied", { labels: { by: "create" } }),
              data: { a: "1" }
            })
            const merged = yield* kube.apply(
              ConfigMaps,
              { metadata: meta("applied", { annotations: { by: "apply" } }), data: { b: "2" } },
              MANAGER
            )
            assert.deepStrictEqual(merged.data, { a: "1", b: "2" })
            assert.deepStrictEqual(merged.metadata.labels, { by: "create" })
            assert.deepStrictEqual(merged.metadata.annotations, { by: "apply" })
            // By force, the fields of another manager become this manager's.
            const taken = yield* kube.apply(
              ConfigMaps,
              { metadata: meta("applied"), data: { a: "3", b: "2" } },
              MANAGER
            )
            assert.deepStrictEqual(taken.data, { a: "3", b: "2" })
            const made = yield* kube.apply(ConfigMaps, { metadata: meta("made-by-apply"), data: { a: "1" } }, MANAGER)
            assert.isNotEmpty(made.metadata.uid)
          })
        )

        it.effect("an update replaces an object as a whole, and keeps its identity and its status", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const made = yield* kube.create(ConfigMaps, {
              metadata: meta("replaced", { labels: { a: "1" }, annotations: { b: "1" } }),
              data: { a: "1", b: "1" }
            })
            const { creationTimestamp, resourceVersion = "", uid } = made.metadata
            const replaced = yield* kube.update(ConfigMaps, {
              metadata: { ...meta("replaced", { labels: { c: "1" } }), resourceVersion },
              data: { b: "2" }
            })
            assert.deepStrictEqual(replaced.data, { b: "2" })
            assert.deepStrictEqual(replaced.metadata.labels, { c: "1" })
            assert.isUndefined(replaced.metadata.annotations)
            assert.strictEqual(replaced.metadata.uid, uid)
            assert.strictEqual(replaced.metadata.creationTimestamp, creationTimestamp)
            assert.notStrictEqual(replaced.metadata.resourceVersion, resourceVersion)
            assert.deepStrictEqual(yield* kube.get(ConfigMaps, meta("replaced")), Option.some(replaced))
            // A status is written by its own path alone, and admission sees what an update brings.
            yield* kube.create(Images, { metadata: meta("replaced"), spec })
            const status = { observedGeneration: 1, tags: "1/1" }
            const told = yield* kube.applyStatus(Images, { metadata: meta("replaced"), status }, MANAGER)
            const metadata = { ...meta("replaced"), resourceVersion: told.metadata.resourceVersion ?? "" }
            const image = yield* kube.update(Images, { metadata, spec: { ...spec, suspend: true }, status: {} })
            assert.deepStrictEqual(statusOf(image), status)
            assert.strictEqual(image.metadata.generation, 2)
            const newest = { ...metadata, resourceVersion: image.metadata.resourceVersion ?? "" }
            assert.strictEqual((yield* Effect.flip(kube.update(Images, { metadata: newest, spec: {} }))).code, 422)
          })
        )

        it.effect("an update is refused for an older version, for another object, and for none", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const { metadata } = yield* kube.create(ConfigMaps, { metadata: meta("replaced-stale") })
            const { resourceVersion = "" } = metadata
            const update = (name: string, more: { readonly resourceVersion: string; readonly uid?: string }) =>
              kube.update(ConfigMaps, { metadata: { ...meta(name), ...more }, data: { a: "1" } })
            const wrong = { resourceVersion, uid: "00000000-0000-4000-8000-00000000dead" }
            yield* expectRefusal(update("replaced-stale", wrong), 409, "Conflict")
            yield* update("replaced-stale", { resourceVersion })
            yield* expectRefusal(update("replaced-stale", { resourceVersion }), 409, "Conflict")
            yield* expectRefusal(update("replaced-none", { resourceVersion }), 404, "NotFound")
          })
        )

        it.effect("of two that update one version of a Lease one alone has it", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const renewTime = "2026-01-01T00:00:00.000000Z"
            const held = (holderIdentity: string, leaseTransitions: number) => ({
              holderIdentity,
              leaseDurationSeconds: 15,
              acquireTime: renewTime,
              renewTime,
              leaseTransitions
            })
            const metadata = meta("leader")
            const made = yield* kube.create(Leases, { metadata, spec: held("one", 0) })
            assert.deepStrictEqual(made.spec, held("one", 0))
            const { resourceVersion = "" } = made.metadata
            const take = (holder: string) =>
              Effect.result(kube.update(Leases, { metadata: { ...metadata, resourceVersion }, spec: held(holder, 1) }))
            const taken = yield* Effect.all([take("two"), take("three")], { concurrency: "unbounded" })
            const [winner, ...others] = taken.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
            assert.isEmpty(others)
            assert.include(["two", "three"], winner?.spec?.holderIdentity)
            assert.deepStrictEqual(yield* kube.get(Leases, metadata), Option.fromUndefinedOr(winner))
            const released = yield* kube.update(Leases, {
              metadata: { ...metadata, resourceVersion: winner?.metadata.resourceVersion ?? "" },
              spec: { ...held("", 1), leaseDurationSeconds: 1 }
            })
            assert.strictEqual(released.spec?.holderIdentity ?? "", "")
            assert.strictEqual(released.spec?.leaseDurationSeconds, 1)
          })
        )

        it.effect("a write for an older version or another object is refused", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const first = yield* kube.apply(Images, { metadata: meta("stale"), spec }, MANAGER)
            const { resourceVersion = "", uid = "" } = first.metadata
            const current = yield* kube.apply(
              Images,
              { metadata: meta("stale", { uid, resourceVersion }), spec: { ...spec, suspend: true } },
              MANAGER
            )
            const status = { tags: "1/1" }
            for (const wrong of [{ resourceVersion }, { uid: "00000000-0000-4000-8000-00000000dead" }]) {
              const metadata = meta("stale", wrong)
              yield* expectRefusal(kube.apply(Images, { metadata, spec }, MANAGER), 409, "Conflict")
            }
            // A real server ignores a uid here. Only the version protects a status.
            yield* expectRefusal(
              kube.applyStatus(Images, { metadata: meta("stale", { resourceVersion }), status }, MANAGER),
              409,
              "Conflict"
            )
            assert.deepStrictEqual(yield* kube.get(Images, meta("stale")), Option.some(current))
            const { metadata } = yield* kube.applyStatus(
              Images,
              { metadata: meta("stale", { uid, resourceVersion: current.metadata.resourceVersion ?? "" }), status },
              MANAGER
            )
            assert.strictEqual(metadata.uid, uid)
            yield* expectRefusal(
              kube.apply(Images, { metadata: meta("stale-none", { uid }), spec }, MANAGER),
              409,
              "Conflict"
            )
          })
        )

        it.effect("a patch merges its fields into an object, removes those that are null, and keeps all others", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const images = whole(Images)
            const labels = { team: "a", tier: "test" }
            const created = yield* kube.create(images, { metadata: meta("patched", { labels }), spec })
            const patch = {
              metadata: { labels: { tier: null, env: "prod" }, annotations: { "skopeo.io/requestedAt": "noon" } },
              spec: { suspend: true }
            }
            const patched = yield* kube.patch(images, meta("patched"), patch, MANAGER)
            assert.deepStrictEqual(patched.metadata.labels, { team: "a", env: "prod" })
            assert.deepStrictEqual(patched.metadata.annotations, { "skopeo.io/requestedAt": "noon" })
            assert.deepStrictEqual(patched.spec, { ...(created.spec as object), suspend: true })
            assert.deepStrictEqual(patched.status, created.status)
            assert.strictEqual(patched.metadata.generation, 2)
            const again = yield* kube.patch(images, meta("patched"), patch, MANAGER)
            assert.strictEqual(again.metadata.resourceVersion, patched.metadata.resourceVersion)
          })
        )

        it.effect("a patch of a missing object fails with NotFound, and an invalid patch changes nothing", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const refusalOf = (name: string, patch: MergePatch) =>
              Effect.flip(kube.patch(Images, meta(name), patch, MANAGER))
            assert.strictEqual((yield* refusalOf("none", { spec: { suspend: true } })).reason, "NotFound")
            const { metadata } = yield* kube.create(Images, { metadata: meta("not-patched"), spec })
            const refusal = yield* refusalOf("not-patched", { spec: { mode: "Sometimes" } })
            assert.strictEqual(refusal.reason, "Invalid")
            const after = Option.getOrThrow(yield* kube.get(Images, meta("not-patched")))
            assert.strictEqual(after.metadata.resourceVersion, metadata.resourceVersion)
          })
        )

        it.effect("delete succeeds for a missing object, and deletes only the object with the given uid", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const { metadata } = yield* kube.create(ConfigMaps, { metadata: meta("deleted") })
            yield* expectRefusal(
              kube.delete(ConfigMaps, meta("deleted"), { uid: "00000000-0000-4000-8000-00000000dead" }),
              409,
              "Conflict"
            )
            assert.isTrue(Option.isSome(yield* kube.get(ConfigMaps, meta("deleted"))))
            yield* kube.delete(ConfigMaps, meta("deleted"), { uid: metadata.uid ?? "" })
            assert.deepStrictEqual(yield* kube.get(ConfigMaps, meta("deleted")), Option.none())
            yield* kube.delete(ConfigMaps, meta("deleted"), { uid: metadata.uid ?? "" })
            yield* kube.delete(ConfigMaps, meta("deleted"))
          })
        )

        it.effect("a deleted object with finalizers stays until they are removed", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const apply = (finalizers: ReadonlyArray<string>) =>
              kube.apply(Images, { metadata: meta("held", { finalizers }), spec }, MANAGER)
            const made = yield* apply(["skopeo.io/test"])
            yield* kube.delete(Images, meta("held"))
            const held = Option.getOrThrow(yield* kube.get(Images, meta("held")))
            assert.match(held.metadata.deletionTimestamp ?? "", /^[0-9-]+T[0-9:]+Z$/u)
            assert.strictEqual(held.metadata.uid, made.metadata.uid)
            assert.strictEqual(held.metadata.generation, 2)
            yield* kube.delete(Images, meta("held"))
            yield* apply([])
            assert.deepStrictEqual(yield* kube.get(Images, meta("held")), Option.none())
          })
        )

        it.effect("an object is deleted when its owner is deleted", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const owner = yield* kube.create(ConfigMaps, { metadata: meta("owner") })
            const { name, uid = "" } = owner.metadata
            const owned = {
              labels: { run: RUN },
              ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name, uid }]
            }
            yield* kube.create(Secrets, { metadata: meta("owned", owned) })
            yield* kube.create(Secrets, { metadata: meta("not-owned", { labels: { run: RUN } }) })
            const { resourceVersion } = yield* kube.list(Secrets, { namespace: NAMESPACE })
            yield* kube.delete(ConfigMaps, meta("owner"))
            yield* eventsUntil(Secrets, { namespace: NAMESPACE, resourceVersion }, "DELETED owned")
            assert.deepStrictEqual(yield* kube.get(Secrets, meta("owned")), Option.none())
            assert.isTrue(Option.isSome(yield* kube.get(Secrets, meta("not-owned"))))
          })
        )

        it.effect("an owned object with finalizers outlives its owner until they are removed", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const { name, uid = "" } = (yield* kube.create(ConfigMaps, { metadata: meta("owner-of-held") })).metadata
            const apply = (finalizers: ReadonlyArray<string>) => {
              const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name, uid }]
              return kube.apply(
                Images,
                { metadata: meta("held-owned", { finalizers, ownerReferences }), spec },
                MANAGER
              )
            }
            const { metadata } = yield* apply(["skopeo.io/test"])
            const { resourceVersion } = yield* kube.list(Images, { namespace: NAMESPACE })
            yield* kube.delete(ConfigMaps, meta("owner-of-held"))
            yield* eventsUntil(Images, { namespace: NAMESPACE, resourceVersion }, "MODIFIED held-owned")
            const held = Option.getOrThrow(yield* kube.get(Images, meta("held-owned")))
            assert.isDefined(held.metadata.deletionTimestamp)
            assert.strictEqual(held.metadata.uid, metadata.uid)
            yield* apply([])
            assert.deepStrictEqual(yield* kube.get(Images, meta("held-owned")), Option.none())
          })
        )
      })

      describe("status", () => {
        it.effect("the status of a new object says that nothing was observed", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const made = yield* kube.create(Images, { metadata: meta("fresh"), spec, status: { tags: "9/9" } })
            assert.deepStrictEqual(statusOf(made), { observedGeneration: -1 })
            const applied = yield* kube.apply(
              Images,
              { metadata: meta("fresh-applied"), spec, status: { tags: "9/9" } },
              MANAGER
            )
            assert.deepStrictEqual(statusOf(applied), { observedGeneration: -1 })
          })
        )

        it.effect("spec and status are written separately", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const name = meta("apart")
            const made = yield* kube.apply(Images, { metadata: name, spec }, MANAGER)
            const status = { observedGeneration: 1, tags: "1/2" }
            const written = yield* kube.applyStatus(
              Images,
              { metadata: name, spec: { ...spec, suspend: true }, status },
              MANAGER
            )
            assert.deepStrictEqual(written.spec, made.spec)
            assert.deepStrictEqual(statusOf(written), status)
            const changed = yield* kube.apply(
              Images,
              { metadata: name, spec: { ...spec, frequency: "1h" }, status: { tags: "9/9" } },
              MANAGER
            )
            assert.deepStrictEqual(statusOf(changed), status)
          })
        )

        it.effect("applyStatus replaces the whole status, and removes fields that it leaves out", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const metadata = meta("whole")
            yield* kube.apply(Images, { metadata, spec }, MANAGER)
            const write = (status: object) => kube.applyStatus(Images, { metadata, status }, MANAGER)
            const condition = (type: string, message: string) => ({
              type,
              status: "True",
              reason: "Test",
              message,
              lastTransitionTime: "2026-01-01T00:00:00Z"
            })
            const first = {
              observedGeneration: 1,
              tags: "1/2",
              conditions: [condition("Ready", "a"), condition("Reconciling", "b")],
              history: [{ performedAt: "2026-01-01T00:00:00Z", tag: "v1" }]
            }
            assert.deepStrictEqual(statusOf(yield* write(first)), first)
            const second = { tags: "2/2", conditions: [condition("Ready", "c")] }
            assert.deepStrictEqual(statusOf(yield* write(second)), second)
            assert.deepStrictEqual(statusOf(Option.getOrThrow(yield* kube.get(Images, metadata))), second)
          })
        )

        it.effect("the first applyStatus keeps the default that it does not name", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const metadata = meta("first-status")
            yield* kube.create(Images, { metadata, spec })
            const written = yield* kube.applyStatus(Images, { metadata, status: { tags: "0/1" } }, MANAGER)
            assert.deepStrictEqual(statusOf(written), { observedGeneration: -1, tags: "0/1" })
          })
        )

        it.effect("applyStatus fails with NotFound for a missing object", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            yield* expectRefusal(
              kube.applyStatus(Images, { metadata: meta("none"), status: { tags: "1/1" } }, MANAGER),
              404,
              "NotFound"
            )
          })
        )
      })

      describe("a list", () => {
        it.effect("list gives pages, and a watch from them misses no change in between", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const labels = { paged: RUN }
            for (const name of ["page-a", "page-b", "page-c", "page-d", "page-e"]) {
              yield* kube.create(ConfigMaps, { metadata: meta(name, { labels }) })
            }
            const scope = { namespace: NAMESPACE, labelSelector: `paged=${RUN}` }
            const first = yield* kube.list(ConfigMaps, { ...scope, limit: 2 })
            // The object sorts into a page that was already read.
            yield* kube.create(ConfigMaps, { metadata: meta("page-aa", { labels }) })
            const pages = [first]
            for (let next = first.continue; next !== undefined; next = pages.at(-1)?.continue) {
              pages.push(yield* kube.list(ConfigMaps, { ...scope, limit: 2, continue: next }))
            }
            assert.deepStrictEqual(
              pages.map(({ items }) => items.map(({ metadata }) => metadata.name)),
              [["page-a", "page-b"], ["page-c", "page-d"], ["page-e"]]
            )
            const resourceVersion = pages.at(-1)?.resourceVersion ?? ""
            yield* eventsUntil(ConfigMaps, { ...scope, resourceVersion }, "ADDED page-aa")
          })
        )

        it.effect("list gives the events of one object by a field selector", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            for (const [name, uid] of [
              ["said-1", `${RUN}-a`],
              ["said-2", `${RUN}-b`]
            ] as const) {
              const involvedObject = { namespace: NAMESPACE, uid }
              yield* kube.create(Events, {
                metadata: meta(name),
                involvedObject,
                reason: "FailedCreate",
                message: name
              })
            }
            const { items } = yield* kube.list(Events, {
              namespace: NAMESPACE,
              fieldSelector: `involvedObject.uid=${RUN}-b`
            })
            assert.deepStrictEqual(
              items.map(({ message, reason }) => [reason, message]),
              [["FailedCreate", "said-2"]]
            )
          })
        )

        it.effect("list gives the objects of all namespaces or of one, and those with all the given labels", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const make = (name: string, namespace: string, labels: Readonly<Record<string, string>>) =>
              kube.create(ConfigMaps, { metadata: { name, namespace, labels } })
            yield* make("scope-1", NAMESPACE, { scope: RUN, color: "red" })
            yield* make("scope-2", NAMESPACE, { scope: RUN, color: "blue" })
            yield* make("scope-3", OTHER, { scope: RUN, color: "red" })
            yield* make("scope-4", OTHER, {})
            const names = (scope: { readonly namespace?: string; readonly labelSelector?: string }) =>
              Effect.map(kube.list(ConfigMaps, scope), ({ items }) => items.map(({ metadata }) => metadata.name).sort())
            assert.deepStrictEqual(yield* names({ labelSelector: `scope=${RUN}` }), ["scope-1", "scope-2", "scope-3"])
            assert.deepStrictEqual(yield* names({ labelSelector: `scope=${RUN},color=red` }), ["scope-1", "scope-3"])
            assert.deepStrictEqual(yield* names({ namespace: NAMESPACE, labelSelector: `scope=${RUN},color=red` }), [
              "scope-1"
            ])
            assert.deepStrictEqual(yield* names({ labelSelector: `scope=${RUN},color=green` }), [])
            assert.deepStrictEqual(yield* names({ labelSelector: `scope in (${RUN}, none),color!=red` }), ["scope-2"])
            const without = yield* names({ namespace: OTHER, labelSelector: "!scope,color notin (red)" })
            assert.include(without, "scope-4")
            assert.notInclude(without, "scope-3")
            assert.include(yield* names({ namespace: OTHER }), "scope-4")
            assert.notInclude(yield* names({ namespace: OTHER }), "scope-1")
          })
        )
      })

      describe("a watch", () => {
        it.effect("watch gives the changes after its version in order, and none from before", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const labels = { watched: RUN }
            const write = (name: string, value: string) =>
              kube.apply(ConfigMaps, { metadata: meta(name, { labels }), data: { value } }, MANAGER)
            yield* write("watch-before", "0")
            const resourceVersion = yield* versionNow
            yield* write("watch-a", "1")
            yield* write("watch-b", "1")
            yield* write("watch-a", "2")
            yield* kube.create(ConfigMaps, { metadata: meta("watch-elsewhere", { labels, namespace: OTHER }) })
            yield* kube.create(ConfigMaps, { metadata: meta("watch-unlabelled") })
            yield* kube.delete(ConfigMaps, meta("watch-a"))
            // Live changes follow the past ones.
            yield* Effect.forkScoped(Effect.delay(kube.delete(ConfigMaps, meta("watch-b")), "100 millis"))
            const scope = { namespace: NAMESPACE, labelSelector: `watched=${RUN}` }
            const events = yield* eventsUntil(ConfigMaps, { ...scope, resourceVersion }, "DELETED watch-b")
            assert.deepStrictEqual(events.map(summary), [
              "ADDED watch-a",
              "ADDED watch-b",
              "MODIFIED watch-a",
              "DELETED watch-a",
              "DELETED watch-b"
            ])
            const versions = events.map((event) => BigInt(event.resourceVersion))
            assert.deepStrictEqual(
              versions,
              versions.toSorted((a, b) => (a < b ? -1 : 1))
            )
            // A watch from the version of an event gives only later changes.
            const middle = events[2]?.resourceVersion ?? ""
            assert.deepStrictEqual(
              (yield* eventsUntil(ConfigMaps, { ...scope, resourceVersion: middle }, "DELETED watch-b")).map(summary),
              ["DELETED watch-a", "DELETED watch-b"]
            )
          })
        )

        it.effect(
          "a watch with labels gives DELETED for an object that lost them, and ADDED for one that gained them",
          () =>
            Effect.gen(function* () {
              const kube = yield* KubeClient
              const label = (name: string, color: string) =>
                kube.apply(ConfigMaps, { metadata: meta(name, { labels: { color: `${color}-${RUN}` } }) }, MANAGER)
              yield* label("painted", "red")
              const resourceVersion = yield* versionNow
              yield* label("painted", "blue")
              yield* label("painted", "red")
              yield* label("painted-last", "red")
              const scope = { namespace: NAMESPACE, labelSelector: `color=red-${RUN}`, resourceVersion }
              assert.deepStrictEqual((yield* eventsUntil(ConfigMaps, scope, "ADDED painted-last")).map(summary), [
                "DELETED painted",
                "ADDED painted",
                "ADDED painted-last"
              ])
            })
        )

        it.effect("a watch of all namespaces gives the changes of all", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const labels = { everywhere: RUN }
            const resourceVersion = yield* versionNow
            yield* kube.create(ConfigMaps, { metadata: meta("everywhere-1", { labels }) })
            yield* kube.create(ConfigMaps, { metadata: meta("everywhere-2", { labels, namespace: OTHER }) })
            const scope = { labelSelector: `everywhere=${RUN}`, resourceVersion }
            assert.deepStrictEqual((yield* eventsUntil(ConfigMaps, scope, "ADDED everywhere-2")).map(summary), [
              "ADDED everywhere-1",
              "ADDED everywhere-2"
            ])
          })
        )

        it.effect("a watch without a version gives all objects, says so, and goes on", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const labels = { streamed: RUN }
            const write = (name: string, value: string) =>
              kube.apply(ConfigMaps, { metadata: meta(name, { labels }), data: { value } }, MANAGER)
            yield* write("streamed-a", "1")
            yield* write("streamed-b", "1")
            yield* write("streamed-a", "2")
            yield* kube.create(ConfigMaps, { metadata: meta("streamed-elsewhere", { labels, namespace: OTHER }) })
            const reported: Array<string> = []
            let version = ""
            yield* kube.watch(ConfigMaps, { namespace: NAMESPACE, labelSelector: `streamed=${RUN}` }).pipe(
              Stream.tap((event) => {
                if (event.type === "ERROR") return Effect.fail(event.error)
                if (event.type !== "BOOKMARK") reported.push(`${summary(event)} ${event.object.data?.["value"] ?? ""}`)
                if (event.type !== "BOOKMARK" || event.isInitialEnd !== true) return Effect.void
                reported.sort().push("end")
                version = event.resourceVersion
                return kube.delete(ConfigMaps, meta("streamed-b"))
              }),
              Stream.takeUntil((event) => event.type === "DELETED"),
              Stream.runDrain,
              Effect.timeout("1 minute")
            )
            assert.deepStrictEqual(reported, [
              "ADDED streamed-a 2",
              "ADDED streamed-b 1",
              "end",
              "DELETED streamed-b 1"
            ])
            // A later watch goes on from the end of the list.
            const scope = { namespace: NAMESPACE, labelSelector: `streamed=${RUN}`, resourceVersion: version }
            const later = yield* eventsUntil(ConfigMaps, scope, "DELETED streamed-b")
            assert.deepStrictEqual(later.map(summary), ["DELETED streamed-b"])
          })
        )

        it.effect("a watch from an expired version fails with 410", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            yield* options.forget
            const error = yield* changesOf(kube.watch(Images, { resourceVersion: "1" })).pipe(
              Stream.runDrain,
              Effect.flip,
              Effect.timeout("1 minute")
            )
            assert.strictEqual(error._tag === "KubeError" ? `${error.code} ${error.reason}` : error._tag, "410 Expired")
          })
        )
      })

      describe("an Event of events.k8s.io", () => {
        const event = (name: string, more: Partial<ReportedEvent> = {}) => ({
          metadata: meta(name),
          eventTime: "2026-11-24T12:00:00.000000Z",
          reportingController: "skopeo-operator",
          reportingInstance: "skopeo-operator-0",
          action: "Copy",
          reason: "Copied",
          type: "Normal",
          note: "copied 1 tag",
          regarding: { apiVersion: "skopeo.io/v1alpha1", kind: "Image", namespace: NAMESPACE, name: "app", uid: "1" },
          ...more
        })

        it.effect("an Event is created by an apply, and a second apply makes a series of the Event", () =>
          Effect.gen(function* () {
            const kube = yield* KubeClient
            const first = yield* kube.apply(ReportedEvents, event("app.1"), MANAGER)
            assert.strictEqual(first.note, "copied 1 tag")
            const series = { count: 2, lastObservedTime: "2026-11-24T12:01:00.000000Z" }
            const second = yield* kube.apply(ReportedEvents, event("app.1", { series }), MANAGER)
            assert.deepStrictEqual(second.series, series)
            assert.strictEqual(second.metadata.uid, first.metadata.uid)
            assert.strictEqual(second.eventTime, first.eventTime)
          })
        )

        for (const [what, refused, more] of [
          ["a note of 1,025 bytes", "1024", { note: "é".repeat(512) + "x" }],
          ["no action", "action", { action: "" }],
          ["a series of one", "series.count", { series: { count: 1, lastObservedTime: "2026-11-24T12:01:00.000000Z" } }]
        ] as const satisfies ReadonlyArray<readonly [string, string, Partial<ReportedEvent>]>) {
          it.effect(`an Event is refused that has ${what}`, () =>
            Effect.gen(function* () {
              const kube = yield* KubeClient
              const error = yield* Effect.flip(kube.apply(ReportedEvents, event("app.2", more), MANAGER))
              assert.strictEqual(error.code, 422)
              assert.include(error.detail, refused)
            })
          )
        }
      })

      describe("an Image", () => {
        for (const [index, { object, onlyCreated, refused, stored, what }] of imageManifests.entries()) {
          it.effect(`an Image ${refused === undefined ? "is accepted" : "is refused"}: ${what}`, () =>
            Effect.gen(function* () {
              const kube = yield* KubeClient
              const metadata = { ...(object["metadata"] as object | undefined), ...meta(`manifest-${index}`) }
              const created = kube.create(Images, { ...object, metadata: { ...metadata, name: `created-${index}` } })
              const applied = kube.apply(
                Images,
                { ...object, metadata: { ...metadata, name: `applied-${index}` } },
                MANAGER
              )
              for (const written of onlyCreated === true ? [created] : [created, applied]) {
                if (refused === undefined) {
                  assert.deepStrictEqual((yield* written).spec, stored)
                } else {
                  const error = yield* Effect.flip(written)
                  assert.include([400, 422, 500], error.code)
                  assert.include(error.detail, refused)
                }
              }
            })
          )
        }

        for (const { name, refused } of objectNames) {
          it.effect(
            `an Image ${refused ? "may not" : "may"} be named ${name.length > 40 ? `${name.length} letters` : name}`,
            () =>
              Effect.gen(function* () {
                const kube = yield* KubeClient
                const created = kube.create(Images, { metadata: meta(name), spec })
                if (!refused) return assert.strictEqual((yield* created).metadata.name, name)
                const error = yield* Effect.flip(created)
                assert.strictEqual(error.code, 422)
                assert.include(error.detail, "metadata.name")
              })
          )
        }
      })
    }
  )
}
