import { Effect } from "effect"
import { Images } from "../../../src/kube/Resources.ts"
import { type Attack, specOf } from "../Attack.ts"

const COUNT = 500
/** Slower than an event is handled, so that no deletion is handled together with the next. */
const PAUSE = "10 millis"

/** 500 suspended Images that claim one tag, deleted from the oldest on: each deletion gives the tag another owner. */
export const attack: Attack = {
  gain: "a core of the operator: each deletion concerns all Images with a claim on the same tag",
  start: (stage) => {
    const images = Array.from({ length: COUNT }, (_, index) => ({
      name: `many-claims-${index}`,
      spec: specOf(stage, `${stage.address}:1/many-claims`, "1.0.0", { suspend: true })
    }))
    return Effect.succeed({
      images,
      strike: (kube, namespace) =>
        Effect.asVoid(
          Effect.forkScoped(
            Effect.forEach(images, ({ name }) => Effect.delay(kube.delete(Images, { namespace, name }), PAUSE), {
              discard: true
            })
          )
        )
    })
  }
}
