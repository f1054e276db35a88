/** A part of a document that is made from the source, between two comments. People write the rest of the document. */
import { fileURLToPath } from "node:url"
import { format, resolveConfig } from "prettier"

const END = "<!-- End of the made part -->"

/** The document as it is, with the part of a source file made anew. Throws if the document has no place for the part. */
export const withMadePart = async (
  document: string,
  written: string,
  source: string,
  part: string
): Promise<string> => {
  const begin = `<!-- Made from ${source} by: npm run generate -->`
  const [before, rest] = written.split(begin)
  const end = rest?.indexOf(END) ?? -1
  if (before === undefined || rest === undefined || end < 0) {
    throw new Error(`${document} has no lines ${begin} and ${END}; write them where the part belongs`)
  }
  return format([before, begin, "\n\n", part, "\n\n", rest.slice(end)].join(""), {
    // The document has programs, which are formatted as those of the project.
    ...(await resolveConfig(fileURLToPath(new URL(`../../${document}`, import.meta.url)))),
    parser: "markdown"
  })
}
