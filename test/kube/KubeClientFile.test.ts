/** The objects of an API server in memory that a directory keeps from process to process. */
import { execFileSync } from "node:child_process"
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, FileSystem, Layer, Logger, Option, type Path, PlatformError, Scope } from "effect"
import { type Asking, isStale, type Lock } from "../../src/kube/directoryLock.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientFile from "../../src/kube/KubeClientFile.ts"
import { Images } from "../../src/kube/Resources.ts"

const name = { namespace: "team", name: "app" }
const spec = { source: { name: "source.test/app", version: "1" }, destination: { name: "dest.test/app" } }

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Starts a process over a directory. `logged` gets the messages of its log. */
const started = Effect.fnUntraced(function* (
  path: string,
  logged: Array<string> = [],
  services: Layer.Layer<FileSystem.FileSystem | Path.Path> = NodeServices.layer
) {
  const scope = yield* Scope.make()
  const layer = KubeClientFile.layer({ directory: path, setting: "--state-dir", resource: Images }).pipe(
    Layer.provide(services),
    Layer.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))]))
  )
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  const kube = yield* KubeClient.pipe(Effect.provide(context))
  return { kube, stop: Scope.close(scope, Exit.void) }
})

/** The message of a process that cannot start. */
const refusal = (path: string) => Effect.map(Effect.flip(started(path)), ({ message }) => message)

describe("a directory with the state of Images", () => {
  it.live("a later process has the objects of the earlier one, with their uids, versions and statuses", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const first = yield* started(path)
      yield* first.kube.apply(Images, { metadata: name, spec }, "files")
      yield* first.kube.create(Images, { metadata: { ...name, name: "other" }, spec })
      const told = yield* first.kube.applyStatus(Images, { metadata: name, status: { tags: "1/1" } }, "operator")
      yield* first.stop
      assert.deepStrictEqual(readdirSync(path), ["state.json"], "the lock and the new file are gone")

      const second = yield* started(path)
      assert.deepStrictEqual(yield* second.kube.get(Images, name), Option.some(told))
      const again = yield* second.kube.apply(Images, { metadata: name, spec }, "files")
      assert.deepStrictEqual(again, told, "an unchanged Image is not written")
      yield* second.kube.delete(Images, { ...name, name: "other" })
      const third = yield* second.kube.create(Images, { metadata: { ...name, name: "third" }, spec })
      assert.notInclude([told.metadata.uid], third.metadata.uid)
      assert.isAbove(Number(third.metadata.resourceVersion), Number(told.metadata.resourceVersion))
      yield* second.stop
      const { kube, stop } = yield* started(path)
      const { items } = yield* kube.list(Images, {})
      assert.deepStrictEqual(
        items.map(({ metadata }) => metadata.name),
        ["app", "third"]
      )
      yield* stop
    })
  )

  it.live("a state that is broken, or of another release, is reported and counts as empty", () =>
    Effect.gen(function* () {
      for (const text of ["", "{", "[]", '{"format":2,"version":1,"created":0,"objects":{},"unclaimed":{}}']) {
        const path = yield* directory
        writeFileSync(join(path, "state.json"), text)
        const logged: Array<string> = []
        const { kube, stop } = yield* started(path, logged)
        assert.deepStrictEqual((yield* kube.list(Images, {})).items, [])
        assert.deepStrictEqual(logged, ["state not read; every Image is checked again"])
        yield* kube.create(Images, { metadata: name, spec })
        yield* stop
        assert.include(readFileSync(join(path, "state.json"), "utf8"), '"format":1')
      }
    })
  )

  it.live("a pipe or a device in the place of the state or of the lock is not read, and is replaced", () =>
    Effect.gen(function* () {
      for (const put of [
        (path: string) => void execFileSync("mkfifo", [path]),
        (path: string) => symlinkSync("/dev/zero", path)
      ]) {
        const path = yield* directory
        const logged: Array<string> = []
        for (const file of ["state.json", "lock"]) put(join(path, file))
        const { kube, stop } = yield* started(path, logged)
        assert.deepStrictEqual(logged, ["state not read; every Image is checked again"])
        assert.include(readFileSync(join(path, "lock"), "utf8"), `"pid":${process.pid}`)
        yield* kube.create(Images, { metadata: name, spec })
        yield* stop
        assert.deepStrictEqual(readdirSync(path), ["state.json"])
        assert.include(readFileSync(join(path, "state.json"), "utf8"), '"format":1')
      }
    })
  )

  it.live("a link in the place of a new file is replaced, and its target stays", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const other = join(yield* directory, "other")
      writeFileSync(other, "theirs")
      symlinkSync(other, join(path, "state.json.new"))
      symlinkSync(other, join(path, "state.json"))
      const { kube, stop } = yield* started(path)
      yield* kube.create(Images, { metadata: name, spec })
      yield* stop
      assert.strictEqual(readFileSync(other, "utf8"), "theirs")
      assert.include(readFileSync(join(path, "state.json"), "utf8"), '"format":1')
    })
  )

  it.live("a second process is refused with the number of the first, and starts after the first has ended", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const lock: Lock = { id: "other", host: hostname(), pid: process.ppid, renewedAt: yield* Clock.currentTimeMillis }
      writeFileSync(join(path, "lock"), JSON.stringify(lock))
      assert.strictEqual(
        yield* refusal(path),
        `--state-dir: ${path} is used by process ${process.ppid} on ${hostname()}; end that process, or name another directory`
      )
      writeFileSync(join(path, "lock"), JSON.stringify({ ...lock, renewedAt: 0 }))
      const { stop } = yield* started(path)
      assert.include(readFileSync(join(path, "lock"), "utf8"), `"pid":${process.pid}`)
      yield* stop
      writeFileSync(join(path, "lock"), '{"id":')
      yield* Effect.flatMap(started(path), ({ stop }) => stop)
    })
  )

  it.live("the lock of another user is respected while it is renewed, and replaced afterwards", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const file = join(path, "lock")
      writeFileSync(file, "{}")
      // The superuser may read every file, so the file system refuses here.
      const unreadable = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          readFileString: (name: string) =>
            name === file && readFileSync(file, "utf8") === "{}"
              ? Effect.fail(
                  PlatformError.systemError({
                    _tag: "PermissionDenied",
                    module: "FileSystem",
                    method: "readFileString"
                  })
                )
              : fs.readFileString(name)
        }))
      ).pipe(Layer.provideMerge(NodeServices.layer))
      assert.strictEqual(
        yield* Effect.map(Effect.flip(started(path, [], unreadable)), ({ message }) => message),
        `--state-dir: ${path} is used by a process of another user; end that process, or name another directory`
      )
      assert.strictEqual(readFileSync(file, "utf8"), "{}")
      utimesSync(file, 0, 0)
      const { stop } = yield* started(path, [], unreadable)
      assert.include(readFileSync(file, "utf8"), `"pid":${process.pid}`)
      yield* stop
    })
  )

  it.live("a full disk and a lock that cannot be removed are reported with the cause, and leave no lock in part", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const file = join(path, "lock")
      const full = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          // A full disk has room for an empty file.
          writeFileString: (name: string, _: string, options?: Parameters<typeof fs.writeFileString>[2]) =>
            Effect.andThen(
              fs.writeFileString(name, "", options),
              Effect.fail(
                PlatformError.systemError({
                  _tag: "Unknown",
                  module: "FileSystem",
                  method: "writeFile",
                  cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
                })
              )
            )
        }))
      ).pipe(Layer.provideMerge(NodeServices.layer))
      assert.strictEqual(
        yield* Effect.map(Effect.flip(started(path, [], full)), ({ message }) => message),
        `--state-dir: ${path} cannot be written (ENOSPC: no space left on device, write); name a directory that this user may write, on a disk with free space`
      )
      assert.deepStrictEqual(readdirSync(path), [])
      mkdirSync(file)
      assert.match(yield* refusal(path), /^--state-dir: .* cannot be written \(.*EISDIR.*lock\); name a directory /u)
    })
  )

  const lock: Lock = { id: "a", host: "here", pid: 7, renewedAt: 100_000 }
  const asking: Asking = { now: 120_000, host: "here", pid: 8, isAlive: () => true }
  for (const [what, stale, other] of [
    ["of a process that lives", false, {}],
    ["of a process that has ended", true, { isAlive: () => false }],
    ["with the own number, as of the process before in a container", true, { pid: 7 }],
    ["of another host, where no process can be asked", false, { host: "there", isAlive: () => false }],
    ["of another host with the own number", false, { host: "there", pid: 7 }],
    ["that was not renewed for more than a minute", true, { now: 160_001 }],
    ["that was renewed in the future, by a clock that was set back", true, { now: 0 }],
    ["that was renewed a minute ago", false, { now: 160_000 }]
  ] as const) {
    it(`a lock ${what} is ${stale ? "stale" : "valid"}`, () =>
      assert.strictEqual(isStale(lock, { ...asking, ...other }), stale))
  }
})
