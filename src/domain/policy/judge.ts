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

/**
 * The judgement on an Image. The message of a refusal names the rule, what does not fit, and the remedy. The message is made when
 * it is read, because a claim asks only whether an Image is refused.
 */
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
  const image = { ...request, names: { source: namesOf(request.source), destination: namesOf(request.destination) } }
  const rule = rules.find((each) => includesImage(each, image))
  if (rule === undefined) return refused(() => noRule(rules, image))
  if (rule.deny) return refused(() => denied(rule, image))
  const lacks = unmetPermissionsOf(rule, image)
  return lacks.length === 0
    ? { _tag: "Accepted", grant: { rule: rule.name, operatorCredentials: rule.operatorCredentials, allow: rule.allow } }
    : refused(() => `${POLICY} this Image by its rule ${rule.name}: ${wordsOf(rule, lacks, image)}`)
}

const refused = (message: () => string): Judgement => ({
  _tag: "Refused",
  get message() {
    return message()
  }
})

const POLICY = "the operator's policy does not accept"
const SIDES = ["source", "destination"] as const satisfies ReadonlyArray<RegistrySide>

/** The names of a registry that rules compare. */
interface RegistryNames {
  readonly name: string
  /** The registry at the default port of the same host. In a rule that refuses, this name stands for every port of the host. */
  readonly atDefaultPort: string
}

const namesOf = ({ repository: { registry } }: PolicySide): RegistryNames => ({
  name: registry,
  atDefaultPort: canonicalRegistry(`${registry.replace(/:[0-9]+$/u, "")}:443`)
})

/** An Image with the names of its registries. */
interface JudgedImage extends PolicyRequest {
  readonly names: Readonly<Record<RegistrySide, RegistryNames>>
}

const includesNamespace = ({ namespaces }: PolicyRule, namespace: string): boolean =>
  namespaces === undefined || namespaces.some((glob) => matches(glob, namespace))

const includesSide = (rule: PolicyRule, side: RegistrySide, image: JudgedImage): boolean =>
  rule[`${side}s`]?.some((prefix) => includes(prefix, side, image, rule.deny)) ?? true

/** Whether the lists of a rule include an Image. */
const includesImage = (rule: PolicyRule, image: JudgedImage): boolean =>
  includesNamespace(rule, image.namespace) && SIDES.every((side) => includesSide(rule, side, image))

/** A criterion of a rule that an Image does not meet. */
type Unmet =
  | { readonly _tag: "Namespace" }
  | {
      readonly _tag: "Repository" | "CloudIdentity" | "UnverifiedTls" | "PrivateHost"
      readonly side: RegistrySide
    }

/** The lists of a rule that do not include an Image. */
const unmetListsOf = (rule: PolicyRule, image: JudgedImage): ReadonlyArray<Unmet> => [
  ...(includesNamespace(rule, image.namespace) ? [] : [{ _tag: "Namespace" } as const]),
  ...SIDES.filter((side) => !includesSide(rule, side, image)).map((side) => ({ _tag: "Repository", side }) as const)
]

/** What an Image asks for that a rule does not allow. */
const unmetPermissionsOf = ({ allow, operatorCredentials }: PolicyRule, image: JudgedImage): ReadonlyArray<Unmet> =>
  SIDES.flatMap((side): ReadonlyArray<Unmet> => {
    const { isPrivate, isUnverified, usesCloudIdentity } = image[side]
    return [
      ...(usesCloudIdentity && !operatorCredentials.has("cloudIdentity")
        ? [{ _tag: "CloudIdentity", side } as const]
        : []),
      ...(isUnverified && !allow.has("unverifiedTls") ? [{ _tag: "UnverifiedTls", side } as const] : []),
      ...(isPrivate && !allow.has("privateHosts") ? [{ _tag: "PrivateHost", side } as const] : [])
    ]
  })

const noRule = (rules: PolicyRules, image: JudgedImage): string => {
  const accepting = rules.filter(({ deny }) => !deny)
  // A user can change the registries of an Image, and has one namespace.
  const own = accepting.filter((rule) => includesNamespace(rule, image.namespace))
  const [nearest] = (own.length > 0 ? own : accepting)
    .map((rule) => ({ rule, unmet: [...unmetListsOf(rule, image), ...unmetPermissionsOf(rule, image)] }))
    .sort((a, b) => a.unmet.length - b.unmet.length)
  return nearest === undefined
    ? `${POLICY} any Image; ask the administrator of the operator to add a rule for the namespace ${image.namespace}`
    : `${POLICY} this Image; the nearest rule is ${nearest.rule.name}: ${wordsOf(nearest.rule, nearest.unmet, image)}`
}

const denied = ({ name }: PolicyRule, { destination, namespace, source }: PolicyRequest): string =>
  `${POLICY} this Image: its rule ${name} refuses copies from ${formatRepository(source.repository)} to ${formatRepository(destination.repository)} for the namespace ${namespace}; ask the administrator of the operator to change the rule ${name}, or name another repository`

interface UnmetWords {
  /** What does not fit. */
  readonly words: string
  /** What the administrator would add to the rule. */
  readonly addition: string
  /** What the user may change instead. */
  readonly change: string
}

const describe = (unmet: Unmet, rule: PolicyRule, image: PolicyRequest): UnmetWords => {
  const { namespace } = image
  if (unmet._tag === "Namespace") {
    return {
      words: `it is not for the namespace ${namespace}`,
      addition: `${namespace} to namespaces`,
      change: "use another namespace"
    }
  }
  const { side } = unmet
  const { repository } = image[side]
  switch (unmet._tag) {
    case "Repository": {
      const name = formatRepository(repository)
      return {
        words: `its ${side}s (${named(rule[`${side}s`] ?? [], namespace)}) do not include ${name}`,
        addition: `${name} to ${side}s`,
        change: `change spec.${side}.name`
      }
    }
    case "CloudIdentity":
      return {
        words: `it does not grant the operator's cloud identity, which spec.${side}.useAwsIRSA asks for`,
        addition: "cloudIdentity to operatorCredentials",
        change: `remove spec.${side}.useAwsIRSA`
      }
    case "UnverifiedTls":
      return {
        words: `it does not allow spec.${side}.tlsVerify: false`,
        addition: "unverifiedTls to allow",
        change: `remove spec.${side}.tlsVerify`
      }
    case "PrivateHost":
      return {
        words: `it does not allow the private host ${repository.registry}`,
        addition: "privateHosts to allow",
        change: `change spec.${side}.name`
      }
  }
}

const wordsOf = (rule: PolicyRule, unmet: ReadonlyArray<Unmet>, image: PolicyRequest): string => {
  const described = unmet.map((unmet) => describe(unmet, rule, image))
  const list = (of: (words: UnmetWords) => string): string => [...new Set(described.map(of))].join(" and ")
  return `${list(({ words }) => words)}; ask the administrator of the operator to add ${list(({ addition }) => addition)} of the rule ${rule.name}, or ${list(({ change }) => change)}`
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

/** Whether a prefix includes a repository: by whole components of the path, or by the whole registry. */
const includes = (
  { path, registry }: RepositoryPrefix,
  side: RegistrySide,
  image: JudgedImage,
  isAnyPort: boolean
): boolean => {
  const { atDefaultPort, name } = image.names[side]
  if (registry !== name && !(isAnyPort && registry === atDefaultPort)) return false
  if (path === undefined) return true
  const { repository } = image[side]
  const prefix = pathFor(path, image.namespace)
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
