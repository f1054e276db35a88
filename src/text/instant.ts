/** Times as Kubernetes writes them. */

/** Seconds are what Kubernetes keeps of a time. */
export const instant = (millis: number): string => new Date(millis).toISOString().replace(/\.[0-9]{3}Z$/u, "Z")

/** Milliseconds of a stored time; what cannot be read is long ago. */
export const millisOf = (text: string | undefined): number => {
  const millis = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(millis) ? 0 : millis
}
