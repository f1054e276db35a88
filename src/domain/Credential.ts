/** Which credentials an Image asks for on its two sides, before they are looked up. */

/** Source and destination have credentials of their own: one never stands in for the other. */
export type RegistrySide = "source" | "destination"

/**
 * Where a side's credential is to come from:
 * - `Configured`: from the operator's configuration, if that has one for the registry
 * - `Secret`: from a Secret in the Image's own namespace, and from nowhere else
 * - `AwsIdentity`: the identity that the operator itself has in AWS
 */
export type CredentialChoice =
  | { readonly _tag: "Configured" }
  | { readonly _tag: "Secret"; readonly name: string }
  | { readonly _tag: "AwsIdentity" }

export const CONFIGURED: CredentialChoice = { _tag: "Configured" }

/** Dotted path of the field that made the choice, for messages. */
export const fieldOfChoice = (side: RegistrySide, choice: CredentialChoice): string => {
  switch (choice._tag) {
    case "Secret":
      return `spec.${side}.credentials.secretRef.name`
    case "AwsIdentity":
      return `spec.${side}.useAwsIRSA`
    case "Configured":
      return `spec.${side}.name`
  }
}
