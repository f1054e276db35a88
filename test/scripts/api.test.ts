/** The reference of the package has what the entries export, and says which types a user of the package cannot name. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { type ApiReport, reportApi } from "../../scripts/api.ts"

const modules = fileURLToPath(new URL("../../node_modules", import.meta.url))

const CONFIG = JSON.stringify({
  compilerOptions: {
    strict: true,
    module: "nodenext",
    target: "es2025",
    declaration: true,
    types: [],
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    rewriteRelativeImportExtensions: true,
    rootDir: "src"
  },
  include: ["src"]
})

/** The report of a project with these sources beside the other entries. */
const reportOn = (sources: Readonly<Record<string, string>>): ApiReport => {
  const root = mkdtempSync(join(tmpdir(), "skopeo-operator-api-test-"))
  try {
    symlinkSync(modules, join(root, "node_modules"))
    const empty = { "domain.ts": "export {}\n", "registry.ts": "export {}\n", "testing.ts": "export {}\n" }
    const files = { "package.json": '{ "type": "module" }', "tsconfig.build.json": CONFIG }
    const inSource = Object.entries({ ...empty, ...sources }).map(([file, text]) => [`src/${file}`, text] as const)
    for (const [file, text] of [...Object.entries(files), ...inSource]) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), text)
    }
    return reportApi(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const SOURCES = {
  "index.ts": '/** The entry. */\nexport * from "./domain.ts"\nexport * as Engine from "./Engine.ts"\n',
  "domain.ts": 'export { copy, type Options } from "./Copy.ts"\n',
  "Copy.ts": `/** Never exported. */
export interface Hidden { readonly a: string }
/** The options of {@link copy}. */
export interface Options { readonly hidden: Hidden }
/**
 * Copies.
 *
 * @example
 * copy({ hidden })
 */
export const copy = (options: Options): string => options.hidden.a
`,
  "Engine.ts":
    'import { Schema } from "effect"\n/** It failed. */\nexport class Failed extends Schema.TaggedError<Failed>()("Failed", { why: Schema.String }) {}\n'
}

/** The compiler runs in a process of its own. */
const TIMEOUT = 60_000

describe("the reference of the package", { timeout: TIMEOUT }, () => {
  let report: ApiReport = { files: {}, unnamed: [] }
  beforeAll(() => {
    report = reportOn(SOURCES)
  }, TIMEOUT)

  it("the reference has each export once, with its comment and its declaration", () => {
    const { files } = report
    assert.deepStrictEqual(Object.keys(files), ["index.md", "domain.md", "registry.md", "testing.md"])
    const domain = files["domain.md"] ?? ""
    assert.include(domain, "## copy\n\nCopies.\n\n**Example**\n\n```ts\ncopy({ hidden })\n```")
    assert.include(domain, "```ts\nconst copy: (options: Options) => string;\n```")
    assert.include(domain, "The options of `copy`.")
    const index = files["index.md"] ?? ""
    assert.include(index, "From the other entries: [`copy`](domain.md#copy)")
    assert.include(index, "## Engine.Failed\n\nIt failed.\n\n```ts\nclass Failed extends Schema.Class<Failed, ")
    assert.notInclude(index, "## copy")
    assert.notInclude(index, "_base")
  })

  it("the report names each type of a public signature that its entry does not export", () => {
    assert.deepStrictEqual(report.unnamed, [
      "skopeo-operator: Options names Hidden, which is not exported",
      "skopeo-operator/domain: Options names Hidden, which is not exported"
    ])
    const exported = { ...SOURCES, "domain.ts": 'export { copy, type Hidden, type Options } from "./Copy.ts"\n' }
    assert.deepStrictEqual(reportOn(exported).unnamed, [])
  })
})
