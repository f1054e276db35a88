/** Lists of hosts, written as in NO_PROXY by Go's rules. */
import { BlockList } from "node:net"
import { excerpt } from "../text/line.ts"
import { ipVersion } from "./ipVersion.ts"

/** Whether a list has a host, which is a name or an address without brackets, and a port. */
export type HostRule = (host: string, port: string) => boolean

/**
 * Makes the rule of a list of hosts, separated by commas. An entry that is none of these has no effect.
 *
 * @example
 * hostRule("registry.corp:5000,.internal,10.1.0.0/16,[::1]")
 */
export const hostRule = (list: string): HostRule => {
  // Made when first needed: many processes need none, and a rule for an IPv6 address takes 4 ms.
  let rules: ReadonlyArray<HostRule> | undefined
  return (host, port) => {
    rules ??= list.split(",").flatMap((entry) => ruleOf(entry.trim().toLowerCase()))
    return rules.some((rule) => rule(host, port))
  }
}

/** A host name, with a dot or `*.` before it for the names below it, and with a port if only one port is meant. */
const NAME = /^(?:\*?\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*(?::[0-9]{1,5})?$/u
const SUBNET = /^([0-9a-f.:]+)\/([0-9]{1,3})$/u
const BRACKETED = /^\[([^\]]+)\](?::[0-9]{1,5})?$/u

/** The first entry of a list that can have no effect, with the remedy. `undefined` if each entry may have one. */
export const mistakeInHosts = (list: string): string | undefined => {
  const wrong = list.split(",").find((entry) => {
    const text = entry.trim().toLowerCase()
    const [, bracketed = ""] = BRACKETED.exec(text) ?? []
    const isHost = NAME.test(text) || ipVersion(text) !== 0 || ipVersion(bracketed) !== 0
    return !(isHost || text === "" || text === "*" || (SUBNET.test(text) && ruleOf(text).length > 0))
  })
  return wrong === undefined
    ? undefined
    : `"${excerpt(wrong, 80)}" is not a host; write hosts without https:// and paths, such as registry.corp:5000,.internal,10.1.0.0/16`
}

const ruleOf = (entry: string): ReadonlyArray<HostRule> => {
  if (entry === "") return []
  if (entry === "*") return [() => true]
  const [, network = "", prefix] = SUBNET.exec(entry) ?? []
  if (prefix !== undefined) {
    const list = subnet(network, Number(prefix))
    return list === undefined ? [] : [(host) => isIn(list, host)]
  }
  const [, bracketed, name = entry, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]+))?$/u.exec(entry) ?? []
  const pattern = bracketed ?? name
  const onPort = (actual: string) => port === undefined || port === actual
  if (ipVersion(pattern) !== 0) {
    const list = new BlockList()
    list.addAddress(pattern, familyOf(pattern))
    return [(host, actual) => onPort(actual) && isIn(list, host)]
  }
  // `.corp` and `*.corp` match the names below corp; `corp` matches corp too.
  const suffix = pattern.replace(/^\*?\./u, "")
  const itself = suffix === pattern
  return [(host, actual) => onPort(actual) && ((itself && host === suffix) || host.endsWith(`.${suffix}`))]
}

const familyOf = (address: string) => (ipVersion(address) === 6 ? "ipv6" : "ipv4")

const isIn = (list: BlockList, host: string): boolean => ipVersion(host) !== 0 && list.check(host, familyOf(host))

const subnet = (network: string, prefix: number): BlockList | undefined => {
  if (ipVersion(network) === 0 || prefix > (ipVersion(network) === 6 ? 128 : 32)) return undefined
  const list = new BlockList()
  list.addSubnet(network, prefix, familyOf(network))
  return list
}
