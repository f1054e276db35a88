/** Carries out the commands of the board, and answers each with an event. */
import { Effect, Option, Random, type Scope } from "effect"
import { accessOf } from "../../credentials/access.ts"
import { Credentials } from "../../credentials/Credentials.ts"
import { Policy } from "../../credentials/Policy.ts"
import { KubeClient, type KubeError } from "../../kube/KubeClient.ts"
import { Events, Jobs, Secrets } from "../../kube/Resources.ts"
import { type RegistryLimits, RequestedFor } from "../../registry/limits/RegistryLimits.ts"
import { RegistryClient } from "../../registry/RegistryClient.ts"
import { answering, inTime } from "./commands/answering.ts"
import { delegated } from "./commands/delegated.ts"
import { makeInspect } from "./commands/inspect.ts"
import { keptOf, podsOfJob, podsOfName } from "./commands/pods.ts"
import { makePrepare } from "./commands/prepare.ts"
import { type JobOptions, MANAGER, uidOf } from "./Job.ts"
import { type Command, type CommandOf, type CredentialOwner, Event } from "./JobEvents.ts"
import { jobOf, secretOf } from "./JobManifest.ts"
import { mayWrite } from "./JobPod.ts"

/** A command that has an answer. */
export type Answered = Exclude<Command, { readonly _tag: "Settle" | "Announce" }>

/** So many that no new Secret has the name of an old Secret that the cluster has yet to delete. */
const SECRET_NAMES = 2 ** 32

/** How many events of a Job are read. */
const EVENTS = 50

/** Whether the API server's error means that the object was not created. */
const isRefusal = ({ code, reason }: KubeError): boolean =>
  code >= 400 && code < 500 && code !== 408 && reason !== "AlreadyExists"

/** Whether the object with the given uid no longer exists. */
const isGone = ({ reason }: KubeError): boolean => reason === "NotFound" || reason === "Conflict"

export interface JobCommands {
  /** Carries out a command. The scope is that of the attempt: its pulls are reserved for as long. */
  readonly answer: (command: Answered) => Effect.Effect<Event, never, Scope.Scope>
}

export const make = Effect.fnUntraced(function* (
  options: JobOptions
): Effect.fn.Return<JobCommands, never, KubeClient | RegistryClient | RegistryLimits | Credentials | Policy> {
  const kube = yield* KubeClient
  const services = { credentials: yield* Credentials, policy: yield* Policy }
  const registry = yield* RegistryClient
  const { namespace } = options
  const prepare = yield* makePrepare(namespace)
  const inspect = yield* makeInspect(options)

  const create = ({ id, name, overdue, prepared, task }: CommandOf<"Create">) =>
    answering(
      Effect.gen(function* () {
        const { access, parts } = prepared
        const pods = keptOf(yield* podsOfName(kube, namespace, name)).filter(
          (pod) => pod.job.name === name && mayWrite(pod) && !overdue.includes(pod.uid)
        )
        if (pods.length > 0) return Event.PodsLeft({ name, id, pods, prepared })
        const number = yield* Random.nextIntBetween(0, SECRET_NAMES, { halfOpen: true })
        const attempt = number.toString(16).padStart(8, "0")
        const job = yield* kube.create(Jobs, jobOf(task, access, options, attempt, parts, name))
        return Event.Created({ name, id, job, access })
      }),
      (message, error) => Event.NotCreated({ name, id, message, isCertain: error !== undefined && isRefusal(error) })
    )

  const check = ({ name, of }: CommandOf<"Check">) =>
    answering(
      Effect.map(kube.get(Jobs, { namespace, name }), (found) =>
        Event.Checked({ name, of, job: Option.getOrUndefined(found) })
      ),
      (message) => Event.NotChecked({ name, of, message })
    )

  const accessFor = (owner: CredentialOwner) =>
    Effect.flatMap(accessOf(services, owner), (access) =>
      inTime(owner.source.repository, delegated(registry, access))
    ).pipe(Effect.provideService(RequestedFor, owner.image.namespace))

  const makeSecret = ({ given, job, name, owner }: CommandOf<"MakeSecret">) =>
    answering(
      Effect.gen(function* () {
        const access = given ?? (yield* accessFor(owner))
        const secret = secretOf(job, access, options.proxies)
        if (Option.isSome(secret)) {
          yield* kube.create(Secrets, secret.value).pipe(
            Effect.catchIf(
              // Only this Job's Secret has this name: the answer to an earlier create was lost.
              (error) => error.reason === "AlreadyExists",
              () => Effect.void
            )
          )
        }
        return Event.SecretMade({ name, uid: uidOf(job), access })
      }),
      (message) => Event.SecretNotMade({ name, uid: uidOf(job), message })
    )

  const remove = ({ name, uid }: CommandOf<"Delete">) =>
    answering(
      Effect.as(kube.delete(Jobs, { namespace, name }, { uid }), Event.Deleted({ name, uid })),
      (message, error) =>
        error !== undefined && isGone(error) ? Event.Gone({ name, uid }) : Event.NotDeleted({ name, uid, message })
    )

  /** Why a Job has no pod. The Job controller records the reason as an event of the Job. */
  const refusalOf = (uid: string) =>
    kube.list(Events, { namespace, fieldSelector: `involvedObject.uid=${uid}`, limit: EVENTS }).pipe(
      Effect.map(({ items }) => items.findLast(({ reason }) => reason === "FailedCreate")?.message),
      Effect.catchIf(
        ({ code }) => code === 403,
        ({ message }) => Effect.succeed(`its events, which may say why, cannot be listed: ${message}`)
      )
    )

  const checkPods = ({ name, uid }: CommandOf<"CheckPods">) =>
    answering(
      Effect.gen(function* () {
        const pods = keptOf(yield* podsOfJob(kube, namespace, { name, uid }))
        return Event.PodsChecked({ name, uid, pods, refusal: pods.length > 0 ? undefined : yield* refusalOf(uid) })
      }),
      (message) => Event.PodsNotChecked({ name, uid, message })
    )

  const tidy = ({ chore, name, secret, uid }: CommandOf<"Tidy">) => {
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
