/** What the grant of a rule withholds from an accepted Image, in words for the Image's users. Pure. */
import type { CredentialChoice, RegistrySide } from "../domain/Credential.ts"
import type { PolicyGrant } from "../domain/policy/judge.ts"
import type { FoundCredential } from "./Credentials.ts"

/**
 * Why the policy withholds a credential, and the remedy. `undefined` if the credential may be used. An Image's own Secret may
 * always be used. The logins of the user who runs a command are granted like the operator's credentials: the user did not
 * write the Images that need a policy.
 */
export const whyNotGranted = (
  { allow, operatorCredentials, rule }: PolicyGrant,
  side: RegistrySide,
  choice: CredentialChoice,
  { owner, unbound }: FoundCredential
): string | undefined => {
  if (owner === "Image") return undefined
  const granted = choice._tag === "AwsIdentity" ? "cloudIdentity" : side
  const own = `or give the Image its own Secret (spec.${side}.credentials.secretRef)`
  if (!operatorCredentials.has(granted)) {
    return `the operator's ${side} credentials are not used, because the rule ${rule} of the policy does not grant them; ask the administrator of the operator to add ${granted} to operatorCredentials of the rule, ${own}`
  }
  if (unbound !== undefined && !allow.has("unboundCredentials")) {
    return `the operator's ${side} credentials are not used, because they are bound to no registry, and the rule ${rule} of the policy does not allow such credentials; ask the administrator of the operator to set CREDS_${side.toUpperCase()}_REGISTRIES, or to add unboundCredentials to allow of the rule, ${own}`
  }
  return undefined
}

/** Why the registry of a side must not have a private address, and the remedy. `undefined` if it may. */
export const whyPublicOnly = ({ allow, rule }: PolicyGrant, side: RegistrySide): string | undefined =>
  allow.has("privateHosts")
    ? undefined
    : `the rule ${rule} of the operator's policy does not allow private hosts; ask the administrator of the operator to add privateHosts to allow of the rule, or change spec.${side}.name`
