/** Signed images between real registries, by our command line and by Skopeo: good where they arrive. */
import { assert, describe } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { skopeoArguments } from "../../src/copy/job/JobManifest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { fallbackTagOf } from "../../src/oci/Referrers.ts"
import { partsOf } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itWithPrograms } from "../support/programs.ts"
import { directory, startReal, succeeds } from "../support/realRegistries.ts"
import {
  attachBundle,
  attachNotation,
  isSignedByTag,
  listUnderTag,
  makeSigner,
  signByTag,
  signedReferrers
} from "../support/signatures.ts"
import { endpoint } from "../support/endpoints.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

const signer = makeSigner()
const client = withPlacement(RegistryClientHttp.layer())

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

/** Puts an image into a registry, and answers with what can be signed of it. */
const seed = Effect.fnUntraced(function* (to: RepositoryAccess, tag: string) {
  const seeds = yield* startRegistry()
  const digest = pushSampleImage(seeds.store, "seed", tag, tag, { layerSize: 50_000 })
  yield* copyImage({ source: accessTo(seeds.host, "seed"), digest, destination: to, tag })
  const registry = yield* RegistryClient
  const index = Option.getOrThrow(partsOf(yield* registry.manifest(to, digest)))
  assert(index._tag === "Index" && index.children[0] !== undefined)
  const [subject, child] = [
    Option.getOrThrow(yield* registry.head(to, digest)),
    Option.getOrThrow(yield* registry.head(to, index.children[0].digest))
  ]
  return { digest, subject, child }
})

describe("sync of signed images between real registries", () => {
  for (const [from, to] of [
    ["docker-registry", "registry"],
    ["registry", "docker-registry"]
  ] as const) {
    itWithPrograms([from, to], `from ${from} to ${to}: all signatures verify, and later ones arrive`, () =>
      Effect.gen(function* () {
        const [source, destination, home] = [yield* startReal(from), yield* startReal(to), yield* directory]
        const there = accessTo(source.host, "team/app")
        const here = accessTo(destination.host, "mirror/app")
        const { child, digest, subject } = yield* seed(there, "v1")
        yield* signByTag(there, digest, signer)
        yield* attachNotation(there, subject)
        const sbom = yield* attachBundle(there, child, signer, "https://spdx.dev/Document")
        yield* attachBundle(there, sbom, signer)

        const file = join(home, "image.yaml")
        writeFileSync(
          file,
          [
            "apiVersion: skopeo.io/v1alpha1",
            "kind: Image",
            "metadata: { name: signed }",
            "spec:",
            "  mode: Recurrent",
            "  referrers: true",
            `  source: { name: ${source.host}/team/app, version: v1, tlsVerify: false }`,
            `  destination: { name: ${destination.host}/mirror/app, tlsVerify: false }`
          ].join("\n")
        )
        const sync = Effect.gen(function* () {
          const before = destination.requests().length
          yield* succeeds(process.execPath, ["src/main.ts", "sync", "-f", file], home)
          return destination.requests().slice(before)
        })
        const first = yield* sync
        assert.isTrue(yield* isSignedByTag(here, digest, signer))
        assert.deepStrictEqual(
          (yield* signedReferrers(here, digest, signer)).map(({ kind }) => kind),
          ["notation"]
        )
        assert.lengthOf(yield* signedReferrers(here, child.digest, signer), 1, "the SBOM of a platform")
        assert.lengthOf(yield* signedReferrers(here, sbom.digest, signer), 1, "and its signature")
        const writes = first.filter((request) => request.startsWith("PUT /v2/mirror/app/manifests/"))
        assert.strictEqual(writes.at(-1), "PUT /v2/mirror/app/manifests/v1", "the tag after all of them")

        // Neither has the API: the lists are under tags, at both.
        yield* attachBundle(there, subject, signer)
        const again = yield* signByTag(there, digest, signer, "signed again")
        assert.lengthOf((yield* listUnderTag(there, digest)) ?? [], 2)
        yield* sync
        assert.sameMembers(
          (yield* signedReferrers(here, digest, signer)).map(({ kind }) => kind),
          ["notation", "bundle"]
        )
        const registry = yield* RegistryClient
        const sig = yield* registry.head(here, `${fallbackTagOf(digest)}.sig`)
        assert.strictEqual(Option.getOrThrow(sig).digest, again)
        assert.deepStrictEqual(
          (yield* sync).filter((request) => !/^(?:GET|HEAD) /u.test(request)),
          [],
          "a third run writes nothing"
        )
      }).pipe(Effect.provide(client))
    )
  }
})

describe("skopeo, as a Job runs it", () => {
  itWithPrograms(["skopeo", "registry"], "copies cosign's tag of an image, and it verifies", () =>
    Effect.gen(function* () {
      const [source, destination, home] = [yield* startReal("registry"), yield* startReal("registry"), yield* directory]
      const there = accessTo(source.host, "team/app")
      const here = accessTo(destination.host, "mirror/app")
      const { digest } = yield* seed(there, "v1")
      const signature = yield* signByTag(there, digest, signer)
      const task = {
        image: { namespace: "team", name: "app", uid: "uid" },
        generation: 1,
        source: endpoint(source.host, "team/app", { tlsVerify: false }),
        digest: signature,
        platforms: [],
        destinationDigest: signature,
        referrers: false,
        onlyIfMissing: false,
        destination: endpoint(destination.host, "mirror/app", { tlsVerify: false }),
        tag: `${fallbackTagOf(digest)}.sig`
      }
      const args = skopeoArguments(task, { source: false, destination: false })
      yield* succeeds("skopeo", ["--insecure-policy", ...args], home)
      assert.isTrue(yield* isSignedByTag(here, digest, signer))
    }).pipe(Effect.provide(client))
  )
})
