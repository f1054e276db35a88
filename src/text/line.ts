/**
 * The one encoder of texts that a stranger may have written: a registry, a user, a program, an API server. Everything that
 * reaches a terminal, a log, a condition, an Event or a metric's label passes through here.
 */

/** The most characters of a cell of a table. A tag has at most 128. */
const CELL = 128
/** The most characters of a stranger's words within a message. */
const SENTENCE = 300
/** The most characters of a message. */
const MESSAGE = 4_000

/** Line breaks and tabs. A run of these is a space. */
const BREAKS = /[\t-\r\u2028\u2029]+/gu
/**
 * Characters that no reader sees, or that change how a terminal shows others: control characters (C0, C1), format
 * characters such as those of bidirectional text, other invisible ones, and halves of surrogate pairs.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu

const visible = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** Encodes a text as one line: line breaks become spaces, and unseen characters visible escapes such as `\u{202e}`. */
export const oneLine = (text: string): string => text.replaceAll(BREAKS, " ").replaceAll(UNSEEN, visible)

/** Cuts a text to a maximum length. `toWellFormed` replaces half of a surrogate pair, which could not be stored. */
export const shorten = (text: string, maximum: number): string =>
  text.length <= maximum ? text : `${text.slice(0, maximum - 1).toWellFormed()}…`

/** The text of a registry or a program as one line, trimmed and cut to a maximum length. */
export const excerpt = (text: string, maximum = SENTENCE): string =>
  shorten(oneLine(text).replaceAll(/\s+/gu, " ").trim(), maximum)

/** A message of bounded length as one line. */
export const boundedLine = (text: string, maximum = MESSAGE): string => shorten(oneLine(text), maximum)

/** A cell of a table, as one line of bounded length. */
export const cell = (text: string): string => shorten(oneLine(text), CELL)

/** Encodes a text of several lines. Its line breaks must be this program's own. */
export const lines = (text: string): string => text.split("\n").map(oneLine).join("\n")

/** ESC, with which the control sequences of terminals begin. */
const ESC = String.fromCodePoint(0x1b)
/** The select-graphic-rendition sequences that Effect's help and usage errors use: bold, dim and colours. */
const COLOURS = new RegExp(String.raw`(${ESC}\[(?:[012]|3[1-6])m)`, "u")

/** {@link lines} that keeps colours. Only for texts whose other parts are encoded before, such as those of Effect's help. */
export const colouredLines = (text: string): string =>
  text
    .split(COLOURS)
    .map((part, index) => (index % 2 === 1 ? part : lines(part)))
    .join("")

/** The unseen characters that JSON does not escape. */
const JSON_UNSEEN = /[\u007F-\u009F\u2028\u2029\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

/** JSON with escapes for unseen characters. The value of the text is the same. */
export const jsonText = (value: unknown, space?: number): string =>
  (JSON.stringify(value, undefined, space) ?? "null").replaceAll(JSON_UNSEEN, (character) =>
    Array.from({ length: character.length }, (_, at) => character.charCodeAt(at).toString(16).padStart(4, "0"))
      .map((digits) => `\\u${digits}`)
      .join("")
  )

const ELLIPSIS_BYTES = 3

/** Cuts a text to a maximum length in bytes of UTF-8, and never within a character. */
export const shortenBytes = (text: string, maximum: number): string => {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maximum) return text
  let end = maximum - ELLIPSIS_BYTES
  // Bytes of the form 10xxxxxx continue a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`
}
