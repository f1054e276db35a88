/** The bundle as the container image starts it, with what V8 compiled before, and without. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { transform } from "esbuild"
import packageJson from "../../package.json" with { type: "json" }
import { warm } from "../../scripts/bundle/warm.ts"
import { shipped } from "../../scripts/bundle/shipped.ts"
import { builtProgram } from "../support/builtProgram.ts"

const home = mkdtempSync(join(tmpdir(), "skopeo-operator-bundle-"))
const built = join(home, "built")
const cachesOf = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory).flatMap((name) => (name.endsWith(".cache") ? [join(directory, name)] : []))
const bytesOf = (files: ReadonlyArray<string>): number => files.reduce((sum, file) => sum + statSync(file).size, 0)

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

/** A copy of the bundle without compiled code, as the npm package has it. */
const published = (name: string): string => {
  const directory = copy(name)
  for (const file of cachesOf(directory)) rmSync(file)
  return directory
}

/** Whether V8 has refused the code of each file, in a start with flags. Undefined: no code was offered. */
const rejections = (
  directory: string,
  flags: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): ReadonlyArray<unknown> => {
  const at = (name: string): string => JSON.stringify(join(directory, name))
  const ask = `process.once("exit", () => {
      const scripts = [...require(${at("start.cjs")}).scripts.values()]
      console.log(JSON.stringify(scripts.map(({ cachedDataRejected }) => cachedDataRejected ?? "none")))
    })
    require(${at("main.cjs")})`
  const { stdout } = node([...flags, "--eval", ask, "skopeo-operator", "--version"], env)
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
}

const imageFlags = (directory: string): ReadonlyArray<string> => shipped(directory).slice(0, -1)

beforeAll(async () => {
  cpSync(builtProgram, built, { recursive: true })
  for (const file of cachesOf(built)) rmSync(file)
  await warm(built)
}, 60_000)

afterAll(() => rmSync(home, { recursive: true, force: true }))

describe("the bundle", { timeout: 30_000 }, () => {
  it("starts in the image from code that V8 takes", () => {
    const taken = rejections(built, imageFlags(built))
    assert.isNotEmpty(taken)
    assert.deepStrictEqual(new Set(taken), new Set([false]))
    // That this would be seen if it did not.
    const spoilt = copy("spoilt")
    for (const file of cachesOf(spoilt)) writeFileSync(file, readFileSync(file).fill(0, 0, 64))
    assert.deepStrictEqual(new Set(rejections(spoilt, imageFlags(spoilt))), new Set([true]))
  })

  it("brings into the image the code that a copy runs, not only the code of a start", () => {
    const started = published("started")
    const record = new URL("../../scripts/bundle/record.cjs", import.meta.url).pathname
    assert.strictEqual(node([record, started, "--version"]).status, 0)
    assert.isNotEmpty(cachesOf(started))
    assert.isAbove(bytesOf(cachesOf(built)), 1.3 * bytesOf(cachesOf(started)))
  })

  it("loads no part for a cluster, for --watch or for traces to copy without them", () => {
    const unneeded =
      /^(?:ClusterAccess|ClusterOperator|KubeClientHttp|WatchOperator|Tracing|kubeconfig|prometheus|undici)-/u
    assert.lengthOf(
      readdirSync(built).filter((name) => unneeded.test(name) && name.endsWith(".js")),
      8
    )
    // Compiled code is recorded of the parts that a copy loads.
    assert.deepStrictEqual(
      readdirSync(built).filter((name) => unneeded.test(name) && name.endsWith(".cache")),
      []
    )
  })

  it("loads no module of Node.js for child processes, promises of files or the standard input to print its version", () => {
    const directory = published("modules")
    const ask = `process.once("exit", () => console.log(JSON.stringify(process.moduleLoadList)))
      require(${JSON.stringify(join(directory, "main.cjs"))})`
    const { stdout } = node(["--eval", ask, "skopeo-operator", "--version"])
    const loaded = new Set(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""))
    // That the list would name a module.
    assert.isTrue(loaded.has("NativeModule https"))
    assert.deepStrictEqual(
      ["child_process", "internal/fs/promises", "internal/fs/streams", "readline"].filter((name) =>
        loaded.has(`NativeModule ${name}`)
      ),
      []
    )
  })

  it("starts without compiled code, or with some that is no good, and says nothing of it", () => {
    const [without, spoilt] = [published("without"), copy("no-good")]
    for (const file of cachesOf(spoilt)) writeFileSync(file, "no cache")
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

describe("the bundle as the npm package has it", { timeout: 30_000 }, () => {
  const compiledIn = (cache: string): string => join(cache, "compiled", `${process.version}-${process.arch}`)
  const filesIn = (cache: string) =>
    readdirSync(compiledIn(cache)).map((name) => [name, statSync(join(compiledIn(cache), name)).mtimeMs])

  it("is the package's command, and its compiled code for one version of Node.js is left out", () => {
    assert.strictEqual(packageJson.bin["skopeo-operator"], "dist/bundle/main.cjs")
    assert.isTrue(packageJson.files.includes("dist") && packageJson.files.includes("!dist/image"))
  })

  it("keeps the code that a process compiled for the next process of the user", () => {
    const [directory, cache] = [published("kept"), join(home, "kept-cache")]
    const env = { SKOPEO_OPERATOR_CACHE: cache }
    assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set(["none"]))
    assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set([false]))
    // Functions that only this command runs are added once.
    const before = filesIn(cache)
    assert.strictEqual(node([join(directory, "main.cjs"), "crd"], env).status, 0)
    const after = filesIn(cache)
    assert.notDeepEqual(after, before)
    assert.strictEqual(node([join(directory, "main.cjs"), "crd"], env).status, 0)
    assert.deepStrictEqual(filesIn(cache), after)
    assert.strictEqual(statSync(compiledIn(cache)).mode & 0o077, 0)
  })

  it("keeps code below XDG_CACHE_HOME or ~/.cache", () => {
    const directory = published("default")
    const [caches, ownHome] = [join(home, "xdg"), join(home, "own-home")]
    assert.strictEqual(node([join(directory, "main.cjs"), "--version"], { XDG_CACHE_HOME: caches }).status, 0)
    assert.isTrue(existsSync(compiledIn(join(caches, "skopeo-operator"))))
    assert.strictEqual(node([join(directory, "main.cjs"), "--version"], { HOME: ownHome }).status, 0)
    assert.isTrue(existsSync(compiledIn(join(ownHome, ".cache", "skopeo-operator"))))
  })

  it("runs no code from a directory that other users may write to", () => {
    const [directory, cache] = [published("shared"), join(home, "shared-cache")]
    const env = { SKOPEO_OPERATOR_CACHE: cache }
    assert.strictEqual(node([join(directory, "main.cjs"), "--version"], env).status, 0)
    assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set([false]))
    for (const open of [cache, join(cache, "compiled"), compiledIn(cache)]) {
      chmodSync(open, 0o777)
      assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set(["none"]), open)
      chmodSync(open, 0o700)
    }
    for (const name of readdirSync(compiledIn(cache))) chmodSync(join(compiledIn(cache), name), 0o666)
    assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set(["none"]))
  })

  it("runs no code from behind a link, and writes none there", () => {
    const [directory, cache, other] = [published("linked"), join(home, "linked-cache"), join(home, "other-cache")]
    assert.strictEqual(node([join(directory, "main.cjs"), "--version"], { SKOPEO_OPERATOR_CACHE: other }).status, 0)
    const before = filesIn(other)
    mkdirSync(cache, { mode: 0o700 })
    symlinkSync(join(other, "compiled"), join(cache, "compiled"))
    const env = { SKOPEO_OPERATOR_CACHE: cache }
    assert.deepStrictEqual(new Set(rejections(directory, [], env)), new Set(["none"]))
    assert.deepStrictEqual(filesIn(other), before)
  })

  it("removes code that is 30 days old, and no other file", () => {
    const [directory, cache] = [published("old-code"), join(home, "old-cache")]
    const [mine, version] = [join(cache, "compiled", "mine.cache"), join(cache, "compiled", "v22.19.0-x64")]
    mkdirSync(version, { recursive: true, mode: 0o700 })
    const [old, note] = [join(version, "main.js.cache"), join(version, "note.txt")]
    for (const path of [mine, old, note]) {
      writeFileSync(path, "")
      utimesSync(path, 0, 0)
    }
    const { status } = node([join(directory, "main.cjs"), "--version"], { SKOPEO_OPERATOR_CACHE: cache })
    assert.strictEqual(status, 0)
    assert.deepStrictEqual(
      [mine, old, note].map((path) => existsSync(path)),
      [true, false, true]
    )
  })

  it("keeps nothing if SKOPEO_OPERATOR_CACHE is off, or if nothing can be written", () => {
    const [directory, ownHome] = [published("off"), join(home, "off-home")]
    const off = { HOME: ownHome, SKOPEO_OPERATOR_CACHE: "off" }
    assert.strictEqual(node([join(directory, "main.cjs"), "--version"], off).status, 0)
    assert.isFalse(existsSync(ownHome))
    const file = join(home, "file")
    writeFileSync(file, "")
    const { status, stderr } = node([join(directory, "main.cjs"), "--version"], { SKOPEO_OPERATOR_CACHE: file })
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })

  it("tells an old Node.js which version is needed, and ends with 2", async () => {
    const old = join(home, "old.cjs")
    writeFileSync(
      old,
      `Object.defineProperty(process, "version", { value: "v20.20.2" })
       Object.defineProperty(process, "versions", { value: { node: "20.20.2" } })`
    )
    const { status, stderr, stdout } = node(["--require", old, join(built, "main.cjs"), "--version"])
    const [, needed] = /^>=(.*)$/u.exec(packageJson.engines.node) ?? []
    assert.strictEqual(stderr, `skopeo-operator needs Node.js ${needed} or later; this is v20.20.2\n`)
    assert.strictEqual(stdout, "")
    assert.strictEqual(status, 2)
    // esbuild refuses what it cannot express in this syntax, such as const.
    await transform(readFileSync(join(built, "main.cjs"), "utf8"), { target: "es5" })
  })
})
