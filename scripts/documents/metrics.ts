/** The table of metrics in docs/observe.md. People write the rest of the document. */
import { format } from "prettier"
import { METRICS_BY_SUBJECT } from "../../src/metrics/table.ts"
import { code, prose, table } from "./markdown.ts"

const BEGIN = "<!-- Made from src/metrics/table.ts by: npm run generate -->"
const END = "<!-- End of the made part -->"

const metrics = (): string =>
  METRICS_BY_SUBJECT.flatMap(([subject, described]) => [
    `### ${subject}`,
    table(
      ["name", "type", "unit", "labels", "meaning"],
      Object.entries(described).map(([name, { labels, meaning, type, unit }]) => [
        code(name),
        type,
        unit,
        labels.map(code).join(", "),
        prose(meaning)
      ])
    )
  ]).join("\n\n")

/** @param written the document as it is */
export const observeDocument = (written: string): Promise<string> => {
  const [before, rest] = written.split(BEGIN)
  const end = rest?.indexOf(END) ?? -1
  const after = end < 0 ? undefined : rest?.slice(end + END.length)
  if (before === undefined || after === undefined) {
    throw new Error(`docs/observe.md has no lines ${BEGIN} and ${END}; write them around the table of metrics`)
  }
  return format([before, BEGIN, "\n\n", metrics(), "\n\n", END, after].join(""), {
    parser: "markdown",
    printWidth: 120
  })
}
