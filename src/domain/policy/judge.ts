/** Decides whether a policy accepts an Image, and what the Image may use. Pure. */
import { canonicalRegistry, DEFAULT_REGISTRY, formatRepository, type Repository } from "../../oci/Reference.ts"
import type { RegistrySide } from "../Credential.ts"
import {
  NAMESPACE,
  OPERATOR_CREDENTIALS,
  type OperatorCredential,
  type Permission,
  type PolicyRule,
  type PolicyRules,
  type RepositoryPrefix
} from "./PolicyRule.ts"

/** One side of an Image, as a policy judges it. */
export interface PolicySide {
  readonly repository: Repository
  /** Whether the name of the registry is a private address or localhost. Other names are judged when they are resolved. */
  readonly isPrivate: boolean
  /** Whether the Image disables the verification of the registry, which the operator would verify. */
  readonly isUnverified: boolean
  /** Whether the Image asks for the operator's identity in a cloud. */
  readonly usesCloudIdentity: boolean
}

/** The facts of an Image that a policy judges. */
export interface PolicyRequest extends Readonly<Record<RegistrySide, PolicySide>> {
  readonly namespace: string
}

/** What an accepted Image may use. */
export interface PolicyGrant {
  /** The name of the rule that accepts the Image. Empty without a policy. */
  readonly rule: string
  readonly operatorCredentials: ReadonlySet<OperatorCredential>
  readonly allow: ReadonlySet<Permission>
}

/** The judgement on an Image. The message of a refusal names the rule, what does not fit, and the remedy. */
export type Judgement =
  { readonly _tag: "Accepted"; readonly grant: PolicyGrant } | { readonly _tag: "Refused"; readonly message: string }

/** The grant of an operator without a policy. Only a policy sends the operator's credentials without verified TLS. */
export const EVERYTHING: PolicyGrant = {
  rule: "",
  operatorCredentials: new Set(OPERATOR_CREDENTIALS),
  allow: new Set(["privateHosts", "unverifiedTls", "unboundCredentials"])
}

/**
 * Judges an Image by the first rule that matches it. Without a matching rule the message names the nearest rule: of the rules for
 * the Image's namespace, or else of all rules, the first that fails the fewest criteria.
 *
 * @example
 * ```ts
 * judge(rules, { namespace: "team-a", source, destination })
 * ```
 */
export const judge = (rules: PolicyRules, request: PolicyRequest): Judgement => {
  const rule = rules.find((rule) => unmetListsOf(rule, request).length === 0)
  if (rule === undefined) return { _tag: "Refused", message: noRule(rules, request) }
  if (rule.deny) return { _tag: "Refused", message: denied(rule, request) }
  const lacks = unmetPermissionsOf(rule, request)
  return lacks.length === 0
    ? { _tag: "Accepted", grant: { rule: rule.name, operatorCredentials: rule.operatorCredentials, allow: rule.allow } }
    : { _tag: "Refused", message: `${POLICY} this Image by its rule ${rule.name}: ${wordsOf(rule, lacks)}` }
}

const POLICY = "the operator's policy does not accept"
const SIDES = ["source", "destination"] as const satisfies ReadonlyArray<RegistrySide>

/** A criterion of a rule that an Image does not meet. */
interface Unmet {
  /** What does not fit. */
  readonly words: string
  /** What the administrator would add to the rule. */
  readonly addition: string
  /** What the user may change instead. */
  readonly change: string
}

const isFor = ({ namespaces }: PolicyRule, namespace: string): boolean =>
  namespaces === undefined || namespaces.some((glob) => matches(glob, namespace))

/** The lists of a rule that do not include an Image. */
const unmetListsOf = (rule: PolicyRule, { destination, namespace, source }: PolicyRequest): ReadonlyArray<Unmet> => [
  ...(isFor(rule, namespace)
    ? []
    : [
        {
          words: `it is not for the namespace ${namespace}`,
          addition: `${namespace} to namespaces`,
          change: "use another namespace"
        }
      ]),
  ...unmetListOf("source", rule, source, namespace),
  ...unmetListOf("destination", rule, destination, namespace)
]

const unmetListOf = (
  side: RegistrySide,
  rule: PolicyRule,
  { repository }: PolicySide,
  namespace: string
): ReadonlyArray<Unmet> => {
  const prefixes = rule[`${side}s`]
  if (prefixes === undefined || prefixes.some((prefix) => includes(prefix, repository, namespace, rule.deny))) return []
  const name = formatRepository(repository)
  return [
    {
      words: `its ${side}s (${named(prefixes, namespace)}) do not include ${name}`,
      addition: `${name} to ${side}s`,
      change: `change spec.${side}.name`
    }
  ]
}

/** What an Image asks for that a rule does not allow. */
const unmetPermissionsOf = ({ allow, operatorCredentials }: PolicyRule, request: PolicyRequest): ReadonlyArray<Unmet> =>
  SIDES.flatMap((side) => {
    const { isPrivate, isUnverified, repository, usesCloudIdentity } = request[side]
    const lacks: ReadonlyArray<Unmet & { readonly applies: boolean }> = [
      {
        applies: usesCloudIdentity && !operatorCredentials.has("cloudIdentity"),
        words: `it does not grant the operator's cloud identity, which spec.${side}.useAwsIRSA asks for`,
        addition: "cloudIdentity to operatorCredentials",
        change: `remove spec.${side}.useAwsIRSA`
      },
      {
        applies: isUnverified && !allow.has("unverifiedTls"),
        words: `it does not allow spec.${side}.tlsVerify: false`,
        addition: "unverifiedTls to allow",
        change: `remove spec.${side}.tlsVerify`
      },
      {
        applies: isPrivate && !allow.has("privateHosts"),
        words: `it does not allow the private host ${repository.registry}`,
        addition: "privateHosts to allow",
        change: `change spec.${side}.name`
      }
    ]
    return lacks.filter(({ applies }) => applies)
  })

const noRule = (rules: PolicyRules, request: PolicyRequest): string => {
  const accepting = rules.filter(({ deny }) => !deny)
  // A user can change the registries of an Image, and has one namespace.
  const own = accepting.filter((rule) => isFor(rule, request.namespace))
  const [nearest] = (own.length > 0 ? own : accepting)
    .map((rule) => ({ rule, unmet: [...unmetListsOf(rule, request), ...unmetPermissionsOf(rule, request)] }))
    .sort((a, b) => a.unmet.length - b.unmet.length)
  return nearest === undefined
    ? `${POLICY} any Image; ask the administrator of the operator to add a rule for the namespace ${request.namespace}`
    : `${POLICY} this Image; the nearest rule is ${nearest.rule.name}: ${wordsOf(nearest.rule, nearest.unmet)}`
}

const denied = ({ name }: PolicyRule, { destination, namespace, source }: PolicyRequest): string =>
  `${POLICY} this Image: its rule ${name} refuses copies from ${formatRepository(source.repository)} to ${formatRepository(destination.repository)} for the namespace ${namespace}; ask the administrator of the operator to change the rule ${name}, or name another repository`

const wordsOf = ({ name }: PolicyRule, unmet: ReadonlyArray<Unmet>): string => {
  const list = (of: (one: Unmet) => string): string => [...new Set(unmet.map(of))].join(" and ")
  return `${list(({ words }) => words)}; ask the administrator of the operator to add ${list(({ addition }) => addition)} of the rule ${name}, or ${list(({ change }) => change)}`
}

/** The most prefixes that a message names. */
const NAMED = 5

const named = (prefixes: ReadonlyArray<RepositoryPrefix>, namespace: string): string => {
  const texts = prefixes
    .slice(0, NAMED)
    .map(({ path, registry }) => (path === undefined ? registry : `${registry}/${pathFor(path, namespace)}`))
  const others = prefixes.length - texts.length
  return texts.join(", ") + (others > 0 ? ` and ${others} more` : "")
}

const pathFor = (path: string, namespace: string): string => path.replaceAll(NAMESPACE, () => namespace)

/** The registry at the default port of the same host. */
const withDefaultPort = (registry: string): string => canonicalRegistry(`${registry.replace(/:[0-9]+$/u, "")}:443`)

/**
 * Whether a prefix includes a repository: by whole components of the path, or by the whole registry. In a rule that refuses, a
 * host at the default port stands for every port of the host.
 */
const includes = (
  { path, registry }: RepositoryPrefix,
  repository: Repository,
  namespace: string,
  isAnyPort: boolean
): boolean => {
  const names = [repository.registry, ...(isAnyPort ? [withDefaultPort(repository.registry)] : [])]
  if (!names.includes(registry)) return false
  if (path === undefined) return true
  const prefix = pathFor(path, namespace)
  // docker.io/nginx names the organization nginx, and also the official image, whose full path is library/nginx.
  const isOfficial = registry === DEFAULT_REGISTRY && repository.path === `library/${prefix}`
  return isOfficial || `${repository.path}/`.startsWith(`${prefix}/`)
}

/** Whether a glob matches a text. Each `*` stands for any characters. The time is bounded by the product of the lengths. */
const matches = (glob: string, text: string): boolean => {
  const [first = "", ...parts] = glob.split("*")
  const last = parts.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of parts) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - at >= last.length && text.endsWith(last)
}
