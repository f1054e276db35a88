/** Images without some of their platforms: the other parts are unchanged, and a missing platform is named. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result } from "effect"
import { parsePlatform } from "../../src/oci/Platform.ts"
import { digestOf } from "../../src/oci/Digest.ts"
import { OCI_INDEX, OCI_MANIFEST, partsOf } from "../../src/oci/Manifest.ts"
import { subsetOf } from "../../src/oci/PlatformSubset.ts"
import { subsetAt } from "../../src/copy/PlatformSubset.ts"
import type { Manifest } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientMemory from "../../src/registry/memory/RegistryClientMemory.ts"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`

const entry = (letter: string, platform?: object, more: object = {}) => ({
  mediaType: OCI_MANIFEST,
  digest: digest(letter),
  size: 7,
  ...(platform === undefined ? {} : { platform }),
  ...more
})

const attestation = (letter: string, of: string) =>
  entry(
    letter,
    { os: "unknown", architecture: "unknown" },
    {
      annotations: { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(of) }
    }
  )

const manifestOf = (content: unknown, mediaType = OCI_INDEX): Manifest => {
  const bytes = Buffer.from(JSON.stringify(content, undefined, 2))
  return { bytes, mediaType, digest: digestOf(bytes), size: bytes.length }
}

const INDEX = manifestOf({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [
    entry("a", { os: "linux", architecture: "amd64" }),
    entry("b", { os: "linux", architecture: "arm64", variant: "v8" }),
    entry("c", { os: "linux", architecture: "arm", variant: "v7" }),
    attestation("d", "a"),
    attestation("e", "b")
  ],
  annotations: { kept: "as it is" }
})

const platforms = (...texts: ReadonlyArray<string>) => texts.map((text) => Result.getOrThrow(parsePlatform(text)))
const lettersIn = (manifest: Manifest): string => {
  const parts = Option.getOrThrow(partsOf(manifest))
  return parts._tag === "Index" ? parts.children.map((child) => child.digest.charAt(7)).join("") : ""
}

describe("an index without some platforms", () => {
  it.each([
    [["linux/amd64"], "ad"],
    [["linux/arm64"], "be"],
    [["linux/arm64/v8"], "be"],
    [["linux/arm/v7"], "c"],
    [["linux/arm/v7", "linux/amd64"], "acd"]
  ] as const)(
    "the subset of %j has the manifests of these platforms and their attestations, in their order",
    (asked, letters) => {
      const subset = Result.getOrThrow(subsetOf(INDEX, platforms(...asked)))
      assert.strictEqual(lettersIn(subset), letters)
      assert.strictEqual(subset.digest, digestOf(subset.bytes))
      assert.strictEqual(subset.mediaType, OCI_INDEX)
      const content: unknown = JSON.parse(Buffer.from(subset.bytes).toString())
      assert.deepInclude(content, { schemaVersion: 2, annotations: { kept: "as it is" } })
      // A subset with another digest each time would be copied each time.
      assert.strictEqual(Result.getOrThrow(subsetOf(INDEX, platforms(...asked))).digest, subset.digest)
    }
  )

  it("the subset of all platforms is the index itself, byte for byte", () => {
    const subset = subsetOf(INDEX, platforms("linux/amd64", "linux/arm64", "linux/arm/v7"))
    assert.strictEqual(Result.getOrThrow(subset), INDEX)
  })

  it.each([
    [["linux/s390x"], "has no linux/s390x; it has linux/amd64, linux/arm64/v8, linux/arm/v7"],
    [["linux/amd64", "windows/amd64"], "has no windows/amd64; it has linux/amd64, linux/arm64/v8, linux/arm/v7"],
    [["linux/arm"], "has no linux/arm; it has linux/amd64, linux/arm64/v8, linux/arm/v7"]
  ] as const)("the subset of the missing %j is refused with the platforms of the index", (asked, message) => {
    assert.deepStrictEqual(subsetOf(INDEX, platforms(...asked)), Result.fail(message))
  })

  it("an index that cannot be read or names no platforms is refused", () => {
    assert.isTrue(Result.isFailure(subsetOf(manifestOf("x"), platforms("linux/amd64"))))
    const nameless = manifestOf({ manifests: [entry("a")] })
    assert.deepStrictEqual(
      subsetOf(nameless, platforms("linux/amd64")),
      Result.fail("has no linux/amd64; it has no platforms")
    )
  })
})

describe("a single manifest", () => {
  const world = (config: unknown) => {
    const store = new RegistryStore()
    const bytes = Buffer.from(JSON.stringify(config))
    const content = {
      schemaVersion: 2,
      config: { digest: store.putBlob("app", bytes), size: bytes.length },
      layers: []
    }
    const pushed = store.putManifest("app", "v1", Buffer.from(JSON.stringify(content)), OCI_MANIFEST)
    const access: RepositoryAccess = {
      repository: { registry: "r.test", path: "app" },
      tlsVerify: true,
      credential: Option.none()
    }
    const client = RegistryClientMemory.layer(new Map([["r.test", store]]))
    return {
      digest: pushed,
      subset: (...asked: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const context = yield* Layer.build(client)
          return yield* subsetAt(access, pushed, platforms(...asked)).pipe(
            Effect.provideService(RegistryClient, Context.get(context, RegistryClient))
          )
        })
    }
  }

  it.effect("a single manifest of a desired platform is its own subset", () =>
    Effect.gen(function* () {
      const { digest, subset } = world({ os: "linux", architecture: "arm64" })
      assert.strictEqual((yield* subset("linux/amd64", "linux/arm64")).digest, digest)
      assert.strictEqual((yield* subset()).digest, digest)
    })
  )

  it.effect("a single manifest of another platform is refused with its platform", () =>
    Effect.gen(function* () {
      const { subset } = world({ os: "linux", architecture: "arm64", variant: "v8" })
      const error = yield* Effect.flip(subset("linux/amd64"))
      assert.strictEqual(error.reason._tag, "PlatformMissing")
      assert.include(error.message, "has only linux/arm64/v8; change spec.platforms")
    })
  )
})
