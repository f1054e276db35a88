/** Copies by Kubernetes Jobs that run Skopeo: the cluster does the work, this process only watches. */
import { Clock, Deferred, Effect, FiberMap, Layer, Option, PubSub, Random, Result, Stream } from "effect"
import { type Access, accessOf } from "../credentials/access.ts"
import { type CredentialError, Credentials } from "../credentials/Credentials.ts"
import { instant, millisOf } from "../text/instant.ts"
import type { Copy, CopyState, CopyTask } from "../domain/Copy.ts"
import { parsePlatform, type Platform } from "../oci/Platform.ts"
import { retryAt } from "../domain/RetryAfter.ts"
import { Turns } from "../domain/Turns.ts"
import { KubeClient, KubeError } from "../kube/KubeClient.ts"
import { listWatch } from "../kube/ListWatch.ts"
import { type JobObject, Jobs, Pods, Secrets } from "../kube/Resources.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { INDEX_TYPES, partsOf } from "../oci/Manifest.ts"
import { subsetAt } from "./PlatformSubset.ts"
import type { Descriptor } from "../oci/Manifest.ts"
import { RegistryClient } from "../registry/RegistryClient.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import { withoutSecrets } from "../registry/RepositoryAccess.ts"
import { CopyEngine, CopyEngineError, CopyRefused, type ImageKey } from "./CopyEngine.ts"
import { CopyLimits } from "./CopyLimits.ts"
import {
  describeJob,
  failureOf,
  isSubset,
  jobName,
  jobOf,
  makesCopy,
  MANAGER,
  outcomeOf,
  secretOf,
  selectorOf,
  type SkopeoJobOptions,
  taskOf,
  withoutProxySecrets
} from "./SkopeoJob.ts"

/** How long the first list of Jobs may take before a reconcile that needs it fails. */
const SYNC_TIMEOUT = "2 minutes"
/** How long a finished Job may take to vanish before the next of its name. */
const REMOVAL_TIMEOUT = "1 minute"

/** Enough that no attempt's Secret has the name of one that the cluster has yet to sweep. */
const ATTEMPTS = 2 ** 32

/** Where a registry that limits how often it may be asked names no time. */
const UNTIMED = 60_000
/** What a manifest takes in an index, about. */
const ENTRY_BYTES = 400

const UNNAMED =
  "the platforms were copied, but the operator may not write their index; give it credentials that may (spec.destination.credentials or CREDS_DESTINATION_*), or leave spec.platforms out"

/** Why a Job could not be made. */
const reasonOf = (error: KubeError | CredentialError | RegistryError): string => {
  if (error._tag === "KubeError") return "JobNotCreated"
  if (error._tag === "CredentialError") return error.reason
  return error.reason._tag === "NotFound" ? "SourceNotFound" : error.reason._tag
}

const platformsIn = ({ platforms }: CopyTask): ReadonlyArray<Platform> =>
  platforms.flatMap((text) => Option.toArray(Result.getSuccess(parsePlatform(text))))

/** How many manifests Skopeo reads to copy an image: an index's size tells about how many it has. */
const pullsOf = ({ platforms }: CopyTask, found: Descriptor | undefined): number => {
  if (platforms.length > 0) return 1 + platforms.length
  const isIndex = found === undefined || INDEX_TYPES.has(found.mediaType)
  return isIndex ? 1 + Math.max(1, Math.ceil((found?.size ?? 0) / ENTRY_BYTES)) : 1
}

/** A Job as known from the watch, with what became of it once it has finished and been looked into. */
interface Known {
  readonly job: JobObject
  readonly task: CopyTask
  readonly state: CopyState
  readonly released: boolean
}

/** A copy that has no Job: it waits for room, its Job could not be made, or no Job was needed. */
interface Pending {
  readonly copy: Copy
}

const make = Effect.fnUntraced(function* (options: SkopeoJobOptions) {
  const kube = yield* KubeClient
  const registry = yield* RegistryClient
  const registryLimits = yield* RegistryLimits
  const credentials = yield* Credentials
  const limits = yield* CopyLimits
  // Jobs are found before anyone listens; whoever comes later hears of them too.
  const changes = yield* PubSub.unbounded<ImageKey>({ replay: 1_000 })
  const synced = yield* Deferred.make<void>()
  /** Jobs by name: the name is made from the destination, so there is one at most for each. */
  const known = new Map<string, Known>()
  const pending = new Map<string, Pending>()
  /** Who waits, by uid, for a Job to have finished or gone; and for a finished one to have gone. */
  const ends = new Map<string, Deferred.Deferred<void>>()
  const removals = new Map<string, Deferred.Deferred<void>>()
  /** Jobs whose Secret this process has seen to, and what is in it. */
  const equipped = new Map<string, Access>()
  const starting = yield* FiberMap.make<string, void, never>()
  const inspecting = yield* FiberMap.make<string, void, never>()
  const holding = yield* FiberMap.make<string, void, never>()
  /** Copies whose Jobs wait for their source's budget. */
  const turns = new Turns()
  let attempts = 0

  const uidOf = (job: JobObject): string => job.metadata.uid ?? ""
  const changed = (task: CopyTask) => Effect.asVoid(PubSub.publish(changes, task.image))

  const awaitIn = (waits: Map<string, Deferred.Deferred<void>>, uid: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const wait = waits.get(uid) ?? Deferred.makeUnsafe<void>()
      waits.set(uid, wait)
      return Deferred.await(wait)
    })
  const signalIn = (waits: Map<string, Deferred.Deferred<void>>, uid: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const wait = waits.get(uid)
      waits.delete(uid)
      return wait === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(wait, undefined))
    })

  /** Returns when a Job has ended or gone; at once if it has already, for then nobody will signal. */
  const ended = (name: string, uid: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const current = known.get(name)?.job
      const runs = current !== undefined && uidOf(current) === uid && outcomeOf(current)._tag === "Active"
      return runs ? awaitIn(ends, uid) : Effect.void
    })

  /** The manifest that names only the platforms of a task. */
  const subsetFor = (task: CopyTask, { source }: Access) =>
    subsetAt(source, task.digest, platformsIn(task)).pipe(Effect.provideService(RegistryClient, registry))

  /** What a Job copies one by one; nothing if it copies an image as a whole. */
  const partsFor = Effect.fnUntraced(function* (task: CopyTask, access: Access) {
    if (!isSubset(task)) return []
    const parts = Option.getOrUndefined(partsOf(yield* subsetFor(task, access)))
    return parts?._tag === "Index" ? [...new Set(parts.children.map(({ digest }) => digest))] : []
  })

  /**
   * Gives the parts that a Job has copied their index and their tag: Skopeo writes no index of some of them. A tag that is
   * there already stays if the task says so.
   */
  const nameSubset = Effect.fnUntraced(function* (task: CopyTask, access: Access) {
    const present = yield* registry.head(access.destination, task.tag)
    if (Option.getOrUndefined(present)?.digest === task.destinationDigest) return
    if (task.onlyIfMissing && Option.isSome(present)) return
    const subset = yield* subsetFor(task, access)
    // Another release may leave out other entries: what was decided on is not what would be written.
    if (subset.digest !== task.destinationDigest) return
    yield* registry.putManifest(access.destination, task.tag, subset)
  })

  /** Finds out what became of a finished Job: a success counts when the destination answers with the digest. */
  const inspect = Effect.fnUntraced(function* (job: JobObject, task: CopyTask) {
    const outcome = outcomeOf(job)
    if (outcome._tag === "Active") return
    const now = yield* Clock.currentTimeMillis
    const at = outcome.at === undefined ? now : millisOf(outcome.at)
    const given = equipped.get(uidOf(job))
    const found = yield* Effect.result(accessOf(credentials, task))
    const accesses = [...(given === undefined ? [] : [given]), ...Option.toArray(Result.getSuccess(found))]
    const secrets = accesses.flatMap(({ destination, source }) => [source, destination])
    const redact = (words: string): string =>
      withoutProxySecrets(secrets.reduce(withoutSecrets, words), options.proxies ?? {})
    const failed = (reason: string, message: string): CopyState => ({
      _tag: "Failed",
      at,
      reason,
      message: redact(message)
    })
    const verify = Effect.flatMap(Effect.fromResult(found), (access) =>
      Effect.andThen(
        isSubset(task) ? nameSubset(task, access) : Effect.void,
        registry.head(access.destination, task.tag)
      )
    ).pipe(
      Effect.match({
        onSuccess: (found): CopyState => {
          const digest = Option.getOrUndefined(found)?.digest
          if (digest === task.destinationDigest) return { _tag: "Succeeded", at }
          // Nothing but the tag of a subset is written here: this one was there before.
          if (digest !== undefined && task.onlyIfMissing && isSubset(task)) return { _tag: "Present", at, digest }
          return failed(
            "VerificationFailed",
            `${describeJob(options, task)} succeeded, but the destination has ${digest ?? "no such tag"} instead of ${task.destinationDigest}`
          )
        },
        onFailure: (error): CopyState => {
          const words = `the copy cannot be verified: ${error.message}`
          if (error._tag === "CredentialError") return failed(error.reason, words)
          const { reason, until } = error
          return {
            ...(isSubset(task) && reason._tag === "AuthenticationFailed"
              ? failed("PlatformsUnsupported", `${UNNAMED}: ${error.message}`)
              : failed(reason._tag, words)),
            ...(until === undefined ? {} : { retryAfterMillis: until - now })
          }
        }
      }),
      Effect.provideService(RequestedFor, task.image.namespace)
    )
    const explain = (failure: Extract<typeof outcome, { _tag: "Failed" }>) =>
      kube
        .list(Pods, {
          namespace: options.namespace,
          labelSelector: `batch.kubernetes.io/job-name=${job.metadata.name}`
        })
        .pipe(
          Effect.map(({ items }) => items),
          Effect.orElseSucceed(() => []),
          Effect.map((pods) => {
            // What Skopeo says may repeat a secret: nobody hears it from here who could not take that out.
            const { message, reason } = failureOf(failure, secrets.length === 0 ? [] : pods, task.destination, redact)
            // Skopeo knows nothing of a credential that it was not given.
            const withheld = secrets.flatMap((access) => access.withheld ?? [])
            const remedies = reason === "AuthenticationFailed" ? new Set(withheld) : []
            return failed(reason, [message, ...remedies].join("; "))
          })
        )
    const state = outcome._tag === "Complete" ? yield* verify : yield* explain(outcome)
    const current = known.get(job.metadata.name)
    if (current === undefined || uidOf(current.job) !== uidOf(job)) return
    known.set(job.metadata.name, { ...current, state })
    yield* changed(task)
  })

  /** Whether a fiber here has, or waits for, the Job's place; a fiber's first steps come before it is in the map. */
  const isLaunching = (name: string): boolean =>
    pending.get(name)?.copy.state._tag === "Waiting" || FiberMap.hasUnsafe(starting, name)

  const see = Effect.fnUntraced(function* (job: JobObject) {
    const task = taskOf(job)
    if (task === undefined) return
    const { name } = job.metadata
    const before = known.get(name)
    const same = before !== undefined && uidOf(before.job) === uidOf(job)
    const settled = same && before.state._tag !== "Running"
    known.set(name, same ? { ...before, job } : { job, task, state: { _tag: "Running" }, released: false })
    if (outcomeOf(job)._tag === "Active") {
      // A Job found running takes its place among those that count, as if it had been started here.
      if (!isLaunching(name)) {
        yield* FiberMap.run(holding, uidOf(job), limits.withRoom(task)(ended(name, uidOf(job))), {
          onlyIfMissing: true
        })
      }
      if (!same) yield* changed(task)
      return
    }
    yield* signalIn(ends, uidOf(job))
    if (!settled) yield* FiberMap.run(inspecting, name, inspect(job, task))
  })
  const lose = Effect.fnUntraced(function* (job: JobObject) {
    const before = known.get(job.metadata.name)
    yield* signalIn(ends, uidOf(job))
    yield* signalIn(removals, uidOf(job))
    equipped.delete(uidOf(job))
    if (before === undefined || uidOf(before.job) !== uidOf(job)) return
    known.delete(job.metadata.name)
    yield* FiberMap.remove(inspecting, job.metadata.name)
    yield* changed(before.task)
  })

  yield* listWatch(Jobs, { namespace: options.namespace, labelSelector: selectorOf(options.instance) }).pipe(
    Stream.runForEach((event) => {
      switch (event._tag) {
        case "Replaced":
          return Effect.gen(function* () {
            const present = new Set(event.objects.map(uidOf))
            for (const { job } of Array.from(known.values())) if (!present.has(uidOf(job))) yield* lose(job)
            yield* Effect.forEach(event.objects, see, { discard: true })
            yield* Deferred.succeed(synced, undefined)
          })
        case "Applied":
          return see(event.object)
        case "Deleted":
          return lose(event.object)
      }
    }),
    Effect.provideService(KubeClient, kube),
    Effect.forkScoped
  )

  const ready = Deferred.await(synced).pipe(
    Effect.timeoutOrElse({
      duration: SYNC_TIMEOUT,
      orElse: () =>
        Effect.fail(
          new CopyEngineError({
            reason: "JobsUnknown",
            detail: `the Jobs in namespace ${options.namespace} could not be listed within ${SYNC_TIMEOUT}`
          })
        )
    })
  )

  /** Gives a Job its credentials; it may have lost them to a crash between the two writes. */
  const equip = Effect.fnUntraced(function* (job: JobObject, find: Effect.Effect<Access, CredentialError>) {
    if (equipped.has(uidOf(job))) return
    const access = yield* find
    const secret = secretOf(job, access, options.proxies)
    if (Option.isSome(secret)) {
      yield* kube.create(Secrets, secret.value).pipe(
        Effect.catchIf(
          (error) => error.reason === "AlreadyExists",
          // No other Job has this name for its Secret: an earlier create was answered by nobody.
          () => Effect.void
        )
      )
    }
    equipped.set(uidOf(job), access)
  })

  /** Ends a copy that gets no Job. */
  const end = (name: string, task: CopyTask, state: CopyState): Effect.Effect<void> =>
    Effect.suspend(() => {
      const waiting = pending.get(name)
      if (waiting === undefined) return Effect.void
      pending.set(name, { copy: { ...waiting.copy, state } })
      return changed(task)
    })

  /** Makes a copy's Job when there is room, and keeps the place until the Job has ended. */
  const launch = (name: string, task: CopyTask) =>
    limits
      .withRoom(task)(
        Effect.gen(function* () {
          const old = known.get(name)
          if (old !== undefined) {
            yield* kube.delete(Jobs, { namespace: options.namespace, name }, { uid: uidOf(old.job) })
            if (known.get(name)?.job.metadata.uid === old.job.metadata.uid) {
              yield* awaitIn(removals, uidOf(old.job)).pipe(
                Effect.timeoutOrElse({
                  duration: REMOVAL_TIMEOUT,
                  orElse: () =>
                    Effect.fail(
                      new KubeError({
                        operation: `delete jobs ${name}`,
                        code: 0,
                        reason: "NotDeleted",
                        detail: `the finished Job was not gone after ${REMOVAL_TIMEOUT}`
                      })
                    )
                })
              )
            }
          }
          const access = yield* accessOf(credentials, task)
          const parts = yield* partsFor(task, access)
          // Skopeo overwrites: once there is a Job, nothing keeps its copy from the tag.
          const present = task.onlyIfMissing ? yield* registry.head(access.destination, task.tag) : Option.none()
          if (Option.isSome(present)) {
            const at = yield* Clock.currentTimeMillis
            return yield* end(name, task, { _tag: "Present", at, digest: present.value.digest })
          }
          const attempt = (yield* Random.nextIntBetween(0, ATTEMPTS, { halfOpen: true })).toString(16).padStart(8, "0")
          const job = yield* kube.create(Jobs, jobOf(task, access, options, attempt, parts)).pipe(
            Effect.catchIf(
              (error) => error.reason === "AlreadyExists",
              (error) =>
                // The answer to an earlier create may have been lost: ours is a success, another's is not.
                Effect.flatMap(kube.get(Jobs, { namespace: options.namespace, name }), (found) =>
                  Option.isSome(found) && makesCopy(found.value, task)
                    ? Effect.succeed(found.value)
                    : Effect.fail(error)
                )
            )
          )
          // The watch may have been quicker, and know how the Job ended.
          const isSeen = known.get(name)?.job.metadata.uid === uidOf(job)
          if (!isSeen) yield* see(job)
          pending.delete(name)
          // Whoever heard of it from the watch was told that the copy waits.
          if (isSeen) yield* changed(task)
          // Without its Secret the Job waits and keeps its place; it is given one when its Image is next looked at.
          yield* equip(job, Effect.succeed(access)).pipe(
            Effect.catch((error) =>
              Effect.logWarning(`${describeJob(options, task)} has no Secret yet: ${error.message}`)
            )
          )
          yield* ended(name, uidOf(job))
        })
      )
      .pipe(
        Effect.catch((error: KubeError | CredentialError | RegistryError) =>
          Effect.gen(function* () {
            const at = yield* Clock.currentTimeMillis
            const message = `${describeJob(options, task)} could not be created: ${error.message}`
            const until = error._tag === "RegistryError" ? error.until : undefined
            yield* end(name, task, {
              _tag: "Failed",
              at,
              reason: reasonOf(error),
              message,
              ...(until === undefined ? {} : { retryAfterMillis: until - at })
            })
          })
        )
      )

  const wait = (name: string, state: Extract<CopyState, { readonly _tag: "Waiting" }>) => {
    const waiting = pending.get(name)
    if (waiting !== undefined) pending.set(name, { copy: { ...waiting.copy, state } })
  }

  /** Takes what a Job will pull out of its source's budget: what it asks, nobody here hears of. */
  const charge = Effect.fnUntraced(function* (task: CopyTask) {
    // Credentials that cannot be had are told when the Job is made.
    const access = yield* Effect.option(accessOf(credentials, task))
    if (Option.isNone(access)) return
    const { source } = access.value
    const { metered } = yield* registryLimits.allowance(source)
    if (!metered) return
    // This is not counted, and tells what is left.
    const found = yield* registry.head(source, task.digest).pipe(
      Effect.map(Option.getOrUndefined),
      Effect.catchIf(
        ({ isRateLimited }) => !isRateLimited,
        // The Job will say so itself.
        () => Effect.succeed(undefined)
      )
    )
    yield* registryLimits.reserve(source, pullsOf(task, found))
  })

  /** Makes a copy's Job when the source's budget allows what it will pull; until then the copy says what it waits for. */
  const launchCharged = Effect.fnUntraced(function* (name: string, task: CopyTask) {
    const { namespace } = task.image
    const attempt = charge(task).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          turns.leave(namespace, name)
          wait(name, { _tag: "Waiting", reason: limits.reason })
        })
      ),
      Effect.andThen(launch(name, task)),
      Effect.scoped,
      Effect.result
    )
    while (true) {
      const launched = yield* attempt
      if (Result.isSuccess(launched)) return
      const now = yield* Clock.currentTimeMillis
      const { message, until = now + UNTIMED } = launched.failure
      const again = retryAt(now, until - now, turns.take(namespace, name))
      wait(name, { _tag: "Waiting", reason: message, limited: true })
      yield* changed(task)
      yield* Effect.sleep(again - now)
    }
  })

  const copyOf = ({ job, state, task }: Known): Copy => ({ ...task, id: uidOf(job), state })

  return CopyEngine.of({
    supports: { platforms: true, referrers: false, manifests: false },

    start: Effect.fnUntraced(function* (task) {
      yield* ready
      const name = jobName(task)
      const busy = (other: CopyTask) =>
        new CopyRefused({
          reason: "DestinationBusy",
          detail: `${describeJob(options, other)} runs for Image ${other.image.namespace}/${other.image.name}`
        })
      const waiting = pending.get(name)
      if (waiting !== undefined) {
        return waiting.copy.image.uid === task.image.uid ? false : yield* busy(waiting.copy)
      }
      const current = known.get(name)
      // A copy that has ended since its Image was looked at is news, not a place that is free.
      if (current !== undefined && !current.released) {
        if (current.task.image.uid !== task.image.uid) return yield* busy(current.task)
        if (outcomeOf(current.job)._tag === "Active") {
          // What an Image says now, not what a Job's marks say: those could name a Secret of any namespace.
          const { credentials: choices, image } = task
          yield* equip(current.job, accessOf(credentials, { ...current.task, image, credentials: choices })).pipe(
            Effect.mapError((error) => new CopyRefused({ reason: "SecretNotCreated", detail: error.message }))
          )
        }
        return false
      }
      attempts += 1
      const now = yield* Clock.currentTimeMillis
      pending.set(name, {
        copy: { ...task, id: `pending-${instant(now)}-${attempts}`, state: { _tag: "Waiting", reason: limits.reason } }
      })
      yield* FiberMap.run(
        starting,
        name,
        launchCharged(name, task).pipe(
          Effect.ensuring(Effect.sync(() => turns.leave(task.image.namespace, name))),
          Effect.provideService(RequestedFor, task.image.namespace)
        )
      )
      return true
    }),

    copies: (image) =>
      Effect.map(ready, () => {
        const jobs = [...known.entries()].filter(([name, { released }]) => !released && !pending.has(name))
        return [...jobs.map(([, job]) => copyOf(job)), ...[...pending.values()].map(({ copy }) => copy)].filter(
          (copy) => copy.image.namespace === image.namespace && copy.image.name === image.name
        )
      }),

    cancel: Effect.fnUntraced(function* (copy) {
      const name = jobName(copy)
      if (pending.get(name)?.copy.id === copy.id) {
        yield* FiberMap.remove(starting, name)
        pending.delete(name)
        return yield* changed(copy)
      }
      // What waited when it was asked for may have got its Job since.
      const current = known.get(name)
      const launched = copy.state._tag === "Waiting" && current !== undefined && makesCopy(current.job, copy)
      const uid = launched ? uidOf(current.job) : copy.id
      yield* kube
        .delete(Jobs, { namespace: options.namespace, name }, { uid })
        .pipe(Effect.mapError((error) => new CopyEngineError({ reason: "JobNotDeleted", detail: error.message })))
    }),

    release: Effect.fnUntraced(function* (copy) {
      const name = jobName(copy)
      if (pending.get(name)?.copy.id === copy.id) pending.delete(name)
      const current = known.get(name)
      if (current === undefined || uidOf(current.job) !== copy.id) return
      known.set(name, { ...current, released: true })
      // A failed Job stays for whoever wants to read its log.
      if (copy.state._tag === "Failed") return
      const shortened = {
        metadata: { name, namespace: options.namespace, uid: copy.id },
        spec: { ttlSecondsAfterFinished: options.deletionDelaySeconds ?? 10 }
      }
      yield* kube.apply(Jobs, shortened, MANAGER).pipe(
        // Recorded is recorded: the Job then lives as long as it was created for.
        Effect.catch((error) => Effect.logWarning(`a finished Job stays for a day: ${error.message}`))
      )
    }),

    changes: Stream.fromPubSub(changes)
  })
})

/** Watches its own Jobs in one namespace from the moment it is made. */
export const layer = (
  options: SkopeoJobOptions
): Layer.Layer<CopyEngine, never, KubeClient | RegistryClient | RegistryLimits | Credentials | CopyLimits> =>
  Layer.effect(CopyEngine, make(options))
