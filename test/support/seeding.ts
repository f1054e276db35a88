/** Sample images made here and pushed to a registry by the command line's own `sync`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { image, succeed } from "./cluster.ts"

/** `registry` as this machine reaches it. */
export const seed = (registry: string, images: ReadonlyArray<readonly [path: string, tag: string, content: string]>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { host, store } = yield* startRegistry()
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-seed-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const manifests = images.map(([path, tag, content], index) => {
        pushSampleImage(store, path, tag, content)
        return image(`seed-${index}`, {
          source: { name: `${host}/${path}`, version: tag, tlsVerify: false },
          destination: { name: `${registry}/${path}`, version: tag, tlsVerify: false }
        })
      })
      const file = join(directory, "images.yaml")
      writeFileSync(file, manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n"))
      yield* succeed(process.execPath, ["src/main.ts", "sync", "-f", file])
    })
  )
