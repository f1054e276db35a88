import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

/** A redirect that leads to itself, each time by another query. */
export const attack: Attack = {
  gain: "a worker of the operator for ever",
  start: Effect.fnUntraced(function* (stage) {
    let redirects = 0
    const { begun, host } = yield* hostileRegistry(stage, ({ path }, response) => {
      redirects += 1
      respond(response, 307, "", { location: `${path}?${redirects}` })
    })
    return {
      begun,
      images: [
        {
          name: "redirect-loop",
          spec: specOf(stage, `${host}/redirect-loop`, "1.0.x"),
          ends: { reasons: ["InvalidAnswer"], says: /redirect/u }
        }
      ]
    }
  })
}
