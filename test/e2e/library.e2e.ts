/** The package as published: packed, installed elsewhere, compiled against, and run. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))

const run = (program: string, args: ReadonlyArray<string>, cwd: string): string => {
  const ended = spawnSync(program, args, { cwd, encoding: "utf8" })
  if (ended.status !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${ended.stdout}${ended.stderr}`, { cause: ended.error })
  return ended.stdout
}

/** The lines that each example prints. */
const EXAMPLES: Readonly<Record<string, ReadonlyArray<string>>> = {
  "copy.ts": ["copied 6542 bytes under v2.13.0", "present: the same digest", "there is no v9"],
  "credentials.ts": ["the vault is asked for 127.0.0.1", "copied 1.0", "copied 1.1"],
  "notify.ts": [
    "copied team-a/argocd: v2.13.0 to registry.corp/argoproj/argocd",
    "copied team-a/argocd: v2.13.1 to registry.corp/argoproj/argocd",
    "argocd: 2 tags are in place"
  ],
  "week.ts": ["day 1: copied 22", "day 3: copied 22", "day 6: copied 22", "a week has passed"]
}

const ENTRIES = ["skopeo-operator", "skopeo-operator/domain", "skopeo-operator/registry", "skopeo-operator/testing"]

/** The examples in the reference that are whole programs: those with their imports. */
const documented = readdirSync(join(root, "docs/api")).flatMap((file) =>
  [...readFileSync(join(root, "docs/api", file), "utf8").matchAll(/^```ts\n(import [^]*?)^```$/gmu)].map(
    ([, program = ""]) => program
  )
)

describe("the published package", () => {
  let directory = ""
  let project = ""

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "skopeo-operator-library-"))
    const tarball = run("npm", ["pack", "--silent", "--pack-destination", directory], root).trim().split("\n").at(-1)
    project = join(directory, "examples")
    cpSync(join(root, "examples"), project, { recursive: true })
    const manifest = readFileSync(join(project, "package.json"), "utf8")
    writeFileSync(
      join(project, "package.json"),
      manifest.replace(/"skopeo-operator": "[^"]+"/u, `"skopeo-operator": "file:${join(directory, tarball ?? "")}"`)
    )
    run("npm", ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], project)
  })

  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("the published types compile in strict mode without skipLibCheck, and so do the examples and the reference", () => {
    assert.isAtLeast(documented.length, 10)
    documented.forEach((program, index) => writeFileSync(join(project, `reference-${index}.ts`), program))
    writeFileSync(
      join(project, "entries.ts"),
      ENTRIES.map((entry, index) => `export * as E${index} from "${entry}"\n`).join("")
    )
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          module: "nodenext",
          target: "es2025",
          // Effect's own types need the types of the DOM.
          lib: ["es2025", "dom", "dom.iterable"],
          types: ["node"],
          skipLibCheck: false,
          allowImportingTsExtensions: true
        },
        files: ["entries.ts", ...Object.keys(EXAMPLES), ...documented.map((_, index) => `reference-${index}.ts`)]
      })
    )
    run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], project)
  })

  it.each(Object.entries(EXAMPLES))("the example %s runs over the published package", (file, lines) => {
    assert.deepStrictEqual(run(process.execPath, [file], project).trimEnd().split("\n"), lines)
  })

  it("the package brings no second copy of effect, and no reader of kubeconfigs", () => {
    const listed = run("npm", ["ls", "--all", "--parseable"], project)
    assert.lengthOf(listed.match(/node_modules\/effect$/gmu) ?? [], 1)
    assert.notInclude(listed, "@kubernetes/client-node")
  })

  it.each(ENTRIES)("the entry %s runs nothing when it is imported", (entry) => {
    // The pipes are the outputs of the process.
    const program = `await import("${entry}"); console.log(process.getActiveResourcesInfo().filter((one) => one !== "PipeWrap").join())`
    assert.strictEqual(run(process.execPath, ["--input-type=module", "-e", program], project).trim(), "")
  })

  it("the program of the package shows its help", () => {
    const help = run(process.execPath, ["node_modules/.bin/skopeo-operator", "--help"], project)
    assert.include(help, "sync")
  })
})
