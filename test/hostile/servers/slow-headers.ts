import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const PIECE_MILLIS = 500

/** A header that goes on by a byte every half a second. */
export const attack: Attack = {
  gain: "a worker of the operator for as long as the header goes on",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, (_, { socket }, pace) => {
      if (socket === null) return
      socket.write("HTTP/1.1 200 OK\r\nx-slow: ")
      pace.drip(socket, PIECE_MILLIS, "x")
    })
    return { begun, images: [{ name: "slow-headers", spec: specOf(stage, `${host}/slow-headers`, "1.0.x") }] }
  })
}
