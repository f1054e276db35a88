import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond, respondJson } from "../HostileRegistry.ts"

/** A registry whose name has a public address at first, and a private one when the operator is redirected to another port. */
export const attack: Attack = {
  gain: "answers of services that only the operator reaches, by a name that was found to be harmless",
  needsNames: true,
  start: Effect.fnUntraced(function* (stage) {
    const inside = yield* hostileRegistry(stage, (_, response) => respondJson(response, 200, { tags: ["9.9.9"] }))
    const port = inside.host.slice(inside.host.lastIndexOf(":"))
    const { begun, host } = yield* hostileRegistry(stage, (_, response) =>
      respond(response, 307, "", { location: `http://rebinding.hostile.test${port}/v2/inside/tags/list` })
    )
    return {
      begun,
      images: [
        {
          name: "rebinding",
          spec: specOf(stage, `rebinding.hostile.test${host.slice(host.lastIndexOf(":"))}/rebinding`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer", "Unreachable"] }
        }
      ],
      gains: () => inside.asked.map(({ path }) => `the operator asked an inner host for ${path}`)
    }
  })
}
