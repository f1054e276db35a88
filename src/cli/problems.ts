/** The mistakes in files as objects. */
import { Schema } from "effect"
import { optional, described } from "./described.ts"

const Position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** One mistake in a file, or a file that cannot be read. */
export const FileProblem = Schema.Struct({
  file: optional(Schema.String, "The file, as the command line names it."),
  line: optional(Position, "The line, from 1."),
  column: optional(Position, "The column, from 1."),
  path: optional(Schema.String, "The field, as a dotted path from the object's root, such as spec.source.version."),
  message: described(Schema.String, "The mistake and the remedy.")
})
export type FileProblem = typeof FileProblem.Type

/** `FILE:LINE:COLUMN: FIELD: MESSAGE`, in which line, column and field may be missing. */
const LINE =
  /^(?<file>.+?)(?::(?<line>\d+)(?::(?<column>\d+))?)?: (?:(?<path>(?:metadata|spec|kind|apiVersion)[\w.[\]]*): )?(?<message>.*)$/su

/** Reads the line of a mistake back into its parts. */
export const problemOf = (text: string): FileProblem => {
  const { column, file, line, message, path } = LINE.exec(text)?.groups ?? {}
  if (file === undefined || message === undefined) return { message: text }
  return {
    file,
    ...(line === undefined ? {} : { line: Number(line) }),
    ...(column === undefined ? {} : { column: Number(column) }),
    ...(path === undefined ? {} : { path }),
    message
  }
}
