/** The Secrets that Images name: read one by one when they are needed, never listed, never watched. */
import { Cache, Duration, Effect, Exit, Option, Result } from "effect"
import { fieldOfChoice } from "../domain/Credential.ts"
import type { CredentialReason } from "../domain/Reason.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type SecretObject, Secrets } from "../kube/Resources.ts"
import { CredentialError, type CredentialRequest, type CredentialSource } from "./Credentials.ts"
import { credentialInSecret } from "./SecretCredential.ts"

export interface ImageSecretsOptions {
  /** Whether the operator may read Secrets of Images. Default true. */
  readonly enabled?: boolean
}

/** A Secret serves every Image that names it for so long; one that is changed is believed no longer than this. */
const KEPT = Duration.seconds(30)
const CAPACITY = 1_000
/** A DNS subdomain, by RFC 1123. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u

/** Answers every request for a Secret, or fails: an Image that names one means no other credential. */
export const make = Effect.fnUntraced(function* (options: ImageSecretsOptions = {}) {
  const kube = yield* KubeClient
  const secrets = yield* Cache.makeWith(
    (key: string): Effect.Effect<Option.Option<SecretObject>, KubeError> => {
      const slash = key.indexOf("/")
      const name = key.slice(slash + 1)
      // What is no object's name could lead elsewhere in the API.
      return OBJECT_NAME.test(name)
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
        "is a Secret, and this operator may read none of Images; set the chart's value credentials.perImage to true (CREDENTIALS_PER_IMAGE), or leave the field out"
      )
    }
    const key = `${namespace}/${choice.name}`
    const secret = yield* Effect.mapError(Cache.get(secrets, key), (error) =>
      failed("SecretUnreadable", unreadable(error))
    )
    if (Option.isNone(secret)) {
      return yield* failed(
        "SecretNotFound",
        `is no Secret in namespace ${namespace}; create it there, it is used as soon as it is`
      )
    }
    const judged = credentialInSecret(secret.value, repository)
    if (Result.isSuccess(judged)) return Option.some({ credential: judged.success, owner: "Image" })
    // What cannot be used is read again the next time: somebody is about to mend it.
    yield* Cache.invalidate(secrets, key)
    return yield* failed(judged.failure.reason, judged.failure.message)
  })
  return source
})

/** Only reading may succeed the next time by itself, and a Secret that is missing may be on its way. */
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
    ? "is a Secret that the operator may not read; let its role get secrets (the chart's value credentials.perImage)"
    : `is a Secret that could not be read: ${error.message}`
