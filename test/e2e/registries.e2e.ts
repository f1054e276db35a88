/** Real registries and real clients: the embedded registry with real clients, and the command line with real registries. */
import { assert, describe } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Stream } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { partsOf } from "../../src/oci/Manifest.ts"
import { type Credential, RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itWithPrograms } from "../support/programs.ts"
import { clientOnLoopback } from "../support/registryClient.ts"
import { directory, PASSWORD, ROBOT, startReal, succeeds } from "../support/realRegistries.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

/** Asserts that a store has the whole image, byte for byte, under the same digests. */
const assertStored = (
  source: RegistryStore,
  from: string,
  store: RegistryStore,
  path: string,
  digest: string
): void => {
  const [expected, actual] = [source.manifest(from, digest), store.manifest(path, digest)]
  assert(expected !== undefined && actual !== undefined, `manifest ${digest}`)
  assert.strictEqual(digestOf(actual.bytes), digest)
  assert.strictEqual(actual.mediaType, expected.mediaType)
  const parts = Option.getOrThrow(partsOf(expected))
  if (parts._tag === "Index") for (const child of parts.children) assertStored(source, from, store, path, child.digest)
  else for (const blob of parts.blobs) assert(store.blob(path, blob.digest) !== undefined, `blob ${blob.digest}`)
}

describe("the embedded registry with real clients", () => {
  const world = Effect.gen(function* () {
    const [source, destination, home] = [
      yield* startRegistry(),
      yield* startRegistry({ pageSize: 2 }),
      yield* directory
    ]
    const digest = pushSampleImage(source.store, "team/app", "v1", "seed", { layerSize: 300_000 })
    return {
      home,
      source,
      destination,
      from: `${source.host}/team/app:v1`,
      to: `${destination.host}/mirror/app:v1`,
      tag: () => destination.store.manifest("mirror/app", "v1")?.digest,
      digest,
      arrived: () => assertStored(source.store, "team/app", destination.store, "mirror/app", digest)
    }
  })

  itWithPrograms(
    ["skopeo"],
    "skopeo copies an image from the embedded registry to a directory and to another one, byte for byte",
    () =>
      Effect.gen(function* () {
        const { arrived, digest, from, home, tag, to } = yield* world
        const copy = ["--insecure-policy", "copy", "--all", "--preserve-digests"]
        yield* succeeds("skopeo", [...copy, "--src-tls-verify=false", `docker://${from}`, `oci:${home}/image:v1`], home)
        yield* succeeds("skopeo", [...copy, "--dest-tls-verify=false", `oci:${home}/image:v1`, `docker://${to}`], home)
        assert.strictEqual(tag(), digest)
        arrived()
      })
  )

  itWithPrograms(["skopeo"], "skopeo copies between two embedded registries and lists their tags", () =>
    Effect.gen(function* () {
      const { arrived, destination, digest, from, home, tag, to } = yield* world
      const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
      const copy = ["--insecure-policy", "copy", "--all", "--preserve-digests", ...tls]
      yield* succeeds("skopeo", [...copy, `docker://${from}`, `docker://${to}`], home)
      assert.strictEqual(tag(), digest)
      arrived()
      // More tags than on one page.
      for (const other of ["v2", "v3", "v4"]) pushSampleImage(destination.store, "mirror/app", other, other)
      const list = ["list-tags", "--tls-verify=false", `docker://${destination.host}/mirror/app`]
      const { output } = yield* succeeds("skopeo", list, home)
      for (const listed of ["v1", "v2", "v3", "v4"]) assert.include(output, `"${listed}"`)
    })
  )

  itWithPrograms(
    ["regctl"],
    "regctl copies an image from the embedded registry to a directory and to another one, byte for byte",
    () =>
      Effect.gen(function* () {
        const { arrived, destination, digest, from, home, source, tag, to } = yield* world
        const plain = [source, destination].flatMap(({ host }) => ["--host", `reg=${host},tls=disabled`])
        yield* succeeds("regctl", ["image", "copy", ...plain, from, `ocidir://${home}/image:v1`], home)
        yield* succeeds("regctl", ["image", "copy", ...plain, `ocidir://${home}/image:v1`, to], home)
        assert.strictEqual(tag(), digest)
        arrived()
        const { output } = yield* succeeds("regctl", ["image", "digest", ...plain, to], home)
        assert.strictEqual(output.trim(), digest)
      })
  )

  itWithPrograms(
    ["crane"],
    "crane copies an image from the embedded registry to a directory and to another one, byte for byte",
    () =>
      Effect.gen(function* () {
        const { arrived, destination, digest, from, home, tag, to } = yield* world
        yield* succeeds("crane", ["pull", "--insecure", "--format=oci", from, `${home}/image`], home)
        // crane pushes the index of the directory, so that the image itself has a digest and no tag.
        yield* succeeds("crane", ["push", "--insecure", "--index", `${home}/image`, to], home)
        arrived()
        yield* succeeds("crane", ["copy", "--insecure", `${destination.host}/mirror/app@${digest}`, to], home)
        assert.strictEqual(tag(), digest)
      })
  )
})

const accessTo = (registry: string, path: string, credential?: Credential): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.fromUndefinedOr(credential)
})

/** The digests of a manifest and of all its parts, each read and verified. */
const readWhole = (
  access: RepositoryAccess,
  reference: string
): Effect.Effect<ReadonlyArray<string>, unknown, RegistryClient> =>
  Effect.gen(function* () {
    const client = yield* RegistryClient
    const manifest = yield* client.manifest(access, reference)
    assert.strictEqual(digestOf(manifest.bytes), manifest.digest)
    const parts = Option.getOrThrow(partsOf(manifest))
    const inner =
      parts._tag === "Index"
        ? yield* Effect.forEach(parts.children, (child) => readWhole(access, child.digest))
        : yield* Effect.forEach(parts.blobs, (blob) =>
            Effect.as(Stream.runDrain(client.blob(access, blob)), [blob.digest])
          )
    return [`${manifest.mediaType} ${manifest.digest}`, ...inner.flat()]
  })

const imageYaml = (name: string, mode: string, source: string, version: string, destination: string): string =>
  [
    "apiVersion: skopeo.io/v1alpha1",
    "kind: Image",
    `metadata: { name: ${name} }`,
    "spec:",
    `  mode: ${mode}`,
    `  source: { name: ${source}, version: "${version}" }`,
    `  destination: { name: ${destination} }`
  ].join("\n")

/** Syncs three Images from one real registry to another, twice, and again after a tag has moved. */
const syncBetween = Effect.fnUntraced(function* (from: string, to: string, withPassword: boolean) {
  const [source, destination] = [yield* startReal(from), yield* startReal(to, withPassword ? { auth: "password" } : {})]
  const [seeds, home] = [yield* startRegistry(), yield* directory]
  const seed = Effect.fnUntraced(function* (path: string, tag: string, content: string) {
    const digest = pushSampleImage(seeds.store, path, tag, content, { layerSize: 200_000 })
    yield* copyImage({ source: accessTo(seeds.host, path), digest, destination: accessTo(source.host, path), tag })
  })
  yield* seed("library/one", "v1", "one")
  for (const tag of ["v2.12.9", "v2.13.0", "v2.13.1", "v2.13.2-rc1", "v2.14.0"])
    yield* seed("argoproj/argocd", tag, tag)
  yield* seed("team/moving", "latest", "first")

  const file = join(home, "images.yaml")
  writeFileSync(
    file,
    [
      imageYaml("one", "OneShot", `${source.host}/library/one`, "v1", `${destination.host}/mirror/one`),
      imageYaml("argocd", "OneShot", `${source.host}/argoproj/argocd`, "v2.13.x", `${destination.host}/mirror/argocd`),
      imageYaml("moving", "Recurrent", `${source.host}/team/moving`, "latest", `${destination.host}/mirror/moving`)
    ].join("\n---\n")
  )
  const sync = Effect.gen(function* () {
    const before = destination.requests().length
    const { output } = yield* succeeds(process.execPath, ["src/main.ts", "sync", "-f", file], home, {
      DISABLE_SRC_TLS_VERIFICATION: "true",
      DISABLE_DEST_TLS_VERIFICATION: "true",
      ...(withPassword
        ? {
            CREDS_DESTINATION_USERNAME: "robot",
            CREDS_DESTINATION_PASSWORD: PASSWORD,
            CREDS_DESTINATION_REGISTRIES: destination.host
          }
        : {})
    })
    assert.notInclude(output, PASSWORD)
    return destination.requests().slice(before)
  })
  const writesOf = (requests: ReadonlyArray<string>) =>
    requests.filter((request) => /^(?:PUT|POST|PATCH) /u.test(request))
  const robot = withPassword ? ROBOT : undefined
  const same = Effect.fnUntraced(function* (path: string, mirror: string, tag: string) {
    const expected = yield* readWhole(accessTo(source.host, path), tag)
    // An index, two manifests, and the config and the layer of each.
    assert.lengthOf(expected, 7)
    assert.deepStrictEqual(yield* readWhole(accessTo(destination.host, mirror, robot), tag), expected)
  })

  assert.isAbove(writesOf(yield* sync).length, 0)
  yield* same("library/one", "mirror/one", "v1")
  yield* same("argoproj/argocd", "mirror/argocd", "v2.13.0")
  yield* same("argoproj/argocd", "mirror/argocd", "v2.13.1")
  yield* same("team/moving", "mirror/moving", "latest")
  const client = yield* RegistryClient
  const argocd = accessTo(destination.host, "mirror/argocd", robot)
  assert.deepStrictEqual([...(yield* client.tags(argocd))].sort(), ["v2.13.0", "v2.13.1"])

  const again = yield* sync
  assert.isAbove(again.length, 0, "the second run checks")
  assert.deepStrictEqual(writesOf(again), [], "and writes nothing")

  yield* seed("team/moving", "latest", "second")
  const moved = writesOf(yield* sync)
  assert.isAbove(moved.length, 0)
  for (const request of moved) assert.include(request, "/v2/mirror/moving/")
  yield* same("team/moving", "mirror/moving", "latest")
})

describe("sync between real registries", () => {
  for (const [from, to, withPassword] of [
    ["docker-registry", "registry", false],
    ["registry", "docker-registry", false],
    ["docker-registry", "registry", true],
    ["registry", "docker-registry", true]
  ] as const) {
    const how = withPassword ? ", with a password at the destination" : ""
    itWithPrograms([from, to], `sync copies a tag, a pattern and a moving tag from ${from} to ${to}${how}`, () =>
      syncBetween(from, to, withPassword).pipe(Effect.provide(withPlacement(clientOnLoopback())))
    )
  }
})
