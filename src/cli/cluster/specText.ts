/** Reads texts of a spec as the user wrote them, also of an invalid spec. */

/** The text, or true or false, of a field. Empty if there is no such field. */
export const textIn = (spec: unknown, ...path: ReadonlyArray<string>): string => {
  const value = path.reduce<unknown>(
    (node, key) =>
      typeof node === "object" && node !== null ? Object.entries(node).find(([name]) => name === key)?.[1] : undefined,
    spec
  )
  return typeof value === "string" || typeof value === "boolean" ? String(value) : ""
}
