/** The progress lines of `sync` on a real terminal, made by util-linux's `script`. */
import { assert, describe } from "@effect/vitest"
import { spawn } from "node:child_process"
import { Deferred, Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { file } from "../support/commandLine.ts"
import { manifest } from "../support/manifest.ts"
import { itWithPrograms } from "../support/programs.ts"

const main = new URL("../../src/main.ts", import.meta.url).pathname

describe("skopeo-operator sync on a terminal", () => {
  itWithPrograms(["script"], "sync shows the progress of copies, and removes the lines at the end", () =>
    Effect.gen(function* () {
      const store = new RegistryStore()
      pushSampleImage(store, "app", "1.0.0", "app", { layerSize: 100_000 })
      const seen = yield* Deferred.make<void>()
      // Half of each blob is sent at once, the rest after the bar was shown.
      const source = yield* startRegistry({
        store,
        intercept: (request, response) => {
          const digest = /\/blobs\/(sha256:.*)$/u.exec(request.url ?? "")?.[1]
          const blob = request.method === "GET" && digest !== undefined ? store.blob("app", digest) : undefined
          if (blob === undefined) return false
          response.writeHead(200, { "content-length": blob.length })
          response.write(blob.subarray(0, blob.length / 2))
          Effect.runFork(
            Effect.map(Deferred.await(seen), () => response.end(blob.subarray(Math.floor(blob.length / 2))))
          )
          return true
        }
      })
      const destination = yield* startRegistry()
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.0", `${destination.host}/app`)
      )
      let shown = ""
      const code = yield* Effect.callback<number | null>((resume) => {
        const command = `${process.execPath} ${main} sync -f ${images}`
        const child = spawn("script", ["-qec", command, "/dev/null"], {
          stdio: ["ignore", "pipe", "inherit"],
          env: { PATH: process.env["PATH"] ?? "", TERM: "xterm" }
        })
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          shown += text
          if (/app .*[━─]{8,} .* of ~?\d+\.\d kB/u.test(shown)) Effect.runSync(Deferred.succeed(seen, undefined))
        })
        child.on("close", (ended) => resume(Effect.succeed(ended)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.strictEqual(code, 0, shown)
      const [last = ""] = shown.split("\u001B[J").slice(-1)
      assert.match(last, /IMAGE +TAGS +READY[^]*app +1\/1 +.*True/u)
      assert.notInclude(last, "━", "nothing of the bar is left")
      assert.match(last, /^copied 1; \d+\.\d kB in \d+\.\d s\r?$/mu)
      assert.notInclude(shown, "copied 1.0.0", "a copy that goes well has no line of its own")
      assert.notMatch(shown, /sha256:[0-9a-f]{13}/u, "digests are short where lines are")
    })
  )
})
