import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const [LISTED_BYTES, TOO_MANY_BYTES] = [8_000_000, 15_900_000]

/** A page with one "tag" of megabytes: just within the limit of a list, and beyond. */
export const attack: Attack = {
  gain: "the memory of the operator, and whatever shows tags: 8 MB of one text",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, ({ repository }, response) => {
      const size = repository.endsWith("within") ? LISTED_BYTES : TOO_MANY_BYTES
      respond(response, 200, `{"tags":["${"9".repeat(size)}"]}`, { "content-type": "application/json" })
    })
    return {
      begun,
      images: [
        {
          name: "long-tag-within",
          spec: specOf(stage, `${host}/long-tag/within`, "1.0.x"),
          ends: { reasons: ["NoTagMatches"] }
        },
        {
          name: "long-tag-beyond",
          spec: specOf(stage, `${host}/long-tag/beyond`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"], says: /list of tags is longer/u }
        }
      ]
    }
  })
}
