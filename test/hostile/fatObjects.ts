/** Images that are as large as an API server lets them be, and that cost their tenant nothing. */
import type { HostileImage, Stage } from "./Attack.ts"
import { specOf } from "./Attack.ts"

const BYTES = 250_000

/** Suspended Images, each with texts of 250 kB in one place. */
export const fatImages = (
  stage: Stage,
  name: string,
  count: number,
  place: (text: string) => Pick<HostileImage, "annotations" | "labels">
): ReadonlyArray<HostileImage> =>
  Array.from({ length: count }, (_, index) => ({
    name: `${name}-${index}`,
    spec: specOf(stage, `${stage.address}:1/${name}/${index}`, "1.0.0", { suspend: true }),
    ...place(`${index} `.padEnd(BYTES, "x"))
  }))
