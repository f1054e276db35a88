/** The bundle as the container image starts it, with what V8 compiled before, and without. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "../../scripts/bundle/bundle.ts"
import { warm } from "../../scripts/bundle/warm.ts"
import { shipped } from "../../scripts/bundle/shipped.ts"

const home = mkdtempSync(join(tmpdir(), "skopeo-operator-bundle-"))
const built = join(home, "built")
const cacheOf = (directory: string): string => join(directory, "program.cache")

const node = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { HOME: home, ...env }
  })
  return { status, stderr, stdout }
}

/** A copy of the bundle that a test may spoil. */
const copy = (name: string): string => {
  const directory = join(home, name)
  cpSync(built, directory, { recursive: true })
  return directory
}

/** What V8 says of the cache when the program starts as it does in the image. */
const rejects = (directory: string): string => {
  const program = join(directory, "main.cjs")
  const flags = shipped(directory).filter((arg) => arg !== program)
  const ask = `const start = () => require(${JSON.stringify(program)})
    process.once("exit", () => console.log(start().program.cachedDataRejected))
    start()`
  return (
    node([...flags, "--eval", ask, "skopeo-operator", "--version"])
      .stdout.trimEnd()
      .split("\n")
      .at(-1) ?? ""
  )
}

beforeAll(async () => {
  await bundle(built)
  await warm(built)
}, 60_000)

afterAll(() => rmSync(home, { recursive: true, force: true }))

describe("the bundle", { timeout: 30_000 }, () => {
  it("starts from a cache that V8 takes, with the image's flags", () => {
    assert.strictEqual(rejects(built), "false")
    // That this would be seen if it did not.
    const spoilt = copy("spoilt")
    writeFileSync(cacheOf(spoilt), readFileSync(cacheOf(spoilt)).fill(0, 0, 64))
    assert.strictEqual(rejects(spoilt), "true")
  })

  it("has in it what a copy runs, not only what a start does", () => {
    const started = copy("started")
    rmSync(cacheOf(started))
    const record = new URL("../../scripts/bundle/record.cjs", import.meta.url).pathname
    assert.strictEqual(node([record, started, "--version"]).status, 0)
    assert.isAbove(statSync(cacheOf(built)).size, 1.3 * statSync(cacheOf(started)).size)
  })

  it("starts without a cache, or with one that is no good, and says nothing of it", () => {
    const [without, spoilt] = [copy("without"), copy("no-good")]
    rmSync(cacheOf(without))
    writeFileSync(cacheOf(spoilt), "no cache")
    const expected = node([...shipped(built), "--version"])
    assert.match(expected.stdout, /\d+\.\d+\.\d+/u)
    for (const directory of [without, spoilt]) {
      assert.deepStrictEqual(node([...shipped(directory), "--version"]), { ...expected, status: 0, stderr: "" })
    }
  })

  it("writes nothing beside itself, and everyone may read it", () => {
    const before = readdirSync(built).map((name) => [name, statSync(join(built, name)).mtimeMs])
    assert.strictEqual(node([...shipped(built), "crd"]).status, 0)
    assert.deepStrictEqual(
      readdirSync(built).map((name) => [name, statSync(join(built, name)).mtimeMs]),
      before
    )
    for (const name of readdirSync(built)) assert.strictEqual(statSync(join(built, name)).mode & 0o444, 0o444, name)
  })

  it("reads a kubeconfig where there is one", () => {
    const config = join(home, "kubeconfig")
    writeFileSync(config, JSON.stringify({ apiVersion: "v1", kind: "Config", "current-context": "none" }))
    const { status, stderr } = node([...shipped(built), "operator"], { KUBECONFIG: config })
    assert.strictEqual(
      stderr,
      "skopeo-operator: the kubeconfig has no current context; choose one with: kubectl config use-context NAME\n"
    )
    assert.strictEqual(status, 2)
  })
})
