/** Old kinds of images at real registries: Docker's schema 1, and foreign layers. */
import { assert, describe } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, Option, Result, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { digestOf } from "../../src/oci/Digest.ts"
import { DOCKER_MANIFEST } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { itWithPrograms } from "../support/programs.ts"
import { directory, run, startReal } from "../support/realRegistries.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

const client = Layer.merge(withPlacement(RegistryClientHttp.layer()), NodeHttpClient.layerUndici)
const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

/** Pushes an image of Docker's schema 2 under a tag. */
const seed = Effect.fnUntraced(function* (access: RepositoryAccess, tag: string, more: ReadonlyArray<object> = []) {
  const registry = yield* RegistryClient
  const push = Effect.fnUntraced(function* (mediaType: string, bytes: Uint8Array) {
    const blob = { digest: digestOf(bytes), size: bytes.length }
    yield* registry.putBlob(access, blob, Stream.succeed(bytes))
    return { mediaType, ...blob }
  })
  const tar = Buffer.alloc(1_024)
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
      history: [{ created: "2020-01-01T00:00:00Z", created_by: "test" }]
    })
  )
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: yield* push("application/vnd.docker.container.image.v1+json", config),
      layers: [...more, yield* push("application/vnd.docker.image.rootfs.diff.tar.gzip", gzipSync(tar))]
    })
  )
  const manifest = { bytes, mediaType: DOCKER_MANIFEST, digest: digestOf(bytes), size: bytes.length }
  yield* registry.putManifest(access, tag, manifest)
  return manifest
})

describe("an image of Docker's schema 1", () => {
  itWithPrograms(
    ["docker-registry", "registry"],
    "an image of schema 1 is refused with the remedy, and delays no other tag",
    () =>
      Effect.gen(function* () {
        const source = yield* startReal("docker-registry", {
          config: { compatibility: { schema1: { enabled: true } } }
        })
        const [destination, home] = [yield* startReal("registry"), yield* directory]
        const there = accessTo(source.host, "old/app")
        yield* seed(there, "v1.1")
        // The registry makes and signs a schema 1 manifest for old clients.
        const manifests = `http://${source.host}/v2/old/app/manifests`
        const http = yield* HttpClient.HttpClient
        const old = new Uint8Array(yield* Effect.flatMap(http.get(`${manifests}/v1.1`), (answer) => answer.arrayBuffer))
        const put = HttpClientRequest.put(`${manifests}/v1.0`).pipe(HttpClientRequest.bodyUint8Array(old, SCHEMA_1))
        assert.strictEqual((yield* http.execute(put)).status, 201)
        const registry = yield* RegistryClient
        assert.strictEqual(Option.getOrThrow(yield* registry.head(there, "v1.0")).mediaType, SCHEMA_1)

        const file = join(home, "image.yaml")
        for (const [mode, version, tags] of [
          ["OneShot", "v1.x", "1/2"],
          ["Recurrent", "v1.x", "1/2"],
          ["OneShot", "v1.0", "0/1"]
        ] as const) {
          writeFileSync(
            file,
            [
              "apiVersion: skopeo.io/v1alpha1",
              "kind: Image",
              "metadata: { name: old }",
              "spec:",
              `  mode: ${mode}`,
              `  source: { name: ${source.host}/old/app, version: "${version}", tlsVerify: false }`,
              `  destination: { name: ${destination.host}/mirror/app, tlsVerify: false }`
            ].join("\n")
          )
          const { code, output } = yield* run(process.execPath, ["src/main.ts", "sync", "-f", file], home)
          assert.strictEqual(code, 1, output)
          for (const words of [tags, "UnsupportedManifest", "schema 1", "push the image again"])
            assert.include(output, words)
        }
        assert.deepStrictEqual([...(yield* registry.tags(accessTo(destination.host, "mirror/app")))], ["v1.1"])
      }).pipe(Effect.provide(client))
  )
})

describe("foreign layers", () => {
  const foreign = {
    mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    digest: `sha256:${"f".repeat(64)}`,
    size: 1_000_000,
    urls: ["https://layers.test/f"]
  }
  const world = Effect.fnUntraced(function* (allowed: boolean) {
    const open = { config: { validation: { disabled: true } } }
    const source = yield* startReal("docker-registry", open)
    const destination = yield* startReal("registry", allowed ? open : {})
    const there = accessTo(source.host, "windows/app")
    const here = accessTo(destination.host, "mirror/app")
    const manifest = yield* seed(there, "v1", [foreign])
    return { manifest, here, copy: copyImage({ source: there, digest: manifest.digest, destination: here, tag: "v1" }) }
  })

  itWithPrograms(["docker-registry", "registry"], "a copy keeps foreign layers as references, byte for byte", () =>
    Effect.gen(function* () {
      const { copy, here, manifest } = yield* world(true)
      yield* copy
      const registry = yield* RegistryClient
      const found = yield* registry.manifest(here, "v1")
      assert.strictEqual(found.digest, manifest.digest)
      assert.include(Buffer.from(found.bytes).toString(), "https://layers.test/f")
      assert.isFalse(yield* registry.hasBlob(here, foreign))
    }).pipe(Effect.provide(client))
  )

  itWithPrograms(["docker-registry", "registry"], "a registry without foreign layers refuses the copy", () =>
    Effect.gen(function* () {
      const { copy, here } = yield* world(false)
      const result = yield* Effect.result(copy)
      // This registry answers 500.
      assert(Result.isFailure(result) && result.failure.side === "destination")
      assert.isTrue(Option.isNone(yield* (yield* RegistryClient).head(here, "v1")))
    }).pipe(Effect.provide(client))
  )
})
