/** Parses `Link: <…>; rel="next"`, which names the next page of a list. */
import { Effect } from "effect"
import { tokenize } from "../../http/headers.ts"
import { excerpt } from "../../text/line.ts"
import { errorOf, type RegistryRequest, type RegistryResponse } from "../pipeline/request.ts"
import type { RegistryError } from "../RegistryError.ts"

/**
 * The path of the next page, if there is one. Fails if the page is on another host, or if the header cannot be parsed: a partial
 * list would look complete.
 */
export const nextOf = (
  request: RegistryRequest,
  { base, headers }: RegistryResponse
): Effect.Effect<string | undefined, RegistryError> => {
  const next = nextPage(base, headers["link"])
  const said = `Link: ${excerpt(headers["link"] ?? "", 200)}`
  if (next === "Elsewhere") {
    const words = `the registry names another host for the next page of ${request.route} (${said}), which is not followed; check whether a proxy before the registry hides the registry's name or scheme`
    return Effect.fail(errorOf(request, "InvalidAnswer", words))
  }
  if (next === "Unreadable") {
    const words = `the registry names the next page of ${request.route} without a URL (${said}), so the list would not be whole`
    return Effect.fail(errorOf(request, "InvalidAnswer", words))
  }
  return Effect.succeed(next?.path)
}

/**
 * The path of the next page, resolved against the current page. `Elsewhere` if the next page has another origin. `Unreadable` if
 * the header names a next page without a URL.
 */
export const nextPage = (
  base: URL,
  link: string | undefined
): { readonly path: string } | "Elsewhere" | "Unreadable" | undefined => {
  const next = targetOfNext(link ?? "")
  if (next === undefined) return undefined
  if (next.target === "") return "Unreadable"
  const url = URL.parse(next.target, base.href)
  return url !== null && (url.origin === base.origin || isHiddenScheme(base, url))
    ? { path: url.pathname + url.search }
    : "Elsewhere"
}

/** Behind a proxy a registry may not know that it is served by HTTPS, and name `http:`. The next request goes by HTTPS. */
const isHiddenScheme = (base: URL, url: URL): boolean =>
  base.protocol === "https:" && url.protocol === "http:" && url.hostname === base.hostname && url.port === base.port

/** The target of the relation `next`. The target is empty if the header names the relation and no target. */
const targetOfNext = (link: string): { readonly target: string } | undefined => {
  let target = ""
  let name: string | undefined
  let isNamed = false
  for (const token of tokenize(link)) {
    if (token.target !== undefined) target = token.target
    else if (token.word !== undefined) name = token.word.toLowerCase()
    else if (token.text.startsWith("<")) isNamed ||= /\bnext\b/iu.test(token.text)
    else if (name === "rel" && token.text.startsWith("=")) {
      const isNext = (token.value ?? token.text.slice(1).replace(/^\s*"/u, ""))
        .toLowerCase()
        .split(/\s/u)
        .includes("next")
      if (isNext && token.value !== undefined && target !== "") return { target }
      isNamed ||= isNext
    }
  }
  return isNamed ? { target: "" } : undefined
}
