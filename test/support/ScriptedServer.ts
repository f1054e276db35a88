/** A server with the answers of a test, valid or not, which records its requests. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { Effect, type Scope } from "effect"
import type { KeyedCertificate } from "../../src/registry/memory/LoopbackServer.ts"
import { hostOf, serve } from "../../src/registry/memory/LoopbackServer.ts"

/** A received request. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
}

export interface ScriptedServer {
  readonly host: string
  readonly seen: ReadonlyArray<Seen>
}

const recording =
  (seen: Array<Seen>, answer: RequestListener): RequestListener =>
  (request, response) => {
    const { headers, method = "", url = "" } = request
    seen.push({ method, url, authorization: headers.authorization })
    answer(request, response)
  }

export const scripted = (
  answer: RequestListener,
  tls?: KeyedCertificate
): Effect.Effect<ScriptedServer, never, Scope.Scope> =>
  Effect.suspend(() => {
    const seen: Array<Seen> = []
    return Effect.map(serve(recording(seen, answer), tls), (host) => ({ host, seen }))
  })

/** Answers each request with JSON. */
export const json = (
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {}
): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(value))
}

/** An error of the distribution specification. */
export const errorBody = (code: string, message: string) => ({ errors: [{ code, message }] })

/** A path without its query. */
export const pathOf = (request: IncomingMessage): string => new URL(request.url ?? "/", "http://server").pathname

/** The same server over TLS with {@link CERTIFICATE}. `plaintext` counts the connections without TLS. */
export const scriptedTls = (
  answer: RequestListener
): Effect.Effect<ScriptedServer & { readonly plaintext: () => number }, never, Scope.Scope> =>
  Effect.suspend(() => {
    const seen: Array<Seen> = []
    let plaintext = 0
    return Effect.map(
      Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createTlsServer>>((resume) => {
          const server = createTlsServer({ key: KEY, cert: CERTIFICATE }, recording(seen, answer))
          server.on("tlsClientError", (error) => {
            if ("code" in error && error.code === "ERR_SSL_HTTP_REQUEST") plaintext += 1
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
      ),
      (server) => ({ host: hostOf(server), seen, plaintext: () => plaintext })
    )
  })

/** A self-signed certificate for 127.0.0.1, valid until 2126. Only these tests trust it. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBtzCCAV6gAwIBAgIUQD3qInoIKH4eytomLYAcox1sptwwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVc2tvcGVvLW9wZXJhdG9yIHRlc3RzMCAXDTI2MTEyNDAwMjgz
OFoYDzIxMjYxMDMxMDAyODM4WjAgMR4wHAYDVQQDDBVza29wZW8tb3BlcmF0b3Ig
dGVzdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATtVb/R7+1zSgkbmvgXoTZT
kAOFvQwB59nJV7gl9yQnbDUK8mefPdWDOgJgoxUHOQ//vmVEME1XeCFvEGqojIDB
o3QwcjAdBgNVHQ4EFgQUqTzKY3fO4y7bDeelgR17n2VYAAEwHwYDVR0jBBgwFoAU
qTzKY3fO4y7bDeelgR17n2VYAAEwDwYDVR0TAQH/BAUwAwEB/zAPBgNVHREECDAG
hwR/AAABMA4GA1UdDwEB/wQEAwIChDAKBggqhkjOPQQDAgNHADBEAiBi+hxk6lQC
NhtbCZgqp9+Kt8I/CYEr4MzLOi9iWttVnwIgY2yYVl/1QZkszfyNo7GP3Rwzc60S
mFDLIkdjtiViNb4=
-----END CERTIFICATE-----
`
/** The key of {@link CERTIFICATE}. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrEuLXEbYWKBx8fPT
jHyg1UsPyz9I+CjtaSM7ljChA/OhRANCAATtVb/R7+1zSgkbmvgXoTZTkAOFvQwB
59nJV7gl9yQnbDUK8mefPdWDOgJgoxUHOQ//vmVEME1XeCFvEGqojIDB
-----END PRIVATE KEY-----
`
