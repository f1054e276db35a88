/** Times as Kubernetes writes them. */

/** Formats milliseconds since the epoch as `2026-01-31T12:00:00Z`. Kubernetes stores times in whole seconds. */
export const instant = (millis: number): string => `${new Date(millis).toISOString().slice(0, -".000Z".length)}Z`

/** Parses a stored time to milliseconds since the epoch. A missing or broken time is 0, which is long ago. */
export const millisOf = (text: string | undefined): number => {
  const millis = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(millis) ? 0 : millis
}
