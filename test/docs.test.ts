/** The documents name existing files, headings and packages. */
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

/** The folders that the build writes. */
const isBuilt = (path: string): boolean => path.startsWith("dist/")

const PATH = /^[\w.@-]+(?:\/[\w.@-]+)*(?:\/|\.(?:cjs|json|md|svg|ts|yaml))$/u

/** A path is relative to the root or to `src/`. */
const exists = (path: string): boolean => [root, join(root, "src")].some((folder) => existsSync(join(folder, path)))

const withoutBlocks = (text: string): string => text.replaceAll(/^```[^]*?^```$/gmu, "")

const pathsIn = (text: string): ReadonlyArray<string> =>
  [...withoutBlocks(text).matchAll(/`([^`\n]+)`/gu)]
    .flatMap(([, code = ""]) => code.split(/\s+/u))
    .filter((word) => PATH.test(word) && !isBuilt(word))

/** The paths of a tree with lines of `name  description`, each indented below its folder. */
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

/** The broken links of a document. */
const brokenLinks = (document: string): ReadonlyArray<string> =>
  [...withoutBlocks(read(document)).matchAll(/\]\((?!https?:)([^)\s]+)\)/gu)]
    .map(([, link = ""]) => link)
    .filter((link) => {
      const [path = "", anchor] = link.split("#")
      const target = path === "" ? document : join(dirname(document), path)
      return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsIn(read(target)).includes(anchor))
    })

/** The texts in double quotes of docs/security.md: the titles of tests. */
const titlesOf = (text: string): ReadonlyArray<string> =>
  [...withoutBlocks(text).matchAll(/"([^"]+)"/gu)].map(([, title = ""]) => title.replaceAll(/\s+/gu, " "))

const testFiles = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }).filter((file) =>
  /\.(?:test|e2e|hostile)\.ts$/u.test(file)
)

/** Whether a file has a test with the title, or an attack of the title is in the folder that makes a test of each file. */
const isTest = (title: string, sources: string): boolean => {
  const [, attack] = /^the operator holds against ([a-z-]+)$/u.exec(title) ?? []
  return attack === undefined
    ? sources.includes(JSON.stringify(title)) || sources.includes(`\`${title}\``)
    : existsSync(join(root, "test/hostile/servers", `${attack}.ts`))
}

describe("the documents", () => {
  it("docs/security.md names existing tests only, and many of them", () => {
    const titles = titlesOf(read("docs/security.md"))
    const sources = testFiles.map((file) => read(join("test", file))).join("\n")
    assert.deepStrictEqual(
      titles.filter((title) => !isTest(title, sources)),
      []
    )
    assert.isAtLeast(titles.length, 70)
  })

  // The reference is made of comments, which name paths of registries too.
  const written = documents.filter((document) => !document.startsWith("docs/api/"))

  it.each(written)("%s names existing files only", (document) =>
    assert.deepStrictEqual(
      pathsIn(read(document)).filter((path) => !exists(path)),
      []
    )
  )

  it("the documents name many files, and this test finds the names", () =>
    assert.isAtLeast(documents.flatMap((document) => pathsIn(read(document))).length, 150))

  it.each(["README.md", ...documents])("%s has no broken link", (document) =>
    assert.deepStrictEqual(brokenLinks(document), [])
  )

  it("a signature in the reference of the library is short enough to be read, and names its types", () => {
    const blocks = documents
      .filter((document) => document.startsWith("docs/api/"))
      .flatMap((document) => [...read(document).matchAll(/^```ts$([^]*?)^```$/gmu)].map(([, code = ""]) => code))
    assert.isAbove(blocks.length, 200)
    const lines = blocks.flatMap((code) => code.replaceAll(/"[^"\n]*"/gu, '""').split("\n"))
    assert.deepStrictEqual(
      lines.filter((line) => line.length > 300 || line.includes("import(")),
      []
    )
  })

  it("CONTRIBUTING.md has the actual layout of the project", () => {
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

  it("CONTRIBUTING.md has a reason for each dependency, and for no other package", () => {
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
