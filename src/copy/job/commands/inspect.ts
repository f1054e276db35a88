/** Reads the result of a Job whose copy has ended: verifies a completed copy, explains a failed one. */
import { Clock, Effect, Option, PartitionedSemaphore, Result } from "effect"
import { type Access, accessOf } from "../../../credentials/access.ts"
import { Credentials } from "../../../credentials/Credentials.ts"
import { Policy } from "../../../credentials/Policy.ts"
import type { CopyState } from "../../../domain/Copy.ts"
import { KubeClient } from "../../../kube/KubeClient.ts"
import type { RegistryClient, RepositoryAccess } from "../../../registry/RegistryClient.ts"
import { withoutSecrets } from "../../../registry/RepositoryAccess.ts"
import { millisOf } from "../../../text/instant.ts"
import { type JobOptions, uidOf } from "../Job.ts"
import { type CommandOf, type Ended, Event } from "../JobEvents.ts"
import { failureOf } from "../JobFailure.ts"
import { withoutProxySecrets } from "../JobManifest.ts"
import { DEFAULT_TEMPLATE } from "../JobTemplate.ts"
import { answering } from "./answering.ts"
import { podsOfJob } from "./pods.ts"
import { makeVerify } from "./verify.ts"

const isWithheld = ({ destination, source }: Access): boolean =>
  [source, destination].some(({ withheld }) => withheld !== undefined)

/** A new operator finds all Jobs of the last day at once. */
const INSPECTIONS_AT_ONCE = 10

/** Answers `Inspect`. */
export const makeInspect = Effect.fnUntraced(function* (
  options: JobOptions
): Effect.fn.Return<
  (command: CommandOf<"Inspect">) => Effect.Effect<Event>,
  never,
  KubeClient | RegistryClient | Credentials | Policy
> {
  const kube = yield* KubeClient
  const services = { credentials: yield* Credentials, policy: yield* Policy }
  const verify = yield* makeVerify(options.namespace)
  // A namespace whose registries are slow delays its own Jobs alone.
  const inspections = yield* PartitionedSemaphore.make<string>({ permits: INSPECTIONS_AT_ONCE })

  /**
   * Why a Job has failed. The pods' words may repeat a secret. Without the credentials of the copy the secret could not be
   * redacted, so the words are left out.
   */
  const explain = (
    { job, task }: CommandOf<"Inspect">,
    outcome: Extract<Ended, { readonly _tag: "Failed" }>,
    accesses: ReadonlyArray<RepositoryAccess>,
    redact: (words: string) => string,
    at: number
  ) =>
    podsOfJob(kube, options.namespace, { name: job.metadata.name, uid: uidOf(job) }).pipe(
      Effect.orElseSucceed(() => []),
      Effect.map((pods): CopyState => {
        const { message, reason } = failureOf({
          outcome,
          job: { namespace: options.namespace, name: job.metadata.name },
          pods: accesses.length === 0 ? [] : pods,
          destination: task.destination.repository,
          deadlineSeconds: (options.template ?? DEFAULT_TEMPLATE).deadlineSeconds,
          redact
        })
        // Skopeo's message cannot mention a credential that was withheld from Skopeo.
        const withheld = accesses.flatMap((access) => access.withheld ?? [])
        const remedies = reason === "AuthenticationFailed" ? new Set(withheld) : []
        return { _tag: "Failed", at, reason, message: [message, ...remedies].join("; ") }
      })
    )

  return Effect.fnUntraced(function* (command) {
    const { given, job, name, outcome, task } = command
    const now = yield* Clock.currentTimeMillis
    const uid = uidOf(job)
    const work = Effect.gen(function* () {
      const at = outcome.at === undefined ? now : millisOf(outcome.at)
      const current = yield* Effect.result(accessOf(services, task))
      // The credentials may have changed since the Job was created: the secrets of both are redacted. An earlier process may
      // have given the Job a credential that is withheld now, whose secret is not known.
      const accesses = [...(given === undefined ? [] : [given]), ...Option.toArray(Result.getSuccess(current))]
        .filter((access) => given !== undefined || !isWithheld(access))
        .flatMap(({ destination, source }) => [source, destination])
      const redact = (words: string): string =>
        withoutProxySecrets(accesses.reduce(withoutSecrets, words), options.proxies ?? {})
      const state =
        outcome._tag === "Failed"
          ? yield* explain(command, outcome, accesses, redact, at)
          : yield* verify(task, current, at)
      return Event.Inspected({
        name,
        uid,
        state: state._tag === "Failed" ? { ...state, message: redact(state.message) } : state
      })
    })
    return yield* answering(inspections.withPermit(task.image.namespace)(work), (why) => {
      const message = `the copy cannot be verified: ${why}`
      return Event.Inspected({ name, uid, state: { _tag: "Failed", at: now, reason: "CopyFailed", message } })
    })
  })
})
