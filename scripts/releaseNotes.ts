/** `node scripts/releaseNotes.ts VERSION`: prints the notes of a version from CHANGELOG.md. Fails if there are none. */
import { readFileSync } from "node:fs"
import { notesOf } from "./release/changelog.ts"

const [, , version = ""] = process.argv
const notes = notesOf(readFileSync(new URL("../CHANGELOG.md", import.meta.url), "utf8"), version)
if (notes === undefined) {
  console.error(`CHANGELOG.md has no notes for the version "${version}"; write them, and tag again`)
  process.exit(1)
}
console.log(notes)
