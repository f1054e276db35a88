/** How repositories are reached: the one place where an Image, the configuration and the credentials meet. */
import { Effect, Option } from "effect"
import type { Endpoint } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import type { Warning } from "../domain/plan/facts.ts"
import type { RepositoryAccess } from "../registry/RegistryClient.ts"
import type {
  CredentialError,
  CredentialOwner,
  CredentialRequest,
  Credentials,
  FoundCredential
} from "./Credentials.ts"

/** What decides whether a credential is sent to a registry. */
export interface CredentialUse {
  readonly owner: CredentialOwner
  readonly side: RegistrySide
  readonly registry: string
  /** Whether this registry is verified. */
  readonly tlsVerify: boolean
  /** Whether the operator is configured to verify the registries of this side. */
  readonly operatorVerifies: boolean
}

/**
 * Why a credential that there is must not be sent, and what to do; `undefined` if it may be sent. Where a registry is not
 * verified, whoever answers in its place gets the credential, and by plain HTTP whoever listens. That is for the owner to
 * risk: an Image's word is enough for that Image's own Secret, and never for the operator's credentials.
 */
export const whyWithheld = (use: CredentialUse): string | undefined => {
  const { operatorVerifies, owner, registry, side, tlsVerify } = use
  if (tlsVerify || !operatorVerifies || owner !== "Operator") return undefined
  const variable = side === "source" ? "DISABLE_SRC_TLS_VERIFICATION" : "DISABLE_DEST_TLS_VERIFICATION"
  return `the operator's credentials for ${registry} are not sent, because spec.${side}.tlsVerify is false; give the Image a Secret of its own (spec.${side}.credentials.secretRef), or trust the registry's CA (REGISTRY_CA_FILE) and leave tlsVerify out, or set ${variable} to true`
}

/** A repository with its credential, for the user of a command, whose own word `tlsVerify` is. */
export const accessTo = (
  credentials: Credentials["Service"],
  request: CredentialRequest,
  tlsVerify: boolean
): Effect.Effect<RepositoryAccess, CredentialError> =>
  Effect.map(credentials.find(request), (found) => ({
    repository: request.repository,
    tlsVerify,
    credential: Option.map(found, ({ credential }) => credential)
  }))

/** Both sides of a copy. */
export interface Access extends Readonly<Record<RegistrySide, RepositoryAccess>> {
  /** What the Image's users should know of the credentials that are used, and of those that are not. */
  readonly warnings: ReadonlyArray<Warning>
}

const unboundIn = ({ unbound }: FoundCredential): ReadonlyArray<Warning> =>
  unbound === undefined ? [] : [{ type: "CredentialsUnbound", reason: "CredentialsNotBound", message: unbound }]

/**
 * Both sides of a copy, each with its own credential, as far as an Image may have it sent. Looks for the credentials anew:
 * they may have been changed since the last time.
 */
export const accessOf = (
  credentials: Credentials["Service"],
  copy: Readonly<Record<RegistrySide, Endpoint>> & { readonly image: { readonly namespace: string } }
): Effect.Effect<Access, CredentialError> => {
  const to = Effect.fnUntraced(function* (side: RegistrySide) {
    const { credentials: choice, repository, tlsVerify } = copy[side]
    const reached = { repository, tlsVerify }
    const request = { side, repository, namespace: copy.image.namespace, choice }
    const found = Option.getOrUndefined(yield* credentials.find(request))
    if (found === undefined) return { access: { ...reached, credential: Option.none() }, warnings: [] }
    const withheld = whyWithheld({
      owner: found.owner,
      side,
      registry: repository.registry,
      tlsVerify,
      operatorVerifies: credentials.tlsVerify[side]
    })
    return withheld === undefined
      ? { access: { ...reached, credential: Option.some(found.credential) }, warnings: unboundIn(found) }
      : {
          access: { ...reached, credential: Option.none(), withheld },
          warnings: [{ type: "CredentialsWithheld", reason: "NotVerified", message: withheld } as const]
        }
  })
  return Effect.map(Effect.all([to("source"), to("destination")]), ([source, destination]) => ({
    source: source.access,
    destination: destination.access,
    warnings: [...source.warnings, ...destination.warnings]
  }))
}
