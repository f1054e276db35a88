/** The documents name files, headings and packages that are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const documents = [
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => join("docs", file))
]

/** Written by the build. */
const isBuilt = (path: string): boolean => path.startsWith("dist/")

const PATH = /^[\w.@-]+(?:\/[\w.@-]+)*(?:\/|\.(?:cjs|json|md|svg|ts|yaml))$/u

/** A path is named as it is from the root, or below `src/`. */
const exists = (path: string): boolean => [root, join(root, "src")].some((folder) => existsSync(join(folder, path)))

const withoutBlocks = (text: string): string => text.replaceAll(/^```[^]*?^```$/gmu, "")

const pathsIn = (text: string): ReadonlyArray<string> =>
  [...withoutBlocks(text).matchAll(/`([^`\n]+)`/gu)]
    .flatMap(([, code = ""]) => code.split(/\s+/u))
    .filter((word) => PATH.test(word) && !isBuilt(word))

/** The paths of a tree whose lines are `name  what it is`, each indented below its folder. */
const pathsOfTree = (text: string): ReadonlyArray<string> => {
  const folders: Array<{ readonly indent: number; readonly path: string }> = []
  return text.split("\n").flatMap((line) => {
    const [, indent = "", names = ""] = /^( *)(\S+(?: \S+)*)(?: {2,}|$)/u.exec(line) ?? []
    return names
      .split(" ")
      .filter((name) => PATH.test(name) && indent.length < 8)
      .map((name) => {
        while ((folders.at(-1)?.indent ?? -1) >= indent.length) folders.pop()
        const path = (folders.at(-1)?.path ?? "") + name
        if (name.endsWith("/")) folders.push({ indent: indent.length, path })
        return path
      })
  })
}

const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/gu, "")
    .replaceAll(" ", "-")

const anchorsIn = (text: string): ReadonlyArray<string> =>
  [...withoutBlocks(text).matchAll(/^#+ (.*)$/gmu)].map(([, heading = ""]) => anchorOf(heading))

/** The links of a document that lead to nothing. */
const brokenLinks = (document: string): ReadonlyArray<string> =>
  [...withoutBlocks(read(document)).matchAll(/\]\((?!https?:)([^)\s]+)\)/gu)]
    .map(([, link = ""]) => link)
    .filter((link) => {
      const [path = "", anchor] = link.split("#")
      const target = path === "" ? document : join(dirname(document), path)
      return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsIn(read(target)).includes(anchor))
    })

describe("the documents", () => {
  it.each(documents)("%s names no file that is not there", (document) =>
    assert.deepStrictEqual(
      pathsIn(read(document)).filter((path) => !exists(path)),
      []
    )
  )

  it("name many files, each found by this test", () =>
    assert.isAtLeast(documents.flatMap((document) => pathsIn(read(document))).length, 150))

  it.each(["README.md", ...documents])("%s has no broken link", (document) =>
    assert.deepStrictEqual(brokenLinks(document), [])
  )

  it("lay the project out as it is", () => {
    const [, tree = ""] = /^## Layout\n+```\n([^]*?)^```$/mu.exec(read("CONTRIBUTING.md")) ?? []
    const paths = pathsOfTree(tree)
    assert.deepStrictEqual(
      paths.filter((path) => !existsSync(join(root, path))),
      []
    )
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.includeMembers(
      [...paths],
      folders.map(({ name }) => `src/${name}/`)
    )
  })

  it("give a reason for each dependency, and for no other", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
      "dependencies" | "devDependencies",
      Readonly<Record<string, string>>
    >
    const [, table = ""] = /^## Dependencies\n([^]*)/mu.exec(read("CONTRIBUTING.md")) ?? []
    const named = [...table.matchAll(/^\| (`[^|]*`) *\|/gmu)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/gu)].map(([, name = ""]) => name)
    )
    assert.sameMembers(named, [...Object.keys(dependencies), ...Object.keys(devDependencies)])
  })
})
