import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { endless, FILL, hostileRegistry, respond, respondJson } from "../HostileRegistry.ts"

const KINDS = ["lines", "endless", "infinite", "long"]

/** A token server that answers with line breaks, without an end, or with a life beyond all clocks. */
export const attack: Attack = {
  gain: "headers of the attacker's choice in later requests, the memory of the operator, or timers that overflow",
  start: Effect.fnUntraced(function* (stage) {
    const injected: Array<string> = []
    const { begun, host } = yield* hostileRegistry(
      stage,
      ({ authorization = "", path, query, repository, route }, response) => {
        if (response.req.headers["x-injected"] !== undefined) injected.push(path)
        const kind = query.get("service") ?? repository.split("/").at(-1) ?? ""
        if (route !== "other") {
          // The token is never good enough.
          const challenge = `Bearer realm="http://${response.req.headers.host ?? ""}/token",service="${kind}"`
          return respond(response, 401, authorization.slice(0, 20), { "www-authenticate": challenge })
        }
        if (kind === "endless") {
          response.writeHead(200, { "content-type": "application/json" })
          response.write('{"token":"')
          return endless(response, FILL)
        }
        const token = kind === "lines" ? "a\r\nx-injected: 1" : kind === "long" ? "t".repeat(30_000) : "t"
        respondJson(response, 200, { token, expires_in: 1e308 })
      }
    )
    return {
      begun,
      images: KINDS.map((kind) => ({
        name: `token-answer-${kind}`,
        spec: specOf(stage, `${host}/token-answer/${kind}`, "1.0.x"),
        ends: { reasons: ["InvalidAnswer", "AuthenticationFailed", "Unreachable"] }
      })),
      gains: () => injected.map((path) => `a token put a header into the request of ${path}`)
    }
  })
}
