/**
 * The rules of a policy: which Images the operator accepts, and which of its own credentials these Images may use. Only the
 * owner of the operator writes a policy.
 */
import { Schema } from "effect"

/**
 * What of the operator's own credentials a rule may grant:
 * - `source`, `destination`: the configured credentials of that side
 * - `cloudIdentity`: the operator's identity in a cloud, for an Image with `useAwsIRSA`
 */
export const OPERATOR_CREDENTIALS = ["source", "destination", "cloudIdentity"] as const
export type OperatorCredential = (typeof OPERATOR_CREDENTIALS)[number]

/**
 * What a rule may allow beyond its registries:
 * - `privateHosts`: registries with private addresses, and localhost
 * - `unverifiedTls`: `tlsVerify: false` in an Image
 * - `unboundCredentials`: credentials of the operator that are bound to no registry
 * - `unverifiedCredentials`: credentials of the operator for a registry whose certificate the Image leaves unverified
 */
export const PERMISSIONS = ["privateHosts", "unverifiedTls", "unboundCredentials", "unverifiedCredentials"] as const
export type Permission = (typeof PERMISSIONS)[number]

const Texts = Schema.Array(Schema.NonEmptyString).check(Schema.isMinLength(1))

/** A rule as it is written. */
export const WrittenRule = Schema.Struct({
  name: Schema.NonEmptyString,
  deny: Schema.optionalKey(Schema.Boolean),
  namespaces: Schema.optionalKey(Texts),
  sources: Schema.optionalKey(Texts),
  destinations: Schema.optionalKey(Texts),
  operatorCredentials: Schema.optionalKey(Schema.Array(Schema.Literals(OPERATOR_CREDENTIALS))),
  allow: Schema.optionalKey(Schema.Array(Schema.Literals(PERMISSIONS)))
})
export type WrittenRule = typeof WrittenRule.Type

/** A policy as it is written. */
export const WrittenPolicy = Schema.Struct({ rules: Schema.Array(WrittenRule) })

/** The part of a path that stands for the namespace of the Image. */
export const NAMESPACE = "$(namespace)"

/** The repositories of a registry, or those below a path. The path may have {@link NAMESPACE}. */
export interface RepositoryPrefix {
  /** The one name of the registry, by `canonicalRegistry`. */
  readonly registry: string
  /** Absent: every repository of the registry. */
  readonly path?: string
}

/** A rule. A list that is absent includes everything. */
export interface PolicyRule {
  /** Unique in its policy. Conditions name the rule by it. */
  readonly name: string
  /** Whether the rule refuses the Images that match it. */
  readonly deny: boolean
  /** Globs with `*`. */
  readonly namespaces?: ReadonlyArray<string>
  readonly sources?: ReadonlyArray<RepositoryPrefix>
  readonly destinations?: ReadonlyArray<RepositoryPrefix>
  readonly operatorCredentials: ReadonlySet<OperatorCredential>
  readonly allow: ReadonlySet<Permission>
}

/** The rules of a policy, in order: the first rule that matches an Image decides. */
export type PolicyRules = ReadonlyArray<PolicyRule>
