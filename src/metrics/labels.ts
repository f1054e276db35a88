import { STATUS_CODES } from "node:http"

/**
 * The most registries and images with their own labels, because users can name any number. The metrics count further ones as
 * `other` until the process restarts.
 */
export const LABELS = { registries: 100, images: 1_000 }

/** Gives the label of a name that a user wrote: the name itself for the first `most` names, `other` for further ones. */
export const labelsOf = (most: number): ((name: string) => string) => {
  const labels = new Set<string>()
  return (name) => {
    if (labels.size < most) labels.add(name)
    return labels.has(name) ? name : "other"
  }
}

/** Gives the label of an HTTP status, or of a request without an answer. A registry may answer with any number. */
export const codeLabelOf = (code: string): string =>
  /^[0-9]+$/u.test(code) && STATUS_CODES[code] === undefined ? "other" : code
