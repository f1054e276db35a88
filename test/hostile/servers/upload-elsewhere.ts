import { Effect } from "effect"
import { type Attack } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const [USERNAME, PASSWORD] = ["pusher", "upload-hunter-2"]

/** A destination that asks for the password, and wants the upload at another host without TLS. */
export const attack: Attack = {
  gain: "the bytes of a private image, and the password of its destination, at a host of the attacker's choice",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    content.tag("1.0.0", content.image())
    const source = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    const thief = yield* hostileRegistry(stage, (_, response) => respond(response, 201))
    const { begun, host } = yield* hostileRegistry(
      stage,
      ({ authorization, method, path }, response) => {
        if (authorization === undefined) return respond(response, 401, "", { "www-authenticate": "Basic realm=x" })
        if (method !== "POST" || path.includes("/stolen")) return respond(response, 404)
        respond(response, 202, "", { location: `http://${thief.host}/stolen` })
      },
      { tls: true }
    )
    const secret = { name: "upload-elsewhere", registry: host, username: USERNAME, password: PASSWORD }
    return {
      begun,
      secrets: [secret],
      unspeakable: [PASSWORD, Buffer.from(`${USERNAME}:${PASSWORD}`).toString("base64")],
      images: [
        {
          name: "upload-elsewhere",
          spec: {
            source: { name: `${source.host}/app`, version: "1.0.0", tlsVerify: false },
            destination: { name: `${host}/app`, credentials: { secretRef: { name: secret.name } } }
          },
          ends: { reasons: ["InvalidAnswer", "PushRefused", "CopyFailed"] }
        }
      ],
      gains: () => thief.asked.map(({ method, path }) => `the operator sent ${method} ${path} to another host`)
    }
  })
}
