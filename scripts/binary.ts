/**
 * `npm run build:binary -- NODE`: makes `dist/binary/skopeo-operator-OS-ARCHITECTURE`, one file without other needs: the given
 * Node.js, and the program with its compiled code. NODE is the program of a Node.js 26 or later, which can build such files.
 * Default: the Node.js that runs this script.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle, writeLoader } from "./bundle/bundle.ts"
import { warm } from "./bundle/warm.ts"

const node = process.argv[2] ?? process.execPath
const [major = 0] = execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).split(".").map(Number)
if (major < 26) {
  console.error(
    `build:binary needs Node.js 26 or later; ${node} is ${major}. Name the program of a newer one: npm run build:binary -- NODE`
  )
  process.exit(2)
}

const [platform = "", architecture = ""] = execFileSync(node, ["-p", "`${process.platform} ${process.arch}`"], {
  encoding: "utf8"
})
  .trim()
  .split(" ")
const directory = fileURLToPath(new URL("../dist/binary", import.meta.url))
const parts = join(directory, "parts")
const output = join(directory, `skopeo-operator-${platform}-${architecture === "x64" ? "amd64" : architecture}`)

rmSync(directory, { recursive: true, force: true })
mkdirSync(parts, { recursive: true })
const mainPart = await bundle(parts)
await warm(parts, { node, flags: [] })
const main = join(directory, "main.cjs")
await writeLoader("binary.cjs", mainPart, main)
const isAsset = (name: string): boolean => name.endsWith(".js") || name.endsWith(".cache")
const config = join(directory, "sea.json")
writeFileSync(
  config,
  JSON.stringify({
    main,
    output,
    executable: node,
    disableExperimentalSEAWarning: true,
    assets: Object.fromEntries(
      readdirSync(parts)
        .filter(isAsset)
        .map((name) => [name, join(parts, name)])
    )
  })
)
execFileSync(node, [`--build-sea=${config}`], { stdio: ["ignore", "ignore", "inherit"] })
// macOS runs no program whose signature does not fit. A signature without an identity is enough.
if (platform === "darwin") execFileSync("codesign", ["--sign", "-", "--force", output])
console.log(output)
