import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const COPIES = 12
const SIZE = 1_000_000_000
const FIRST = Buffer.alloc(400_000, "x")
const PIECE = Buffer.alloc(131_072, "x")
const PIECE_MILLIS = 8_000

/** Blobs that come so slowly that a copy lasts for days, for more copies than a destination registry has slots. */
export const attack: Attack = {
  gain: "the slots of the destination registry that all tenants share",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    for (let index = 0; index < COPIES; index++) {
      const layer = { mediaType: LAYER, digest: digestOf(Buffer.from(`drip ${index}`)), size: SIZE }
      content.tag(`1.0.${index}`, content.image([layer]))
    }
    const config = content.config()
    const { begun, host } = yield* hostileRegistry(stage, (asked, response, pace) => {
      if (asked.route !== "blobs" || asked.reference === config.digest) return content.answer(asked, response)
      response.writeHead(200, { "content-length": SIZE })
      response.write(FIRST)
      pace.drip(response, PIECE_MILLIS, PIECE)
    })
    return {
      begun,
      images: Array.from({ length: COPIES }, (_, index) => ({
        name: `drip-blobs-${index}`,
        spec: specOf(stage, `${host}/drip-blobs/${index}`, `1.0.${index}`)
      }))
    }
  })
}
