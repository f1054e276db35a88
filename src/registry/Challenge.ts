/** `WWW-Authenticate`, as registries use it (RFC 9110, and the distribution specification's token flow). */

export interface BearerChallenge {
  readonly _tag: "Bearer"
  /** Where tokens are given. */
  readonly realm: string
  readonly service: string | undefined
  /** What a token is to allow, as the registry sees it. */
  readonly scope: string | undefined
}

export type Challenge = { readonly _tag: "Basic" } | BearerChallenge

/** The challenge to answer: Bearer before Basic, for some registries offer both in one line. `undefined` if neither. */
export const parseChallenge = (header: string | undefined): Challenge | undefined => {
  const schemes = [...(header ?? "").matchAll(/(?:^|,)\s*(Basic|Bearer)(?=\s|,|$)/giu)]
  const bearer = schemes.find((scheme) => scheme[1]?.toLowerCase() === "bearer")
  if (bearer !== undefined) {
    const next = schemes.find(({ index }) => index > bearer.index)
    const parameters = parametersOf((header ?? "").slice(bearer.index + bearer[0].length, next?.index))
    const realm = parameters.get("realm")
    if (realm !== undefined) {
      return { _tag: "Bearer", realm, service: parameters.get("service"), scope: parameters.get("scope") }
    }
  }
  return schemes.some((scheme) => scheme[1]?.toLowerCase() === "basic") ? { _tag: "Basic" } : undefined
}

/** Whether two challenges are answered in one way, whatever they were asked for. */
export const sameChallenge = (a: Challenge, b: Challenge): boolean =>
  a._tag === "Bearer" && b._tag === "Bearer" ? a.realm === b.realm && a.service === b.service : a._tag === b._tag

/** The first value of each parameter. */
const parametersOf = (text: string): ReadonlyMap<string, string> => {
  const parameters = new Map<string, string>()
  for (const [, key = "", quoted, plain] of text.matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/giu)) {
    const value = quoted?.replaceAll(/\\(.)/gu, "$1") ?? plain ?? ""
    if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), value)
  }
  return parameters
}
