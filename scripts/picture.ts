/** Runs the demo and draws its output as docs/demo.svg. The README's picture therefore shows a real run. */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = new URL("../", import.meta.url)
const output = execFileSync(process.execPath, [fileURLToPath(new URL("demo/demo.ts", root))], { encoding: "utf8" })
const lines = ["$ npm run demo", ...output.trimEnd().split("\n")]

const LINE = 18
const CHARACTER = 7.83
const MARGIN = 16
const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * CHARACTER) + 2 * MARGIN
const height = lines.length * LINE + 2 * MARGIN

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const colourOf = (line: string): string => {
  if (line.startsWith("$")) return "#ffffff"
  if (line.includes("Ready=True") || line.endsWith("same")) return "#7ee787"
  if (line.includes("apply Image") || line.includes("at the source")) return "#79c0ff"
  return "#c9d1d9"
}

const text = lines
  .map(
    (line, index) =>
      `<text x="${MARGIN}" y="${MARGIN + 13 + index * LINE}" fill="${colourOf(line)}" xml:space="preserve">${escape(line)}</text>`
  )
  .join("\n")

writeFileSync(
  new URL("docs/demo.svg", root),
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="The output of npm run demo">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
${text}
</g>
</svg>
`
)
