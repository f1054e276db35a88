import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond, respondJson } from "../HostileRegistry.ts"

const [USERNAME, PASSWORD] = ["tenant", "realm-hunter-2"]

/** A registry with TLS whose challenge names a token server without TLS, of another owner, or inside the cluster. */
export const attack: Attack = {
  gain: "the password of a tenant in clear or at a stranger's, and requests to hosts that only the operator reaches",
  needsNames: true,
  start: Effect.fnUntraced(function* (stage) {
    const stolen: Array<string> = []
    const thief = yield* hostileRegistry(stage, ({ authorization, path }, response) => {
      stolen.push(`${path} with ${authorization === undefined ? "nothing" : "the password"}`)
      respondJson(response, 200, { token: "a-token" })
    })
    const port = thief.host.slice(thief.host.lastIndexOf(":"))
    const realms: Readonly<Record<string, string>> = {
      plain: `http://${thief.host}/plain`,
      metadata: `http://169.254.169.254${port}/metadata`,
      private: `https://private.hostile.test${port}/private`,
      scheme: `ftp://${thief.host}/scheme`,
      // 12 kB of a stranger's text.
      long: `ftp://${thief.host}/${"A".repeat(12_000)}`
    }
    const { begun, host } = yield* hostileRegistry(
      stage,
      ({ repository }, response) =>
        respond(response, 401, "", {
          "www-authenticate": `Bearer realm="${realms[repository.split("/").at(-1) ?? ""] ?? ""}",service="s",scope="repository:x:pull"`
        }),
      { tls: true }
    )
    const secret = { name: "token-realm", registry: host, username: USERNAME, password: PASSWORD }
    return {
      begun,
      secrets: [secret],
      unspeakable: [PASSWORD],
      images: Object.keys(realms).map((kind) => ({
        name: `token-realm-${kind}`,
        spec: specOf(stage, `${host}/token-realm/${kind}`, "1.0.x", {
          source: { tlsVerify: true, credentials: { secretRef: { name: secret.name } } }
        }),
        ends: { reasons: ["InvalidAnswer", "AuthenticationFailed", "Unreachable", "CredentialsNotSent"] }
      })),
      gains: () => stolen.map((what) => `a token server that should not be asked was asked for ${what}`)
    }
  })
}
