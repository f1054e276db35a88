/** A token server for distribution's registries. Tokens are JWTs, signed with a certificate of the server's authority. */
import { createHash, sign } from "node:crypto"
import { Effect, type Scope } from "effect"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"
import { type Authority, makeAuthority } from "./certificates.ts"
import { errorBody, json } from "./ScriptedServer.ts"

export interface TokenServer {
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** The authority of the signing certificate, as PEM. */
  readonly authority: string
}

export interface TokenServerOptions {
  readonly username: string
  readonly password: string
  /** The authority of the server's TLS certificate. Default: plain HTTP. */
  readonly tls?: Authority
}

const SERVICE = "test registries"
const ISSUER = "test tokens"
/** Times far in the past and in the future, so that no clock matters. */
const SINCE = Date.UTC(2020, 0, 1) / 1_000
const UNTIL = Date.UTC(2120, 0, 1) / 1_000

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** `repository:team/app:pull,push` */
const accessOf = (scope: string) => {
  const [, type = "", name = "", actions = ""] = /^([a-z]+):(.+):([^:]*)$/u.exec(scope) ?? []
  return { type, name, actions: actions.split(",") }
}

/** Gives a token for the requested scope to the one user, and no token to others. */
export const startTokenServer = ({
  password,
  tls,
  username
}: TokenServerOptions): Effect.Effect<TokenServer, never, Scope.Scope> =>
  Effect.suspend(() => {
    const authority = makeAuthority("test tokens authority")
    const signer = authority.issue(["test tokens"])
    const chain = signer.certificate.replaceAll(/-----[^-]+-----|\s/gu, "")
    const basic = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`
    const tokenFor = (scopes: ReadonlyArray<string>): string => {
      const claims = {
        iss: ISSUER,
        sub: username,
        aud: SERVICE,
        nbf: SINCE,
        iat: SINCE,
        exp: UNTIL,
        jti: createHash("sha256").update(scopes.join(" ")).digest("hex"),
        access: scopes.map(accessOf)
      }
      const content = `${encoded({ typ: "JWT", alg: "ES256", x5c: [chain] })}.${encoded(claims)}`
      const signature = sign("sha256", Buffer.from(content), { key: signer.key, dsaEncoding: "ieee-p1363" })
      return `${content}.${signature.toString("base64url")}`
    }
    return Effect.map(
      serve(
        (request, response) => {
          const { authorization } = request.headers
          const { searchParams } = new URL(request.url ?? "/", "http://tokens")
          if (authorization !== undefined && authorization !== basic) {
            json(response, 401, errorBody("UNAUTHORIZED", "wrong user name or password"))
            return
          }
          const scopes = authorization === undefined ? [] : searchParams.getAll("scope")
          json(response, 200, { token: tokenFor(scopes), expires_in: 300 })
        },
        tls?.issue(["127.0.0.1"])
      ),
      (host) => ({
        realm: `${tls === undefined ? "http" : "https"}://${host}/token`,
        service: SERVICE,
        issuer: ISSUER,
        authority: authority.certificate
      })
    )
  })
