/** Parses the wait that a server asks for by `Retry-After`, in the forms of RFC 9110 and of registries. */

/** Milliseconds of each unit that Go's `time.Duration` prints. */
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ns: 1e-6
}
const GO_DURATION = /^(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|us|µs|μs|ns))+$/u
const GO_PART = /([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|μs|ns)/gu
/** Dates by RFC 9110 begin with the day of the week. `Date.parse` alone accepts nearly any text. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /u
/** Longer than any limit in use. A server's mistake must not become an infinite wait. */
const LONGEST = 366 * 86_400_000

/** Parses `Retry-After` to whole milliseconds: seconds, a date (RFC 9110), or a Go duration. Else `undefined`. */
export const retryAfterMillis = (header: string | undefined, now: number): number | undefined => {
  const text = (header ?? "").trim()
  if (/^[0-9]+(?:\.[0-9]+)?$/u.test(text)) return bounded(Number(text) * 1_000)
  if (GO_DURATION.test(text)) {
    let millis = 0
    for (const [, amount, unit = ""] of text.matchAll(GO_PART)) millis += Number(amount) * (UNITS[unit] ?? 0)
    return bounded(millis)
  }
  const date = HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : bounded(Math.max(0, date - now))
}

/** Parses the wait in the text of an answer, such as GHCR's `retry-after: 880.092us, allowed: 44000/minute`. */
export const retryAfterSaid = (words: string, now: number): number | undefined =>
  retryAfterMillis(/retry-after:\s*([0-9][0-9.a-zµμ]*)/iu.exec(words)?.[1], now)

const bounded = (millis: number): number => Math.min(LONGEST, Math.ceil(millis))
