import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { Content, type Descriptor } from "../Content.ts"
import { hostileRegistry } from "../HostileRegistry.ts"

const DEPTH = 1_000

/** An index in an index, a thousand times. */
export const attack: Attack = {
  gain: "the stack of the operator, and a request for each level",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    let root: Descriptor = content.image()
    for (let depth = 0; depth < DEPTH; depth++) root = content.index([root])
    content.tag("1.0.0", root)
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    return {
      begun,
      images: [
        {
          name: "deep-index",
          spec: specOf(stage, `${host}/deep-index`, "1.0.0"),
          ends: { reasons: ["UnsupportedManifest"], says: /nested more than/u }
        }
      ]
    }
  })
}
