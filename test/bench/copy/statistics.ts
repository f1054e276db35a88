/** Medians of a few runs, and their intervals. */

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

/** Pseudorandom numbers in [0, 1) with a fixed seed (mulberry32). */
const pseudoRandom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Ratio {
  readonly value: number
  /** The interval of 95 %. */
  readonly low: number
  readonly high: number
}

const RESAMPLES = 4_000
const SEED = 20_260_101

/**
 * The ratio of two medians with its bootstrap interval (percentile method). Runs at the same place in both lists were
 * made at the same time and are drawn together, because a disturbance affects both.
 */
export const ratioOfMedians = (own: ReadonlyArray<number>, other: ReadonlyArray<number>): Ratio => {
  const runs = Math.min(own.length, other.length)
  const random = pseudoRandom(SEED)
  const ratios = Array.from({ length: RESAMPLES }, () => {
    const drawn = Array.from({ length: runs }, () => Math.floor(random() * runs))
    return median(drawn.map((run) => own[run] ?? 0)) / median(drawn.map((run) => other[run] ?? 0))
  }).sort((a, b) => a - b)
  const at = (share: number) => ratios[Math.round(share * (ratios.length - 1))] ?? Number.NaN
  return { value: median(own) / median(other), low: at(0.025), high: at(0.975) }
}
