/** The credentials that an Image asks for on its two sides, before they are resolved. */

/** The side of a registry. Each side has its own credentials, which are never used for the other. */
export type RegistrySide = "source" | "destination"

/**
 * The source of a side's credential:
 * - `Configured`: the operator's configuration, if it has a credential for the registry
 * - `Secret`: only a Secret in the Image's own namespace
 * - `AwsIdentity`: the operator's own identity in AWS
 */
export type CredentialChoice =
  | { readonly _tag: "Configured" }
  | { readonly _tag: "Secret"; readonly name: string }
  | { readonly _tag: "AwsIdentity" }

export const CONFIGURED: CredentialChoice = { _tag: "Configured" }

/** The dotted path of the field that chose the credential, for messages. */
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
