/** Functions that make a stranger's text fit for one line of a message. */

/** Replaces line breaks and other control characters with spaces. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")

/** Cuts a text to a maximum length. `toWellFormed` replaces half of a surrogate pair, which could not be stored. */
export const shorten = (text: string, maximum: number): string =>
  text.length <= maximum ? text : `${text.slice(0, maximum - 1).toWellFormed()}…`

/** The text of a registry or a program as one line, trimmed and cut to a maximum length. */
export const excerpt = (text: string, maximum = 300): string =>
  shorten(oneLine(text).replaceAll(/\s+/gu, " ").trim(), maximum)
