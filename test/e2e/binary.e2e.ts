/** The program as one file. Building it needs a Node.js 26, which `E2E_NODE_26` names. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawn } from "node:child_process"
import { Effect } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file } from "../support/commandLine.ts"

const node = process.env["E2E_NODE_26"]
const root = new URL("../../", import.meta.url).pathname

/** Runs the binary with nothing on PATH. */
const run = (program: string, args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn(program, args, { env: {}, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (output += text.toString()))
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const title = `the binary${node === undefined ? " (skipped: E2E_NODE_26 names no Node.js 26)" : ""}`

describe.skipIf(node === undefined)(title, () => {
  it.live("the binary copies an image without a Node.js on the machine, and refuses a wrong flag", () =>
    Effect.gen(function* () {
      const built = execFileSync(process.execPath, ["scripts/binary.ts", node ?? ""], { cwd: root, encoding: "utf8" })
      const binary = built.trim()
      const version = yield* run(binary, ["--version"])
      assert.strictEqual(version.code, 0, version.output)
      assert.include(version.output, packageJson.version)

      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      const digest = pushSampleImage(source.store, "app", "1.0.0", "seed")
      const images = yield* file(
        "image.yaml",
        JSON.stringify({
          apiVersion: "skopeo.io/v1alpha1",
          kind: "Image",
          metadata: { name: "app" },
          spec: {
            source: { name: `${source.host}/app`, version: "1.0.0", tlsVerify: false },
            destination: { name: `${destination.host}/app`, tlsVerify: false }
          }
        })
      )
      const synced = yield* run(binary, ["sync", "-f", images])
      assert.strictEqual(synced.code, 0, synced.output)
      assert.strictEqual(destination.store.manifest("app", "1.0.0")?.digest, digest)
      assert.strictEqual((yield* run(binary, ["sync", "--no-such-flag"])).code, 2)
    })
  )
})
