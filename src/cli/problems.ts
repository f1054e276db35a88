/** The mistakes in files, in the documents of commands. */
import { Schema } from "effect"
import { optional, described } from "./described.ts"

const Position = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** One mistake in a file, or a file that cannot be read. */
export const FileProblem = Schema.Struct({
  file: described(Schema.String, "The file, as the command line names it."),
  line: optional(Position, "The line, from 1."),
  column: optional(Position, "The column, from 1."),
  path: optional(Schema.String, "The field, as a dotted path from the object's root, such as spec.source.version."),
  message: described(Schema.String, "The mistake and the remedy.")
})
