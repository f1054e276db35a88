import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respond, respondError } from "../HostileRegistry.ts"

/** Each status from 400 to 599 in turn, and a pause until the end of time. */
export const attack: Attack = {
  gain: "series of metrics without end, and an Image that is never checked again",
  start: Effect.fnUntraced(function* (stage) {
    let answers = 0
    const { begun, host } = yield* hostileRegistry(stage, ({ repository }, response) => {
      if (repository.endsWith("later")) {
        response.setHeader("retry-after", "99999999999999999999")
        return respondError(response, 429, "later", "TOOMANYREQUESTS")
      }
      respond(response, 400 + (answers++ % 200))
    })
    return {
      begun,
      images: [
        ...Array.from({ length: 50 }, (_, index) => ({
          name: `odd-answers-${index}`,
          spec: specOf(stage, `${host}/odd-answers/${index}`, "1.0.x")
        })),
        {
          name: "odd-answers-later",
          spec: specOf(stage, `${host}/odd-answers/later`, "1.0.x"),
          ends: { reasons: ["RateLimited"] }
        }
      ]
    }
  })
}
