/** Schemas with descriptions, for the JSON Schema of a document. */
import { Schema } from "effect"

/** A schema with its description. */
export const described = <S extends Schema.Top>(schema: S, description: string) =>
  schema.pipe(Schema.annotateEncoded({ description }))

/** A key that may be absent. */
export const optional = <S extends Schema.Top>(schema: S, description: string) =>
  Schema.optionalKey(described(schema, description))

/** A number of things, or of bytes. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const Seconds = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
