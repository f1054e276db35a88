/** The Secrets that Images name. Each Secret is read when it is needed. Secrets are never listed or watched. */
import { Cache, Duration, Effect, Exit, Option, Result } from "effect"
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
const CAPACITY = 1_000

/** A source that answers every request for a Secret, or fails. An Image with a Secret gets no other credential. */
export const make = Effect.fnUntraced(function* (options: ImageSecretsOptions = {}) {
  const kube = yield* KubeClient
  const secrets = yield* Cache.makeWith(
    (key: string): Effect.Effect<Option.Option<SecretObject>, KubeError> => {
      const slash = key.indexOf("/")
      const name = key.slice(slash + 1)
      // A name that is not an object name could be the path of another API resource.
      return isObjectName(name)
        ? kube.get(Secrets, { namespace: key.slice(0, slash), name })
        : Effect.succeed(Option.none())
    },
    {
      capacity: CAPACITY,
      timeToLive: (exit) => (Exit.isSuccess(exit) && Option.isSome(exit.value) ? KEPT : Duration.zero)
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
    const secret = yield* Effect.mapError(Cache.get(secrets, key), (error) =>
      failed("SecretUnreadable", unreadable(error))
    )
    if (Option.isNone(secret)) {
      return yield* failed(
        "SecretNotFound",
        `is no Secret in namespace ${namespace}; create the Secret there, and the operator will use it`
      )
    }
    const judged = credentialInSecret(secret.value, repository)
    if (Result.isSuccess(judged)) return Option.some({ credential: judged.success, owner: "Image" })
    // A Secret that cannot be used is read again the next time, because its owner may have repaired it.
    yield* Cache.invalidate(secrets, key)
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
