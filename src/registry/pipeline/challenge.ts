/** Parses `WWW-Authenticate` as registries use it (RFC 9110, and the distribution specification's token flow). */
import { tokenize } from "../../http/headers.ts"

export interface BearerChallenge {
  readonly _tag: "Bearer"
  /** The URL of the token server. */
  readonly realm: string
  readonly service: string | undefined
  /** The scope that the registry says the token needs. */
  readonly scope: string | undefined
}

export type Challenge = { readonly _tag: "Basic" } | BearerChallenge

/**
 * The challenge to answer. Bearer wins over Basic, because some registries offer both. `undefined` if there is neither.
 */
export const parseChallenge = (header: string | undefined): Challenge | undefined => {
  const schemes = schemesOf(header ?? "")
  const parameters = schemes.find(({ name }) => name === "bearer")?.parameters
  const realm = parameters?.get("realm")
  if (realm !== undefined) {
    return { _tag: "Bearer", realm, service: parameters?.get("service"), scope: parameters?.get("scope") }
  }
  return schemes.some(({ name }) => name === "basic") ? { _tag: "Basic" } : undefined
}

/** Whether two challenges are alike except for their scopes. */
export const sameChallenge = (a: Challenge, b: Challenge): boolean =>
  a._tag === "Bearer" && b._tag === "Bearer" ? a.realm === b.realm && a.service === b.service : a._tag === b._tag

interface Scheme {
  readonly name: string
  /** The first value of each parameter. */
  readonly parameters: Map<string, string>
}

/** A word with a value is a parameter of the scheme before it. A word without a value is the next scheme. */
const schemesOf = (header: string): ReadonlyArray<Scheme> => {
  const schemes: Array<Scheme> = []
  let word: string | undefined
  const endWord = () => {
    if (word !== undefined) schemes.push({ name: word, parameters: new Map() })
    word = undefined
  }
  for (const token of tokenize(header)) {
    if (token.word !== undefined) {
      endWord()
      word = token.word.toLowerCase()
    } else if (token.value !== undefined && word !== undefined) {
      const parameters = schemes.at(-1)?.parameters
      if (parameters?.has(word) === false) parameters.set(word, token.value)
      word = undefined
    }
  }
  endWord()
  return schemes
}
