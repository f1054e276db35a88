/** Pseudorandom choices that depend on a seed only: mulberry32, which is short and good enough for tests. */
export const seededRandom = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  /** A whole number below a bound. */
  const below = (bound: number): number => Math.floor(next() * bound)
  return {
    below,
    /** True with this probability. */
    chance: (probability: number): boolean => next() < probability,
    /** One of the items, if there are any. */
    pick: <A>(from: ReadonlyArray<A>): A | undefined => from[below(from.length)]
  }
}
