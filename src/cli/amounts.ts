/** Bytes and times for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB"]

const unitOf = (bytes: number): number =>
  Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))

const inUnit = (bytes: number, unit: number): string => (bytes / 1_000 ** unit).toFixed(unit === 0 ? 0 : 1)

/** `12.5 MB`. */
export const formatBytes = (bytes: number): string => `${inUnit(bytes, unitOf(bytes))} ${UNITS[unitOf(bytes)] ?? ""}`

/** `12.5 of 100.0 MB`, or `12.5 of ~100.0 MB` if the total is an estimate: both numbers in the unit of the total. */
export const formatAmount = (done: number, total: number, isEstimate = false): string =>
  `${inUnit(done, unitOf(total))} of ${isEstimate ? "~" : ""}${inUnit(total, unitOf(total))} ${UNITS[unitOf(total)] ?? ""}`

const MINUTE = 60
const HOUR = 60 * MINUTE

/** `0.3 s`, `14 s`, `2 min 5 s`, `1 h 12 min`. */
export const formatSeconds = (seconds: number): string => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < MINUTE) return `${whole} s`
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`
  return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`
}

/** `0:09`, `12:34`, `1:02:03`: a time that is left. */
export const formatClock = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const pad = (value: number): string => String(value).padStart(2, "0")
  const minutes = Math.floor(whole / MINUTE) % MINUTE
  return whole < HOUR
    ? `${minutes}:${pad(whole % MINUTE)}`
    : `${Math.floor(whole / HOUR)}:${pad(minutes)}:${pad(whole % MINUTE)}`
}
