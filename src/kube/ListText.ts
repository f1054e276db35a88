/**
 * The text of a list, taken apart while it comes in. The size of a page is the choice of those who write the objects: so
 * no more of it is held than one object. Pure.
 */

/** How far the text of a list was read. */
export interface ListText {
  /** The text so far without the items: in the end, what the list says of itself. */
  readonly rest: string
  /** The beginning of an item whose end has not come yet. */
  readonly item: string
  /** How many objects and arrays are open. */
  readonly depth: number
  /** Whether the array of items is open. */
  readonly inItems: boolean
  readonly inString: boolean
  readonly escaped: boolean
}

export const empty: ListText = { rest: "", item: "", depth: 0, inItems: false, inString: false, escaped: false }

/** The depth inside the array of items: it is the only array that a list itself has. */
const ITEMS = 2

const [QUOTE, BACKSLASH, OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = Array.from('"\\{}[]', (character) =>
  character.charCodeAt(0)
)

/**
 * Reads the next piece of a list; `items` are the texts of those that end in it. Only brackets and strings are looked at:
 * whether a text is JSON is for its parser to say.
 */
export const read = (
  before: ListText,
  piece: string
): { readonly text: ListText; readonly items: ReadonlyArray<string> } => {
  const items: Array<string> = []
  let { depth, escaped, inItems, inString, item, rest } = before
  /** Where in the piece what belongs to `item` or to `rest` begins. */
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
