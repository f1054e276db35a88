/**
 * The proxies that lead to hosts: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, read as Go reads them, so that the operator and
 * its Skopeo Jobs use the same. Pure.
 */
import { BlockList, isIP } from "node:net"
import { Redacted, Result } from "effect"
import { portOf } from "./Http.ts"

export interface Proxy {
  readonly variable: "HTTPS_PROXY" | "HTTP_PROXY"
  /** Name and port, for messages. */
  readonly host: string
  /** All of it, with the user and password that it may hold. */
  readonly url: Redacted.Redacted
  /** Whether it does hold them. */
  readonly isSecret: boolean
}

export interface Proxies {
  /** For what goes by HTTPS. */
  readonly https?: Proxy
  /** For what goes by HTTP. */
  readonly http?: Proxy
  /** Hosts that are reached without a proxy: `corp.example,.internal,10.0.0.0/8,host:5000`, or `*`. */
  readonly noProxy?: string
}

/** Reads a proxy's address, which may lack its scheme; the failure is for users and holds no password. */
export const parseProxy = (variable: Proxy["variable"], text: string): Result.Result<Proxy, string> => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//iu.test(text) ? text : `http://${text}`)
  if (url === null || url.hostname === "") {
    return Result.fail(
      `${variable}: this is no address; write http://HOST:PORT, with USER:PASSWORD@ before HOST if needed`
    )
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return Result.fail(`${variable}: a proxy of ${url.protocol}// is not supported; name one of http:// or https://`)
  }
  if (!isDecodable(url.username) || !isDecodable(url.password)) {
    return Result.fail(
      `${variable}: the user or password has a % that stands for nothing; write %25 for the sign itself`
    )
  }
  return Result.succeed({
    variable,
    host: url.host,
    url: Redacted.make(url.href),
    isSecret: url.username !== "" || url.password !== ""
  })
}

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** Which proxy leads to an address; `undefined` if it is reached without one. */
export const proxyRule = (proxies: Proxies): ((url: URL) => Proxy | undefined) => {
  const isException = hostRule(proxies.noProxy ?? "")
  return (url) => {
    const proxy = url.protocol === "https:" ? proxies.https : proxies.http
    if (proxy === undefined) return undefined
    const host = url.hostname.toLowerCase().replaceAll(/^\[|\]$|\.$/gu, "")
    if (host === "localhost" || isIn(LOOPBACK, host)) return undefined
    return isException(host, portOf(url)) ? undefined : proxy
  }
}

type HostRule = (host: string, port: string) => boolean

/** Whether a list of hosts, as NO_PROXY is one, has a host and port. */
export const hostRule = (list: string): HostRule => {
  const rules = list.split(",").flatMap((entry) => ruleOf(entry.trim().toLowerCase()))
  return (host, port) => rules.some((rule) => rule(host, port))
}

const ruleOf = (entry: string): ReadonlyArray<HostRule> => {
  if (entry === "") return []
  if (entry === "*") return [() => true]
  const [, network = "", prefix] = /^([0-9a-f.:]+)\/([0-9]{1,3})$/u.exec(entry) ?? []
  if (prefix !== undefined) {
    const list = subnet(network, Number(prefix))
    return list === undefined ? [] : [(host) => isIn(list, host)]
  }
  const [, bracketed, name = entry, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]+))?$/u.exec(entry) ?? []
  const wanted = bracketed ?? name
  const onPort = (actual: string) => port === undefined || port === actual
  if (isIP(wanted) !== 0) {
    const list = new BlockList()
    list.addAddress(wanted, familyOf(wanted))
    return [(host, actual) => onPort(actual) && isIn(list, host)]
  }
  // `.corp` and `*.corp` match the names beneath corp; `corp` matches itself too.
  const suffix = wanted.replace(/^\*?\./u, "")
  const itself = suffix === wanted
  return [(host, actual) => onPort(actual) && ((itself && host === suffix) || host.endsWith(`.${suffix}`))]
}

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4")

const isIn = (list: BlockList, host: string): boolean => isIP(host) !== 0 && list.check(host, familyOf(host))

const subnet = (network: string, prefix: number): BlockList | undefined => {
  if (isIP(network) === 0 || prefix > (isIP(network) === 6 ? 128 : 32)) return undefined
  const list = new BlockList()
  list.addSubnet(network, prefix, familyOf(network))
  return list
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4")
LOOPBACK.addAddress("::1", "ipv6")
