/** The word that a user meant, among those that are known. */
import leven from "leven"

/** Names the nearest known word, or else all known words. */
export const suggestion = (written: string, known: ReadonlyArray<string>): string => {
  const meant = nearestOf(written, known)
  return meant === undefined ? `known are ${known.join(", ")}` : `did you mean ${meant}?`
}

/** The nearest word within three typing errors, or fewer in a short word: `type` is not a misspelt `mode`. */
export const nearestOf = (written: string, known: ReadonlyArray<string>): string | undefined =>
  known
    .map((word) => ({ word, distance: leven(written.toLowerCase(), word.toLowerCase()) }))
    .filter(({ distance, word }) => distance <= Math.min(3, word.length / 2))
    .sort((a, b) => a.distance - b.distance)[0]?.word
