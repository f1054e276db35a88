/** The scopes of tokens, by the distribution specification's token flow. Pure. */
import type { BearerChallenge } from "./challenge.ts"

/**
 * What a token must allow. All of it is requested at once, so that a copy needs one token per side. Mounting a blob
 * needs write access to this repository and read access to the other.
 */
export type Need = "list" | "pull" | "pull,push" | { readonly mountFrom: string }

/** The scopes to request from a token server, and a narrower choice in case the server refuses them. */
export interface RequestedScopes {
  readonly scopes: ReadonlyArray<string>
  readonly narrower?: ReadonlyArray<string>
}

export const scopesFor = (
  path: string,
  need: Need,
  challenge: BearerChallenge,
  /** Further actions that the registry has named before, which are not in the specification. */
  further: ReadonlySet<string>
): RequestedScopes => {
  // ECR Public has one scope for everything, `aws`.
  if (challenge.scope !== undefined && /^[a-z0-9_.-]+$/iu.test(challenge.scope)) return { scopes: [challenge.scope] }
  const actions = typeof need === "object" ? "pull,push" : need === "list" ? "pull" : need
  const own = [`repository:${path}:${[actions, ...further].join(",")}`]
  return typeof need === "object"
    ? { scopes: [...own, `repository:${need.mountFrom}:pull`], narrower: own }
    : { scopes: own }
}

/** The actions of a challenge other than pull and push, such as ACR's `metadata_read` for a list of tags. */
export const furtherActions = (path: string, challenge: BearerChallenge): ReadonlyArray<string> => {
  const [, of, actions = ""] = /^repository:(.+):([a-z_,]+)$/u.exec(challenge.scope ?? "") ?? []
  return of === path ? actions.split(",").filter((action) => /^metadata_[a-z_]{1,32}$/u.test(action)) : []
}
