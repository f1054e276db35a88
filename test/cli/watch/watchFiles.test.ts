/** Files with Images that change while `sync --watch` runs. */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { type FileImages, watchFiles } from "../../../src/cli/watch/watchFiles.ts"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../../src/kube/KubeClientMemory.ts"
import { Images } from "../../../src/kube/Resources.ts"

const imageOf = (name: string, version = "1.0.0") => ({
  metadata: { namespace: "default", name },
  spec: { source: { name: `source.test/${name}`, version }, destination: { name: `dest.test/${name}` } }
})

/** A loop over files that the test writes, with what the loop has printed and logged. */
const watching = Effect.gen(function* () {
  const store = new ApiServerStore()
  const files = { content: "", reads: 0, images: [] as FileImages["images"], problems: [] as FileImages["problems"] }
  const output: Array<string> = []
  const write = (images: FileImages["images"], problems: FileImages["problems"] = []) => {
    Object.assign(files, { images, problems, content: JSON.stringify([images, problems]) })
    return TestClock.adjust("10 seconds")
  }
  const logger = Logger.layer([Logger.make(({ message }) => void output.push(String(message)))])
  const console = { ...globalThis.console, error: (line: string) => void output.push(line) }
  const layer = Layer.mergeAll(KubeClientMemory.layer({ store }), logger, Layer.succeed(Console.Console, console))
  yield* watchFiles({
    fingerprint: Effect.sync(() => files.content),
    read: Effect.sync(() => {
      files.reads += 1
      return { images: files.images, problems: files.problems }
    })
  }).pipe(Effect.provide(layer), Effect.forkScoped)
  const images = () =>
    store.list(Images, {}).items.map(({ metadata }) => `${metadata.name} ${String(metadata["generation"])}`)
  return { store, files, output, write, images }
})

describe("files that change", () => {
  it.effect("an Image is added, changed and removed as the files say, and an unchanged Image keeps its status", () =>
    Effect.gen(function* () {
      const { images, output, store, write } = yield* watching
      yield* write([imageOf("a"), imageOf("b")])
      assert.deepStrictEqual(images(), ["a 1", "b 1"])
      const name = { namespace: "default", name: "a" }
      Result.getOrThrow(store.applyStatus(Images, { metadata: name, status: { tags: "1/1" } }))
      const before = store.get(Images, name)
      yield* write([imageOf("a"), imageOf("b", "2.0.0"), imageOf("c")])
      assert.deepStrictEqual(images(), ["a 1", "b 2", "c 1"])
      assert.strictEqual(store.get(Images, name), before)
      yield* write([imageOf("a")])
      assert.deepStrictEqual(images(), ["a 1"])
      assert.deepStrictEqual(output, [
        "Image added",
        "Image added",
        "Image changed",
        "Image added",
        "Image removed",
        "Image removed"
      ])
    })
  )

  it.effect("files are read only when their content has changed", () =>
    Effect.gen(function* () {
      const { files, write } = yield* watching
      yield* write([imageOf("a")])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(files.reads, 1)
      yield* write([imageOf("b")])
      assert.strictEqual(files.reads, 2)
    })
  )

  it.effect("broken files change no Image, are reported once, and count again when they are mended", () =>
    Effect.gen(function* () {
      const { images, output, write } = yield* watching
      yield* write([imageOf("a")])
      output.length = 0
      yield* write([], ["images.yaml:3:1: is not YAML"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(images(), ["a 1"])
      assert.deepStrictEqual(output, ["images.yaml:3:1: is not YAML", "files not used; the Images stay as they were"])
      yield* write([imageOf("b")])
      assert.deepStrictEqual(images(), ["b 1"])
    })
  )
})
