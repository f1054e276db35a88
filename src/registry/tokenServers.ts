/**
 * Decides which token servers get the credentials of a registry. A registry names its token server in an answer. The
 * header of an answer may come from elsewhere, such as from the upstream of a proxy, so the name alone is no proof.
 */
import { Effect, Result } from "effect"
import { bareHost } from "../http/Http.ts"
import { ipVersion } from "../http/ipVersion.ts"
import { parseRegistry, registryHost } from "../oci/Reference.ts"
import { excerpt } from "../text/line.ts"
import { isTokenServerOf } from "./vendors.ts"

/** Token servers by the name of their registry, each as `host` or `host:port`. */
export type TokenServers = ReadonlyMap<string, ReadonlySet<string>>

const HOST = "(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\\[[0-9a-f:]+\\])(?::[0-9]{1,5})?"
const PAIR = new RegExp(`^(?<registry>${HOST})=(?<server>${HOST})$`, "u")

/**
 * Parses `REGISTRY_TOKEN_SERVERS`, such as `registry.corp.example=sso.example.net,quay.corp:8443=sso.example.net`: pairs
 * of a registry, as Images name it, and a token server that gets the registry's credentials. A registry may have
 * several pairs. The failure is a message for users.
 *
 * @example
 * ```ts
 * parseTokenServers("registry.corp.example=sso.example.net")
 * ```
 */
export const parseTokenServers = (text: string): Result.Result<TokenServers, string> => {
  const servers = new Map<string, Set<string>>()
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue
    const { registry: name = "", server = "" } = PAIR.exec(entry.toLowerCase())?.groups ?? {}
    const host = URL.parse(`https://${server}`)?.host ?? ""
    if (host === "" || name === "") {
      return Result.fail(
        `"${excerpt(entry, 80)}" is not a registry and its token server; write REGISTRY=TOKENSERVER, each a host without https://, such as registry.corp.example=sso.example.net`
      )
    }
    const registry = parseRegistry(name)
    if (Result.isFailure(registry)) return Result.fail(`"${excerpt(entry, 80)}" ${registry.failure}`)
    servers.set(registry.success, (servers.get(registry.success) ?? new Set()).add(host))
  }
  return Result.succeed(servers)
}

/**
 * Whether a token server gets the credentials of a registry: a server of the registry's owner, the known server of a
 * public registry, or a configured server.
 */
export const isTrustedWith = (configured: TokenServers, registry: string, realm: URL): Effect.Effect<boolean> =>
  configured.get(registry)?.has(realm.host) === true || isTokenServerOf(registry, realm.host)
    ? Effect.succeed(true)
    : sameRegistrableDomain(new URL(`https://${registryHost(registry)}`).hostname, realm.hostname)

/**
 * Registered domains of which everyone has a name: a name there has its address in it. The list of public suffixes lacks them.
 */
const SHARED_DOMAINS: ReadonlySet<string> = new Set(["nip.io", "sslip.io"])

/**
 * Whether two hosts, without ports, have one owner: they are equal or below the same registered domain. Only the list of public
 * suffixes says what is registered. Below another suffix, such as `.internal` or `.cluster.local`, anyone may have a name.
 */
export const sameRegistrableDomain = (a: string, b: string): Effect.Effect<boolean> => {
  if (a === b) return Effect.succeed(true)
  if (ipVersion(bareHost(a)) !== 0 || ipVersion(bareHost(b)) !== 0) return Effect.succeed(false)
  // The list of public suffixes is long and rarely needed, so it is loaded on demand.
  return Effect.map(
    Effect.promise(() => import("tldts")),
    ({ parse }) => {
      const ownerOf = (host: string) => {
        const { domain, isIcann, isPrivate } = parse(host, { allowPrivateDomains: true })
        const isRegistered = isIcann === true || isPrivate === true
        return domain !== null && isRegistered && !SHARED_DOMAINS.has(domain) ? domain : undefined
      }
      return ownerOf(a) !== undefined && ownerOf(a) === ownerOf(b)
    }
  )
}
