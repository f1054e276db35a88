/**
 * Lists of parameters, as `WWW-Authenticate` and `Link` have them (RFC 9110, RFC 8288), cut into pieces. Each character
 * is in one piece, whose first character says what it is: none is read twice, however a registry makes its header up.
 */
export interface Piece {
  readonly text: string
  /** A name: of a parameter, if a value is next, or else of a scheme. */
  readonly word: string | undefined
  /** What comes after `=`, without its quotes. */
  readonly value: string | undefined
  /** What stands in angle brackets. */
  readonly target: string | undefined
}

/** Nothing in it fails once it has begun; quotes and brackets that are never closed go on to the end. */
const PIECE =
  /(?<word>[^\s,;="<]+)|=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)(?<quote>"?)|(?<plain>[^\s,;"]*))|<(?<target>[^>]*)(?<bracket>>?)|"(?:[^"\\]|\\.)*"?|[\s,;]+/gsu

/** What is not closed counts for nothing. */
export function* piecesOf(header: string): Generator<Piece> {
  for (const [text, word, quoted, quote, plain, target, bracket] of header.matchAll(PIECE)) {
    yield {
      text,
      word,
      value: quote === "" ? undefined : (quoted?.replaceAll(/\\(.)/gsu, "$1") ?? plain),
      target: bracket === "" ? undefined : target
    }
  }
}
