/** Compiles `src` for publishing, and bundles the program: for npm, and with compiled code for the container image. */
import { execFileSync } from "node:child_process"
import { cpSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { bundle } from "./bundle/bundle.ts"
import { warm } from "./bundle/warm.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const at = (path: string): string => `${root}${path}`

rmSync(at("dist"), { recursive: true, force: true })
execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.build.json")], {
  stdio: "inherit"
})

await bundle(at("dist/bundle"))
cpSync(at("dist/bundle"), at("dist/image"), { recursive: true })
await warm(at("dist/image"))
