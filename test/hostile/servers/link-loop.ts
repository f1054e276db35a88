import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respondJson } from "../HostileRegistry.ts"

/** A list of tags whose pages lead to each other, or each to another one. */
export const attack: Attack = {
  gain: "a worker of the operator for ever",
  start: Effect.fnUntraced(function* (stage) {
    let pages = 0
    const { begun, host } = yield* hostileRegistry(stage, ({ path, repository }, response) => {
      pages += 1
      const next = repository.endsWith("circle") ? pages % 2 : pages
      respondJson(response, 200, { tags: ["1.0.0"] }, { link: `<${path}?page=${next}>; rel="next"` })
    })
    return {
      begun,
      images: ["circle", "line"].map((shape) => ({
        name: `link-loop-${shape}`,
        spec: specOf(stage, `${host}/link-loop/${shape}`, "1.0.x"),
        ends: { reasons: ["InvalidAnswer"], says: /does not end/u }
      }))
    }
  })
}
