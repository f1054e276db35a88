import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const CHILDREN = 1_500
const LAYERS = 30_000

/** An index of 1,500 indexes, and a manifest of 30,000 layers. */
export const attack: Attack = {
  gain: "the memory of the operator, and thousands of requests for one tag",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const image = content.image()
    const children = Array.from({ length: CHILDREN }, (_, index) =>
      content.index([image], { annotations: { index: String(index) } })
    )
    const layer = content.put("a layer, again and again", "application/vnd.oci.image.layer.v1.tar")
    content
      .tag("indexes", content.index(children))
      .tag("layers", content.image(Array.from({ length: LAYERS }, () => layer)))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    return {
      begun,
      images: ["indexes", "layers"].map((tag) => ({
        name: `wide-index-${tag}`,
        spec: specOf(stage, `${host}/wide-index/${tag}`, tag),
        ends: { reasons: ["UnsupportedManifest", "InvalidAnswer"] }
      }))
    }
  })
}
