import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const PIECE_MILLIS = 500

/** A list of tags that goes on by a byte every half a second. */
export const attack: Attack = {
  gain: "a worker of the operator for as long as the body goes on",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, (_, response, pace) => {
      response.writeHead(200, { "content-type": "application/json" })
      pace.drip(response, PIECE_MILLIS, " ")
    })
    return { begun, images: [{ name: "slow-body", spec: specOf(stage, `${host}/slow-body`, "1.0.x") }] }
  })
}
