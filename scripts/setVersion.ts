/**
 * `npm version VERSION` runs this file after it has changed package.json and the lockfile, and before it commits and tags. The
 * version goes into the chart and the documents, and the notes of "Unreleased" become the notes of the version.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import packageJson from "../package.json" with { type: "json" }
import { released } from "./release/changelog.ts"
import { filesWithVersion, withVersion } from "./release/versions.ts"

const { version } = packageJson
const root = fileURLToPath(new URL("../", import.meta.url))
const rewrite = (file: string, change: (text: string) => string): void =>
  writeFileSync(`${root}${file}`, change(readFileSync(`${root}${file}`, "utf8")))

const changelog = released(readFileSync(`${root}CHANGELOG.md`, "utf8"), version)
if (changelog === undefined) {
  console.error('CHANGELOG.md has no notes below the heading "## Unreleased"; a release needs some')
  process.exit(1)
}
writeFileSync(`${root}CHANGELOG.md`, changelog)
for (const file of filesWithVersion(root)) rewrite(file, (text) => withVersion(text, version))
