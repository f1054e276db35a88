/**
 * `spec.tags.extract`: says which parts of a tag are its version, for tags that no pattern and no range can read, such as
 * `main-20250101-abc123` or `7.0.8-debian-11-r12`.
 */
import { Result } from "effect"
import { compileExpression } from "./Expression.ts"
import { isExact, type TagPattern } from "./TagPattern.ts"

/**
 * How a part is read: `semver` as a tag is read by a pattern or a range, `number` as one whole number, `text` letter by letter.
 */
export type ExtractedKind = "semver" | "number" | "text"

/** A part of a tag. */
export interface ExtractedPart {
  readonly kind: ExtractedKind
  readonly text: string
}

/** A parsed `spec.tags.extract`. */
export interface Extraction {
  readonly text: string
  /** The kind of the part that `spec.source.version` judges. Absent if there are only letters, which no version judges. */
  readonly judged?: "semver" | "number"
  /** The parts of a tag in the order of the expression. `undefined` if the expression does not match the tag, or if one of the parts is missing. */
  readonly extract: (tag: string) => ReadonlyArray<ExtractedPart> | undefined
}

/**
 * The most instructions of the compiled expression. RE2 finds groups some 20 times as slowly as it finds whether an expression
 * matches, so this bound is lower than that of other expressions. A branch, a date, a time and a commit need some 100.
 */
const PROGRAM_SIZE = 150
const TOO_LARGE = "is too large for an expression with groups; write + or * instead of {n}, or fewer words"

const KINDS: ReadonlyArray<string> = ["semver", "number", "text"] satisfies ReadonlyArray<ExtractedKind>
const isKind = (name: string): name is ExtractedKind => KINDS.includes(name)

const REMEDY = "name the parts of a tag that are its version by (?P<semver>…), (?P<number>…) or (?P<text>…)"

/**
 * Parses `spec.tags.extract` for a pattern, which may be invalid. The failure says the remedy, and is read after the expression.
 *
 * @example
 * parseExtraction("^main-(?P<number>[0-9]{8})-[0-9a-f]+$", pattern)
 */
export const parseExtraction = (text: string, pattern: TagPattern | undefined): Result.Result<Extraction, string> =>
  Result.flatMap(compileExpression(text), (expression) => {
    if (expression.programSize() > PROGRAM_SIZE) return Result.fail(TOO_LARGE)
    const names = Object.entries(expression.namedGroups()).sort(([, a], [, b]) => a - b)
    const kinds = names.flatMap(([name]) => (isKind(name) ? [name] : []))
    if (names.length === 0) return Result.fail(`has no named group; ${REMEDY}`)
    const other = names.find(([name]) => !isKind(name))
    if (other !== undefined) return Result.fail(`has the group (?P<${other[0]}>…); ${REMEDY}`)
    const judged = kinds.find((kind) => kind === "semver") ?? kinds.find((kind) => kind === "number")
    if (judged === undefined && pattern !== undefined && !isExact(pattern) && pattern.text.trim() !== "*") {
      return Result.fail(`has (?P<text>…) alone, which has no numbers for ${pattern.text}; write * as the version`)
    }
    return Result.succeed({
      text,
      ...(judged === undefined ? {} : { judged }),
      extract: (tag) => {
        // Most tags of a list may match nothing, and this answer is the faster one.
        if (!expression.test(tag)) return undefined
        const matcher = expression.matcher(tag)
        matcher.find()
        const parts = kinds.flatMap((kind) => {
          const part = matcher.group(kind)
          return part === null || (kind === "number" && !/^[0-9]+$/u.test(part)) ? [] : [{ kind, text: part }]
        })
        return parts.length === kinds.length ? parts : undefined
      }
    })
  })
