/**
 * Which addresses may be connected to. An Image may name a host of a private address; a host may not send this process
 * on to what only this process can reach, nor may an Image or a host have it ask a cloud's metadata service. An address
 * is judged when it is looked up, and the connection is made to just that address.
 */
import { lookup, type LookupAddress } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import { type AddressKind, ConnectionError } from "./ConnectionError.ts"
import { bareHost, portOf } from "./Http.ts"

/**
 * How far a connection may lead, by the closest kind of address to which it may be made: `public` alone, `private` too,
 * or even `link-local`, where the metadata services of clouds are.
 */
export type AddressScope = AddressKind

/** The IPv6 ranges that embed an IPv4 range: NAT64, 6to4 and IPv4-compatible addresses. */
const embeddedIn = (network: string, prefix: number): ReadonlyArray<readonly [string, number]> => {
  const hex = Buffer.from(network.split(".").map(Number)).toString("hex")
  const words = `${hex.slice(0, 4)}:${hex.slice(4)}`
  return [
    [`64:ff9b::${words}`, 96 + prefix],
    [`2002:${words}::`, 16 + prefix],
    [`::${words}`, 96 + prefix]
  ]
}

const ranges = (...subnets: ReadonlyArray<readonly [string, number]>): BlockList => {
  const list = new BlockList()
  for (const [network, prefix] of subnets) {
    const isIpv6 = network.includes(":")
    list.addSubnet(network, prefix, isIpv6 ? "ipv6" : "ipv4")
    if (isIpv6) continue
    for (const [within, length] of embeddedIn(network, prefix)) list.addSubnet(within, length, "ipv6")
  }
  return list
}

/** Link-local addresses, the metadata services of clouds wherever they are, and addresses of no host at all. */
const LINK_LOCAL = ranges(
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["fd20:ce::254", 128],
  ["fd00:42::42", 128],
  ["100.100.100.200", 32],
  // Azure's: a public address that only its machines reach.
  ["168.63.129.16", 32],
  ["0.0.0.0", 8],
  ["::", 128],
  ["224.0.0.0", 3],
  ["ff00::", 8]
)
/** Networks that only hosts within them reach: RFC 1918, 4193, 6598, 6890 and 8215, and what is used like them. */
const PRIVATE = ranges(
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["192.0.0.0", 24],
  // For benchmarks, and taken by clusters for networks of their own.
  ["198.18.0.0", 15],
  ["fc00::", 7],
  // Site-local, before unique local addresses.
  ["fec0::", 10],
  // NAT64 within a network, to whatever IPv4 it has.
  ["64:ff9b:1::", 48]
)

/** By its form an IPv4-compatible address of IPv4's 0.0.0.0/8. */
const LOOPBACK = ranges(["::1", 128])

/** IPv4 within IPv6 is what it is as IPv4. */
export const kindOfAddress = (address: string): AddressKind => {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4"
  if (family === "ipv6" && LOOPBACK.check(address, family)) return "private"
  if (LINK_LOCAL.check(address, family)) return "link-local"
  return PRIVATE.check(address, family) ? "private" : "public"
}

const CLOSENESS: Readonly<Record<AddressKind, number>> = { public: 0, private: 1, "link-local": 2 }

const isAllowed = (kind: AddressKind, scope: AddressScope): boolean => CLOSENESS[kind] <= CLOSENESS[scope]

type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: ReadonlyArray<LookupAddress>) => void
) => void

export interface AddressOptions {
  /** Whether a host may be led to though its address is private. */
  readonly isPrivateAllowed: (host: string, port: string) => boolean
  /** Resolves names to addresses. Default the system's resolver. */
  readonly resolve?: Resolve
}

export interface Addresses {
  /** How far a request may lead that goes to a URL because of a host that an Image named. */
  readonly scopeFor: (named: string, url: URL) => AddressScope
  /** Why a URL that names an address is not connected to; names are judged as they are looked up. */
  readonly refusalOf: (url: URL, scope: AddressScope) => ConnectionError | undefined
  /** In the place of a connection's own look-up. */
  readonly lookupWithin: (scope: AddressScope) => LookupFunction
}

const systemResolve: Resolve = (host, done) => lookup(host, { all: true }, done)

export const makeAddresses = ({ isPrivateAllowed, resolve = systemResolve }: AddressOptions): Addresses => {
  /** Hosts whose addresses were all private; a host that ever had another is not trusted with more. */
  const known = new Map<string, "public" | "private">()
  const learn = (host: string, found: ReadonlyArray<LookupAddress>): void => {
    const isPrivate = found.every(({ address }) => kindOfAddress(address) === "private")
    if (isPrivate && known.get(host) !== "public") known.set(host, "private")
    else if (!isPrivate) known.set(host, "public")
  }
  const isPrivate = (host: string): boolean =>
    isIP(host) === 0 ? known.get(host) === "private" : kindOfAddress(host) === "private"

  return {
    scopeFor: (named, url) => {
      const [origin, host] = [bareHost(named), bareHost(url.hostname)]
      return host === origin || isPrivate(origin) || isPrivateAllowed(host, portOf(url)) ? "private" : "public"
    },

    refusalOf: (url, scope) => {
      const host = bareHost(url.hostname)
      return isIP(host) !== 0 && !isAllowed(kindOfAddress(host), scope) ? refused(host, host) : undefined
    },

    lookupWithin: (scope) => (host, options, done) =>
      resolve(host, (error, found) => {
        if (error !== null) return done(error, "")
        if (scope === "private") learn(host, found)
        const allowed = found.filter(({ address }) => isAllowed(kindOfAddress(address), scope))
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
    `${host} is at ${address}`
  )
