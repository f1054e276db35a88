/** The oracle `spread`: Images that were created at the same time are checked at different times. */
import type { World } from "../World.ts"

/** The part of the interval in which at most half of all checks may happen. */
const PART = 0.1
const MINUTES = 5

export const spread = (world: World, since: number): void => {
  const { crowd } = world.shape
  const part = MINUTES * 60_000 * PART
  const times = world.counters.crowd.filter((at) => at >= since)
  const most = Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + part).length))
  if (crowd > 0 && most > crowd / 2)
    world.chronicle.report("spread", `${most} of ${crowd} Images were checked within ${part / 1_000} s`)
}
