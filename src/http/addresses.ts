/**
 * Decides to which addresses this process may connect. An Image may name a host with a private address. A host with a
 * public address may not refer this process to a private address. Neither an Image nor a host may make this process ask
 * a cloud's metadata service. The address is judged when the name is resolved, and the connection uses that same
 * address.
 */
import { lookup, type LookupAddress } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import { type AddressKind, ConnectionError } from "./ConnectionError.ts"
import { bareHost, portOf } from "./Http.ts"

/**
 * The closest kind of address to which a connection may be made: only `public` addresses, also `private` ones, or even
 * `link-local` ones, which include the metadata services of clouds.
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

/** Link-local addresses, the addresses of clouds' metadata services, and addresses that no host has. */
const LINK_LOCAL = ranges(
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["fd20:ce::254", 128],
  ["fd00:42::42", 128],
  ["100.100.100.200", 32],
  // Azure's metadata service has a public address, which only Azure's machines can connect to.
  ["168.63.129.16", 32],
  ["0.0.0.0", 8],
  ["::", 128],
  ["224.0.0.0", 3],
  ["ff00::", 8]
)
/** Private networks: RFC 1918, 4193, 6598, 6890 and 8215, and ranges that are used like them. */
const PRIVATE = ranges(
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["192.0.0.0", 24],
  // Reserved for benchmarks; some clusters use this range for their own networks.
  ["198.18.0.0", 15],
  ["fc00::", 7],
  // Site-local addresses, which unique local addresses replaced.
  ["fec0::", 10],
  // NAT64 for local use; the embedded IPv4 address may be any.
  ["64:ff9b:1::", 48]
)

/** ::1 alone would be judged as an IPv4-compatible address in 0.0.0.0/8. */
const LOOPBACK = ranges(["::1", 128])

/** The kind of an address. An IPv4 address embedded in IPv6 has the kind of the IPv4 address. */
export const kindOfAddress = (address: string): AddressKind => {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4"
  if (family === "ipv6" && LOOPBACK.check(address, family)) return "private"
  if (LINK_LOCAL.check(address, family)) return "link-local"
  return PRIVATE.check(address, family) ? "private" : "public"
}

/** Whether a host of a URL is a literal address that is not public, or a name of the machine itself. */
export const isPrivateHost = (host: string): boolean => {
  const name = bareHost(URL.parse(`https://${host}`)?.hostname ?? host)
  return isIP(name) === 0 ? /(?:^|\.)localhost$/u.test(name) : kindOfAddress(name) !== "public"
}

const CLOSENESS: Readonly<Record<AddressKind, number>> = { public: 0, private: 1, "link-local": 2 }

const isAllowed = (kind: AddressKind, scope: AddressScope): boolean => CLOSENESS[kind] <= CLOSENESS[scope]

type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: ReadonlyArray<LookupAddress>) => void
) => void

export interface AddressOptions {
  /** Whether a host with a private address may be used by any other host. */
  readonly isPrivateAllowed: (host: string, port: string) => boolean
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

export const makeAddresses = ({ isPrivateAllowed, resolve = systemResolve }: AddressOptions): Addresses => {
  /**
   * The kind of each host's addresses. A host stays `public` once it had a public address, so that it cannot gain
   * scope.
   */
  const known = new Map<string, "public" | "private">()
  const learn = (host: string, found: ReadonlyArray<LookupAddress>): void => {
    const isPrivate = found.every(({ address }) => kindOfAddress(address) === "private")
    if (isPrivate && known.get(host) !== "public") known.set(host, "private")
    else if (!isPrivate) known.set(host, "public")
  }
  const isPrivate = (host: string): boolean =>
    isIP(host) === 0 ? known.get(host) === "private" : kindOfAddress(host) === "private"

  return {
    scopeFor: (named, url, mayBePrivate = true) => {
      const [origin, host] = [bareHost(named), bareHost(url.hostname)]
      if (!mayBePrivate) return host !== origin && isPrivateAllowed(host, portOf(url)) ? "private" : "public"
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
    `${host} has the address ${address}`
  )
