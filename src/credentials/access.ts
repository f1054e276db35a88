/** Makes the access to repositories from an Image, the operator's configuration and the credentials. */
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

/** The facts that decide whether a credential is sent to a registry. */
export interface CredentialUse {
  readonly owner: CredentialOwner
  readonly side: RegistrySide
  readonly registry: string
  /** Whether the registry's certificate is verified. */
  readonly tlsVerify: boolean
  /** Whether the operator is configured to verify the registries of this side. */
  readonly operatorVerifies: boolean
}

/**
 * Why a credential must not be sent, and the remedy. `undefined` if the credential may be sent. Without verified TLS
 * an impersonator of the registry gets the credential, and by plain HTTP also an eavesdropper. Only the owner of the
 * credential may take this risk. An Image may do so for its own Secret, but never for the operator's credentials.
 */
export const whyWithheld = (use: CredentialUse): string | undefined => {
  const { operatorVerifies, owner, registry, side, tlsVerify } = use
  if (tlsVerify || !operatorVerifies || owner !== "Operator") return undefined
  const variable = side === "source" ? "DISABLE_SRC_TLS_VERIFICATION" : "DISABLE_DEST_TLS_VERIFICATION"
  return `the operator's credentials for ${registry} are not sent, because spec.${side}.tlsVerify is false; give the Image its own Secret (spec.${side}.credentials.secretRef), or trust the registry's CA (REGISTRY_CA_FILE) and remove tlsVerify, or set ${variable} to true`
}

/**
 * The access to a repository for the user of a command, who chose `tlsVerify`. Fails with a {@link CredentialError}.
 */
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

/** The access to both sides of a copy. */
export interface Access extends Readonly<Record<RegistrySide, RepositoryAccess>> {
  /** Warnings to the Image's users about credentials that are used, and about credentials that are withheld. */
  readonly warnings: ReadonlyArray<Warning>
}

const unboundIn = ({ unbound }: FoundCredential): ReadonlyArray<Warning> =>
  unbound === undefined ? [] : [{ type: "CredentialsUnbound", reason: "CredentialsNotBound", message: unbound }]

/**
 * The access to both sides of a copy, each with its credential if the credential may be sent. Finds the credentials
 * again at each call, because they may have changed. Fails with a {@link CredentialError}.
 */
export const accessOf = (
  credentials: Credentials["Service"],
  copy: Readonly<Record<RegistrySide, Endpoint>> & { readonly image: { readonly namespace: string } }
): Effect.Effect<Access, CredentialError> => {
  const to = Effect.fnUntraced(function* (side: RegistrySide) {
    const { credentials: choice, repository, tlsVerify } = copy[side]
    const target = { repository, tlsVerify }
    const request = { side, repository, namespace: copy.image.namespace, choice }
    const found = Option.getOrUndefined(yield* credentials.find(request))
    if (found === undefined) return { access: { ...target, credential: Option.none() }, warnings: [] }
    const withheld = whyWithheld({
      owner: found.owner,
      side,
      registry: repository.registry,
      tlsVerify,
      operatorVerifies: credentials.tlsVerify[side]
    })
    return withheld === undefined
      ? { access: { ...target, credential: Option.some(found.credential) }, warnings: unboundIn(found) }
      : {
          access: { ...target, credential: Option.none(), withheld },
          warnings: [{ type: "CredentialsWithheld", reason: "NotVerified", message: withheld } as const]
        }
  })
  return Effect.map(Effect.all([to("source"), to("destination")]), ([source, destination]) => ({
    source: source.access,
    destination: destination.access,
    warnings: [...source.warnings, ...destination.warnings]
  }))
}
