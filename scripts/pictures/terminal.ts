/** Draws lines of a terminal as SVG. */
const LINE = 18
const CHARACTER = 7.83
const MARGIN = 16

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** A colour for the lines of which it is true. */
export type Colour = readonly [colour: string, applies: (line: string) => boolean]

export const GREEN = "#7ee787"
export const RED = "#ff7b72"
export const YELLOW = "#e3b341"
export const BLUE = "#79c0ff"

const colourOf = (line: string, colours: ReadonlyArray<Colour>): string =>
  line.startsWith("$") ? "#ffffff" : (colours.find(([, applies]) => applies(line))?.[0] ?? "#c9d1d9")

export const drawTerminal = (label: string, lines: ReadonlyArray<string>, colours: ReadonlyArray<Colour>): string => {
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * CHARACTER) + 2 * MARGIN
  const height = lines.length * LINE + 2 * MARGIN
  const text = lines
    .map(
      (line, index) =>
        `<text x="${MARGIN}" y="${MARGIN + 13 + index * LINE}" fill="${colourOf(line, colours)}" xml:space="preserve">${escape(line)}</text>`
    )
    .join("\n")
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
${text}
</g>
</svg>
`
}
