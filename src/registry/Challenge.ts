/** `WWW-Authenticate`, as registries use it (RFC 9110, and the distribution specification's token flow). */

export type Challenge =
  { readonly _tag: "Basic" } | { readonly _tag: "Bearer"; readonly realm: string; readonly service: string | undefined }

/** The challenge to answer: Bearer before Basic, for some registries offer both in one line. `undefined` if neither. */
export const parseChallenge = (header: string | undefined): Challenge | undefined => {
  const schemes = [...(header ?? "").matchAll(/(?:^|,)\s*(Basic|Bearer)(?=\s|,|$)/giu)]
  const bearer = schemes.find((scheme) => scheme[1]?.toLowerCase() === "bearer")
  if (bearer !== undefined) {
    const next = schemes.find(({ index }) => index > bearer.index)
    const parameters = parametersOf((header ?? "").slice(bearer.index + bearer[0].length, next?.index))
    const realm = parameters.get("realm")
    if (realm !== undefined) return { _tag: "Bearer", realm, service: parameters.get("service") }
  }
  return schemes.some((scheme) => scheme[1]?.toLowerCase() === "basic") ? { _tag: "Basic" } : undefined
}

/** The first value of each parameter. */
const parametersOf = (text: string): ReadonlyMap<string, string> => {
  const parameters = new Map<string, string>()
  for (const [, key = "", quoted, plain] of text.matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/giu)) {
    const value = quoted?.replaceAll(/\\(.)/gu, "$1") ?? plain ?? ""
    if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), value)
  }
  return parameters
}
