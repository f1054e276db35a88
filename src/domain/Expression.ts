/**
 * Users' regular expressions in RE2's syntax. They run in linear time and are bounded in size, so that no expression
 * can delay other Images.
 */
import { Result } from "effect"
import { RE2JS } from "re2js"

/** A parsed regular expression. It matches anywhere in a tag unless it is anchored. */
export interface Expression {
  readonly text: string
  readonly matches: (tag: string) => boolean
}

/** The most characters of an expression, as in the CRD's schema. */
export const EXPRESSION_LENGTH = 256

/**
 * The most instructions of a compiled expression. The longest expression without counted repeats has fewer. The worst
 * cost of a match is this number times the tag's length.
 */
const PROGRAM_SIZE = 500

/**
 * Parses a regular expression. The failure says the remedy, with the text of RE2's parser if the parser refuses the
 * expression, and is read after the expression.
 *
 * @example
 * parseExpression("^1\\.[0-9]+-alpine$")
 */
export const parseExpression = (text: string): Result.Result<Expression, string> =>
  Result.map(compileExpression(text), (expression) => ({ text, matches: (tag) => expression.test(tag) }))

/** Compiles a regular expression within the bounds. Fails as {@link parseExpression} does. */
export const compileExpression = (text: string): Result.Result<RE2JS, string> => {
  if (text.length > EXPRESSION_LENGTH) {
    return Result.fail(`is too long; write at most ${EXPRESSION_LENGTH} characters`)
  }
  // A short expression can compile to a large program, so its size is estimated before it is compiled.
  if (expandedSize(text) > EXPANDED_SIZE) return Result.fail(TOO_LARGE)
  try {
    const expression = RE2JS.compile(text)
    return expression.programSize() > PROGRAM_SIZE ? Result.fail(TOO_LARGE) : Result.succeed(expression)
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).replace(/^error parsing regexp: /u, "")
    return Result.fail(
      `is not a regular expression (${why}); write RE2's syntax, which has no lookahead and no backreferences`
    )
  }
}

const TOO_LARGE = `repeats too much: {n} repeats the part before it n times; write + or *, or smaller numbers`

/** Ten times the size of a program, because {@link expandedSize} is only an estimate. */
const EXPANDED_SIZE = 10 * PROGRAM_SIZE

const TOKEN =
  /\\Q.*?(?:\\E|$)|\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]|\{(\d+)(?:(,)(\d*))?\}|[^]/gu

/** Estimates the characters of an expression with its counted repeats written out. */
const expandedSize = (text: string): number => {
  /** The sizes of the open groups: of the whole group, and of its last part. */
  const groups = [{ size: 0, last: 0 }]
  const add = (size: number) => {
    const group = groups.at(-1)
    if (group === undefined) return
    group.size += size
    group.last = size
  }
  for (const [token, least, comma, most] of text.matchAll(TOKEN)) {
    const group = groups.at(-1)
    if (token === "(") groups.push({ size: 1, last: 0 })
    else if (token === ")" && groups.length > 1) add(groups.pop()?.size ?? 0)
    else if (least !== undefined && group !== undefined) {
      const times =
        Number(most === undefined || most === "" ? least : most) + (comma !== undefined && most === "" ? 1 : 0)
      const { last } = group
      group.size += last * Math.max(times - 1, 0)
      group.last = last * Math.max(times, 1)
    } else add(token.startsWith("\\Q") ? token.length : 1)
  }
  return groups.reduce((sum, { size }) => sum + size, 0)
}
