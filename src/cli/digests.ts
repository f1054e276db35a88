/** Digests for people: the algorithm and twelve digits, as Docker shows them. */

const DIGEST = /\b((?:sha256|sha512):[0-9a-f]{12})[0-9a-f]{52,116}\b/gu

/** The short form of a digest, for a column of a table. */
export const shortDigest = (digest: string): string => digest.replaceAll(DIGEST, "$1")

/** A text whose digests are short, for a terminal. A file gets whole digests. */
export const withShortDigests = (text: string): string => text.replaceAll(DIGEST, "$1…")
