/** The values of labels that users and registries choose: their number is bounded. */

/**
 * The most registries and images with their own labels, because users can name any number. All others are counted as `other`
 * meanwhile.
 */
export const LABELS = { registries: 100, images: 1_000 }

/** The label of all names without one of their own. */
export const OTHER = "other"

/** After so many scrapes without a use, a name may lose its label to another name. */
const IDLE_SCRAPES = 10

/** The names that have labels. */
export class Labels {
  readonly #most: number
  readonly #dropSeries: (name: string) => void
  /** From the least to the most recently used: the number of scrapes before the last use. */
  readonly #used = new Map<string, number>()
  #scrapes = 0

  /** @param dropSeries removes the series of a name that loses its label */
  constructor(most: number, dropSeries: (name: string) => void) {
    this.#most = most
    this.#dropSeries = dropSeries
  }

  /** The label of a name that is used now. A name gets the label of the one that was used longest ago, if that is idle. */
  of(name: string): string {
    if (!this.#used.has(name) && this.#used.size >= this.#most && !this.#dropIdle()) return OTHER
    this.#used.delete(name)
    this.#used.set(name, this.#scrapes)
    return name
  }

  /** Ends the series of a name that is gone. */
  drop(name: string): void {
    if (this.#used.delete(name)) this.#dropSeries(name)
  }

  scraped(): void {
    this.#scrapes += 1
  }

  #dropIdle(): boolean {
    for (const [oldest, scrapes] of this.#used) {
      if (this.#scrapes - scrapes < IDLE_SCRAPES) return false
      this.drop(oldest)
      return true
    }
    return false
  }
}

/**
 * The label of an HTTP status: its class, such as `4xx`, and `429` for the status of rate limits. A registry may answer with any
 * number. Without an answer the label is `error`.
 */
export const codeLabelOf = (code: string): string => {
  if (code === "429") return code
  return /^[1-5][0-9][0-9]$/u.test(code) ? `${code.slice(0, 1)}xx` : /^[0-9]+$/u.test(code) ? OTHER : "error"
}
