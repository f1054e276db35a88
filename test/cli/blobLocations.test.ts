/** What a run of `sync` remembers for the next one: which repository has which blob. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Clock, Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"

const DAY_MILLIS = 24 * 3_600_000

/** The same image in three repositories of a source, and runs that copy one of them, each with one cache directory. */
const world = Effect.fnUntraced(function* (options: Parameters<typeof startRegistry>[0] = {}) {
  const [source, destination] = [yield* startRegistry(), yield* startRegistry(options)]
  for (const path of ["one", "two", "three"]) pushSampleImage(source.store, path, "1.0.0", "seed")
  const cache = join(dirname(yield* file("empty", "")), "cache")
  const sync = Effect.fnUntraced(function* (
    path: string,
    {
      env = { SKOPEO_OPERATOR_CACHE: cache },
      namespace = "default"
    }: {
      readonly env?: Readonly<Record<string, string>>
      readonly namespace?: string
    } = {}
  ) {
    const images = yield* file(
      "image.yaml",
      JSON.stringify({
        apiVersion: "skopeo.io/v1alpha1",
        kind: "Image",
        metadata: { name: path, namespace },
        spec: {
          source: { name: `${source.host}/${path}`, version: "1.0.0", tlsVerify: false },
          destination: { name: `${destination.host}/${path}`, tlsVerify: false }
        }
      })
    )
    const before = { source: source.requests.length, destination: destination.requests.length }
    const { code, stderr } = yield* run(["sync", "-f", images], env)
    assert.strictEqual(code, 0, stderr)
    return {
      /** The blobs that were read from the source. */
      read: source.requests.slice(before.source).filter((request) => /^GET .*\/blobs\//u.test(request)),
      /** The repositories that mounts named, other than the destination itself. */
      mountedFrom: new Set(
        destination.requests
          .slice(before.destination)
          .flatMap((request) => /[?&]from=([^&]+)/u.exec(request)?.[1] ?? [])
          .filter((from) => from !== path)
      )
    }
  })
  return { cache, destination, file: join(cache, "blobs"), source, sync }
})

const linesOf = (path: string): ReadonlyArray<string> => readFileSync(path, "utf8").trimEnd().split("\n")

/** Four blobs: a layer and a configuration for each of two platforms. */
const BLOBS = 4

describe("blobs that an earlier run of sync has placed", () => {
  it.live("a later run mounts the blobs of a sibling repository instead of sending them", () =>
    Effect.gen(function* () {
      const { destination, sync } = yield* world()
      assert.lengthOf((yield* sync("one")).read, BLOBS)
      const second = yield* sync("two")
      assert.deepStrictEqual(second.read, [])
      assert.deepStrictEqual([...second.mountedFrom], ["one"])
      assert.strictEqual(
        destination.store.manifest("two", "1.0.0")?.digest,
        destination.store.manifest("one", "1.0.0")?.digest
      )
    })
  )

  it.live("a blob that the sibling repository has lost is sent, and the location is forgotten", () =>
    Effect.gen(function* () {
      const { destination, file, sync } = yield* world()
      yield* sync("one")
      const [lost = ""] = linesOf(file).map((line) => line.split(" ").at(-1) ?? "")
      destination.store.deleteBlob("one", lost)
      assert.lengthOf((yield* sync("two")).read, 1)
      const left = linesOf(file).filter((line) => line.endsWith(lost))
      assert.deepStrictEqual(
        left.map((line) => line.split(" ").at(-2)),
        ["two"]
      )
    })
  )

  it.live("a registry that refuses the mount, as one whose credential may not read the sibling, gets the blobs", () =>
    Effect.gen(function* () {
      const { destination, sync } = yield* world({
        intercept: (request, response) => {
          if (!(request.url ?? "").includes("from=one")) return false
          response.writeHead(403).end()
          return true
        }
      })
      yield* sync("one")
      assert.lengthOf((yield* sync("two")).read, BLOBS)
      assert.isDefined(destination.store.manifest("two", "1.0.0"))
    })
  )

  it.live("a copy for another namespace does not mount them", () =>
    Effect.gen(function* () {
      const { sync } = yield* world()
      yield* sync("one", { namespace: "team-a" })
      const other = yield* sync("two", { namespace: "team-b" })
      assert.lengthOf(other.read, BLOBS)
      assert.deepStrictEqual([...other.mountedFrom], [])
    })
  )

  it.live("they are remembered below XDG_CACHE_HOME or HOME, and with SKOPEO_OPERATOR_CACHE=off not at all", () =>
    Effect.gen(function* () {
      const { cache, sync } = yield* world()
      yield* sync("one", { env: { HOME: cache, SKOPEO_OPERATOR_CACHE: "off" } })
      assert.isFalse(existsSync(cache))
      yield* sync("two", { env: { XDG_CACHE_HOME: join(cache, "xdg") } })
      assert.isTrue(existsSync(join(cache, "xdg/skopeo-operator/blobs")))
    })
  )

  it.live("the file has names and digests only, and only its user may read it", () =>
    Effect.gen(function* () {
      const { cache, destination, file, sync } = yield* world()
      yield* sync("one", {
        env: {
          SKOPEO_OPERATOR_CACHE: cache,
          CREDS_DESTINATION_USERNAME: "robot",
          CREDS_DESTINATION_PASSWORD: "secret-word"
        }
      })
      const lines = linesOf(file)
      assert.lengthOf(lines, BLOBS)
      for (const line of lines) {
        assert.match(line.replace(destination.host, "HOST"), /^\d+ default HOST one sha256:[0-9a-f]{64}$/u)
      }
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(statSync(cache).mode & 0o777, 0o700)
    })
  )

  it.live("a run keeps what other runs have written, and an unwritable directory harms no copy", () =>
    Effect.gen(function* () {
      const { cache, file, sync } = yield* world()
      yield* sync("one")
      yield* sync("two", { namespace: "other" })
      assert.lengthOf(linesOf(file), 2 * BLOBS)
      const inTheWay = join(cache, "file")
      writeFileSync(inTheWay, "")
      yield* sync("one", { namespace: "third", env: { SKOPEO_OPERATOR_CACHE: inTheWay } })
    })
  )

  it.live("a pipe in place of the file is not read, and a link in place of its draft is not followed", () =>
    Effect.gen(function* () {
      const { cache, file, sync } = yield* world()
      mkdirSync(cache, { mode: 0o700 })
      execFileSync("mkfifo", [file])
      const victim = join(cache, "victim")
      writeFileSync(victim, "untouched")
      symlinkSync(victim, `${file}.${process.pid}`)
      yield* sync("one")
      assert.lengthOf(linesOf(file), BLOBS)
      assert.strictEqual(readFileSync(victim, "utf8"), "untouched")
    })
  )

  it.live("two runs at once leave a whole file with the blobs of both", () =>
    Effect.gen(function* () {
      const { file, sync } = yield* world()
      yield* Effect.all([sync("one"), sync("two")], { concurrency: 2 })
      assert.lengthOf(linesOf(file), 2 * BLOBS)
      for (const line of linesOf(file)) assert.match(line, /^\d+ default \S+ (one|two) sha256:[0-9a-f]{64}$/u)
    })
  )

  it.live("lines that are old, broken or hostile are not followed, and the file stays below 4 MiB", () =>
    Effect.gen(function* () {
      const { cache, destination, file, source, sync } = yield* world()
      const today = Math.floor((yield* Clock.currentTimeMillis) / DAY_MILLIS)
      const digest = /blobs\/(sha256:[0-9a-f]{64})/u
      yield* sync("one", { env: { SKOPEO_OPERATOR_CACHE: "off" } })
      const blobs = [...new Set(source.requests.flatMap((request) => digest.exec(request)?.[1] ?? []))]
      const line = (day: number, path: string, blob: string) => `${day} default ${destination.host} ${path} ${blob}`
      const fill = Array.from({ length: 30_000 }, (_, number) =>
        line(today - 1, `filling/${String(number).padStart(40, "0")}`, `sha256:${String(number).padStart(64, "0")}`)
      )
      mkdirSync(cache)
      writeFileSync(
        file,
        [
          "no location",
          ...blobs.flatMap((blob) => [
            line(today - 31, "one", blob),
            line(today + 2, "one", blob),
            line(today, "../one", blob),
            line(today, "one?x=", blob)
          ]),
          ...fill.slice(0, 20_000)
        ].join("\n")
      )
      const { mountedFrom, read } = yield* sync("two")
      assert.lengthOf(read, BLOBS)
      assert.deepStrictEqual([...mountedFrom], [])
      assert.isAtMost(statSync(file).size, 4 * 1024 * 1024)
      // The newest locations are kept.
      assert.lengthOf(
        linesOf(file).filter((each) => each.includes(" two sha256:")),
        BLOBS
      )
      assert.notInclude(readFileSync(file, "utf8"), "no location")
      // A file that is too large is not read.
      writeFileSync(file, fill.join("\n").repeat(2))
      yield* sync("three")
      assert.lengthOf(linesOf(file), BLOBS)
    })
  )
})
