/** Parses `Link: <…>; rel="next"`, which names the next page of a list. */
import { Effect } from "effect"
import { tokenize } from "../../http/headers.ts"
import { errorOf, type RegistryRequest, type RegistryResponse } from "../pipeline/request.ts"
import type { RegistryError } from "../RegistryError.ts"

/**
 * The path of the next page, if there is one. Fails if the page is on another host: a partial list would look complete.
 */
export const nextOf = (
  request: RegistryRequest,
  { base, headers }: RegistryResponse
): Effect.Effect<string | undefined, RegistryError> => {
  const next = nextPage(base, headers["link"])
  return next === "Elsewhere"
    ? Effect.fail(
        errorOf(
          request,
          "InvalidAnswer",
          `the registry names another host for the next page of ${request.route}, which is not followed; check whether a proxy before the registry hides the registry's name or scheme`
        )
      )
    : Effect.succeed(next?.path)
}

/** The path of the next page, resolved against the current page. `Elsewhere` if the next page has another origin. */
export const nextPage = (base: URL, link: string | undefined): { readonly path: string } | "Elsewhere" | undefined => {
  const target = targetOfNext(link ?? "")
  if (target === undefined) return undefined
  const url = URL.parse(target, base.href)
  return url?.origin === base.origin ? { path: url.pathname + url.search } : "Elsewhere"
}

const targetOfNext = (link: string): string | undefined => {
  let target: string | undefined
  let name: string | undefined
  for (const token of tokenize(link)) {
    if (token.target !== undefined) target = token.target
    else if (token.word !== undefined) name = token.word.toLowerCase()
    else if (name === "rel" && target && token.value?.toLowerCase().split(/\s/u).includes("next") === true)
      return target
  }
  return undefined
}
