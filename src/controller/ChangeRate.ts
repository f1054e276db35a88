/**
 * Limits how often the changes of one Image count. Each change by a user ends the running check of the Image and begins another,
 * so a program that changes an Image all the time would cause requests without a limit, and no check would end.
 */
import { BoundedMap } from "../collections/BoundedMap.ts"

/** The changes that count at once after a pause, and the milliseconds between later changes. */
const BURST = 5
const INTERVAL = 1_000

/** The most Images whose changes are remembered. */
const IMAGES = 10_000

export class ChangeRate {
  /** By key: when the Image would have no change to wait for. Each change that counts moves this time by the interval. */
  readonly #free = new BoundedMap<string, number>({ capacity: IMAGES })

  /** When a change of a key at a time counts: at that time, or later. */
  allow(key: string, now: number): number {
    const free = Math.max(now, this.#free.get(key) ?? now)
    const at = Math.max(now, free - (BURST - 1) * INTERVAL)
    if (at === now) this.#free.set(key, free + INTERVAL)
    return at
  }
}
