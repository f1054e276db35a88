/** A user's mistake: where it is, what stands there, why it cannot work, and what to write instead. */

import { oneLine, shorten } from "../text/line.ts"

/** Reasons of the `Stalled` condition: nothing but a changed Image helps. */
export type ProblemReason =
  | "InvalidSpec"
  | "InvalidReference"
  | "InvalidPattern"
  | "InvalidFrequency"
  | "InvalidDestinationVersion"
  | "InvalidExpression"
  | "InvalidPlatform"
  | "PlatformsUnsupported"
  | CredentialReason

/**
 * Why a credential that was asked for cannot be used:
 * - `SecretNotFound`, `SecretUnreadable`: there is no such Secret, or the API server does not give it
 * - `SecretInvalid`: it is of a type, or has a content, that is no credential
 * - `SecretUnbound`: a user name and password that do not say which registry they are for
 * - `SecretForOtherRegistry`: its credentials are for other registries than the one that is named
 * - `SecretsDisabled`: the operator may not read Secrets of Images
 * - `AuthFileInvalid`, `CredentialHelperFailed`: the operator's own configuration
 * - `AwsIdentityUnavailable`: the operator has no identity in AWS, or the registry is not AWS's
 * - `AwsIdentityFailed`: AWS did not give a token for it
 */
export const CREDENTIAL_REASONS = [
  "SecretNotFound",
  "SecretUnreadable",
  "SecretInvalid",
  "SecretUnbound",
  "SecretForOtherRegistry",
  "SecretsDisabled",
  "AuthFileInvalid",
  "CredentialHelperFailed",
  "AwsIdentityUnavailable",
  "AwsIdentityFailed"
] as const
export type CredentialReason = (typeof CREDENTIAL_REASONS)[number]

export interface Problem {
  /** Dotted path from the object's root, such as `spec.source.version`. */
  readonly field: string
  /** What stands there; `undefined` if nothing does. */
  readonly value: unknown
  readonly reason: ProblemReason
  /** What is wrong and what to write instead, to be read after field and value. */
  readonly message: string
}

const SHOWN = 120
const MESSAGE_SHOWN = 600

/** One line: field, value, remedy. Whatever a user wrote into any of them, it stays one line and ends. */
export const formatProblem = (problem: Problem): string => {
  const value = problem.value === undefined ? "" : ` ${shorten(jsonOf(problem.value), SHOWN)}`
  return oneLine(`${shorten(problem.field, SHOWN)}:${value} ${shorten(problem.message, MESSAGE_SHOWN)}`)
}

const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // YAML can hold what JSON cannot, such as a mapping that contains itself.
    return String(value)
  }
}
