import { Effect } from "effect"
import { type Attack, specOf } from "../Attack.ts"
import { Content, LAYER } from "../Content.ts"
import { hostileRegistry, respond } from "../HostileRegistry.ts"

/** A layer that the manifest offers at another host. */
export const attack: Attack = {
  gain: "requests of the operator to hosts that only the operator reaches",
  start: Effect.fnUntraced(function* (stage) {
    const inside = yield* hostileRegistry(stage, (_, response) => respond(response, 200))
    const content = new Content()
    const layer = { ...content.put("a layer", LAYER), urls: [`http://${inside.host}/layer`] }
    content.tag("1.0.0", content.image([layer]))
    const { begun, host } = yield* hostileRegistry(stage, (asked, response) => content.answer(asked, response))
    return {
      begun,
      images: [
        {
          name: "foreign-urls",
          spec: specOf(stage, `${host}/foreign-urls`, "1.0.0"), // Some registries refuse a manifest that names other hosts.
          ends: { reasons: ["Copied", "ServerError", "PushRefused"] }
        }
      ],
      gains: () => inside.asked.map(({ path }) => `the operator asked another host for ${path}`)
    }
  })
}
