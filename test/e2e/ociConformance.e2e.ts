/**
 * The conformance suite of the OCI distribution specification (github.com/opencontainers/distribution-spec/conformance): the
 * embedded registry passes the suite, and what the suite leaves in a registry is copied. `.ci/oci-conformance` installs the suite.
 */
import { assert, describe } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { SyncResult } from "../../src/cli/SyncResult.ts"
import { hasDigest } from "../../src/oci/Digest.ts"
import { isForeign, partsOf } from "../../src/oci/Manifest.ts"
import { type EmbeddedRegistry, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import { whyNotCopied } from "../../src/copy/job/skopeoRefusal.ts"
import { pushImageShapes } from "../support/imageShapes.ts"
import { itWithPrograms as itWith } from "../support/programs.ts"
import { directory, run, startReal } from "../support/realRegistries.ts"

const SUITE = "oci-conformance"

/** Each test starts several processes. */
const itWithPrograms: typeof itWith = (programs, name, test) => itWith(programs, name, test, 180_000)
const REPOSITORY = "conformance/repo1"
/** The tags of the suite share referrers, and a registry on files may answer wrongly while two copies write one manifest. */
const mirrorOf = (tag: string) => `mirror/${tag}`

/** Runs the suite with every workflow. `dev` is the version of the specification that is to come, and includes 1.1. */
const suite = Effect.fnUntraced(function* (
  host: string,
  version: "1.1" | "dev",
  env: Readonly<Record<string, string>> = {}
) {
  const home = yield* directory
  const { code, output } = yield* run(SUITE, [], home, {
    OCI_REGISTRY: host,
    OCI_TLS: "disabled",
    OCI_VERSION: version,
    OCI_RESULTS_DIR: join(home, "results"),
    ...env
  })
  const countOf = (status: string) => Number(new RegExp(`^  ${status}\\.+: +([0-9]+)$`, "mu").exec(output)?.[1])
  return { code, output, passed: countOf("Pass"), failed: countOf("FAIL"), skipped: countOf("Skip") }
})

describe("the conformance suite of the OCI distribution specification", () => {
  for (const version of ["1.1", "dev"] as const) {
    itWithPrograms([SUITE], `the embedded registry passes the conformance suite of version ${version}`, () =>
      Effect.gen(function* () {
        const { host } = yield* startRegistry({ listsReferrers: true })
        const { code, failed, output, passed, skipped } = yield* suite(host, version)
        assert.deepStrictEqual({ code, failed, skipped }, { code: 0, failed: 0, skipped: 0 }, output)
        assert.isAbove(passed, 800, output)
      })
    )
  }
})

/** A registry with all that the suite writes. */
const filled = Effect.gen(function* () {
  const source = yield* startRegistry({ listsReferrers: true })
  const { code, output } = yield* suite(source.host, "dev", {
    OCI_API_TAGS_DELETE: "false",
    OCI_API_MANIFESTS_DELETE: "false",
    OCI_API_BLOBS_DELETE: "false"
  })
  assert.strictEqual(code, 0, output)
  const tags = source.store.tags(REPOSITORY) ?? []
  assert.isAbove(tags.length, 20, tags.join(" "))
  return { source, tags }
})

/** Syncs each tag of the suite's repository by an Image of its own, and gives the output. */
const syncAll = Effect.fnUntraced(function* (source: EmbeddedRegistry, tags: ReadonlyArray<string>, to: string) {
  const home = yield* directory
  const file = join(home, "images.json")
  const items = tags.map((tag) => ({
    apiVersion: "skopeo.io/v1alpha1",
    kind: "Image",
    metadata: { name: tag },
    spec: {
      mode: "Recurrent",
      referrers: true,
      source: { name: `${source.host}/${REPOSITORY}`, version: tag, tlsVerify: false },
      destination: { name: `${to}/${mirrorOf(tag)}`, tlsVerify: false }
    }
  }))
  writeFileSync(file, items.map((item) => JSON.stringify(item)).join("\n---\n"))
  return yield* run(process.execPath, ["src/main.ts", "sync", "-f", file, "-o", "json", "--log-level", "none"], home)
})

/** Asserts that a repository has a manifest with its parts and its referrers, byte for byte, under the same digests. */
const assertWhole = (from: RegistryStore, to: RegistryStore, mirror: string, reference: string): void => {
  const [expected, actual] = [from.manifest(REPOSITORY, reference), to.manifest(mirror, reference)]
  assert(expected !== undefined && actual !== undefined, `manifest ${reference}`)
  assert.deepStrictEqual([actual.digest, actual.mediaType], [expected.digest, expected.mediaType], reference)
  assert.isTrue(hasDigest(actual.bytes, expected.digest), reference)
  const parts = Option.getOrThrow(partsOf(expected))
  for (const child of parts._tag === "Index" ? parts.children : []) assertWhole(from, to, mirror, child.digest)
  for (const { digest } of parts.blobs.filter((blob) => !isForeign(blob))) {
    assert.isTrue(hasDigest(to.blob(mirror, digest) ?? Buffer.from(""), digest), `blob ${digest}`)
  }
  for (const referrer of from.referrers(REPOSITORY, expected.digest)) assertWhole(from, to, mirror, referrer.digest)
}

describe("what the conformance suite leaves in a registry", () => {
  itWithPrograms(
    [SUITE],
    "sync copies all of it byte for byte with its referrers, and a second run writes nothing",
    () =>
      Effect.gen(function* () {
        const { source, tags } = yield* filled
        const destination = yield* startRegistry({ listsReferrers: true })
        const first = yield* syncAll(source, tags, destination.host)
        assert.strictEqual(first.code, 0, first.output)
        for (const tag of tags) assertWhole(source.store, destination.store, mirrorOf(tag), tag)
        const before = destination.requests.length
        const second = yield* syncAll(source, tags, destination.host)
        assert.strictEqual(second.code, 0, second.output)
        const writes = destination.requests.slice(before).filter((request) => !/^(?:GET|HEAD) /u.test(request))
        assert.deepStrictEqual(writes, [])
      })
  )

  for (const program of ["docker-registry", "registry"]) {
    itWithPrograms(
      [SUITE, program],
      `sync copies to ${program} all but manifests by sha512 and foreign layers, and says why`,
      () =>
        Effect.gen(function* () {
          const { source, tags } = yield* filled
          const { host } = yield* startReal(program)
          const { code, output } = yield* syncAll(source, tags, host)
          assert.strictEqual(code, 1, output)
          const { images } = Schema.decodeUnknownSync(Schema.fromJsonString(SyncResult))(output)
          for (const tag of tags) {
            const manifest = source.store.manifest(REPOSITORY, tag)
            assert(manifest !== undefined)
            const parts = Option.getOrThrow(partsOf(manifest))
            // A single manifest is written by its tag, and a child by its digest.
            const hasSha512 =
              parts._tag === "Index" && parts.children.some(({ digest }) => digest.startsWith("sha512:"))
            const outcome = images.find(({ name }) => name === tag)?.tags[0]
            const ended = `${outcome?.action} ${outcome?.error?.reason ?? ""}: ${outcome?.error?.message ?? ""}`
            const expected = hasSha512
              ? /^failed PushRefused: .*may take no sha512 digests/u
              : parts.blobs.some(isForeign)
                ? /^failed UnsupportedManifest: .*takes no image with the foreign layer sha256:.*its licence forbids to push/u
                : /^copied : $/u
            assert.match(ended, expected)
          }
        })
    )
  }
})

/** Copies by Skopeo as a Job does, and gives whether the destination has the same bytes under the same digest. */
const copyBySkopeo = Effect.fnUntraced(function* (source: EmbeddedRegistry, path: string, digest: string) {
  const [destination, home] = [yield* startRegistry(), yield* directory]
  const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
  const ends = [`docker://${source.host}/${path}@${digest}`, `docker://${destination.host}/copy:v1`]
  const how = ["--insecure-policy", "copy", "--all", "--preserve-digests"]
  const { code } = yield* run("skopeo", [...how, ...tls, ...ends], home)
  const copied = destination.store.manifest("copy", "v1")
  return code === 0 && copied !== undefined && copied.digest === digest && hasDigest(copied.bytes, digest)
})

const refusalOf = (source: EmbeddedRegistry, path: string, digest: string): string | undefined => {
  const manifest = source.store.manifest(path, digest)
  assert(manifest !== undefined)
  return whyNotCopied({ ...manifest, size: manifest.bytes.length })
}

describe("Jobs", () => {
  itWithPrograms(
    ["skopeo"],
    "Skopeo copies each image that gets a Job, and fails with each image that gets no Job",
    () =>
      Effect.gen(function* () {
        const source = yield* startRegistry()
        for (const { digest, name, refused } of pushImageShapes(source.store, "shapes")) {
          assert.strictEqual(yield* copyBySkopeo(source, "shapes", digest), refused === undefined, name)
          assert.strictEqual(refusalOf(source, "shapes", digest) === undefined, refused === undefined, name)
        }
      })
  )

  itWithPrograms(
    [SUITE, "skopeo"],
    "Skopeo copies all that the suite leaves and that gets a Job, and nothing else",
    () =>
      Effect.gen(function* () {
        const { source, tags } = yield* filled
        const refused: Array<string> = []
        for (const tag of tags) {
          const digest = source.store.manifest(REPOSITORY, tag)?.digest ?? ""
          const why = refusalOf(source, REPOSITORY, digest)
          if (why !== undefined) refused.push(tag)
          assert.strictEqual(yield* copyBySkopeo(source, REPOSITORY, digest), why === undefined, tag)
        }
        assert.include(refused, "index-of-index")
        assert.include(refused, "tag-param-sha512")
        assert.isBelow(refused.length, 6, refused.join(" "))
      })
  )
})
