/** Text that strangers wrote, made fit for one line of a message. */

/** Line breaks and other control characters as spaces. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")

/** Cuts a text; half a character that the cut leaves would not survive being stored. */
export const shorten = (text: string, maximum: number): string =>
  text.length <= maximum ? text : `${text.slice(0, maximum - 1).toWellFormed()}…`

/** What a registry or a program said, in one line without the white space around it. */
export const excerpt = (text: string, maximum = 300): string =>
  shorten(oneLine(text).replaceAll(/\s+/gu, " ").trim(), maximum)
