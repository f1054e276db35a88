/**
 * Decides to which addresses this process may connect. An Image may name a host with a private address. A host may not
 * refer this process to a private address of another host. Neither an Image nor a host may make this process ask a
 * cloud's metadata service. The address is judged when the name is resolved, and the connection uses that same address.
 */
import { lookup, type LookupAddress } from "node:dns"
import type { LookupFunction } from "node:net"
import ipaddr from "ipaddr.js"
import { BoundedMap } from "../collections/BoundedMap.ts"
import { type AddressKind, ConnectionError } from "./ConnectionError.ts"
import { bareHost, portOf } from "./Http.ts"
import { ipVersion } from "./ipVersion.ts"

/**
 * The addresses to which a connection may be made.
 *
 * - `public`: public addresses only
 * - `private`: private addresses too, for the hosts that the administrator lists
 * - `named`: the addresses of the host that an Image names: the same as long as its name is known
 * - `any`: every address, for the endpoints that give this process its identity
 */
export type AddressScope = "public" | "private" | "named" | "any"

type Parsed = ReturnType<typeof ipaddr.parse>
type Range = readonly [network: Parsed, prefix: number]

const rangeOf = (text: string): Range => ipaddr.parseCIDR(text)

const isIn = (address: Parsed, [network, prefix]: Range): boolean =>
  address.kind() === network.kind() && address.match(network, prefix)

/**
 * The metadata services of clouds whose addresses are not link-local: no standard names them. The chart's NetworkPolicies exclude
 * them too.
 */
export const METADATA = [
  // AWS, Google Cloud and Scaleway.
  "fd00:ec2::254/128",
  "fd20:ce::254/128",
  "fd00:42::42/128",
  // Alibaba Cloud.
  "100.100.100.200/32",
  // Azure. The address is public, and only Azure's machines can connect to it.
  "168.63.129.16/32",
  // Oracle Cloud.
  "192.0.0.192/32"
]
const METADATA_RANGES = METADATA.map(rangeOf)

/** The IPv6 ranges that embed an IPv4 address, and the first byte of that address. */
const EMBEDDING: ReadonlyArray<readonly [range: Range, at: number]> = [
  // IPv4-mapped (RFC 4291), IPv4-translated (RFC 6145), NAT64 (RFC 6052) and 6to4 (RFC 3056).
  [rangeOf("::ffff:0:0/96"), 12],
  [rangeOf("::ffff:0:0:0/96"), 12],
  [rangeOf("64:ff9b::/96"), 12],
  [rangeOf("2002::/16"), 2],
  // IPv4-compatible (RFC 4291, deprecated). The library takes them for unicast addresses.
  [rangeOf("::/96"), 12]
]

/** The only range of IPv6 that IANA has allocated to hosts. The library takes all other unicast ranges for public too. */
const GLOBAL_UNICAST = rangeOf("2000::/3")

/** The IPv4 address that an IPv6 address embeds. */
const embeddedIn = (address: Parsed): Parsed | undefined => {
  const [, at] = EMBEDDING.find(([range]) => isIn(address, range)) ?? []
  return at === undefined ? undefined : ipaddr.fromByteArray(address.toByteArray().slice(at, at + 4))
}

/**
 * The kind of an address, by IANA's registries of special-purpose addresses. An IPv4 address embedded in IPv6 has the
 * kind of the IPv4 address. Every range that is not for public hosts counts as private.
 */
export const kindOfAddress = (text: string): AddressKind =>
  ipaddr.isValid(text) ? kindOf(ipaddr.parse(text)) : "link-local"

/** The library's names of the ranges that are neither public nor private. */
const NEARER: ReadonlyMap<string, AddressKind> = new Map([
  ["loopback", "loopback"],
  ["linkLocal", "link-local"],
  ["unspecified", "link-local"],
  ["multicast", "link-local"],
  ["broadcast", "link-local"]
])

const kindOf = (address: Parsed): AddressKind => {
  if (METADATA_RANGES.some((range) => isIn(address, range))) return "link-local"
  const range = address.range()
  const nearer = NEARER.get(range)
  if (nearer !== undefined) return nearer
  const embedded = embeddedIn(address)
  if (embedded !== undefined) return kindOf(embedded)
  const isPublic = range === "unicast" && (address.kind() === "ipv4" || isIn(address, GLOBAL_UNICAST))
  return isPublic ? "public" : "private"
}

const CLOSENESS: Readonly<Record<AddressKind, number>> = { public: 0, private: 1, loopback: 2, "link-local": 3 }

const isWithin = (kind: AddressKind, closest: AddressKind): boolean => CLOSENESS[kind] <= CLOSENESS[closest]

const farthest = (kinds: ReadonlyArray<AddressKind>): AddressKind =>
  kinds.reduce<AddressKind>((one, other) => (isWithin(one, other) ? one : other), "link-local")

/** Whether a host is this machine by its address, or by a name that RFC 6761 reserves. */
const isLoopback = (host: string): boolean =>
  ipVersion(host) === 0 ? /^(?:.+\.)?localhost$/u.test(host) : kindOfAddress(host) === "loopback"

const nameOf = (host: string): string => bareHost(URL.parse(`https://${host}`)?.hostname ?? host)

/** Whether a host of a URL is this machine. */
export const isLoopbackHost = (host: string): boolean => isLoopback(nameOf(host))

/** Whether a host of a URL is a literal address that is not public, or a name of the machine itself. */
export const isPrivateHost = (host: string): boolean => {
  const name = nameOf(host)
  return isLoopback(name) || (ipVersion(name) !== 0 && kindOfAddress(name) !== "public")
}

/** All names of this machine are one host. */
const sameHost = (one: string, other: string): boolean => one === other || (isLoopback(one) && isLoopback(other))

type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: ReadonlyArray<LookupAddress>) => void
) => void

export interface AddressOptions {
  /** Whether a host with a private address may be used by any other host. */
  readonly isPrivateAllowed: (host: string, port: string) => boolean
  /** Whether an Image may name a host with a loopback address. Default true. */
  readonly loopback?: boolean
  /** Resolves host names to addresses. Default the system's resolver. */
  readonly resolve?: Resolve
}

export interface Addresses {
  /**
   * The address scope of a request to a URL, given the host that an Image names, and whether the Image may name a host with a
   * private address.
   */
  readonly scopeFor: (named: string, url: URL, mayBePrivate?: boolean) => AddressScope
  /** The error of a URL whose host is a refused address. A host name is judged later, when it is resolved. */
  readonly refusalOf: (url: URL, scope: AddressScope) => ConnectionError | undefined
  /** The resolver for a connection, which fails for a refused address. */
  readonly lookupWithin: (scope: AddressScope) => LookupFunction
}

const systemResolve: Resolve = (host, done) => lookup(host, { all: true }, done)

/** The most names whose class is known. Least recently used names are forgotten first. */
const NAMES = 10_000

export const makeAddresses = ({
  isPrivateAllowed,
  loopback = true,
  resolve = systemResolve
}: AddressOptions): Addresses => {
  /** The closest address that each scope allows. */
  const closest: Readonly<Record<AddressScope, AddressKind>> = {
    public: "public",
    private: "private",
    named: loopback ? "loopback" : "private",
    any: "link-local"
  }

  /**
   * The class of each name that an Image names: the farthest kind of address that the name ever had. A registry with a
   * public address cannot resolve its own name to a private address later, and so lead this process there.
   */
  const classes = new BoundedMap<string, AddressKind>({ capacity: NAMES })
  const classOf = (host: string, found: ReadonlyArray<AddressKind>): AddressKind => {
    const known = classes.get(host)
    const now = farthest(known === undefined ? found : [known, ...found])
    classes.set(host, now)
    return now
  }

  return {
    scopeFor: (named, url, mayBePrivate = true) => {
      const host = bareHost(url.hostname)
      const isOwn = sameHost(host, bareHost(named))
      if (isOwn && !mayBePrivate) return "public"
      // No list makes this machine reachable for another host, or unreachable for its own registry.
      if (isOwn && isLoopback(host)) return "named"
      return isPrivateAllowed(host, portOf(url)) ? "private" : isOwn ? "named" : "public"
    },

    refusalOf: (url, scope) => {
      const host = bareHost(url.hostname)
      return ipVersion(host) !== 0 && !isWithin(kindOfAddress(host), closest[scope]) ? refused(host, host) : undefined
    },

    lookupWithin: (scope) => (host, options, done) =>
      resolve(host, (error, found) => {
        if (error !== null) return done(error, "")
        const kinds = found.map(({ address }) => kindOfAddress(address))
        const limits = [closest[scope], ...(scope === "named" ? [classOf(host, kinds)] : [])]
        const allowed = found.filter((_, index) => {
          const kind = kinds[index]
          return kind !== undefined && isWithin(kind, farthest(limits))
        })
        const [first] = allowed
        if (first === undefined) return done(refused(host, found[0]?.address ?? ""), "")
        if (options.all === true) done(null, allowed)
        else done(null, first.address, first.family)
      })
  }
}

const refused = (host: string, address: string): ConnectionError =>
  ConnectionError.of(
    { _tag: "AddressRefused", host, address, kind: kindOfAddress(address) },
    `${host} has the address ${address}`
  )
