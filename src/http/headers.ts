/**
 * A tokenizer of headers that are lists of parameters, such as `WWW-Authenticate` and `Link` (RFC 9110, RFC 8288). Each
 * character is in one token, whose first character says what it is: none is read twice, whatever a registry sends.
 */
export interface HeaderToken {
  readonly text: string
  /** A name: of a parameter, if a value is next, or else of a scheme. */
  readonly word: string | undefined
  /** What comes after `=`, without its quotes. */
  readonly value: string | undefined
  /** What stands in angle brackets. */
  readonly target: string | undefined
}

/** No alternative fails once it has begun: quotes and brackets that are never closed go on to the end. */
const TOKEN =
  /(?<word>[^\s,;="<]+)|=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)(?<quote>"?)|(?<plain>[^\s,;"]*))|<(?<target>[^>]*)(?<bracket>>?)|"(?:[^"\\]|\\.)*"?|[\s,;]+/gsu

/** A quote or a bracket that is not closed has no value. */
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
