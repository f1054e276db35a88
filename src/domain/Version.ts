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

/** Compares versions. A release comes after all its candidates. */
export const compareVersions = (a: Version, b: Version): number => {
  const order = compareNumbers(a.numbers, b.numbers)
  if (order !== 0 || a.candidate === b.candidate) return order
  if (a.candidate === undefined) return 1
  return b.candidate === undefined || a.candidate < b.candidate ? -1 : 1
}
