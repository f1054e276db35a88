/** The package as published: packed, installed elsewhere, compiled against, and run. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = new URL("../../", import.meta.url).pathname

describe("the published package", () => {
  it("the example over the published package replaces the copy engine and runs a reconcile", () => {
    const directory = mkdtempSync(join(tmpdir(), "skopeo-operator-library-"))
    const run = (program: string, args: ReadonlyArray<string>, cwd: string) =>
      execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
    try {
      const tarball = run("npm", ["pack", "--silent", "--pack-destination", directory], root).trim().split("\n").at(-1)
      const project = join(directory, "notify")
      cpSync(join(root, "examples/notify"), project, { recursive: true })
      const manifest = readFileSync(join(project, "package.json"), "utf8")
      writeFileSync(
        join(project, "package.json"),
        manifest.replace(/"skopeo-operator": "[^"]+"/u, `"skopeo-operator": "file:${join(directory, tarball ?? "")}"`)
      )
      run("npm", ["install", "--silent", "--ignore-scripts"], project)
      const output = run(process.execPath, ["notify.ts"], project)
      // The default logger of Effect prints a log line's time first, and each of its annotations in a line of its own.
      const lines = output.split("\n").filter((line) => line !== "" && !/^(?:\[|\}| {2})/u.test(line))
      assert.deepStrictEqual(lines, [
        "would copy v2.13.0 to argoproj/argocd",
        "would copy v2.13.1 to argoproj/argocd",
        "checks again: Interval"
      ])
      // The published types are complete: the example compiles against them in strict mode.
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            strict: true,
            noEmit: true,
            module: "nodenext",
            target: "es2025",
            lib: ["es2025"],
            types: [],
            typeRoots: [],
            skipLibCheck: true,
            allowImportingTsExtensions: true
          },
          files: ["notify.ts"]
        })
      )
      run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], project)
      const help = run(process.execPath, ["node_modules/skopeo-operator/dist/bundle/main.cjs", "--help"], project)
      assert.include(help, "sync")
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
