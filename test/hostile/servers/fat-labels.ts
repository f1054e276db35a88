import { Effect } from "effect"
import type { Attack } from "../Attack.ts"
import { fatImages } from "../fatObjects.ts"

/** The longest value of a label. */
const VALUE = 63

/** An API server indexes labels, so that 500 such Images would take it minutes. */
const COUNT = 100

/** 100 suspended Images with thousands of labels each, 250 kB in all. */
export const attack: Attack = {
  gain: "the memory of the operator, at each start again: no tenant is served before an admin deletes the Images",
  atStart: true,
  start: (stage) =>
    Effect.succeed({
      images: fatImages(stage, "fat-labels", COUNT, (text) => ({
        labels: Object.fromEntries(
          Array.from({ length: Math.floor(text.length / (2 * VALUE)) }, (_, index) => [
            `label-${index}`.padEnd(VALUE, "x"),
            "x".repeat(VALUE)
          ])
        )
      }))
    })
}
