/** Whether two hosts are of one owner: the same, or beneath one name that somebody has registered. */
import { isIP } from "node:net"
import { Effect } from "effect"

/** Hosts without a port. */
export const areRelated = (a: string, b: string): Effect.Effect<boolean> => {
  if (a === b) return Effect.succeed(true)
  if (isIP(a.replaceAll(/[[\]]/gu, "")) !== 0 || isIP(b.replaceAll(/[[\]]/gu, "")) !== 0) return Effect.succeed(false)
  // The list of public suffixes is long, and seldom needed.
  return Effect.map(
    Effect.promise(() => import("tldts")),
    ({ getDomain }) => {
      const ownerOf = (host: string) => getDomain(host, { allowPrivateDomains: true })
      return ownerOf(a) !== null && ownerOf(a) === ownerOf(b)
    }
  )
}
