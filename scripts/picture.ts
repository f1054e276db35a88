/** Draws the pictures of the documents from real runs: of the demo, of `sync`, and of the operator with several Images. */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { imagesPicture } from "./pictures/images.ts"
import { syncPicture } from "./pictures/sync.ts"
import { BLUE, drawTerminal, GREEN } from "./pictures/terminal.ts"

const root = new URL("../", import.meta.url)

const demoPicture = (): string => {
  const output = execFileSync(process.execPath, [fileURLToPath(new URL("demo/demo.ts", root))], { encoding: "utf8" })
  return drawTerminal(
    "The output of npm run demo",
    ["$ npm run demo", ...output.trimEnd().split("\n")],
    [
      [GREEN, (line) => line.includes("Ready=True") || line.endsWith("same")],
      [BLUE, (line) => line.includes("apply Image") || line.includes("at the source")]
    ]
  )
}

writeFileSync(new URL("docs/images.svg", root), await imagesPicture())
writeFileSync(new URL("docs/sync.svg", root), await syncPicture())
writeFileSync(new URL("docs/demo.svg", root), demoPicture())
