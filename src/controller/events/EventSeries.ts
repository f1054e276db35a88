/** Which reports are one series, and which reports are too many. Pure: times are in milliseconds of the Clock since the epoch. */
import { BoundedMap } from "../../collections/BoundedMap.ts"

/** Reports with the same text within this time of each other are one series. client-go uses the same time. */
const WINDOW = 360_000

/** The most Events of one Image and reason within {@link WINDOW}: a pattern with thousands of tags reports many copies. */
const EVENTS = 10

/** A longer series is written once in a while only: a user may suspend and resume an Image any number of times a second. */
const WRITES = { reports: 10, pause: 60_000 }

/** The most Images and reasons that are remembered. */
const REMEMBERED = 10_000

/** A series of equal reports. A series of one report is a plain Event. */
export interface Series {
  readonly note: string
  readonly first: number
  readonly last: number
  readonly count: number
  /** The time of the last report that was due for a write. */
  readonly writtenAt: number
  /** Whether the series is to be written now. Otherwise the next write has the report too. */
  readonly isDue: boolean
}

export class EventSeries {
  /** The series of the last minutes, by Image and reason. */
  readonly #recent = new BoundedMap<string, ReadonlyArray<Series>>({ capacity: REMEMBERED })

  /** Adds a report of an Image and a reason. Gives the report's series, or `undefined` if there are too many. */
  add(key: string, note: string, now: number): Series | undefined {
    const recent = (this.#recent.get(key) ?? []).filter(({ last }) => last > now - WINDOW)
    const known = recent.find((series) => series.note === note)
    const others = recent.filter((series) => series !== known)
    if (known === undefined && others.length >= EVENTS) {
      this.#recent.set(key, recent)
      return undefined
    }
    const { count, first, writtenAt } = known ?? { count: 0, first: now, writtenAt: now }
    const isDue = count < WRITES.reports || now >= writtenAt + WRITES.pause
    const series = { note, first, last: now, count: count + 1, writtenAt: isDue ? now : writtenAt, isDue }
    this.#recent.set(key, [...others, series])
    return series
  }
}
