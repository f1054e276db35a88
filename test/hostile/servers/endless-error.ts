import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { endless, FILL, hostileRegistry } from "../HostileRegistry.ts"

/** An error whose code never ends. */
export const attack: Attack = {
  gain: "the memory of the operator, and a condition of any length",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, (_, response) => {
      response.writeHead(403, { "content-type": "application/json" })
      response.write('{"errors":[{"code":"')
      endless(response, FILL)
    })
    return {
      begun,
      images: [
        {
          name: "endless-error",
          spec: specOf(stage, `${host}/endless-error`, "1.0.x"),
          ends: { reasons: ["AuthenticationFailed", "InvalidAnswer"] }
        }
      ]
    }
  })
}
