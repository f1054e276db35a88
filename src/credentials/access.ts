/** Makes the access to repositories from an Image, the operator's configuration and the credentials. */
import { Effect, Option } from "effect"
import type { Endpoint } from "../domain/Copy.ts"
import type { RegistrySide } from "../domain/Credential.ts"
import type { Mirror } from "../domain/Mirror.ts"
import type { Warning } from "../domain/plan/facts.ts"
import type { Judgement, PolicyGrant, PolicySide } from "../domain/policy/judge.ts"
import { isPrivateHost } from "../http/addresses.ts"
import { registryHost } from "../oci/Reference.ts"
import type { RepositoryAccess } from "../registry/RegistryClient.ts"
import type {
  CredentialError,
  CredentialOwner,
  CredentialRequest,
  Credentials,
  FoundCredential
} from "./Credentials.ts"
import { whyNotGranted, whyPublicOnly } from "./grant.ts"
import { type Policy, PolicyRefused } from "./Policy.ts"

/** The facts that decide whether a credential is sent to a registry. */
export interface CredentialUse {
  readonly owner: CredentialOwner
  readonly side: RegistrySide
  readonly registry: string
  /** Whether the registry's certificate is verified. */
  readonly tlsVerify: boolean
  /** Whether the operator is configured to verify the registries of this side. */
  readonly operatorVerifies: boolean
  /** Whether the policy lets the operator's credentials go to registries that an Image leaves unverified. */
  readonly policyAllows: boolean
}

/**
 * Why a credential must not be sent, and the remedy. `undefined` if the credential may be sent. Without verified TLS
 * an impersonator of the registry gets the credential, and by plain HTTP also an eavesdropper. Only the owner of the
 * credential may take this risk. An Image may do so for its own Secret, but never for the operator's credentials.
 * The operator's owner may do so by the configuration or by the policy.
 */
export const whyWithheld = (use: CredentialUse): string | undefined => {
  const { operatorVerifies, owner, policyAllows, registry, side, tlsVerify } = use
  if (tlsVerify || !operatorVerifies || policyAllows || owner !== "Operator") return undefined
  const variable = side === "source" ? "DISABLE_SRC_TLS_VERIFICATION" : "DISABLE_DEST_TLS_VERIFICATION"
  return `the operator's credentials for ${registry} are not sent, because spec.${side}.tlsVerify is false; give the Image its own Secret (spec.${side}.credentials.secretRef), or trust the registry's CA (REGISTRY_CA_FILE) and remove tlsVerify, or set ${variable} to true, or allow unverifiedCredentials in a policy`
}

/**
 * The access to a repository for the user of a command. Without `tlsVerify` the configuration decides. Fails with a {@link
 * CredentialError}.
 */
export const accessTo = (
  credentials: Credentials["Service"],
  request: CredentialRequest,
  tlsVerify: boolean | undefined
): Effect.Effect<RepositoryAccess, CredentialError> =>
  Effect.map(credentials.find(request), (found) => ({
    repository: request.repository,
    tlsVerify: tlsVerify ?? credentials.verifies(request.side, request.repository),
    unverifiedBy: "--tls-verify=false",
    credential: Option.map(found, ({ credential }) => credential)
  }))

/** The access to both sides of a copy. */
export interface Access extends Readonly<Record<RegistrySide, RepositoryAccess>> {
  /** Warnings to the Image's users about credentials that are used, and about credentials that are withheld. */
  readonly warnings: ReadonlyArray<Warning>
}

/** The services that decide on an access. */
export interface AccessServices {
  readonly credentials: Credentials["Service"]
  readonly policy: Policy["Service"]
}

/** Both sides of a copy for an Image. */
export type AccessRequest = Readonly<Record<RegistrySide, Endpoint>> & {
  readonly image: { readonly namespace: string }
}

/** Both sides of an Image, with the operator's configuration where the Image leaves a field out. */
export const sidesOf = (
  { destination, source }: Mirror,
  { verifies }: Pick<Credentials["Service"], "verifies">
): Readonly<Record<RegistrySide, Endpoint>> => ({
  source: { ...source, tlsVerify: source.tlsVerify ?? verifies("source", source.repository) },
  destination: { ...destination, tlsVerify: destination.tlsVerify ?? verifies("destination", destination.repository) }
})

/** The judgement of the policy on an Image with the given sides. */
export const judgeImage = (
  { credentials, policy }: AccessServices,
  { image, ...endpoints }: AccessRequest
): Effect.Effect<Judgement> => {
  const of = (side: RegistrySide): PolicySide => {
    const { credentials: choice, repository, tlsVerify } = endpoints[side]
    return {
      repository,
      isPrivate: isPrivateHost(registryHost(repository.registry)),
      // The administrator, and not the Image, decides by the operator's configuration.
      isUnverified: !tlsVerify && credentials.verifies(side, repository),
      usesCloudIdentity: choice._tag === "AwsIdentity"
    }
  }
  return policy.judge({ namespace: image.namespace, source: of("source"), destination: of("destination") })
}

const unboundIn = ({ unbound }: FoundCredential): ReadonlyArray<Warning> =>
  unbound === undefined ? [] : [{ type: "CredentialsUnbound", reason: "CredentialsNotBound", message: unbound }]

/**
 * The access to both sides of a copy, each with its credential if the credential may be sent. Judges by the policy and finds
 * the credentials again at each call, because both may have changed. Fails with {@link PolicyRefused} if the policy does not
 * accept the Image, and with a {@link CredentialError}.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { accessOf, type AccessRequest, Credentials, Policy } from "skopeo-operator"
 *
 * const accessFor = Effect.fnUntraced(function* (copy: AccessRequest) {
 *   const services = { credentials: yield* Credentials, policy: yield* Policy }
 *   const { destination } = yield* accessOf(services, copy)
 *   return destination.credential
 * })
 * ```
 */
export const accessOf = Effect.fnUntraced(function* (
  services: AccessServices,
  copy: AccessRequest
): Effect.fn.Return<Access, CredentialError | PolicyRefused> {
  const { credentials } = services
  const judgement = yield* judgeImage(services, copy)
  if (judgement._tag === "Refused") return yield* new PolicyRefused({ detail: judgement.message })
  const { grant } = judgement
  const withheldOf = (side: RegistrySide, found: FoundCredential): Warning | undefined => {
    const { credentials: choice, repository, tlsVerify } = copy[side]
    const notGranted = whyNotGranted(grant, side, choice, found)
    if (notGranted !== undefined) return { type: "CredentialsWithheld", reason: "NotGranted", message: notGranted }
    const notVerified = whyWithheld({
      owner: found.owner,
      side,
      registry: repository.registry,
      tlsVerify,
      operatorVerifies: credentials.verifies(side, repository),
      policyAllows: grant.allow.has("unverifiedCredentials")
    })
    return notVerified === undefined
      ? undefined
      : { type: "CredentialsWithheld", reason: "NotVerified", message: notVerified }
  }
  const to = Effect.fnUntraced(function* (side: RegistrySide) {
    const { credentials: choice, repository, tlsVerify } = copy[side]
    const anonymous = { repository, tlsVerify, ...addressesOf(grant, side), credential: Option.none() }
    const request = { side, repository, namespace: copy.image.namespace, choice }
    const found = Option.getOrUndefined(yield* credentials.find(request))
    if (found === undefined) return { access: anonymous, warnings: [] }
    const withheld = withheldOf(side, found)
    return withheld === undefined
      ? { access: { ...anonymous, credential: Option.some(found.credential) }, warnings: unboundIn(found) }
      : { access: { ...anonymous, withheld: withheld.message }, warnings: [withheld] }
  })
  const [source, destination] = yield* Effect.all([to("source"), to("destination")])
  return {
    source: source.access,
    destination: destination.access,
    warnings: [...source.warnings, ...destination.warnings]
  }
})

const addressesOf = (grant: PolicyGrant, side: RegistrySide): Pick<RepositoryAccess, "publicOnly"> => {
  const publicOnly = whyPublicOnly(grant, side)
  return publicOnly === undefined ? {} : { publicOnly }
}
