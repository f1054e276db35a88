/** What tests read from expressions of PromQL. */

/** The words of PromQL that are no metric: operators, and functions and aggregations by the bracket after them. */
const KEYWORDS = new Set([
  "and",
  "or",
  "unless",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
  "offset"
])

/** The names of the metrics of an expression, without functions, labels and texts. */
export const metricsIn = (expression: string): ReadonlyArray<string> => {
  const bare = expression
    .replaceAll(/"[^"]*"|'[^']*'/gu, "")
    .replaceAll(/\{[^}]*\}/gu, "")
    .replaceAll(/\[[^\]]*\]/gu, "")
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)/gu, "")
  return [...bare.matchAll(/\b([a-z_:][a-z0-9_:]*)\b *(\(?)/giu)].flatMap(([, word = "", bracket]) =>
    bracket === "(" || KEYWORDS.has(word) ? [] : [word]
  )
}
