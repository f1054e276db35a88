/** The output of an ending process, through pipes that are smaller than the output. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { Effect, Schema } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { ENVIRONMENT, main, PROCESS_TIMEOUT, runProcess } from "../support/commandProcess.ts"

const COUNT = 10_000

/** A listing of a megabyte, and the arguments of a successful or a failing command. */
const listing = Effect.gen(function* () {
  const { host, store } = yield* startRegistry()
  const manifest = store.manifest("app", pushSampleImage(store, "app", "1.0.0", "app"))
  if (manifest === undefined) return assert.fail("the image was just pushed")
  for (let patch = 0; patch < COUNT; patch++) {
    store.putManifest("app", `1.0.${patch}`, manifest.bytes, manifest.mediaType)
  }
  return (version: string) => ["tags", `${host}/app`, version, "--no-tls-verify", "--output=json", "--all"]
})

const Document = Schema.fromJsonString(
  Schema.Struct({ matched: Schema.Array(Schema.Unknown), notMatched: Schema.Array(Schema.Unknown) })
)

describe("the end of a process", { timeout: PROCESS_TIMEOUT }, () => {
  it.live.each([
    ["0", "1.0.x", 0],
    ["1", "2.0.x", 1]
  ] as const)("a process that ends with %s waits until all of its output is read", ([, version, code]) =>
    Effect.gen(function* () {
      const ended = yield* runProcess((yield* listing)(version))
      assert.strictEqual(ended.code, code, ended.stderr)
      const { matched, notMatched } = Schema.decodeSync(Document)(ended.stdout)
      assert.lengthOf([...matched, ...notMatched], COUNT)
    })
  )

  it.live.each([
    ["0", "1.0.x", 0],
    ["1", "2.0.x", 1]
  ] as const)(
    "a process that ends with %s does not wait for a reader that is gone, and prints no error",
    ([, version, code]) =>
      Effect.gen(function* () {
        const args = (yield* listing)(version)
        const ended = yield* Effect.callback<{ code: number | null; stderr: string }>((resume) => {
          const child = spawn(process.execPath, [main, ...args], {
            stdio: ["ignore", "pipe", "pipe"],
            env: ENVIRONMENT
          })
          child.stdout.destroy()
          let stderr = ""
          child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
          child.once("close", (code) => resume(Effect.succeed({ code, stderr })))
          return Effect.sync(() => child.kill("SIGKILL"))
        })
        assert.deepStrictEqual(ended, { code, stderr: "" })
      })
  )
})
