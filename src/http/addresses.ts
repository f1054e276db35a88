/**
 * Which addresses may be connected to. Whoever may name a registry in an Image may name a private one; a registry may
 * not send the operator on to what only the operator can reach, nor may anyone have it ask a cloud's metadata service.
 * An address is judged when it is looked up, and the connection is made to just that address.
 */
import { lookup, type LookupAddress } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import { Option } from "effect"
import { bare, portOf } from "./Host.ts"

export type AddressKind = "public" | "private" | "link-local"

/** What a connection may lead to: all but link-local addresses, or public ones alone. */
export type Reach = "any" | "public"

/** What IPv6 has IPv4 in for gateways or old systems to take out again: NAT64, 6to4 and IPv4-compatible addresses. */
const withinIpv6 = (network: string, prefix: number): ReadonlyArray<readonly [string, number]> => {
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
    for (const [within, length] of withinIpv6(network, prefix)) list.addSubnet(within, length, "ipv6")
  }
  return list
}

/** Never a registry: link-local, the metadata services of clouds wherever they are, and what is no host at all. */
const LINK_LOCAL = ranges(
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["fd20:ce::254", 128],
  ["fd00:42::42", 128],
  ["100.100.100.200", 32],
  // Azure's, a public address that only its machines reach.
  ["168.63.129.16", 32],
  ["0.0.0.0", 8],
  ["::", 128],
  ["224.0.0.0", 3],
  ["ff00::", 8]
)
const PRIVATE = ranges(
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["fc00::", 7]
)

/** By its form an IPv4-compatible address of IPv4's 0.0.0.0/8. */
const LOOPBACK = ranges(["::1", 128])

/** IPv4 within IPv6 is what it is as IPv4. */
export const kindOfAddress = (address: string): AddressKind => {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4"
  if (LOOPBACK.check(address, family)) return "private"
  if (LINK_LOCAL.check(address, family)) return "link-local"
  return PRIVATE.check(address, family) ? "private" : "public"
}

const isAllowed = (kind: AddressKind, reach: Reach): boolean =>
  kind === "public" || (kind === "private" && reach === "any")

/** A host of an address that must not be connected to. */
export class AddressRefused extends Error {
  readonly host: string
  readonly address: string
  readonly kind: AddressKind

  constructor(host: string, address: string) {
    super(`${host} is at ${address}, which is not connected to`)
    this.host = host
    this.address = address
    this.kind = kindOfAddress(address)
  }

  /** The refusal at the bottom of nested errors. */
  static in(error: unknown): Option.Option<AddressRefused> {
    let current = error
    for (let depth = 0; depth < 10 && typeof current === "object" && current !== null; depth++) {
      if (current instanceof AddressRefused) return Option.some(current)
      current = Reflect.get(current, "cause") ?? Reflect.get(current, "reason")
    }
    return Option.none()
  }
}

type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: ReadonlyArray<LookupAddress>) => void
) => void

export interface AddressOptions {
  /** Whether a registry may lead to a host though its address is private. */
  readonly isPrivateAllowed: (host: string, port: string) => boolean
  /** Default the system's. */
  readonly resolve?: Resolve
}

const systemResolve: Resolve = (host, done) => lookup(host, { all: true }, done)

export const make = ({ isPrivateAllowed, resolve = systemResolve }: AddressOptions) => {
  /** Hosts whose addresses were all private; one that ever had another is not trusted with more. */
  const known = new Map<string, "public" | "private">()
  const learn = (host: string, found: ReadonlyArray<LookupAddress>): void => {
    const isPrivate = found.every(({ address }) => kindOfAddress(address) === "private")
    if (isPrivate && known.get(host) !== "public") known.set(host, "private")
    else if (!isPrivate) known.set(host, "public")
  }
  const isPrivate = (host: string): boolean =>
    isIP(host) === 0 ? known.get(host) === "private" : kindOfAddress(host) === "private"

  return {
    /** What a request may lead to that a registry, named in an Image, gives cause for. */
    reachOf: (registry: string, url: URL): Reach => {
      const [named, host] = [bare(registry), bare(url.hostname)]
      return host === named || isPrivate(named) || isPrivateAllowed(host, portOf(url)) ? "any" : "public"
    },

    /** Why a URL is not connected to, as far as it names an address; names are judged as they are looked up. */
    refusalOf: (url: URL, reach: Reach): AddressRefused | undefined => {
      const host = bare(url.hostname)
      return isIP(host) !== 0 && !isAllowed(kindOfAddress(host), reach) ? new AddressRefused(host, host) : undefined
    },

    /** In the place of a connection's own look-up. */
    lookupWithin:
      (reach: Reach): LookupFunction =>
      (host, options, done) =>
        resolve(host, (error, found) => {
          if (error !== null) return done(error, "")
          if (reach === "any") learn(host, found)
          const allowed = found.filter(({ address }) => isAllowed(kindOfAddress(address), reach))
          const [first] = allowed
          if (first === undefined) return done(new AddressRefused(host, found[0]?.address ?? ""), "")
          if (options.all === true) done(null, allowed)
          else done(null, first.address, first.family)
        })
  }
}

export type Addresses = ReturnType<typeof make>
