/** Carries out what the board of Jobs commands: what is asked of the API server and of registries, and its answer. */
import { Clock, Effect, Option, Random, Result, type Scope, Semaphore } from "effect"
import { type Access, accessOf } from "../../credentials/access.ts"
import { type CredentialError, Credentials } from "../../credentials/Credentials.ts"
import type { CopyState, CopyTask } from "../../domain/Copy.ts"
import type { Reason } from "../../domain/Reason.ts"
import { KubeClient, type KubeError } from "../../kube/KubeClient.ts"
import { Events, type JobObject, Jobs, type PodObject, Pods, Secrets } from "../../kube/Resources.ts"
import { type Descriptor, INDEX_TYPES, partsOf } from "../../oci/Manifest.ts"
import { RegistryLimits, RequestedFor } from "../../registry/limits/RegistryLimits.ts"
import { subsetAt } from "../PlatformSubset.ts"
import { RegistryClient, type RepositoryAccess } from "../../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../../registry/RegistryError.ts"
import { withoutSecrets } from "../../registry/RepositoryAccess.ts"
import { innermostCause } from "../../text/Cause.ts"
import { millisOf } from "../../text/instant.ts"
import { oneLine } from "../../text/line.ts"
import { reasonOf } from "../reasonOf.ts"
import { describeJob, isSubset, type JobOptions, MANAGER, uidOf } from "./Job.ts"
import { type Command, type Ended, Event } from "./JobEvents.ts"
import { failureOf } from "./JobFailure.ts"
import { jobOf, secretOf, withoutProxySecrets } from "./JobManifest.ts"
import { type JobPod, mayWrite, podOf } from "./JobPod.ts"
import { DEFAULT_TEMPLATE } from "./JobTemplate.ts"

/** A command that has an answer. */
export type Answered = Exclude<Command, { readonly _tag: "Settle" | "Announce" }>

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** Enough that no attempt's Secret has the name of one that the cluster has yet to sweep. */
const ATTEMPTS = 2 ** 32

/** What a manifest takes in an index, about. */
const ENTRY_BYTES = 400

/** How many events of a Job are read. */
const EVENTS = 50

/** An operator that starts anew finds all Jobs that have ended in the last day at once. */
const INSPECTIONS_AT_ONCE = 10

const UNNAMED =
  "the platforms were copied, but the operator may not write their index; give it credentials that may (spec.destination.credentials or CREDS_DESTINATION_*), or leave spec.platforms out"

/** Why a Job could not be made. */
const whyNotPrepared = (error: CredentialError | RegistryError): Reason =>
  error._tag === "CredentialError" ? error.reason : reasonOf(error, "source")

/** How many manifests Skopeo reads to copy an image: an index's size tells about how many it has. */
const pullsOf = ({ platforms }: CopyTask, found: Descriptor | undefined): number => {
  if (platforms.length > 0) return 1 + platforms.length
  const isIndex = found === undefined || INDEX_TYPES.has(found.mediaType)
  return isIndex ? 1 + Math.max(1, Math.ceil((found?.size ?? 0) / ENTRY_BYTES)) : 1
}

/** Whether an API server that failed to create an object has said that it did not. */
const isRefusal = ({ code, reason }: KubeError): boolean =>
  code >= 400 && code < 500 && code !== 408 && reason !== "AlreadyExists"

/** Whether the object that was meant is there no more. */
const isGone = ({ reason }: KubeError): boolean => reason === "NotFound" || reason === "Conflict"

/** The answer to a command whatever becomes of it: an error or a defect is an event as well. */
const answering = <E extends { readonly message: string }, R>(
  work: Effect.Effect<Event, E, R>,
  failed: (message: string, error: E | undefined) => Event
): Effect.Effect<Event, never, R> =>
  work.pipe(
    Effect.catch((error) => Effect.succeed(failed(error.message, error))),
    Effect.catchDefect((defect) => Effect.succeed(failed(oneLine(innermostCause(defect)), undefined)))
  )

const keptOf = (pods: ReadonlyArray<PodObject>): ReadonlyArray<JobPod> =>
  pods.map(podOf).filter((pod) => pod !== undefined)

export interface JobCommands {
  /** Carries out a command. The scope is that of the attempt: pulls are reserved as long as it lasts. */
  readonly answer: (command: Answered) => Effect.Effect<Event, never, Scope.Scope>
}

export const make = Effect.fnUntraced(function* (
  options: JobOptions
): Effect.fn.Return<JobCommands, never, KubeClient | RegistryClient | RegistryLimits | Credentials> {
  const kube = yield* KubeClient
  const registry = yield* RegistryClient
  const registryLimits = yield* RegistryLimits
  const credentials = yield* Credentials
  const inspections = yield* Semaphore.make(INSPECTIONS_AT_ONCE)
  const { namespace } = options
  const describe = (task: CopyTask): string => describeJob(namespace, task)

  /** The manifest that names only the platforms of a task. */
  const subsetFor = (task: CopyTask, source: RepositoryAccess) =>
    subsetAt(source, task.digest, task.platforms).pipe(Effect.provideService(RegistryClient, registry))

  /** What a Job copies one by one; nothing if it copies an image as a whole. */
  const partsFor = Effect.fnUntraced(function* (task: CopyTask, source: RepositoryAccess) {
    if (!isSubset(task)) return []
    const parts = Option.getOrUndefined(partsOf(yield* subsetFor(task, source)))
    return parts?._tag === "Index" ? [...new Set(parts.children.map(({ digest }) => digest))] : []
  })

  /** Takes what a Job will pull out of its source's rate limit: what Skopeo asks, nobody here hears of. */
  const reserve = Effect.fnUntraced(function* (task: CopyTask, source: RepositoryAccess) {
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

  const prepare = ({ id, name, task }: Of<"Prepare">) =>
    answering(
      Effect.gen(function* () {
        const access = yield* accessOf(credentials, task)
        const reserved = yield* Effect.result(reserve(task, access.source))
        if (Result.isFailure(reserved)) {
          const { message, until } = reserved.failure
          return Event.Limited({ name, id, message, until })
        }
        const parts = yield* partsFor(task, access.source)
        // Skopeo overwrites: once there is a Job, nothing keeps its copy from the tag.
        const found = task.onlyIfMissing ? yield* registry.head(access.destination, task.tag) : Option.none()
        return Option.match(found, {
          onNone: (): Event => Event.Prepared({ name, id, prepared: { access, parts } }),
          onSome: ({ digest }) => Event.NotNeeded({ name, id, digest })
        })
      }),
      (why, error: CredentialError | RegistryError | undefined) =>
        Event.NotPrepared({
          name,
          id,
          reason: error === undefined ? "CopyFailed" : whyNotPrepared(error),
          message: `${describe(task)} could not be created: ${why}`,
          until: error?._tag === "RegistryError" ? error.until : undefined
        })
    ).pipe(Effect.provideService(RequestedFor, task.image.namespace))

  const create = ({ id, name, overdue, prepared, task }: Of<"Create">) =>
    answering(
      Effect.gen(function* () {
        const { access, parts } = prepared
        const pods = keptOf(yield* podsOfName(name)).filter(
          (pod) => pod.job.name === name && mayWrite(pod) && !overdue.includes(pod.uid)
        )
        if (pods.length > 0) return Event.PodsLeft({ name, id, pods, prepared })
        const attempt = (yield* Random.nextIntBetween(0, ATTEMPTS, { halfOpen: true })).toString(16).padStart(8, "0")
        const job = yield* kube.create(Jobs, jobOf(task, access, options, attempt, parts))
        return Event.Created({ name, id, job, access })
      }),
      (message, error) => Event.NotCreated({ name, id, message, isCertain: error !== undefined && isRefusal(error) })
    )

  const check = ({ name, of }: Of<"Check">) =>
    answering(
      Effect.map(kube.get(Jobs, { namespace, name }), (found) =>
        Event.Checked({ name, of, job: Option.getOrUndefined(found) })
      ),
      (message) => Event.NotChecked({ name, of, message })
    )

  const makeSecret = ({ given, job, name, owner }: Of<"MakeSecret">) =>
    answering(
      Effect.gen(function* () {
        const access = given ?? (yield* accessOf(credentials, owner))
        const secret = secretOf(job, access, options.proxies)
        if (Option.isSome(secret)) {
          yield* kube.create(Secrets, secret.value).pipe(
            Effect.catchIf(
              // No other Job has this name for its Secret: the answer to an earlier create was lost.
              (error) => error.reason === "AlreadyExists",
              () => Effect.void
            )
          )
        }
        return Event.SecretMade({ name, uid: uidOf(job), access })
      }),
      (message) => Event.SecretNotMade({ name, uid: uidOf(job), message })
    )

  const remove = ({ name, uid }: Of<"Delete">) =>
    answering(
      Effect.as(kube.delete(Jobs, { namespace, name }, { uid }), Event.Deleted({ name, uid })),
      (message, error) =>
        error !== undefined && isGone(error) ? Event.Gone({ name, uid }) : Event.NotDeleted({ name, uid, message })
    )

  /** The pods of all Jobs of a name. Pods may outlive their Job. */
  const podsOfName = (name: string) =>
    Effect.map(
      kube.list(Pods, { namespace, labelSelector: `batch.kubernetes.io/job-name=${name}` }),
      ({ items }) => items
    )

  const podsOf = ({ name, uid }: { readonly name: string; readonly uid: string }) =>
    Effect.map(podsOfName(name), (pods) =>
      pods.filter(({ metadata: { ownerReferences = [] } }) => ownerReferences.some((owner) => owner.uid === uid))
    )

  /** A Job's controller says in events why it creates no pod. */
  const refusalOf = (uid: string) =>
    kube.list(Events, { namespace, fieldSelector: `involvedObject.uid=${uid}`, limit: EVENTS }).pipe(
      Effect.map(({ items }) => items.findLast(({ reason }) => reason === "FailedCreate")?.message),
      Effect.catchIf(
        ({ code }) => code === 403,
        ({ message }) => Effect.succeed(`its events, which may say why, cannot be listed: ${message}`)
      )
    )

  const checkPods = ({ name, uid }: Of<"CheckPods">) =>
    answering(
      Effect.gen(function* () {
        const pods = keptOf(yield* podsOf({ name, uid }))
        return Event.PodsChecked({ name, uid, pods, refusal: pods.length > 0 ? undefined : yield* refusalOf(uid) })
      }),
      (message) => Event.PodsNotChecked({ name, uid, message })
    )

  const tidy = ({ chore, name, secret, uid }: Of<"Tidy">) => {
    const spec = { ttlSecondsAfterFinished: options.deletionDelaySeconds ?? 10 }
    const chores = {
      Shorten: kube.apply(Jobs, { metadata: { name, namespace, uid }, spec }, MANAGER),
      DropSecret: kube.delete(Secrets, { namespace, name: secret }),
      Delete: kube.delete(Jobs, { namespace, name }, { uid })
    }
    return answering(Effect.as(chores[chore], Event.Tidied({ name, uid, chore })), (message, error) =>
      error !== undefined && isGone(error)
        ? Event.Tidied({ name, uid, chore })
        : Event.NotTidied({ name, uid, chore, message })
    )
  }

  /**
   * Gives the parts that a Job has copied their index and their tag: Skopeo writes no index of some of them. A tag that is
   * there already stays if the task says so. Answers with the digest that it has written.
   */
  const nameSubset = Effect.fnUntraced(function* (task: CopyTask, { destination, source }: Access) {
    const present = yield* registry.head(destination, task.tag)
    if (Option.getOrUndefined(present)?.digest === task.destinationDigest) return undefined
    if (task.onlyIfMissing && Option.isSome(present)) return undefined
    const subset = yield* onSide("source")(subsetFor(task, source))
    yield* onSide("destination")(registry.putManifest(destination, task.tag, subset))
    return subset.digest
  })

  /** What became of the copy of a Job that has completed: it counts when the destination answers with the digest. */
  const verify = (task: CopyTask, found: Result.Result<Access, CredentialError>, at: number) =>
    Effect.gen(function* () {
      const access = yield* Effect.fromResult(found)
      const written = isSubset(task) ? yield* nameSubset(task, access) : undefined
      const digest = Option.getOrUndefined(yield* registry.head(access.destination, task.tag))?.digest
      if (digest === task.destinationDigest) return { _tag: "Succeeded", at } satisfies CopyState
      // Another release may have left out other entries: the status says what this one has written.
      if (digest !== undefined && digest === written) return { _tag: "Succeeded", at, digest } satisfies CopyState
      // Nothing but the tag of a subset is written here: this one was there before.
      if (digest !== undefined && task.onlyIfMissing && isSubset(task)) {
        return { _tag: "Present", at, digest } satisfies CopyState
      }
      const message = `${describe(task)} succeeded, but the destination has ${digest ?? "no such tag"} instead of ${task.destinationDigest}`
      return { _tag: "Failed", at, reason: "VerificationFailed", message } satisfies CopyState
    }).pipe(
      Effect.catch((error: CredentialError | RegistryError) => {
        const message = `the copy cannot be verified: ${error.message}`
        if (error._tag === "CredentialError") {
          return Effect.succeed<CopyState>({ _tag: "Failed", at, reason: error.reason, message })
        }
        const { reason, until } = error
        const isUnnamed = isSubset(task) && reason._tag === "AuthenticationFailed"
        return Effect.succeed<CopyState>({
          _tag: "Failed",
          at,
          ...(isUnnamed
            ? { reason: "AuthenticationFailed", message: `${UNNAMED}: ${error.message}` }
            : { reason: reasonOf(error), message }),
          ...(until === undefined ? {} : { until })
        })
      }),
      Effect.provideService(RequestedFor, task.image.namespace)
    )

  /** Why a Job has failed. Its pods' words may repeat a secret: they are told only by whoever can take that out. */
  const explain = (
    job: JobObject,
    task: CopyTask,
    outcome: Extract<Ended, { readonly _tag: "Failed" }>,
    secrets: ReadonlyArray<RepositoryAccess>,
    redact: (words: string) => string,
    at: number
  ) =>
    podsOf({ name: job.metadata.name, uid: uidOf(job) }).pipe(
      Effect.orElseSucceed(() => []),
      Effect.map((pods): CopyState => {
        const { message, reason } = failureOf({
          outcome,
          pods: secrets.length === 0 ? [] : pods,
          destination: task.destination.repository,
          deadlineSeconds: (options.template ?? DEFAULT_TEMPLATE).deadlineSeconds,
          redact
        })
        // Skopeo knows nothing of a credential that it was not given.
        const withheld = secrets.flatMap((access) => access.withheld ?? [])
        const remedies = reason === "AuthenticationFailed" ? new Set(withheld) : []
        return { _tag: "Failed", at, reason, message: [message, ...remedies].join("; ") }
      })
    )

  const inspect = Effect.fnUntraced(function* ({ given, job, name, outcome, task }: Of<"Inspect">) {
    const now = yield* Clock.currentTimeMillis
    const uid = uidOf(job)
    const work = Effect.gen(function* () {
      const at = outcome.at === undefined ? now : millisOf(outcome.at)
      const found = yield* Effect.result(accessOf(credentials, task))
      const accesses = [...(given === undefined ? [] : [given]), ...Option.toArray(Result.getSuccess(found))]
      const secrets = accesses.flatMap(({ destination, source }) => [source, destination])
      const redact = (words: string): string =>
        withoutProxySecrets(secrets.reduce(withoutSecrets, words), options.proxies ?? {})
      const state =
        outcome._tag === "Failed"
          ? yield* explain(job, task, outcome, secrets, redact, at)
          : yield* verify(task, found, at)
      return Event.Inspected({
        name,
        uid,
        state: state._tag === "Failed" ? { ...state, message: redact(state.message) } : state
      })
    })
    return yield* answering(inspections.withPermit(work), (why) => {
      const message = `the copy cannot be verified: ${why}`
      return Event.Inspected({ name, uid, state: { _tag: "Failed", at: now, reason: "CopyFailed", message } })
    })
  })

  const answer = (command: Answered): Effect.Effect<Event, never, Scope.Scope> => {
    switch (command._tag) {
      case "Prepare":
        return prepare(command)
      case "Create":
        return create(command)
      case "Check":
        return check(command)
      case "MakeSecret":
        return makeSecret(command)
      case "Delete":
        return remove(command)
      case "Inspect":
        return inspect(command)
      case "CheckPods":
        return checkPods(command)
      case "Tidy":
        return tidy(command)
    }
  }
  return { answer }
})
