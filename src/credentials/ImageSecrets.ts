/** The Secrets that Images name. Each Secret is read when it is needed. Secrets are never listed or watched. */
import { Cache, Clock, Duration, Effect, Exit, Option, Result } from "effect"
import { fieldOfChoice } from "../domain/Credential.ts"
import { isObjectName } from "../domain/objectName.ts"
import type { CredentialReason } from "../domain/Reason.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type SecretObject, Secrets } from "../kube/Resources.ts"
import { CredentialError, type CredentialRequest, type CredentialSource } from "./Credentials.ts"
import { credentialInSecret } from "./SecretCredential.ts"

/** The options of {@link make}. */
export interface ImageSecretsOptions {
  /** Whether the operator may read Secrets that Images name. Default true. */
  readonly enabled?: boolean
}

/** How long a Secret is cached for all Images that name it. A changed Secret is seen within this time. */
const KEPT = Duration.seconds(30)
/**
 * How long a missing or an unusable Secret is cached. Thousands of Images that name it cost one request in this time, and an
 * Image whose Secret is created or repaired waits little longer than for its next attempt.
 */
const UNUSABLE = Duration.seconds(3)
const CAPACITY = 1_000

/** An answer of the API server, and when it came, in milliseconds since the epoch. */
interface Read {
  readonly secret: Option.Option<SecretObject>
  readonly at: number
}

/**
 * A source that answers every request for a Secret, or fails. An Image with a Secret gets no other credential.
 *
 * @example
 * ```ts
 * Credentials.layer(Effect.all([ImageSecrets.make(), AuthFiles.make(files, "Operator")]))
 * ```
 */
export const make = Effect.fnUntraced(function* (options: ImageSecretsOptions = {}) {
  const kube = yield* KubeClient
  const secrets = yield* Cache.makeWith(
    (key: string): Effect.Effect<Read, KubeError> => {
      const slash = key.indexOf("/")
      const name = key.slice(slash + 1)
      // A name that is not an object name could be the path of another API resource.
      const secret = isObjectName(name)
        ? kube.get(Secrets, { namespace: key.slice(0, slash), name })
        : Effect.succeed(Option.none())
      return Effect.zipWith(secret, Clock.currentTimeMillis, (found, at) => ({ secret: found, at }))
    },
    {
      capacity: CAPACITY,
      timeToLive: (exit) => {
        if (Exit.isFailure(exit)) return Duration.zero
        return Option.isSome(exit.value.secret) ? KEPT : UNUSABLE
      }
    }
  )

  const source: CredentialSource = Effect.fnUntraced(function* (request) {
    const { choice, namespace, repository } = request
    if (choice._tag !== "Secret") return Option.none()
    const failed = failure(request, choice.name)
    if (options.enabled === false) {
      return yield* failed(
        "SecretsDisabled",
        "is a Secret, and this operator is configured not to read Secrets of Images; set the chart's value credentials.perImage to true (CREDENTIALS_PER_IMAGE), or remove the field"
      )
    }
    const key = `${namespace}/${choice.name}`
    const read = Effect.gen(function* () {
      const { at, secret } = yield* Effect.mapError(Cache.get(secrets, key), (error) =>
        failed("SecretUnreadable", unreadable(error))
      )
      if (Option.isNone(secret)) {
        return yield* failed(
          "SecretNotFound",
          `is no Secret in namespace ${namespace}; create the Secret there, and the operator will use it`
        )
      }
      const now = yield* Clock.currentTimeMillis
      const isOld = now - at >= Duration.toMillis(UNUSABLE)
      return { judged: credentialInSecret(secret.value, repository), isOld }
    })
    const first = yield* read
    // The owner of an unusable Secret may have repaired it.
    const isReadAgain = first.isOld && Result.isFailure(first.judged)
    if (isReadAgain) yield* Cache.invalidate(secrets, key)
    const { judged } = isReadAgain ? yield* read : first
    if (Result.isSuccess(judged)) return Option.some({ credential: judged.success, owner: "Image" })
    return yield* failed(judged.failure.reason, judged.failure.message)
  })
  return source
})

/** The error is not Stalled if it may pass by itself: a failed read, or a Secret that is not created yet. */
const failure =
  ({ choice, side }: CredentialRequest, value: string) =>
  (reason: CredentialReason, detail: string): CredentialError =>
    new CredentialError({
      reason,
      field: fieldOfChoice(side, choice),
      value,
      detail,
      stalled: reason !== "SecretNotFound" && reason !== "SecretUnreadable"
    })

const unreadable = (error: KubeError): string =>
  error.code === 403
    ? "is a Secret that the operator may not read; allow the operator's role to get secrets (the chart's value credentials.perImage)"
    : `is a Secret that could not be read: ${error.message}`
