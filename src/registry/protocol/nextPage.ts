/** `Link: <…>; rel="next"`, by which registries say where a list goes on. */
import { Effect } from "effect"
import { tokenize } from "../../http/headers.ts"
import { errorAt } from "../pipeline/refusal.ts"
import type { RepositoryAccess } from "../RegistryClient.ts"
import type { RegistryError } from "../RegistryError.ts"

/** Where a list goes on, if it does. A list that cannot be followed to its end is none: what is missing would not show. */
export const followed = (
  access: RepositoryAccess,
  items: string,
  page: { readonly origin: string; readonly path: string; readonly link: string | undefined }
): Effect.Effect<string | undefined, RegistryError> => {
  const next = nextPage(page.origin, page.path, page.link)
  return next === "Elsewhere"
    ? errorAt(
        access,
        "InvalidAnswer",
        `the next page of ${items} is said to be on another host, which is not followed; a proxy before the registry may hide its name or scheme`,
        { concerns: "Repository" }
      )
    : Effect.succeed(next?.path)
}

/** The next page's path, from the one that was read. One on another origin is not followed. */
export const nextPage = (
  origin: string,
  path: string,
  link: string | undefined
): { readonly path: string } | "Elsewhere" | undefined => {
  const target = targetOfNext(link ?? "")
  if (target === undefined) return undefined
  const url = URL.parse(target, origin + path)
  return url?.origin === new URL(origin).origin ? { path: url.pathname + url.search } : "Elsewhere"
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
