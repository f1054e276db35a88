/** Images with `referrers: true`: what comes later is noticed, what it costs to notice it, and in which order it comes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { fallbackTagOf } from "../../src/oci/Referrers.ts"
import { OCI_MANIFEST, partsOf } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import {
  attachBundle,
  attachNotation,
  isSignedByTag,
  makeSigner,
  signByTag,
  signedReferrers
} from "../support/signatures.ts"
import { applyImage, conditionText, engineOfTags, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const settle = TestClock.adjust("10 millis")
const signer = makeSigner()

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: true,
  credential: Option.none()
})
const from = accessTo("source.test", "team/app")
const to = accessTo("dest.test", "mirror/app")

const spec = (more: object = {}) => ({
  mode: "Recurrent" as const,
  frequency: "1h",
  referrers: true,
  source: { name: "source.test/team/app", version: "v1" },
  destination: { name: "dest.test/mirror/app" },
  ...more
})

const world = () => {
  const registries = makeRegistries()
  const digest = pushSampleImage(registries.source, "team/app", "v1", "monday")
  const index = registries.source.manifest("team/app", digest)
  assert(index !== undefined)
  const parts = Option.getOrThrow(partsOf(index))
  assert(parts._tag === "Index" && parts.children[0] !== undefined)
  const [child] = parts.children
  const subjectOf = (name: string) => {
    const found = registries.source.manifest("team/app", name)
    assert(found !== undefined)
    return { digest: found.digest, mediaType: found.mediaType, size: found.bytes.length }
  }
  return { registries, digest, child, subject: subjectOf(digest), childSubject: subjectOf(child.digest) }
}

/** What one check asks for once everything is there. */
const checked = Effect.fnUntraced(function* (requests: Array<string>) {
  requests.length = 0
  yield* TestClock.adjust("64 minutes")
  return [...requests].sort()
})

/** The tags that were written, in order. */
const writtenIn = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.flatMap((request) => /^PUT dest\.test\/mirror\/app:(.*)$/u.exec(request)?.[1] ?? [])

describe("referrers, with an engine that brings them with the image", () => {
  it.effect("a signature that comes later is noticed at an unchanged tag", () => {
    const { digest, registries, subject } = world()
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      assert.isFalse(yield* isSignedByTag(to, digest, signer))

      yield* signByTag(from, digest, signer)
      yield* TestClock.adjust("64 minutes")
      assert.isTrue(yield* isSignedByTag(to, digest, signer))

      yield* attachBundle(from, subject, signer)
      yield* attachNotation(from, subject)
      yield* TestClock.adjust("64 minutes")
      assert.lengthOf(yield* signedReferrers(to, digest, signer), 2)

      const again = yield* signByTag(from, digest, signer, "signed again")
      yield* TestClock.adjust("64 minutes")
      assert.strictEqual(
        registries.destination.manifest("mirror/app", `${fallbackTagOf(digest)}.sig`)?.digest,
        again,
        "signed again: the tag has moved"
      )
      const image = yield* readImage("app")
      assert.strictEqual(conditionText(image, "Ready"), "True Copied")
      assert.strictEqual(image.status.tags, "1/1", "signatures are no tags that anybody selected")
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("an unchanged tag costs its two HEADs, one for each of cosign's tags, and a list of referrers", () => {
    const { digest, registries, subject } = world()
    const sig = fallbackTagOf(digest)
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      const unsigned = [
        "HEAD dest.test/mirror/app:v1",
        `HEAD source.test/team/app:${sig}.att`,
        `HEAD source.test/team/app:${sig}.sbom`,
        `HEAD source.test/team/app:${sig}.sig`,
        "HEAD source.test/team/app:v1",
        `REFERRERS source.test/team/app@${digest}`
      ]
      assert.deepStrictEqual(yield* checked(registries.requests), unsigned)

      yield* signByTag(from, digest, signer)
      yield* attachBundle(from, subject, signer)
      yield* TestClock.adjust("64 minutes")
      const signed = [
        ...unsigned,
        `HEAD dest.test/mirror/app:${sig}.sig`,
        `REFERRERS dest.test/mirror/app@${digest}`
      ].sort()
      assert.deepStrictEqual(
        yield* checked(registries.requests),
        signed,
        "and as much at the destination of what there is"
      )
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a pattern is told by its listing what cosign's tags there are, and signed tags are no versions", () => {
    const registries = makeRegistries()
    const [first = "", second = ""] = ["v1.0", "v1.1"].map((tag) =>
      pushSampleImage(registries.source, "team/app", tag, tag)
    )
    return Effect.gen(function* () {
      yield* signByTag(from, first, signer)
      yield* (yield* Controller).synced
      const source = { name: "source.test/team/app", version: "v1.x" }
      yield* applyImage("kept", spec({ mode: "OneShot", source }))
      yield* settle
      assert.isTrue(yield* isSignedByTag(to, first, signer))
      assert.strictEqual((yield* readImage("kept")).status.tags, "2/2")
      const unchanged = [
        `HEAD dest.test/mirror/app:${fallbackTagOf(first)}.sig`,
        "HEAD dest.test/mirror/app:v1.0",
        "HEAD dest.test/mirror/app:v1.1",
        `HEAD source.test/team/app:${fallbackTagOf(first)}.sig`,
        "LIST dest.test/mirror/app",
        "LIST source.test/team/app",
        `REFERRERS source.test/team/app@${first}`,
        `REFERRERS source.test/team/app@${second}`
      ].sort()
      assert.deepStrictEqual(yield* checked(registries.requests), unchanged)

      // What is never overwritten keeps its image, whose signatures still come.
      const moved = pushSampleImage(registries.source, "team/app", "v1.1", "moved")
      yield* signByTag(from, moved, signer)
      yield* signByTag(from, second, signer)
      yield* TestClock.adjust("64 minutes")
      assert.strictEqual(registries.destination.manifest("mirror/app", "v1.1")?.digest, second)
      assert.isTrue(yield* isSignedByTag(to, second, signer))
      assert.isFalse(yield* isSignedByTag(to, moved, signer))
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a referrer that is listed and has gone is not brought again and again", () => {
    const { digest, registries } = world()
    const gone = { digest: `sha256:${"0".repeat(64)}`, mediaType: OCI_MANIFEST, size: 2 }
    const client = Faults.of(RegistryClient, [
      {
        method: "referrers",
        when: ({ repository }, subject) => repository.registry === "source.test" && subject === digest,
        after: (found) => Effect.succeed([...found, gone])
      }
    ])
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      registries.requests.length = 0
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(
        registries.requests.filter((request) => request.startsWith("PUT")),
        []
      )
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer({ layer: client.layer(registries.layer) })))
  })
})

describe("referrers, with an engine to which they are tags", () => {
  it.effect("signatures come before the tag that they sign, those of its platforms too", () => {
    const { child, digest, registries } = world()
    return Effect.gen(function* () {
      yield* signByTag(from, digest, signer)
      yield* signByTag(from, child.digest, signer)
      registries.requests.length = 0
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      const written = writtenIn(registries.requests)
      assert.sameMembers(written.slice(0, 2), [`${fallbackTagOf(digest)}.sig`, `${fallbackTagOf(child.digest)}.sig`])
      assert.deepStrictEqual(written.slice(2), ["v1"])
      assert.isTrue(yield* isSignedByTag(to, digest, signer))
      assert.isTrue(yield* isSignedByTag(to, child.digest, signer))
      const image = yield* readImage("app")
      assert.strictEqual(conditionText(image, "Ready"), "True Copied")
      assert.strictEqual(image.status.tags, "1/1")
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })

  it.effect("a signature that comes later, or again, is noticed at an unchanged tag", () => {
    const { child, digest, registries } = world()
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      yield* signByTag(from, digest, signer)
      yield* signByTag(from, child.digest, signer)
      registries.requests.length = 0
      yield* TestClock.adjust("64 minutes")
      assert.isTrue(yield* isSignedByTag(to, digest, signer))
      assert.isTrue(yield* isSignedByTag(to, child.digest, signer), "those of its platforms come with it")
      assert.notInclude(writtenIn(registries.requests), "v1", "the tag itself is not written again")
      const again = yield* signByTag(from, digest, signer, "signed again")
      yield* TestClock.adjust("64 minutes")
      assert.strictEqual(registries.destination.manifest("mirror/app", `${fallbackTagOf(digest)}.sig`)?.digest, again)
      const sig = fallbackTagOf(digest)
      assert.deepStrictEqual(yield* checked(registries.requests), [
        `HEAD dest.test/mirror/app:${sig}.sig`,
        "HEAD dest.test/mirror/app:v1",
        `HEAD source.test/team/app:${sig}.att`,
        `HEAD source.test/team/app:${sig}.sbom`,
        `HEAD source.test/team/app:${sig}.sig`,
        "HEAD source.test/team/app:v1",
        `REFERRERS source.test/team/app@${digest}`
      ])
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })

  it.effect("OCI referrers that the engine does not copy are named in the condition", () => {
    const { registries, subject } = world()
    return Effect.gen(function* () {
      yield* attachBundle(from, subject, signer)
      yield* (yield* Controller).synced
      yield* applyImage("app", spec())
      yield* settle
      const { status } = yield* readImage("app")
      const message = status.conditions?.find(({ type }) => type === "Ready")?.message ?? ""
      assert.include(message, "1 of 1 tag is copied; OCI referrers of v1 are not copied")
      assert.include(message, "COPY_ENGINE=direct")
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })

  it.effect("of some platforms: the signatures of those, and not that of the whole", () => {
    const { child, digest, registries } = world()
    return Effect.gen(function* () {
      yield* signByTag(from, digest, signer)
      yield* signByTag(from, child.digest, signer)
      yield* (yield* Controller).synced
      yield* applyImage("app", spec({ platforms: ["linux/amd64"] }))
      yield* settle
      assert.isTrue(yield* isSignedByTag(to, child.digest, signer))
      assert.isFalse(yield* isSignedByTag(to, digest, signer))
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })
})
