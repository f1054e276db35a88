/** Markdown of the generated documents. Prettier aligns the tables. */
import { format } from "prettier"

/** The text of a cell: a bar would end the cell, and a line break the row. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/gu, " ").trim()

export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [headings, headings.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")

export const code = (text: string): string => (text === "" ? "" : `\`${text}\``)

/** Prose as Markdown: a letter of the text is no markup. */
export const prose = (text: string): string => text.replaceAll(/[<*]/gu, String.raw`\$&`)

export const codes = (texts: ReadonlyArray<string>): string => texts.map(code).join(", ")

/** A document with the name of its source, as Prettier writes it. */
export const document = (source: string, parts: ReadonlyArray<string>): Promise<string> =>
  format([`<!-- Made from ${source} by: npm run generate -->`, ...parts].join("\n\n"), {
    parser: "markdown",
    printWidth: 120
  })

/** A JSON file, as Prettier writes it. */
export const jsonDocument = (value: unknown): Promise<string> =>
  format(JSON.stringify(value), { parser: "json", printWidth: 120 })
