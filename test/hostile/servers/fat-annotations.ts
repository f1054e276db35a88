import { Effect } from "effect"
import type { Attack } from "../Attack.ts"
import { fatImages } from "../fatObjects.ts"

const COUNT = 500

/** 500 suspended Images with annotations of 250 kB: 125 MB that a quota of objects hardly sees. */
export const attack: Attack = {
  gain: "the memory of the operator, at each start again: no tenant is served before an admin deletes the Images",
  atStart: true,
  start: (stage) =>
    Effect.succeed({
      images: fatImages(stage, "fat-annotations", COUNT, (text) => ({ annotations: { "tenant.example/a": text } }))
    })
}
