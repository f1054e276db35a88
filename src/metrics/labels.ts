/** The values of labels that users and registries choose. Their number is bounded. */

/** The most names with their own labels, and the most characters of these names together. */
interface Bounds {
  readonly names: number
  readonly characters: number
}

/** The bounds of registries and of images, because users can name any number of any length. All others are counted as `other`. */
export const LABELS = {
  registries: { names: 100, characters: 10_000 },
  images: { names: 1_000, characters: 100_000 }
} as const satisfies Record<string, Bounds>

/** The label of all names without one of their own. */
export const OTHER = "other"

/** After so many scrapes without a use, a name may lose its label to another name. */
const IDLE_SCRAPES = 10

/** The names that have labels. */
export class Labels {
  readonly #bounds: Bounds
  readonly #dropSeries: (name: string) => void
  /** From the least to the most recently used: the number of scrapes before the last use. */
  readonly #used = new Map<string, number>()
  #scrapes = 0
  #characters = 0

  /** @param dropSeries removes the series of a name that loses its label */
  constructor(bounds: Bounds, dropSeries: (name: string) => void) {
    this.#bounds = bounds
    this.#dropSeries = dropSeries
  }

  /**
   * Gives a name its label, and counts as a use of the name. A new name takes the room of the least recently used names, if these
   * are idle.
   */
  of(name: string): string {
    if (this.#used.delete(name)) this.#characters -= name.length
    else while (!this.#hasRoomFor(name)) if (!this.#dropIdle()) return OTHER
    this.#used.set(name, this.#scrapes)
    this.#characters += name.length
    return name
  }

  /** Ends the series of a name that is gone. */
  drop(name: string): void {
    if (!this.#used.delete(name)) return
    this.#characters -= name.length
    this.#dropSeries(name)
  }

  #hasRoomFor(name: string): boolean {
    const { characters, names } = this.#bounds
    return this.#used.size < names && this.#characters + name.length <= characters
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
