/** The output formats of commands that print a result. */
import { Flag } from "effect/cli"
import { stringify } from "yaml"
import { jsonText, lines } from "../text/line.ts"

/** A table for people, a table with more columns, a document in two syntaxes, or references alone. */
export const FORMATS = ["text", "wide", "json", "yaml", "name"] as const
export type Format = (typeof FORMATS)[number]

/** `--output`, `-o`. `names` says what `-o name` prints. */
export const outputFlag = (names: string) =>
  Flag.Literals("output", FORMATS).pipe(
    Flag.withAlias("o"),
    Flag.withDescription(
      `text: a table. wide: a table with all tags. json, yaml: one document with a published schema. name: ${names}, one a line`
    ),
    Flag.withDefault("text" as const)
  )

/** The version of the documents. A new version is made when a field is removed, or changes its type or its meaning. */
export const DOCUMENT_VERSION = "cli.skopeo.io/v1"

/** Formats a document. Unseen characters are escaped in both syntaxes. */
export const formatDocument = (document: object, format: "json" | "yaml"): string =>
  format === "json"
    ? jsonText(document, 2)
    : lines(stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd())
