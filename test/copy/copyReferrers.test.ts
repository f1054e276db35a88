/** Referrers are copied with their image, in the layouts that the tools publish, and verify at the destination. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import { BlobPlacement } from "../../src/copy/BlobPlacement.ts"
import { copyImage as copyImageBy } from "../../src/copy/copyImage.ts"
import type { CopyProgress } from "../../src/domain/Copy.ts"
import type { EmbeddedRegistry, Intercept } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { fallbackTagOf } from "../../src/oci/Referrers.ts"
import { OCI_INDEX, partsOf } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { Platform } from "../../src/oci/Platform.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { accessTo, client, DESTINATION, nth, refuses, SOURCE, worldOf } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import {
  attachBundle,
  attachNotation,
  isSignedByTag,
  listUnderTag,
  makeSigner,
  signByTag,
  signedReferrers
} from "../support/signatures.ts"
import { platforms } from "../support/endpoints.ts"
import { copyImage } from "../support/copying.ts"
import * as Faults from "../support/Faults.ts"

const signer = makeSigner()

/** Two registries with an image at the source, and the access to them. */
const signedWorld = Effect.fnUntraced(function* (
  listsReferrers: { readonly source: boolean; readonly destination: boolean } = { source: true, destination: true },
  intercept: Intercept = () => false
) {
  const { destination, source } = yield* worldOf({
    source: { listsReferrers: listsReferrers.source },
    destination: { listsReferrers: listsReferrers.destination, intercept }
  })
  const digest = pushSampleImage(source.store, SOURCE, "v1", "seed")
  const [from, to] = [accessTo(source.host, SOURCE), accessTo(destination.host, DESTINATION)]
  const subject = yield* describeManifest(from, digest)
  const index = Option.getOrThrow(partsOf(yield* (yield* RegistryClient).manifest(from, digest)))
  assert(index._tag === "Index" && index.children[0] !== undefined)
  const child = yield* describeManifest(from, index.children[0].digest)
  return { source, destination, from, to, digest, subject, child }
})
type World = Effect.Success<ReturnType<typeof signedWorld>>

const describeManifest = (access: RepositoryAccess, digest: string) =>
  Effect.flatMap(RegistryClient, (client) => Effect.map(client.head(access, digest), Option.getOrThrow))

const copy = ({ digest, from, to }: World, platforms: ReadonlyArray<Platform> = []) =>
  copyImage({ source: from, digest, platforms, referrers: true, destination: to, tag: "v1" })

const writes = ({ requests }: EmbeddedRegistry): ReadonlyArray<string> =>
  requests.flatMap((request) => /^PUT \/v2\/mirror\/app\/manifests\/(.*)$/u.exec(request)?.[1] ?? [])

/** The tag of an image is written after all its referrers. */
const assertTagLast = ({ destination }: World) => assert.strictEqual(writes(destination).at(-1), "v1")

describe("copyImage with referrers", () => {
  itOnSockets("cosign's tags are copied, and their signatures verify", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld()
      const { child, digest, from, to } = world
      yield* signByTag(from, digest, signer)
      yield* signByTag(from, child.digest, signer)
      yield* copy(world)
      assert.isTrue(yield* isSignedByTag(to, digest, signer))
      assert.isTrue(yield* isSignedByTag(to, child.digest, signer), "a platform's own signature")
      assert.isFalse(yield* isSignedByTag(to, digest, makeSigner()), "it is the key that counts")
      assertTagLast(world)
    }).pipe(Effect.provide(client))
  )

  itOnSockets("the bytes of referrers are counted once, even if the image's manifest is refused at first", () => {
    const refuseOnce = nth("PUT", "/manifests/v1", 1, refuses(404, "MANIFEST_BLOB_UNKNOWN"))
    return Effect.gen(function* () {
      const { destination, digest, from, subject, to } = yield* signedWorld(
        { source: true, destination: true },
        refuseOnce
      )
      yield* attachBundle(from, subject, signer)
      const reports: Array<CopyProgress> = []
      yield* copyImage({
        source: from,
        digest,
        referrers: true,
        destination: to,
        tag: "v1",
        onProgress: (progress) => reports.push(progress)
      })
      const last = reports.at(-1)
      assert.lengthOf(
        writes(destination).filter((name) => name === "v1"),
        2
      )
      assert.strictEqual(last?.done, last?.total)
      assert.isTrue(reports.every(({ done, total }) => done <= total))
    }).pipe(Effect.provide(client))
  })

  for (const source of [true, false]) {
    for (const destination of [true, false]) {
      const from = source ? "a list of referrers" : "a tag that stands in for it"
      const to = destination ? "a list of referrers" : "a tag that stands in for it"
      itOnSockets(`OCI referrers are copied from ${from} to ${to}, and their signatures verify`, () =>
        Effect.gen(function* () {
          const world = yield* signedWorld({ source, destination })
          const { child, digest, subject } = world
          const bundle = yield* attachBundle(world.from, subject, signer)
          const notation = yield* attachNotation(world.from, subject)
          const sbom = yield* attachBundle(world.from, child, signer, "https://spdx.dev/Document")
          const ofSbom = yield* attachBundle(world.from, sbom, signer)
          yield* copy(world)
          assert.sameDeepMembers(yield* signedReferrers(world.to, digest, signer), [
            { kind: "bundle", digest: bundle.digest },
            { kind: "notation", digest: notation.digest }
          ] as const)
          assert.deepStrictEqual(yield* signedReferrers(world.to, child.digest, signer), [
            { kind: "bundle", digest: sbom.digest }
          ])
          assert.deepStrictEqual(
            yield* signedReferrers(world.to, sbom.digest, signer),
            [{ kind: "bundle", digest: ofSbom.digest }],
            "the signature of an SBOM"
          )
          assertTagLast(world)
          const listed = yield* listUnderTag(world.to, digest)
          if (destination) assert.isUndefined(listed)
          else assert.sameMembers([...(listed ?? [])], [bundle.digest, notation.digest])
          const stored = world.destination.store.manifest(DESTINATION, bundle.digest)
          assert.deepStrictEqual(stored, world.source.store.manifest(SOURCE, bundle.digest), "byte for byte")
        }).pipe(Effect.provide(client))
      )
    }
  }

  itOnSockets("a second copy copies the new referrers only", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld({ source: true, destination: false })
      const { digest, from, subject, to } = world
      const first = yield* attachBundle(from, subject, signer)
      yield* signByTag(from, digest, signer)
      yield* copy(world)
      const second = yield* attachNotation(from, subject)
      const again = yield* signByTag(from, digest, signer, "signed again")
      const before = writes(world.destination).length
      yield* copy(world)
      assert.sameMembers([...((yield* listUnderTag(to, digest)) ?? [])], [first.digest, second.digest])
      assert.strictEqual(world.destination.store.manifest(DESTINATION, `${fallbackTagOf(digest)}.sig`)?.digest, again)
      const written = writes(world.destination).slice(before)
      assert.notInclude(written, first.digest)
      assert.include(written, second.digest)
      assertTagLast(world)
      yield* copy(world)
      const last = writes(world.destination).slice(before + written.length)
      assert.isUndefined(
        last.find((reference) => reference.startsWith("sha256-")),
        "nothing of them is written twice"
      )
    }).pipe(Effect.provide(client))
  )

  itOnSockets("the destination's own referrers stay", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld({ source: true, destination: false })
      const { digest, from, subject, to } = world
      yield* copy(world)
      const own = yield* attachBundle(to, subject, signer, "https://corp.test/scanned")
      const theirs = yield* attachBundle(from, subject, signer)
      yield* copy(world)
      assert.deepStrictEqual(yield* listUnderTag(to, digest), [own.digest, theirs.digest])
    }).pipe(Effect.provide(client))
  )

  itOnSockets(
    "a copy of some platforms has the signatures of those platforms, and not the signature of the index",
    () =>
      Effect.gen(function* () {
        const world = yield* signedWorld()
        const { child, digest, from, subject, to } = world
        yield* signByTag(from, digest, signer)
        yield* attachBundle(from, subject, signer)
        yield* signByTag(from, child.digest, signer)
        yield* attachBundle(from, child, signer)
        yield* copy(world, platforms("linux/amd64"))
        assert.isTrue(yield* isSignedByTag(to, child.digest, signer))
        assert.lengthOf(yield* signedReferrers(to, child.digest, signer), 1)
        assert.isFalse(yield* isSignedByTag(to, digest, signer))
        assert.lengthOf(yield* signedReferrers(to, digest, signer), 0)
      }).pipe(Effect.provide(client))
  )

  itOnSockets("a listed referrer that is deleted is ignored", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld({ source: false, destination: true })
      const { digest, from, source, subject, to } = world
      const kept = yield* attachBundle(from, subject, signer)
      const gone = { mediaType: kept.mediaType, digest: `sha256:${"0".repeat(64)}`, size: 2 }
      const list = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [gone, kept] })
      source.store.putManifest(SOURCE, fallbackTagOf(digest), Buffer.from(list), OCI_INDEX)
      yield* copy(world)
      assert.deepStrictEqual(
        world.destination.store.referrers(DESTINATION, digest).map((referrer) => referrer.digest),
        [kept.digest]
      )
      assert.strictEqual(world.destination.store.manifest(DESTINATION, "v1")?.digest, digest)
      assert.isDefined(yield* describeManifest(to, kept.digest))
    }).pipe(Effect.provide(client))
  )

  itOnSockets("referrers that refer to each other end the copy", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld({ source: false, destination: false })
      const { digest, from, source, subject } = world
      const one = yield* attachBundle(from, subject, signer)
      // Only a list under a tag can have such a loop, because a digest depends on the content.
      const list = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [one] })
      source.store.putManifest(SOURCE, fallbackTagOf(one.digest), Buffer.from(list), OCI_INDEX)
      yield* copy(world)
      assert.deepStrictEqual(yield* listUnderTag(world.to, digest), [one.digest])
    }).pipe(Effect.provide(client))
  )

  itOnSockets("the error of a referrer that cannot be copied has the remedy", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld({ source: false, destination: true })
      const { digest, source, subject } = world
      const mediaType = "application/vnd.example.manifest.v1+json"
      const bytes = Buffer.from(JSON.stringify({ mediaType, blobs: [], subject }))
      const old = source.store.putManifest(SOURCE, "old", bytes, mediaType)
      const listed = { mediaType, digest: old, size: bytes.length }
      const list = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [listed] })
      source.store.putManifest(SOURCE, fallbackTagOf(digest), Buffer.from(list), OCI_INDEX)
      const result = yield* Effect.result(copy(world))
      assert(Result.isFailure(result))
      const error = result.failure
      assert.strictEqual(error.reason._tag, "UnsupportedManifest")
      for (const words of [old, mediaType, "set spec.referrers to false"]) assert.include(error.message, words)
      assert.notInclude(error.message, "schema 1")
      assert.notInclude(world.destination.store.tags(DESTINATION) ?? [], "v1")
    }).pipe(Effect.provide(client))
  )

  itOnSockets("the tag stays as it was if a signature cannot be copied", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld()
      const { digest, from, source } = world
      yield* signByTag(from, digest, signer)
      const signature = source.store.manifest(SOURCE, `${fallbackTagOf(digest)}.sig`)
      assert(signature !== undefined)
      const parts = Option.getOrThrow(partsOf(signature))
      assert(parts._tag === "Manifest" && parts.blobs[1] !== undefined)
      source.store.deleteBlob(SOURCE, parts.blobs[1].digest)
      const result = yield* Effect.result(copy(world))
      assert(Result.isFailure(result))
      assert.deepStrictEqual([result.failure.side, result.failure.reason._tag], ["source", "NotFound"])
      assert.notInclude(world.destination.store.tags(DESTINATION) ?? [], "v1")
    }).pipe(Effect.provide(client))
  )
})

describe("companion tags that another Image owns", () => {
  const companionOwner = { namespace: "team", name: "old" }
  const other = makeSigner()

  /** Copies an image for an Image that owns no companion tags: the failure's message, or `copied`. */
  const outcomeOf = (world: World) =>
    Effect.flatMap(Effect.all({ client: RegistryClient, blobs: BlobPlacement }), (tools) =>
      copyImageBy(tools, {
        source: world.from,
        digest: world.digest,
        destination: world.to,
        tag: "v1",
        referrers: true,
        companionOwner
      })
    ).pipe(Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "copied" }))

  const claimed = ({ destination, digest }: World) =>
    `${destination.host}/${DESTINATION}:${fallbackTagOf(digest)}.sig has other content at the source, and is claimed by the older Image team/old`

  itOnSockets("a signature that is missing is copied", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld()
      yield* signByTag(world.from, world.digest, signer)
      assert.strictEqual(yield* outcomeOf(world), "copied")
      assert.isTrue(yield* isSignedByTag(world.to, world.digest, signer))
      assert.strictEqual(yield* outcomeOf(world), "copied", "the same signature is no conflict")
      assertTagLast(world)
    }).pipe(Effect.provide(client))
  )

  itOnSockets("another signature stays, and the image's tag is not written", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld()
      yield* signByTag(world.from, world.digest, signer)
      yield* signByTag(world.to, world.digest, other)
      assert.strictEqual(yield* outcomeOf(world), claimed(world))
      assert.isTrue(yield* isSignedByTag(world.to, world.digest, other))
      assert.notInclude(world.destination.store.tags(DESTINATION) ?? [], "v1")
    }).pipe(Effect.provide(client))
  )

  itOnSockets("a signature that appears while the source sends another one stays", () =>
    Effect.gen(function* () {
      const world = yield* signedWorld()
      const desired = yield* signByTag(world.from, world.digest, signer)
      const owners = yield* signByTag(world.to, world.digest, other)
      const tag = `${fallbackTagOf(world.digest)}.sig`
      const signature = world.destination.store.manifest(DESTINATION, tag)
      assert(signature !== undefined)
      world.destination.store.deleteTag(DESTINATION, tag)
      const slow = Faults.of(RegistryClient, [
        {
          method: "manifest",
          when: (_, reference) => reference === desired,
          before: () =>
            Effect.sync(() =>
              world.destination.store.putManifest(DESTINATION, tag, signature.bytes, signature.mediaType)
            )
        }
      ])
      const outcome = yield* outcomeOf(world).pipe(Effect.provide(slow.layer(client)))
      assert.strictEqual(outcome, claimed(world))
      assert.strictEqual(world.destination.store.manifest(DESTINATION, tag)?.digest, owners)
    }).pipe(Effect.provide(client))
  )
})
