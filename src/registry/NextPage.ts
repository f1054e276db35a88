/** `Link: <…>; rel="next"`, by which registries say where a list goes on. */
import { piecesOf } from "./HeaderPieces.ts"

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
  for (const piece of piecesOf(link)) {
    if (piece.target !== undefined) target = piece.target
    else if (piece.word !== undefined) name = piece.word.toLowerCase()
    else if (name === "rel" && target && piece.value?.toLowerCase().split(/\s/u).includes("next") === true)
      return target
  }
  return undefined
}
