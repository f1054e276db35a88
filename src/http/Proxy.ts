/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY, parsed as Go parses them. The operator and its Skopeo Jobs therefore use the
 * same proxies. Pure.
 */
import { Redacted, Result } from "effect"
import { hostRule } from "./HostRule.ts"
import { portOf } from "./Http.ts"

export interface Proxy {
  readonly variable: "HTTPS_PROXY" | "HTTP_PROXY"
  /** Host name and port, for messages. */
  readonly host: string
  /** The whole URL, which may hold a user and a password. */
  readonly url: Redacted.Redacted
  /** Whether the URL holds a user or a password. */
  readonly isSecret: boolean
}

/** The proxies of an HTTP client. Without a field there is no proxy for its scheme. */
export interface Proxies {
  /** The proxy for `https:` URLs. */
  readonly https?: Proxy
  /** The proxy for `http:` URLs. */
  readonly http?: Proxy
  /** Hosts without a proxy, such as `corp.example,.internal,10.0.0.0/8,host:5000`, or `*` for all hosts. */
  readonly noProxy?: string
}

/**
 * Parses a proxy's URL, whose scheme defaults to `http:`. `variable` names where the text comes from. The failure is a
 * message for users and holds no password.
 *
 * @example
 * parseProxy("HTTPS_PROXY", "proxy.corp:3128") // succeeds; `host` is proxy.corp:3128
 */
export const parseProxy = (variable: Proxy["variable"], text: string): Result.Result<Proxy, string> => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//iu.test(text) ? text : `http://${text}`)
  if (url === null || url.hostname === "") {
    return Result.fail(
      `${variable}: the value is not a URL; write http://HOST:PORT, with USER:PASSWORD@ before HOST if needed`
    )
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return Result.fail(`${variable}: a ${url.protocol}// proxy is not supported; name an http:// or https:// proxy`)
  }
  if (!isDecodable(url.username) || !isDecodable(url.password)) {
    return Result.fail(
      `${variable}: the user or password has a % that encodes no character; write %25 for the % itself`
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

const isLoopback = hostRule("127.0.0.0/8,[::1]")

/** Makes the rule that chooses a URL's proxy. `undefined` means a direct connection. */
export const proxyRule = (proxies: Proxies): ((url: URL) => Proxy | undefined) => {
  const isException = hostRule(proxies.noProxy ?? "")
  return (url) => {
    const proxy = url.protocol === "https:" ? proxies.https : proxies.http
    if (proxy === undefined) return undefined
    const host = url.hostname.toLowerCase().replaceAll(/^\[|\]$|\.$/gu, "")
    if (host === "localhost" || isLoopback(host, portOf(url)) || isException(host, portOf(url))) return undefined
    return proxy
  }
}
