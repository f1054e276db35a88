/** Sample images made here and pushed to a registry by the command line's own `sync`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { partsOf } from "../../src/oci/Manifest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { image, succeed } from "./cluster.ts"

/** The digests of the blobs of an image, with those of all its platforms. */
export const blobsOf = (store: RegistryStore, path: string, reference: string): ReadonlyArray<string> => {
  const manifest = store.manifest(path, reference)
  const parts = manifest === undefined ? undefined : Option.getOrUndefined(partsOf(manifest))
  if (parts?._tag === "Index") return parts.children.flatMap(({ digest }) => blobsOf(store, path, digest))
  return parts?._tag === "Manifest" ? parts.blobs.map(({ digest }) => digest) : []
}

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
