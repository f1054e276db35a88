/** The story of a run for people, and the violations of oracles. */
import type { OracleName } from "./oracles/names.ts"
import type { SimulatedTime } from "./SimulatedTime.ts"

/** A violation of an oracle. */
export interface Violation {
  readonly oracle: OracleName
  readonly at: number
  readonly detail: string
}

/** The most violations of one oracle that are recorded. */
const RECORDED = 5

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

  /** Adds a line of the operator's log to a full story. */
  log(text: string): void {
    if (this.#isFull) this.note(`  log ${text}`)
  }

  report(oracle: OracleName, detail: string): void {
    if (this.violations.filter((violation) => violation.oracle === oracle).length >= RECORDED) return
    this.violations.push({ oracle, at: this.#time.now, detail })
    this.note(`*** ${oracle}: ${detail}`)
  }
}

export const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)}s`
