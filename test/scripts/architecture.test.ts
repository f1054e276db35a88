/** The picture of the layers shows what the code imports. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { drawArchitecture, importsBetween, readSources, reduced, type Sources } from "../../scripts/architecture.ts"

const root = new URL("../../", import.meta.url)

const importing = (...paths: ReadonlyArray<string>): string =>
  paths.map((path) => `import { a } from "${path}"\n`).join("")

const arrowsOf = (sources: Sources): ReadonlyArray<string> =>
  [...importsBetween(sources)].flatMap(([from, imported]) => [...imported].map((to) => `${from} -> ${to}`))

const reducedArrowsOf = (sources: Sources): ReadonlyArray<string> =>
  [...reduced(importsBetween(sources))].flatMap(([from, imported]) => [...imported].map((to) => `${from} -> ${to}`))

describe("the picture of the layers", () => {
  it("in docs/ is what the imports of src/ draw", () =>
    assert.strictEqual(
      readFileSync(new URL("docs/architecture.svg", root), "utf8"),
      drawArchitecture(readSources(fileURLToPath(new URL("src", root)))),
      "run npm run generate, and commit the result"
    ))

  it("has an arrow for imports of types, of modules loaded later, and of what is exported again", () =>
    assert.deepStrictEqual(
      arrowsOf({
        "a/A.ts": `import type { B } from "../b/B.ts"\nconst c = () => import("../c/deep/C.ts")\nexport * from "../d/D.ts"\n`,
        "b/B.ts": importing("effect", "node:fs", "./Other.ts"),
        "b/Other.ts": "",
        "c/deep/C.ts": importing("../../b/B.ts"),
        "d/D.ts": `import "../b/B.ts"\n`
      }),
      ["a/ -> b/", "a/ -> c/", "a/ -> d/", "c/ -> b/", "d/ -> b/"]
    ))

  it("has the files beside the folders as one box, above all", () =>
    assert.deepStrictEqual(
      arrowsOf({
        "App.ts": importing("./a/A.ts", "./Config.ts", "./version.ts"),
        "Config.ts": importing("./b/B.ts"),
        "a/A.ts": importing("../Config.ts", "../version.ts"),
        "b/B.ts": "",
        "version.ts": ""
      }),
      ["App.ts, main.ts, … -> a/", "App.ts, main.ts, … -> b/"]
    ))

  it("leaves out an arrow that a chain of others shows", () =>
    assert.deepStrictEqual(
      reducedArrowsOf({
        "a/A.ts": importing("../b/B.ts", "../c/C.ts", "../d/D.ts"),
        "b/B.ts": importing("../c/C.ts"),
        "c/C.ts": importing("../d/D.ts"),
        "d/D.ts": ""
      }),
      ["a/ -> b/", "b/ -> c/", "c/ -> d/"]
    ))

  it("is not drawn of folders that import each other in a circle", () =>
    assert.throws(
      () =>
        drawArchitecture({
          "z/Z.ts": importing("../a/A.ts"),
          "a/A.ts": importing("../b/B.ts"),
          "b/B.ts": importing("../c/C.ts"),
          "c/C.ts": importing("../a/Other.ts"),
          "a/Other.ts": ""
        }),
      "folders of src/ import each other in a circle: a/ -> b/ -> c/ -> a/"
    ))
})
