import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { endless, FILL, hostileRegistry } from "../HostileRegistry.ts"

/** A header without an end. */
export const attack: Attack = {
  gain: "the memory of the operator: a head is held as a whole",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, (_, { socket }) => {
      if (socket === null) return
      socket.write("HTTP/1.1 200 OK\r\nx-huge: ")
      endless(socket, FILL)
    })
    return {
      begun,
      images: [
        {
          name: "huge-headers",
          spec: specOf(stage, `${host}/huge-headers`, "1.0.x"),
          ends: { reasons: ["Unreachable"] }
        }
      ]
    }
  })
}
