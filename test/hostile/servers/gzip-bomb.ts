import { gzipSync } from "node:zlib"
import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

const BYTES = 64 * 1024 * 1024

/** A list of tags that is small as it arrives and large once it is decompressed. */
export const attack: Attack = {
  gain: "the memory of the operator: a body grows a thousand times",
  start: Effect.fnUntraced(function* (stage) {
    const bomb = gzipSync(Buffer.alloc(BYTES, " "))
    const { begun, host } = yield* hostileRegistry(stage, (_, response) =>
      respond(response, 200, bomb, { "content-type": "application/json", "content-encoding": "gzip" })
    )
    return {
      begun,
      images: [
        {
          name: "gzip-bomb",
          spec: specOf(stage, `${host}/gzip-bomb`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"] }
        }
      ]
    }
  })
}
