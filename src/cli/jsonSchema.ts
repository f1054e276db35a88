/** The JSON Schema (draft 2020-12) of a document, for editors and programs that read the document. */
import { Schema } from "effect"

/** A reader must accept fields that it does not know: a later release may add some. */
export const jsonSchemaOf = (schema: Schema.Top): string => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema)
  const $defs = Object.keys(definitions).length === 0 ? {} : { $defs: definitions }
  return `${JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", ...root, ...$defs }, undefined, 2)}\n`
}
