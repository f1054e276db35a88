import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond, respondError } from "../HostileRegistry.ts"

const [USERNAME, PASSWORD] = ["bob", 'S3cret&<x>/+pass"w']
const BASIC = Buffer.from(`${USERNAME}:${PASSWORD}`)

/** The forms of the password that a registry may answer with. */
const FORMS: Readonly<Record<string, string>> = {
  plain: PASSWORD,
  percent: encodeURIComponent(PASSWORD),
  json: JSON.stringify(PASSWORD).slice(1, -1),
  html: PASSWORD.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
  basic: BASIC.toString("base64"),
  unpadded: BASIC.toString("base64").replace(/=+$/u, ""),
  "base64-url": BASIC.toString("base64url"),
  "password-base64": Buffer.from(PASSWORD).toString("base64"),
  "password-unpadded": Buffer.from(PASSWORD).toString("base64").replace(/=+$/u, ""),
  hex: Buffer.from(PASSWORD).toString("hex")
}

/** A registry that answers with the password it was sent, in one form after the other, in words and in a path. */
export const attack: Attack = {
  gain: "the password of a Secret, for readers of Images, logs or Events",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(
      stage,
      ({ authorization, path, repository }, response) => {
        if (path.includes("/leak/")) return respond(response, 404)
        if (authorization === undefined) return respond(response, 401, "", { "www-authenticate": "Basic realm=x" })
        const [, place, name = ""] = repository.split("/")
        const form = FORMS[name] ?? ""
        if (place === "path") respond(response, 307, "", { location: `/v2/leak/${encodeURI(form)}/leak/` })
        else respondError(response, 403, `you sent ${form} to me`)
      },
      { tls: true }
    )
    const secret = { name: "echo", registry: host, username: USERNAME, password: PASSWORD }
    const reasons: ReadonlyArray<string> = ["AuthenticationFailed", "SourceNotFound", "NotFound", "InvalidAnswer"]
    return {
      begun,
      secrets: [secret],
      unspeakable: [...new Set(Object.values(FORMS))],
      images: ["words", "path"].flatMap((place) =>
        Object.keys(FORMS).map((form) => ({
          name: `echo-${place}-${form}`,
          spec: specOf(stage, `${host}/echo/${place}/${form}`, "1.0.x", {
            source: { tlsVerify: true, credentials: { secretRef: { name: secret.name } } }
          }),
          ends: { reasons }
        }))
      )
    }
  })
}
