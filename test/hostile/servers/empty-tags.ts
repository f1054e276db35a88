import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const COUNT = 2_700_000

/** One page of 8 MiB with millions of empty strings, each of which takes many times its bytes once it is parsed. */
export const attack: Attack = {
  gain: "the memory of the operator: values take more memory than their text",
  start: Effect.fnUntraced(function* (stage) {
    const page = `{"tags":[${'"",'.repeat(COUNT)}"1.0.0"]}`
    const { begun, host } = yield* hostileRegistry(stage, (_, response) =>
      respond(response, 200, page, { "content-type": "application/json" })
    )
    return {
      begun,
      images: [
        {
          name: "empty-tags",
          spec: specOf(stage, `${host}/empty-tags`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"], says: /list of tags is longer/u }
        }
      ]
    }
  })
}
