/** The refusals of `npm run release:chart`. test/e2e/distribution.e2e.ts serves what it makes. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("../../scripts/releaseChart.ts", import.meta.url))

/** Without helm, because PATH has no program. */
const release = (...args: ReadonlyArray<string>) => {
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8", env: { PATH: "" } })
  return { status, stderr }
}

describe("npm run release:chart", () => {
  it.each([
    ["without helm", [], /^release:chart: helm is needed on PATH and was not started: /u],
    ["with a text that is no URL", ["--url", "charts"], /^release:chart: --url: "charts" is no URL; write https:/u],
    ["with an unknown option", ["--ulr", "x"], /^release:chart: Unknown option '--ulr'/u],
    ["with a missing index", ["--merge", "/nowhere"], /^release:chart: --merge: \/nowhere does not exist/u]
  ])("npm run release:chart ends with 2 and says what is wrong %s", (_, args, words) => {
    const { status, stderr } = release(...args)
    assert.match(stderr, words)
    assert.strictEqual(status, 2)
  })
})
