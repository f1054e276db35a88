/** What has happened in a run, for people to read; and what must not have. */
import type { OracleName } from "./oracles/names.ts"
import type { SimulatedTime } from "./SimulatedTime.ts"

/** Something that an oracle does not allow. */
export interface Violation {
  readonly oracle: OracleName
  readonly at: number
  readonly detail: string
}

/** Violations of one kind are told so often. */
const TOLD = 5

export class Chronicle {
  readonly story: Array<string> = []
  readonly violations: Array<Violation> = []
  readonly #time: SimulatedTime

  readonly #isFull: boolean

  constructor(time: SimulatedTime, isFull: boolean) {
    this.#time = time
    this.#isFull = isFull
  }

  note(text: string): void {
    this.story.push(`${seconds(this.#time.now)} ${text}`)
  }

  /** A line of the operator's log: told in a story that was asked for in full. */
  log(text: string): void {
    if (this.#isFull) this.note(`  log ${text}`)
  }

  report(oracle: OracleName, detail: string): void {
    if (this.violations.filter((violation) => violation.oracle === oracle).length >= TOLD) return
    this.violations.push({ oracle, at: this.#time.now, detail })
    this.note(`*** ${oracle}: ${detail}`)
  }
}

export const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)}s`
