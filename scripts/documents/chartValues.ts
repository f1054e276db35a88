/** The values of the chart with their comments, from values.yaml. */
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from "yaml"

export interface ChartValue {
  readonly path: string
  /** The default, as one line. Absent for a group of values. */
  readonly value?: string
  readonly meaning: string
}

/** A comment without its examples, which are indented. */
const meaningOf = (comment: string): string =>
  comment
    .split("\n")
    .filter((line) => !line.startsWith("  "))
    .map((line) => line.trim())
    .join(" ")
    .trim()

/** Whether a value is a group of values. A map on one line is one value. */
export const isGroup = (node: unknown): node is YAMLMap => isMap(node) && node.flow !== true && node.items.length > 0

const valuesOf = (map: YAMLMap, path: string, comment: string): ReadonlyArray<ChartValue> =>
  map.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) return []
    const here = path === "" ? String(key.value) : `${path}.${String(key.value)}`
    // The comment above the first value of a group belongs to the group's node.
    const above = [index === 0 ? comment : "", key.commentBefore ?? ""].filter((text) => text !== "").join("\n")
    const meaning = meaningOf(above)
    if (isGroup(value)) {
      const children = valuesOf(value, here, value.commentBefore ?? "")
      return meaning === "" ? children : [{ path: here, meaning }, ...children]
    }
    const plain: unknown = isNode(value) ? value.toJSON() : null
    return [{ path: here, value: typeof plain === "string" && plain !== "" ? plain : JSON.stringify(plain), meaning }]
  })

export const chartValues = (text: string): ReadonlyArray<ChartValue> => {
  const { commentBefore, contents } = parseDocument(text)
  return isGroup(contents) ? valuesOf(contents, "", contents.commentBefore ?? commentBefore ?? "") : []
}
