import { Effect } from "effect"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type Attack, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { endless, FILL, hostileRegistry } from "../HostileRegistry.ts"

/** A blob of 1,000 bytes that never ends. */
export const attack: Attack = {
  gain: "the traffic of the operator, and the disk of the destination",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const layer = { mediaType: LAYER, digest: digestOf(Buffer.from("endless")), size: 1_000 }
    content.tag("1.0.0", content.image([layer]))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => {
      if (asked.reference !== layer.digest) return content.answer(asked, response)
      response.writeHead(200)
      endless(response, FILL)
    })
    return {
      begun,
      images: [
        {
          name: "endless-blob",
          spec: specOf(stage, `${host}/endless-blob`, "1.0.0"),
          ends: { reasons: ["DigestMismatch"], says: /more bytes/u }
        }
      ]
    }
  })
}
