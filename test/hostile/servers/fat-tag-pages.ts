import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const TAG_BYTES = 7 * 1024 * 1024

/** A list of tags in 1,000 pages of 7 MiB, each with one "tag". */
export const attack: Attack = {
  gain: "the memory of the operator: each page is within its limit, and all pages are held",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, ({ path, query }, response) => {
      const page = Number(query.get("page") ?? 0)
      const tag = String.fromCharCode(97 + (page % 26)).repeat(TAG_BYTES)
      respond(response, 200, `{"tags":["${tag}"]}`, {
        "content-type": "application/json",
        link: `<${path}?page=${page + 1}>; rel="next"`
      })
    })
    return {
      begun,
      images: [
        {
          name: "fat-tag-pages",
          spec: specOf(stage, `${host}/fat-tag-pages`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"], says: /list of tags is longer/u }
        }
      ]
    }
  })
}
