/**
 * A tokenizer of headers that are lists of parameters, such as `WWW-Authenticate` and `Link` (RFC 9110, RFC 8288). The
 * first character of a token decides its kind. No character is read twice, so the time is linear for any header.
 */
export interface HeaderToken {
  readonly text: string
  /** The name of a parameter if a value follows, else the name of a scheme. */
  readonly word: string | undefined
  /** The value after `=`, without quotes. */
  readonly value: string | undefined
  /** The text in angle brackets. */
  readonly target: string | undefined
}

/**
 * The groups: a word; the text in quotes after `=`, and the quote that closes it; a value without quotes; the text in brackets,
 * and the bracket that closes it. Groups with names would take half as long again. No alternative backtracks: an unclosed quote
 * or bracket extends to the end of the header.
 */
const TOKEN = /([^\s,;="<]+)|=\s*(?:"((?:[^"\\]|\\.)*)("?)|([^\s,;"]*))|<([^>]*)(>?)|"(?:[^"\\]|\\.)*"?|[\s,;]+/gsu

/** Yields the tokens of a header. An unclosed quote or bracket has no value. */
export function* tokenize(header: string): Generator<HeaderToken> {
  for (const [text, word, quoted, quote, plain, target, bracket] of header.matchAll(TOKEN)) {
    yield {
      text,
      word,
      value: quote === "" ? undefined : (quoted?.replaceAll(/\\(.)/gsu, "$1") ?? plain),
      target: bracket === "" ? undefined : target
    }
  }
}
