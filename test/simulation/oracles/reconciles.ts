/** How often an Image is reconciled in any minute. */
import { count, type World } from "../World.ts"

const MINUTE = 60_000
/** A copy changes some five times, and the change of a status may conflict. */
const PER_TAG = 10
const IN_ANY_CASE = 60
/** How long a reconcile is held back once an Image is reconciled too often, so that a loop does not hold up the run. */
export const BRAKE = 1_000

export const watchReconciles = (world: World) => {
  const recent = new Map<string, Array<number>>()
  const most = IN_ANY_CASE + PER_TAG * (world.shape.tags + 10)

  return {
    /** An Image is reconciled; answers whether that happens too often. */
    reconciled: (image: string): boolean => {
      count(world.counters.reconciles, image)
      if (image.startsWith("crowd/")) world.counters.crowd.push(world.now)
      const times = recent.get(image) ?? []
      recent.set(image, times)
      times.push(world.now)
      while ((times[0] ?? world.now) <= world.now - MINUTE) times.shift()
      if (times.length <= most) return false
      world.chronicle.report("hotLoop", `${image} was reconciled ${times.length} times within a minute`)
      return true
    }
  }
}
