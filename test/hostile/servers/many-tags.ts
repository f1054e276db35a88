import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { Content } from "../Content.ts"
import { hostileRegistry, respondJson } from "../HostileRegistry.ts"

const COUNTS = [20_000, 100_000]

/** Tens of thousands of tags, all of which an Image's pattern selects. */
export const attack: Attack = {
  gain: "the memory and a core of the operator, and requests without end to both registries",
  start: Effect.fnUntraced(function* (stage) {
    const content = new Content()
    const { digest } = content.image()
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => {
      const { reference, repository, route } = asked
      if (route === "manifests")
        return content.answer({ ...asked, reference: reference.includes(":") ? reference : digest }, response)
      if (route !== "tags") return content.answer(asked, response)
      const count = Number(repository.split("-").at(-1))
      respondJson(response, 200, { tags: Array.from({ length: count }, (_, index) => `1.0.${index}`) })
    })
    return {
      begun,
      images: COUNTS.map((count) => ({
        name: `many-tags-${count}`,
        spec: specOf(stage, `${host}/many-tags-${count}`, "1.0.x"),
        ends: { reasons: ["TooManyTags"] }
      }))
    }
  })
}
