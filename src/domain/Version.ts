/** The version that a tag names, as numbers, and the order of versions. */

/** A version, such as 1.4.0 or 2026.02.0-rc2. */
export interface Version {
  /** Of any size, because builds are numbered by date and time too: 1.0.20240115123045123. */
  readonly numbers: ReadonlyArray<bigint>
  /** The number of a candidate release: 2 of `-rc2`. */
  readonly candidate?: bigint
}

/** A candidate release at the end of a version: `-rc1`, `-rc.1`, `-rc10`. */
export const CANDIDATE = "-rc\\.?[0-9]+"

/** The numbers in a text, in order. Leading zeros have no meaning. */
export const numbersOf = (text: string): ReadonlyArray<bigint> => (text.match(/[0-9]+/gu) ?? []).map(BigInt)

/** The version of a release's text and of its candidate's text, if the release is a candidate. */
export const versionOf = (release: string, candidate: string | undefined): Version => {
  const [number] = numbersOf(candidate ?? "")
  return number === undefined ? { numbers: numbersOf(release) } : { numbers: numbersOf(release), candidate: number }
}

/** Compares number by number. A missing number counts as 0, so that 1.4 and 1.4.0 are equal. */
export const compareNumbers = (a: ReadonlyArray<bigint>, b: ReadonlyArray<bigint>): number => {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i] ?? 0n
    const right = b[i] ?? 0n
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/**
 * A text that sorts as the version does, for a long list of tags: big integers of a registry's tags would take some 20 times the
 * memory. A number has its length in front, so that 9 sorts before 10. Missing numbers and zeros at the end count as none, and a
 * release comes after all its candidates.
 */
export const sortKeyOf = ({ candidate, numbers }: Version): string => {
  const last = numbers.findLastIndex((number) => number !== 0n)
  const end = candidate === undefined ? RELEASE : `${CANDIDATE_END}${keyOfNumber(candidate)}`
  // A join copies its parts. A concatenation would keep each of them in memory.
  return [...numbers.slice(0, last + 1).map(keyOfNumber), end].join("")
}

/** What ends the numbers of a key. Both sort before another number. */
const CANDIDATE_END = "\u0000"
const RELEASE = "\u0001"

const keyOfNumber = (number: bigint): string => {
  const digits = number === 0n ? "" : String(number)
  return `${String.fromCharCode(digits.length + 2)}${digits}`
}
