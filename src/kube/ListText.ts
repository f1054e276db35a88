/**
 * Splits the text of a list into its items while the text arrives. The writers of objects decide how large a page is,
 * so only one object's text is held at a time. Pure.
 */

/** The state of reading a list's text. */
export interface ListText {
  /** The text so far without the items. At the end it is the list with an empty array of items. */
  readonly rest: string
  /** The beginning of an item whose end has not arrived. */
  readonly item: string
  /** The number of open objects and arrays. */
  readonly depth: number
  /** Whether the array of items is open. */
  readonly inItems: boolean
  readonly inString: boolean
  readonly escaped: boolean
}

export const empty: ListText = { rest: "", item: "", depth: 0, inItems: false, inString: false, escaped: false }

/** The depth inside the array of items, which is the only array of a list itself. */
const ITEMS = 2

const [QUOTE, BACKSLASH, OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = Array.from('"\\{}[]', (character) =>
  character.charCodeAt(0)
)

/**
 * Reads the next piece of a list. `items` are the texts of the items that end in the piece. This function checks only
 * brackets and strings. The parser of an item decides whether its text is JSON.
 */
export const read = (
  before: ListText,
  piece: string
): { readonly text: ListText; readonly items: ReadonlyArray<string> } => {
  const items: Array<string> = []
  let { depth, escaped, inItems, inString, item, rest } = before
  /** Where the text of `item` or of `rest` begins in the piece. */
  let from = 0
  for (let at = 0; at < piece.length; at++) {
    const code = piece.charCodeAt(at)
    if (inString) {
      if (escaped) escaped = false
      else if (code === BACKSLASH) escaped = true
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) {
      inString = true
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (inItems && depth === ITEMS) from = at
      depth += 1
      if (depth === ITEMS && code === OPEN_ARRAY) {
        inItems = true
        rest += piece.slice(from, at + 1)
      }
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      depth -= 1
      if (inItems && depth === ITEMS) {
        items.push(item + piece.slice(from, at + 1))
        item = ""
      } else if (inItems && depth < ITEMS) {
        inItems = false
        from = at
      }
    }
  }
  if (!inItems) rest += piece.slice(from)
  else if (depth > ITEMS) item += piece.slice(from)
  return { text: { rest, item, depth, inItems, inString, escaped }, items }
}
