/** What a token is asked to allow, by the distribution specification's token flow. Pure. */
import type { BearerChallenge } from "./challenge.ts"

/**
 * What a request is to be allowed to do; asked for at once, so that a copy needs one token a side. To mount a blob is to
 * write here and to read there.
 */
export type Need = "list" | "pull" | "pull,push" | { readonly mountFrom: string }

/** The scopes to ask a token server for, and fewer in case that it refuses them all. */
export interface RequestedScopes {
  readonly scopes: ReadonlyArray<string>
  readonly narrower?: ReadonlyArray<string>
}

export const scopesFor = (
  path: string,
  need: Need,
  challenge: BearerChallenge,
  /** Actions beside those of the specification that the registry has named before. */
  further: ReadonlySet<string>
): RequestedScopes => {
  // ECR Public knows one scope, `aws`, for everything.
  if (challenge.scope !== undefined && /^[a-z0-9_.-]+$/iu.test(challenge.scope)) return { scopes: [challenge.scope] }
  const actions = typeof need === "object" ? "pull,push" : need === "list" ? "pull" : need
  const own = [`repository:${path}:${[actions, ...further].join(",")}`]
  return typeof need === "object"
    ? { scopes: [...own, `repository:${need.mountFrom}:pull`], narrower: own }
    : { scopes: own }
}

/** What a challenge names beside pull and push, such as ACR's `metadata_read` for a list of tags. */
export const furtherActions = (path: string, challenge: BearerChallenge): ReadonlyArray<string> => {
  const [, of, actions = ""] = /^repository:(.+):([a-z_,]+)$/u.exec(challenge.scope ?? "") ?? []
  return of === path ? actions.split(",").filter((action) => action.startsWith("metadata_")) : []
}
