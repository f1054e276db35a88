/** The parts of the bundle: what one part exports and another part imports. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { compileFunction } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { asBody, CHANGING } from "../../scripts/bundle/functionBody.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Runs parts in their order, and gives the exports of the last one. Parts import one another as `./NAME.js`. */
const run = (parts: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> => {
  const loaded = new Map<string, Record<string, unknown>>()
  let last: Record<string, unknown> = {}
  for (const [name, text] of Object.entries(parts)) {
    last = {}
    loaded.set(`./${name}.js`, last)
    compileFunction(asBody(text), ["require", "exports"])(
      (id: string) => loaded.get(id) ?? process.getBuiltinModule(id),
      last
    )
  }
  return last
}

const HASH = `let backEdges2 = 0;
var other = 5;
function bump() {
  backEdges2++;
}
export {
  backEdges2 as backEdges,
  bump,
  other as unchanged
};
`

describe("a part of the bundle", () => {
  it("a part reads a variable of another part that changes at each use, whatever the names in both parts", () => {
    const { results } = run({
      hash: HASH,
      user: `import {
  backEdges as backEdges3,
  bump,
  unchanged
} from "./hash.js";
var before = backEdges3;
bump();
var property = new Map().backEdges3;
var results = [before, backEdges3, unchanged, property];
export {
  results
};
`
    })
    assert.deepStrictEqual(results, [0, 1, 5, undefined])
  })

  it("a part has modules of Node.js, a default export, and parts that it imports for their effects alone", () => {
    const exported = run({
      effects: `globalThis.process.getBuiltinModule("node:path");
`,
      user: `import "./effects.js";
import * as path from "node:path";
import { join as join2 } from "node:path";
export default path.join("a", "b") === join2("a", "b");
`
    })
    assert.deepStrictEqual(exported, { __esModule: true, default: true })
  })

  it("the variables that change are all that the bundled modules export and assign again", () => {
    const files = [
      "src/**/*.ts",
      "node_modules/effect/dist/**/*.js",
      "node_modules/@effect/platform-node*/dist/**/*.js"
    ]
    const exported = globSync(files, { cwd: root }).flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(/^export (?:let|var) (\w+)/gmu)].map(([, name = ""]) => name)
    )
    assert.deepStrictEqual(new Set(exported), CHANGING)
  })
})
