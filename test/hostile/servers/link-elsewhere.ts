import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respondJson } from "../HostileRegistry.ts"

/** A list of tags whose next page is on another host, or a file. */
export const attack: Attack = {
  gain: "requests of the operator to hosts that only the operator reaches",
  start: Effect.fnUntraced(function* (stage) {
    const internal = yield* hostileRegistry(stage, (_, response) => respondJson(response, 200, { tags: ["9.9.9"] }))
    const { begun, host } = yield* hostileRegistry(stage, ({ repository }, response) => {
      const next = repository.endsWith("file") ? "file:///etc/passwd" : `http://${internal.host}/v2/internal/tags/list`
      respondJson(response, 200, { tags: ["1.0.0"] }, { link: `<${next}>; rel="next"` })
    })
    return {
      begun,
      images: ["host", "file"].map((place) => ({
        name: `link-elsewhere-${place}`,
        spec: specOf(stage, `${host}/link-elsewhere/${place}`, "1.0.x"),
        ends: { reasons: ["InvalidAnswer"], says: /names another host/u }
      })),
      gains: () => internal.asked.map(({ path }) => `the operator asked another host for ${path}`)
    }
  })
}
