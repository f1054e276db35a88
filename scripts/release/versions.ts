/** The files that name the version of this release besides package.json, its lockfile and `src/version.ts`. */
import { readdirSync } from "node:fs"
import { join } from "node:path"

/** A file or folder that may name other versions too. */
const HISTORY = ["docs/decisions", "docs/migrate.md", "docs/performance.md", "docs/upgrade.md"]

/** What stands before the version: a field of Chart.yaml, a value, an argument, or the name of the image, chart or package. */
const VERSION = new RegExp(
  `(?<=${[
    "^version: ",
    '^appVersion: "?',
    "^version=",
    "image\\.version=",
    "/skopeo-operator:",
    "/skopeo-operator, version: ",
    "/skopeo-operator --version ",
    " skopeo-operator@",
    '"skopeo-operator": "\\^'
  ].join("|")})\\d+\\.\\d+\\.\\d+(?:-[\\w.]+)?(?![\\w.])`,
  "gmu"
)

export const versionsIn = (text: string): ReadonlyArray<string> => text.match(VERSION) ?? []

export const withVersion = (text: string, version: string): string => text.replaceAll(VERSION, version)

const markdownIn = (root: string, folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `${folder}/${file}`)

/** The files that may name the version, relative to the root. */
export const filesWithVersion = (root: string): ReadonlyArray<string> =>
  [
    "README.md",
    "charts/skopeo-operator/Chart.yaml",
    "examples/package.json",
    ...markdownIn(root, "charts"),
    ...markdownIn(root, "docs")
  ].filter((file) => !HISTORY.some((path) => file === path || file.startsWith(`${path}/`)))
