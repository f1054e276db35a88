/** Connections through a proxy: a tunnel by CONNECT (RFC 9110, section 9.3.6), and TLS with the host in the tunnel. */
import * as http from "node:http"
import * as https from "node:https"
import { Socket } from "node:net"
import type { SecureContext } from "node:tls"
import { ConnectionError } from "./ConnectionError.ts"

export interface ProxyServer {
  readonly isSecure: boolean
  readonly hostname: string
  /** The host name that the proxy's certificate must have. Empty if the proxy is given by its address. */
  readonly servername: string
  readonly port: string
  /** Headers of each request to the proxy. */
  readonly headers: Readonly<Record<string, string>>
  /** The trusted authorities. */
  readonly secureContext?: SecureContext
}

type Done = Exclude<Parameters<https.Agent["createConnection"]>[1], undefined>

export class TunnelAgent extends https.Agent {
  readonly #proxy: ProxyServer
  readonly #connectMillis: number
  readonly #opening = new Set<http.ClientRequest>()

  constructor(options: https.AgentOptions, proxy: ProxyServer, connectMillis: number) {
    super(options)
    this.#proxy = proxy
    this.#connectMillis = connectMillis
  }

  override createConnection(options: https.RequestOptions, done: Done): undefined {
    const host = String(options.host)
    this.#tunnel(`${host.includes(":") ? `[${host}]` : host}:${String(options.port)}`, (result) => {
      // The types require a socket together with an error.
      if (result instanceof Error) return done(result, new Socket())
      const socket = super.createConnection({ ...options, socket: result } as https.RequestOptions)
      if (socket !== null && socket !== undefined) done(null, socket)
    })
    return undefined
  }

  override destroy(): void {
    for (const request of this.#opening) request.destroy()
    super.destroy()
  }

  #tunnel(target: string, done: (result: Socket | Error) => void): void {
    const { headers, isSecure, ...proxy } = this.#proxy
    const request = (isSecure ? https : http).request({
      ...proxy,
      agent: false,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...headers },
      timeout: this.#connectMillis
    })
    this.#opening.add(request)
    request.once("close", () => this.#opening.delete(request))
    request.once("timeout", () => request.destroy(ConnectionError.timedOut()))
    request.once("connect", ({ statusCode = 0 }, socket) => {
      socket.setTimeout(0)
      if (statusCode >= 200 && statusCode < 300) return done(socket)
      socket.destroy()
      done(ConnectionError.of({ _tag: "ProxyRefused", status: statusCode }, `the proxy answered ${statusCode}`))
    })
    request.on("error", done)
    request.end()
  }
}
