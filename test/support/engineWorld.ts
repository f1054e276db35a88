/** The operator in memory over each copy engine. A test sets the duration and the outcome of each copy. */
import { Clock, Context, Deferred, Effect, Exit, Layer, Option, Redacted, Schedule, Scope, Stream } from "effect"
import type { CopyLimitsOptions } from "../../src/copy/CopyLimits.ts"
import { TestClock } from "effect/testing"
import { LeaderElection } from "../../src/controller/LeaderElection.ts"
import * as DirectEngine from "../../src/copy/DirectEngine.ts"
import { isSubset, taskOf } from "../../src/copy/job/Job.ts"
import * as JobEngine from "../../src/copy/job/JobEngine.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { instant } from "../../src/text/instant.ts"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { listWatch } from "../../src/kube/ListWatch.ts"
import { Jobs, Leases, Secrets } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { isForeign, partsOf } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage, type SampleImageOptions } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "./Faults.ts"
import { runPods } from "./pods.ts"
import {
  candidateLayer,
  DESTINATION,
  engineOfTags,
  type EngineLayer,
  makeRegistries,
  operatorLayer,
  type Registries
} from "./world.ts"
import { whole, type WholeObject } from "./wholeObjects.ts"

/** `tags` copies in this process, and treats signatures as plain tags as `job` does. */
export type EngineName = "direct" | "tags" | "job"

const JOBS = "jobs"

const LAYERS: Readonly<Record<EngineName, EngineLayer>> = {
  direct: DirectEngine.layer,
  tags: engineOfTags,
  job: JobEngine.layer({ namespace: JOBS, image: "quay.io/containers/skopeo:v1.9.3", instance: "release" })
}

const robot = Credentials.layer(
  Effect.all([
    ConfiguredCredentials.make({
      source: Option.none(),
      destination: Option.some({ username: "robot", password: Redacted.make("word"), registries: [DESTINATION] })
    })
  ])
)

/** The behaviour that a test may change at any time. */
export interface Behaviour {
  /** The duration of a copy to a tag, in milliseconds. */
  takes: (tag: string) => number
  /** Whether a copy to a tag fails at its end. */
  fails: (tag: string) => boolean
  /** Whether the API server refuses to create a Job's Secret. */
  refusesSecrets: boolean
  /** The time until a registry answers a request of a check, in milliseconds. */
  latency: number
}

interface EngineWorldOptions extends CopyLimitsOptions {
  /** Whether the destination needs a credential, so that each Job has a Secret. Default false. */
  readonly withCredentials?: boolean
  /** Default: no policy. */
  readonly policy?: Layer.Layer<Policy>
}

export const makeEngineWorld = (
  name: EngineName,
  { policy = Policy.layerNone, withCredentials = false, ...limits }: EngineWorldOptions = {}
) => {
  const registries = makeRegistries()
  const apiServer = new ApiServerStore()
  runPods(apiServer)
  const behaviour: Behaviour = { takes: () => 0, fails: () => false, refusesSecrets: false, latency: 0 }
  /** The tag of a manifest below an image's root. A copy writes these manifests first. */
  const tagOf = new Map<string, string>()

  /** Pushes an image to the source's repository `app`. Two tags need two seeds. */
  const push = (tag: string, seed: string = tag, options: SampleImageOptions = {}): string => {
    const digest = pushSampleImage(registries.source, "app", tag, seed, options)
    for (const child of childrenOf(registries.source, "app", digest)) tagOf.set(child, tag)
    return digest
  }

  const late = { before: () => Effect.suspend(() => Effect.sleep(behaviour.latency)) }
  const client = Faults.of(RegistryClient, [
    { method: "tags", ...late },
    { method: "head", ...late },
    {
      method: "putManifest",
      when: ({ repository }, reference) => repository.registry === DESTINATION && tagOf.has(reference),
      before: Effect.fnUntraced(function* ({ repository }: RepositoryAccess, reference: string) {
        const tag = tagOf.get(reference) ?? ""
        yield* Effect.sleep(behaviour.takes(tag))
        if (behaviour.fails(tag)) yield* RegistryError.of("Unreachable", repository, "the test says so")
      })
    }
  ])
  const refusal = { operation: "create secrets", code: 403, reason: "Forbidden", detail: "exceeded quota" }
  const secrets = Faults.of(KubeClient, [
    {
      method: "create",
      when: ({ plural }) => behaviour.refusesSecrets && plural === Secrets.plural,
      ...Faults.failing(new KubeError(refusal))
    }
  ])
  const kube = secrets.layer(KubeClientMemory.layer({ store: apiServer }))
  const credentials = withCredentials ? robot : Credentials.layerAnonymous

  /** The tags that Jobs have begun to copy, once per Job. */
  const jobsBegun: Array<string> = []
  const cluster = Layer.effectDiscard(Effect.forkScoped(runJobs(registries, behaviour, jobsBegun)))
  const operator = operatorLayer(
    { layer: client.layer(registries.layer) },
    { engine: LAYERS[name], limits, kube, credentials, policy }
  )

  /** One of several operators, each with connections of its own. */
  const candidate = Effect.fnUntraced(function* (identity: string) {
    const cut = yield* Deferred.make<void>()
    const own = Layer.effect(
      KubeClient,
      Effect.map(KubeClient, (client) => cutBy(cut, client))
    ).pipe(Layer.provide(kube))
    const api = Faults.of(KubeClient)
    const pushes = Faults.of(RegistryClient)
    const layer = candidateLayer(
      { layer: pushes.layer(client.layer(registries.layer)) },
      { engine: LAYERS[name], limits, kube: api.layer(own), credentials },
      { lease: { namespace: JOBS, name: "release.skopeo.io" }, identity, exit: Effect.die("not ended in time") }
    )
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    const { lead } = Context.get(context, LeaderElection)
    yield* Effect.forkIn(lead, scope, { startImmediately: true })
    const stop = Scope.close(scope, Exit.void)
    const cutOff = Effect.asVoid(Deferred.succeed(cut, undefined))
    return {
      /** When it has sent what changes anything, but for the Lease. `tag`: which tag of the destination was written. */
      written: (): ReadonlyArray<{ readonly at: number; readonly tag?: string }> => [
        ...api.calls.flatMap(({ args: [resource], at, method }) =>
          WRITES.has(method) && resource.plural !== Leases.plural ? [{ at }] : []
        ),
        ...pushes.calls.flatMap((call) => {
          if (call.method !== "putManifest") return []
          const [, reference] = call.args
          return [reference.startsWith("sha256:") ? { at: call.at } : { at: call.at, tag: reference }]
        })
      ],
      /** The API server no longer hears of it, nor it of the API server. It reaches the registries. */
      cutOff,
      /** As SIGTERM does. */
      stop,
      /** As SIGKILL does: the API server hears nothing of it, the Lease least of all. */
      kill: Effect.andThen(cutOff, Effect.asVoid(Effect.forkDetach(stop)))
    }
  })
  return {
    ...registries,
    behaviour,
    jobsBegun,
    push,
    /** The layer of an operator and of the cluster that runs its Jobs. */
    layer: cluster.pipe(Layer.provideMerge(operator)),
    /** The layer of the cluster alone. All operators of this world share its API server and its registries. */
    cluster: cluster.pipe(Layer.provideMerge(kube)),
    candidate,
    /** Starts an operator's process. `kill` ends that process only. */
    start: Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      yield* Layer.buildWithScope(Layer.fresh(operator), scope)
      return { kill: Scope.close(scope, Exit.void) }
    })
  }
}

/** The calls of a KubeClient that change something. */
const WRITES: ReadonlySet<string> = new Set(["create", "update", "apply", "applyStatus", "patch", "delete"])

/** A client whose requests get no answer from some time on. */
const cutBy = (cut: Deferred.Deferred<void>, client: KubeClient["Service"]): KubeClient["Service"] => {
  const silent = <A, E>(request: Effect.Effect<A, E>) =>
    Effect.flatMap(Deferred.isDone(cut), (isCut) => (isCut ? Effect.never : request))
  return {
    get: (resource, name) => silent(client.get(resource, name)),
    list: (resource, scope) => silent(client.list(resource, scope)),
    watch: (resource, scope) =>
      Stream.concat(Stream.interruptWhen(client.watch(resource, scope), Deferred.await(cut)), Stream.never),
    create: (resource, object) => silent(client.create(resource, object)),
    update: (resource, object) => silent(client.update(resource, object)),
    apply: (resource, object, manager) => silent(client.apply(resource, object, manager)),
    applyStatus: (resource, object, manager) => silent(client.applyStatus(resource, object, manager)),
    patch: (resource, name, patch, manager) => silent(client.patch(resource, name, patch, manager)),
    delete: (resource, name, options) => silent(client.delete(resource, name, options))
  }
}

const childrenOf = (store: RegistryStore, path: string, reference: string): ReadonlyArray<string> => {
  const manifest = store.manifest(path, reference)
  const parts = manifest === undefined ? undefined : Option.getOrUndefined(partsOf(manifest))
  return parts?._tag === "Index" ? parts.children.map(({ digest }) => digest) : []
}

/** The manifests that Skopeo writes by digest. */
const PART = /"docker:\/\/dest\.test\/[^"@]*@(sha256:[0-9a-f]{64})"/gu

/** A kubelet starts a pod only after the pod's Secrets exist. */
const awaitSecret = (name: string) =>
  Effect.flatMap(KubeClient, (kube) => kube.get(Secrets, { namespace: JOBS, name })).pipe(
    Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced("1 second") })
  )

/** Runs the operator's Jobs as a cluster does. */
const runJobs = (registries: Registries, behaviour: Behaviour, jobsBegun: Array<string>) => {
  const begun = new Set<string>()
  const run = Effect.fnUntraced(function* ({ metadata, spec }: WholeObject) {
    const kube = yield* KubeClient
    const task = taskOf({ metadata })
    if (task === undefined) return
    jobsBegun.push(task.tag)
    if (JSON.stringify(spec).includes("secretName"))
      yield* awaitSecret(metadata.annotations?.["skopeo.io/secret"] ?? "")
    yield* Effect.sleep(behaviour.takes(task.tag))
    const found = yield* kube.get(Jobs, { namespace: JOBS, name: metadata.name })
    if (Option.isNone(found) || found.value.metadata.uid !== metadata.uid) return
    const failed = behaviour.fails(task.tag)
    if (!failed) {
      // The Job of a subset copies the parts by digest. The operator writes the index and the tag.
      const parts = isSubset(task) ? [...JSON.stringify(spec).matchAll(PART)].map(([, digest = ""]) => digest) : []
      for (const part of parts)
        copyContent(registries, task.source.repository.path, part, task.destination.repository.path, part)
      if (parts.length === 0) {
        copyContent(registries, task.source.repository.path, task.digest, task.destination.repository.path, task.tag)
      }
    }
    const at = instant(yield* Clock.currentTimeMillis)
    const ended = failed ? { type: "Failed", reason: "BackoffLimitExceeded", message: "limit" } : { type: "Complete" }
    const status = { conditions: [{ ...ended, status: "True", lastTransitionTime: at }] }
    yield* kube.applyStatus(Jobs, { metadata: { namespace: JOBS, name: metadata.name }, status }, "job-controller")
  })
  const begin = (job: WholeObject) =>
    Effect.suspend(() => {
      const { uid = "" } = job.metadata
      if (begun.has(uid)) return Effect.void
      begun.add(uid)
      return Effect.asVoid(Effect.forkScoped(run(job)))
    })
  return listWatch(whole(Jobs), { namespace: JOBS }).pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Deleted") return Effect.void
      return Effect.forEach(event._tag === "Replaced" ? event.objects : [event.object], begin, { discard: true })
    })
  )
}

/** Copies as Skopeo does. */
const copyContent = (registries: Registries, from: string, reference: string, to: string, as: string): void => {
  const { destination, source } = registries
  const manifest = source.manifest(from, reference)
  if (manifest === undefined) throw new Error(`the source has no ${reference}`)
  for (const child of childrenOf(source, from, reference)) copyContent(registries, from, child, to, child)
  const parts = Option.getOrThrow(partsOf(manifest))
  for (const blob of parts._tag === "Index" ? [] : parts.blobs) {
    const bytes = source.blob(from, blob.digest)
    if (!isForeign(blob) && bytes !== undefined) destination.putBlob(to, bytes)
  }
  destination.putManifest(to, as, manifest.bytes, manifest.mediaType)
}

/** Passes time second by second, so that effects happen close to the time of their causes. */
export const passSeconds = (seconds: number) => Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 })

/** The number of reconciles so far. */
export const reconciles = Effect.gen(function* () {
  const { body } = yield* (yield* Metrics).exposition
  return [...body.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gmu)].reduce(
    (sum, [, count]) => sum + Number(count),
    0
  )
})
