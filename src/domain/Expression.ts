/**
 * Users' regular expressions, in RE2's syntax: they run in linear time and are bounded in size, so that no one's
 * expression can hold up the others.
 */
import { Result } from "effect"
import { RE2JS } from "re2js"

/** It matches anywhere in a tag unless it is anchored. */
export interface Expression {
  readonly text: string
  readonly matches: (tag: string) => boolean
}

/** Characters of an expression; the CRD's schema has the same. */
export const EXPRESSION_LENGTH = 256

/**
 * Instructions of its program: an expression as long as may be has fewer, if it does not multiply itself by counted
 * repeats. The cost of a match is this times the tag's length, at the worst.
 */
const PROGRAM_SIZE = 500

/** Fails with a sentence that says what to write instead, in the words of RE2's parser where it refuses the text. */
export const parseExpression = (text: string): Result.Result<Expression, string> => {
  if (text.length > EXPRESSION_LENGTH) {
    return Result.fail(`is too long; write at most ${EXPRESSION_LENGTH} characters`)
  }
  // A short text can compile to a large program, so the size is estimated before it is compiled.
  if (expandedSize(text) > EXPANDED_SIZE) return Result.fail(TOO_LARGE)
  try {
    const expression = RE2JS.compile(text)
    if (expression.programSize() > PROGRAM_SIZE) return Result.fail(TOO_LARGE)
    return Result.succeed({ text, matches: (tag) => expression.test(tag) })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return Result.fail(
      `is no regular expression (${why}); RE2's syntax is meant, which has no lookahead and no backreferences`
    )
  }
}

const TOO_LARGE = `repeats too much: {n} stands for what is before it written n times; write + or *, or smaller numbers`

/** Ten times what a program may have, for {@link expandedSize} is no more than an estimate. */
const EXPANDED_SIZE = 10 * PROGRAM_SIZE

const TOKEN =
  /\\Q.*?(?:\\E|$)|\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]|\{(\d+)(?:(,)(\d*))?\}|[^]/gu

/** About how many characters an expression has with its counted repeats written out. */
const expandedSize = (text: string): number => {
  /** The sizes of the groups that are open: of the whole, and of what came last. */
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
