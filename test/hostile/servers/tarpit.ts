import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { hostileRegistry, respondJson } from "../HostileRegistry.ts"

const IMAGES = 30
const PAGE_MILLIS = 20_000

/** A list of tags whose every page takes 20 seconds, for more Images than the operator reconciles at once. */
export const attack: Attack = {
  gain: "the time of all others: the reconciles of one tenant take every worker for hours",
  start: Effect.fnUntraced(function* (stage) {
    const { begun, host } = yield* hostileRegistry(stage, ({ path, query }, response, pace) => {
      const page = Number(query.get("page") ?? 0)
      pace.after(PAGE_MILLIS, () =>
        respondJson(response, 200, { tags: [`1.0.${page}`] }, { link: `<${path}?page=${page + 1}>; rel="next"` })
      )
    })
    return {
      begun,
      images: Array.from({ length: IMAGES }, (_, index) => ({
        name: `tarpit-${index}`,
        spec: specOf(stage, `${host}/tarpit/${index}`, "2.0.x")
      }))
    }
  })
}
