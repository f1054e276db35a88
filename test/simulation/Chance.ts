/** Random choices from a seed. Each part of the world has its own stream, so that no part changes the choices of another part. */
import { seededRandom } from "../support/seededRandom.ts"

export interface Chance {
  /** A whole number from one bound to the other, both included. */
  readonly between: (least: number, most: number) => number
  /** True with this probability. */
  readonly happens: (probability: number) => boolean
  readonly oneOf: <A>(...choices: readonly [A, ...ReadonlyArray<A>]) => A
  /** One of a list that may be empty. */
  readonly pick: <A>(choices: ReadonlyArray<A>) => A | undefined
}

export const chanceOf = (seed: number, part: string): Chance => {
  let mixed = seed
  for (const letter of part) mixed = Math.imul(mixed ^ (letter.codePointAt(0) ?? 0), 0x01_00_01_93) + 0x9e_37
  const random = seededRandom(mixed)
  // The first numbers of similar seeds are similar.
  random.below(2)
  return {
    between: (least, most) => least + random.below(most - least + 1),
    happens: random.chance,
    oneOf: (...choices) => choices[random.below(choices.length)] ?? choices[0],
    pick: random.pick
  }
}
