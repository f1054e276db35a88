/** Functions that make a stranger's text fit for one line of a message. */

/** Replaces line breaks and other control characters with spaces. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")

/** Cuts a text to a maximum length. `toWellFormed` replaces half of a surrogate pair, which could not be stored. */
export const shorten = (text: string, maximum: number): string =>
  text.length <= maximum ? text : `${text.slice(0, maximum - 1).toWellFormed()}…`

/** The text of a registry or a program as one line, trimmed and cut to a maximum length. */
export const excerpt = (text: string, maximum = 300): string =>
  shorten(oneLine(text).replaceAll(/\s+/gu, " ").trim(), maximum)

/** Cuts a text to a maximum length in bytes of UTF-8, and never within a character. */
export const shortenBytes = (text: string, maximum: number): string => {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maximum) return text
  let end = maximum - ELLIPSIS_BYTES
  // Bytes of the form 10xxxxxx continue a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`
}

const ELLIPSIS_BYTES = 3
