import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { endless, FILL, hostileRegistry } from "../HostileRegistry.ts"

/** A list of tags whose first tag never ends. */
export const attack: Attack = {
  gain: "the memory of the operator: an answer without an end is held",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, (_, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.write('{"tags":["')
      endless(response, FILL)
    })
    return {
      begun,
      images: [
        {
          name: "endless-tags",
          spec: specOf(stage, `${host}/endless-tags`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"] }
        }
      ]
    }
  })
}
