import { Effect } from "effect"
import type { Attack } from "../Attack.ts"
import { fatImages } from "../fatObjects.ts"

/** The longest value of a label. */
const VALUE = 63

/** 500 suspended Images with thousands of labels each. */
export const attack: Attack = {
  gain: "the memory of the operator, at each start again: no tenant is served before an admin deletes the Images",
  atStart: true,
  start: (stage) =>
    Effect.succeed({
      images: fatImages(stage, "fat-labels", (text) => ({
        labels: Object.fromEntries(
          Array.from({ length: Math.floor(text.length / (2 * VALUE)) }, (_, index) => [
            `label-${index}`.padEnd(VALUE, "x"),
            "x".repeat(VALUE)
          ])
        )
      }))
    })
}
