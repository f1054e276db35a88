/** The oracle `hotLoop`: the number of an Image's reconciles in any minute. */
import { count, type World } from "../World.ts"

const MINUTE = 60_000
/** A copy changes about five times, and each write of a status may conflict. */
const PER_TAG = 10
const IN_ANY_CASE = 60
/** The delay of a reconcile if its Image is reconciled too often, so that a loop does not block the run. */
export const BRAKE = 1_000

export const watchReconciles = (world: World) => {
  const recent = new Map<string, Array<number>>()
  const most = IN_ANY_CASE + PER_TAG * (world.shape.tags + 10)

  return {
    /** Counts a reconcile of an Image. Gives whether the Image is reconciled too often. */
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
