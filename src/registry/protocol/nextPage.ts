/** `Link: <…>; rel="next"`, by which registries say where a list goes on. */
import { Effect } from "effect"
import { tokenize } from "../../http/headers.ts"
import { errorOf, type RegistryRequest, type RegistryResponse } from "../pipeline/request.ts"
import type { RegistryError } from "../RegistryError.ts"

/** The path of the next page, if there is one. A list whose next page cannot be followed fails: a part of it looks whole. */
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
          `the next page of ${request.route} is said to be on another host, which is not followed; a proxy before the registry may hide its name or scheme`
        )
      )
    : Effect.succeed(next?.path)
}

/** The next page's path, from the one that was read. One on another origin is not followed. */
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
