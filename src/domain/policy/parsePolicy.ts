/** Parses the text of a policy, YAML or JSON, and reports each mistake with its field, its value, the remedy and its line. */
import { Predicate, Result, Schema, SchemaIssue } from "effect"
import { type Document, isNode, LineCounter, parseDocument } from "yaml"
import { canonicalRegistry, DEFAULT_REGISTRY, parseRepository } from "../../oci/Reference.ts"
import { excerpt } from "../../text/line.ts"
import type { Mistake } from "../Problem.ts"
import { nearestOf, suggestion } from "../suggestion.ts"
import {
  PERMISSIONS,
  NAMESPACE,
  OPERATOR_CREDENTIALS,
  type PolicyRule,
  type PolicyRules,
  type RepositoryPrefix,
  WrittenPolicy,
  WrittenRule
} from "./PolicyRule.ts"

/** The most bytes of a policy. */
export const POLICY_BYTES = 1024 * 1024
const MOST_RULES = 1_000
/** The most mistakes that are reported at once. */
const MOST_MISTAKES = 10

/** A mistake in a policy. */
export interface PolicyMistake extends Mistake {
  /** The line of the mistake in the file, from 1. */
  readonly line?: number
}

/**
 * Parses a policy. Fails with at most ten mistakes.
 *
 * @example
 * ```ts
 * parsePolicy("rules: [{ name: all, sources: [docker.io], operatorCredentials: [destination] }]")
 * ```
 */
export const parsePolicy = (text: string): Result.Result<PolicyRules, ReadonlyArray<PolicyMistake>> => {
  const lines = new LineCounter()
  return Result.flatMap(readYaml(text, lines), ({ document, value }) =>
    decodePolicy(value).pipe(
      Result.mapError(({ issue }) => issuesOf(issue).issues.map((each) => mistakeOf(value, each))),
      Result.flatMap(({ rules }) => parseRules(rules)),
      Result.mapError((mistakes) =>
        mistakes
          .slice(0, MOST_MISTAKES)
          .map(({ path, ...mistake }) => ({ ...mistake, field: fieldOf(path), ...lineOf(document, lines, path) }))
      )
    )
  )
}

type Path = ReadonlyArray<string | number>

/** A mistake by the path of its field. */
interface Located extends Omit<Mistake, "field"> {
  readonly path: Path
}

const whole = (message: string, line?: number): ReadonlyArray<PolicyMistake> => [
  { field: "the policy", value: undefined, message, ...(line === undefined ? {} : { line }) }
]

const readYaml = (text: string, lineCounter: LineCounter) =>
  Result.try({
    try: () => {
      const document = parseDocument(text, { lineCounter, prettyErrors: false })
      const [error] = document.errors
      if (error !== undefined) {
        return Result.fail(
          whole(`is not YAML: ${excerpt(error.message)}; correct the line`, lineCounter.linePos(error.pos[0]).line)
        )
      }
      // The parser limits here how often an alias may be expanded.
      return Result.succeed({ document, value: document.toJS() as unknown })
    },
    catch: (cause) => whole(`cannot be read: ${excerpt(cause instanceof Error ? cause.message : String(cause))}`)
  }).pipe(Result.flatMap((read) => read))

/** Made when a policy is read, because most processes read none. */
const decodePolicy = (policy: unknown) =>
  Schema.decodeUnknownResult(WrittenPolicy, { errors: "all", onExcessProperty: "error" })(policy)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook: (issue) => issue._tag })

type Issue = ReturnType<typeof issuesOf>["issues"][number]

/** The known words of each list of words. */
const WORDS: Readonly<Record<string, ReadonlyArray<string>>> = {
  operatorCredentials: OPERATOR_CREDENTIALS,
  allow: PERMISSIONS
}
const LISTS: ReadonlySet<string> = new Set(["rules", "namespaces", "sources", "destinations", ...Object.keys(WORDS)])

/** A mistake in the shape of a policy. */
const mistakeOf = (policy: unknown, issue: Issue): Located => {
  const path = (issue.path ?? []).map((segment) => {
    const key = typeof segment === "object" ? segment.key : segment
    return typeof key === "number" ? key : String(key)
  })
  const value = path.reduce<unknown>((node, key) => (Predicate.hasProperty(node, key) ? node[key] : undefined), policy)
  const last = String(path.at(-1) ?? "")
  const mistake = (message: string): Located => ({ path, value: value === null ? undefined : value, message })
  if (issue.message === "UnexpectedKey") {
    const known = Object.keys(path.length === 1 ? WrittenPolicy.fields : WrittenRule.fields)
    return mistake(`is not a field of a ${path.length === 1 ? "policy" : "rule"}; ${suggestion(last, known)}`)
  }
  if (path.length === 0) return mistake("is not a mapping; write rules: with a list of rules below it")
  if (path.at(-1) === "rules" && (value === undefined || value === null)) {
    return mistake("is missing; write a list of rules, or rules: [] to refuse every Image")
  }
  if (value === undefined) return mistake("is missing; it is required")
  if (LISTS.has(last)) {
    if (Array.isArray(value) || value === null) {
      return mistake("is empty; remove the field to include everything, or write at least one entry")
    }
    return mistake("is not a list; write a list")
  }
  if (value === null) return mistake("is empty; write a value, or remove the field")
  const words = WORDS[String(path.at(-2))]
  if (words !== undefined) {
    const meant = nearestOf(typeof value === "string" ? value : "", words)
    return mistake(`must be one of ${words.join(", ")}${meant === undefined ? "" : `; did you mean ${meant}?`}`)
  }
  if (last === "deny") return mistake("is neither true nor false; write true or false")
  if (path.length === 2) return mistake("is not a rule; write a mapping with a name")
  return mistake("is not a text; write a text, in quotes if need be")
}

/** Parses the texts of all rules, so that all mistakes are reported at once. */
const parseRules = (written: ReadonlyArray<WrittenRule>): Result.Result<PolicyRules, ReadonlyArray<Located>> => {
  if (written.length > MOST_RULES) {
    return Result.fail([
      { path: ["rules"], value: undefined, message: `has ${written.length} rules; write at most ${MOST_RULES}` }
    ])
  }
  const mistakes: Array<Located> = []
  const names = new Set<string>()
  const rules = written.map((rule, index): PolicyRule => {
    const at = (field: keyof WrittenRule, message: string): void =>
      void mistakes.push({ path: ["rules", index, field], value: rule[field], message })
    const each = <A>(
      field: "namespaces" | "sources" | "destinations",
      parse: (text: string) => Result.Result<A, string>
    ): ReadonlyArray<A> | undefined =>
      rule[field]?.flatMap((text, entry) => {
        const parsed = parse(text)
        if (Result.isSuccess(parsed)) return [parsed.success]
        mistakes.push({ path: ["rules", index, field, entry], value: text, message: parsed.failure })
        return []
      })
    if (!RULE_NAME.test(rule.name)) {
      at("name", "is not the name of a rule; write at most 63 letters, digits, dots, dashes and underscores")
    } else if (names.has(rule.name)) at("name", "is the name of an earlier rule; give each rule its own name")
    names.add(rule.name)
    const deny = rule.deny ?? false
    for (const field of ["operatorCredentials", "allow"] as const) {
      if (deny && rule[field] !== undefined) at(field, "grants nothing in a rule with deny: true; remove the field")
    }
    const lists = {
      namespaces: each("namespaces", parseGlob),
      sources: each("sources", parsePrefix),
      destinations: each("destinations", parsePrefix)
    }
    return {
      name: rule.name,
      deny,
      ...(lists.namespaces === undefined ? {} : { namespaces: lists.namespaces }),
      ...(lists.sources === undefined ? {} : { sources: lists.sources }),
      ...(lists.destinations === undefined ? {} : { destinations: lists.destinations }),
      operatorCredentials: new Set(rule.operatorCredentials),
      allow: new Set(rule.allow)
    }
  })
  return mistakes.length > 0 ? Result.fail(mistakes) : Result.succeed(rules)
}

const RULE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/u
const GLOB = /^[a-z0-9*-]{1,63}$/u

const parseGlob = (text: string): Result.Result<string, string> =>
  GLOB.test(text)
    ? Result.succeed(text)
    : Result.fail("is not a namespace; write a name such as team-a, or a pattern such as team-*, in quotes")

/** A text that {@link NAMESPACE} is replaced with to parse a path. No other part of a name is like it. */
const STAND_IN = "0namespace0"

/** Parses `host` or `host/path`, by the rules for the name of a repository. */
const parsePrefix = (text: string): Result.Result<RepositoryPrefix, string> => {
  if (text.includes("*")) {
    return Result.fail("has a *; an entry is a host, or a host and a path, and includes every repository below it")
  }
  const plain = text.replaceAll(NAMESPACE, STAND_IN)
  if (plain.includes("$")) return Result.fail(`has a $; only ${NAMESPACE} stands for something`)
  const slash = text.indexOf("/")
  const host = slash < 0 ? text : text.slice(0, slash)
  if (host.includes("$"))
    return Result.fail(`has ${NAMESPACE} in the host; write the host, and ${NAMESPACE} in the path`)
  if (slash < 0 && !/[.:]/u.test(host) && host !== "localhost") {
    return Result.fail(`names no registry; write the host first, such as ${DEFAULT_REGISTRY}/${text}`)
  }
  if (/[:@]/u.test(text.slice(host.length))) {
    return Result.fail(
      "has a tag or a digest; write only a host, or a host and a path: a rule is about whole repositories"
    )
  }
  const path = slash < 0 ? "any" : plain.slice(slash + 1)
  if (path === "") return Result.fail(`ends with a slash; write ${host} for all repositories of the registry`)
  return Result.flatMap(parseRepository(`${host}/${path}`), ({ registry }) => {
    if (registry !== canonicalRegistry(host)) {
      return Result.fail(`names no registry; write the host first, such as ${DEFAULT_REGISTRY}/${text}`)
    }
    return Result.succeed({ registry, ...(slash < 0 ? {} : { path: text.slice(slash + 1) }) })
  })
}

const fieldOf = (path: Path): string =>
  path.length === 0
    ? "the policy"
    : path.reduce<string>((parent, key) => {
        if (typeof key === "number") return `${parent}[${key}]`
        return parent === "" ? key : `${parent}.${key}`
      }, "")

/** The line of a field, or of the nearest part of the file around the field. */
const lineOf = (document: Document, lines: LineCounter, path: Path): Pick<PolicyMistake, "line"> => {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return { line: lines.linePos(node.range[0]).line }
  }
  return {}
}
