/** Images with `referrers: true`: later referrers are seen, at which cost, and in which order they are copied. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { conditionOf } from "../../src/domain/Image.ts"
import { Controller } from "../../src/controller/Controller.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
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

/** The requests of one check of an Image in sync. */
const checked = Effect.fnUntraced(function* (requests: Array<string>) {
  requests.length = 0
  yield* TestClock.adjust("64 minutes")
  return [...requests].sort()
})

/** The tags that were written, in order. */
const writtenIn = (requests: ReadonlyArray<string>): ReadonlyArray<string> =>
  requests.flatMap((request) => /^PUT dest\.test\/mirror\/app:(.*)$/u.exec(request)?.[1] ?? [])

describe("referrers, with an engine that copies referrers with the image", () => {
  it.effect("a later signature of an unchanged tag is copied", () => {
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
      assert.strictEqual(image.status.tags, "1/1", "signatures are not selected tags")
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("an unchanged tag costs two HEADs, one HEAD for each of cosign's tags, and a list of referrers", () => {
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
        "and the same at the destination for existing referrers"
      )
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("the listing of a pattern shows cosign's tags, and these tags match no version", () => {
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

      // The existing tag keeps its image, and the signatures of that image are copied.
      const moved = pushSampleImage(registries.source, "team/app", "v1.1", "moved")
      yield* signByTag(from, moved, signer)
      yield* signByTag(from, second, signer)
      yield* TestClock.adjust("64 minutes")
      assert.strictEqual(registries.destination.manifest("mirror/app", "v1.1")?.digest, second)
      assert.isTrue(yield* isSignedByTag(to, second, signer))
      assert.isFalse(yield* isSignedByTag(to, moved, signer))
    }).pipe(Effect.provide(operatorLayer(registries)))
  })

  it.effect("a listed referrer that is deleted causes no repeated copies", () => {
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

describe("referrers, with an engine that copies tags only", () => {
  it.effect("the signatures of an image and of its platforms are copied before the image's tag", () => {
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

  it.effect("a later or a second signature of an unchanged tag is copied by the engine of tags", () => {
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

  it.effect("the condition names OCI referrers that the engine does not copy", () => {
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

  it.effect(
    "an image of some platforms gets the signatures of those platforms, and not the signature of the index",
    () => {
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
    }
  )
})

describe("companion tags of a destination to which several Images copy", () => {
  const other = makeSigner()
  const fork = accessTo("source.test", "fork/app")
  const ofFork = { source: { name: "source.test/fork/app", version: "v2" } }

  /** The repository `fork/app` has the image of `team/app:v1` as `v2`, with the signature of another key. */
  const forked = () => {
    const made = world()
    assert.strictEqual(pushSampleImage(made.registries.source, "fork/app", "v2", "monday"), made.digest)
    const signers = Effect.gen(function* () {
      const names: Array<string> = []
      if (yield* isSignedByTag(to, made.digest, signer)) names.push("team")
      if (yield* isSignedByTag(to, made.digest, other)) names.push("fork")
      return names
    })
    const ready = (name: string) => Effect.map(readImage(name), (image) => conditionText(image, "Ready"))
    const apply = (name: string, more: object = {}) =>
      Effect.andThen(applyImage(name, spec(more)), TestClock.adjust("1 second"))
    return { ...made, apply, ready, signers, tag: `${fallbackTagOf(made.digest)}.sig` }
  }

  for (const [name, engine] of [
    ["an engine that copies referrers with the image", {}],
    ["an engine that copies tags only", { engine: engineOfTags }]
  ] as const) {
    for (const mode of ["OneShot", "Recurrent"]) {
      it.effect(`a younger Image with another source does not change a signature: ${mode}, ${name}`, () => {
        const { apply, digest, ready, registries, signers, tag } = forked()
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* signByTag(from, digest, signer)
          yield* signByTag(fork, digest, other)
          yield* apply("old")
          yield* apply("young", { mode, ...ofFork })
          yield* TestClock.adjust("3 hours")
          assert.deepStrictEqual(yield* signers, ["team"])
          assert.strictEqual(yield* ready("old"), "True Copied")
          assert.strictEqual(yield* ready("young"), "False DestinationClaimed")
          const message = conditionOf((yield* readImage("young")).status, "Ready")?.message ?? ""
          assert.include(message, tag)
          assert.include(message, "claimed by the older Image team/old")
          const writes = registries.requests.filter((request) => request.startsWith("PUT dest.test/mirror/app:"))
          assert.lengthOf(writes, 2, "the owner's signature and tag")
          const checks = registries.requests.filter((request) => request.endsWith(" source.test/fork/app:v2"))
          assert.isAtLeast(checks.length, 3, "the claim is checked regularly")
          assert.isBelow(checks.length, 100)
          assert.notInclude(
            registries.destination.tags("mirror/app") ?? [],
            "v2",
            "the tag would be without its signature"
          )

          yield* (yield* KubeClient).delete(Images, { namespace: "team", name: "old" })
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* ready("young"), "True Copied", "the claim ends with the owner")
          assert.deepStrictEqual(yield* signers, ["fork"])
        }).pipe(Effect.provide(operatorLayer(registries, engine)))
      })
    }

    it.effect(`a younger Image brings a signature that is missing, and the owner may replace it: ${name}`, () => {
      const { apply, digest, ready, registries, signers } = forked()
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* signByTag(fork, digest, other)
        yield* apply("old")
        yield* apply("young", ofFork)
        assert.deepStrictEqual(yield* signers, ["fork"])
        assert.deepStrictEqual([yield* ready("old"), yield* ready("young")], ["True Copied", "True Copied"])

        yield* signByTag(from, digest, signer)
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(yield* signers, ["team"])
        assert.deepStrictEqual(
          [yield* ready("old"), yield* ready("young")],
          ["True Copied", "False DestinationClaimed"]
        )
      }).pipe(Effect.provide(operatorLayer(registries, engine)))
    })

    it.effect(`an older Image without referrers owns no companion tags: ${name}`, () => {
      const { apply, digest, ready, registries, signers } = forked()
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* signByTag(fork, digest, other)
        yield* apply("old", { referrers: false })
        yield* apply("young", ofFork)
        yield* signByTag(fork, digest, other, "signed again")
        yield* TestClock.adjust("64 minutes")
        assert.deepStrictEqual(yield* signers, ["fork"])
        assert.strictEqual(yield* ready("young"), "True Copied")
      }).pipe(Effect.provide(operatorLayer(registries, engine)))
    })

    it.effect(`two Images with one source copy a second signature: ${name}`, () => {
      const { apply, digest, ready, registries } = forked()
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* signByTag(from, digest, signer)
        // The younger Image is checked first: the older Image is done.
        yield* apply("old", { mode: "OneShot" })
        yield* apply("young", { destination: { name: "dest.test/mirror/app", version: "v2" } })
        const again = yield* signByTag(from, digest, signer, "signed again")
        yield* TestClock.adjust("64 minutes")
        assert.strictEqual(registries.destination.manifest("mirror/app", `${fallbackTagOf(digest)}.sig`)?.digest, again)
        assert.deepStrictEqual([yield* ready("old"), yield* ready("young")], ["True Copied", "True Copied"])
      }).pipe(Effect.provide(operatorLayer(registries, engine)))
    })
  }

  for (const suffix of [".sig", ".att", ""]) {
    it.effect(`a younger Image does not write a companion tag as its own tag: sha256-…${suffix}`, () => {
      const { apply, digest, registries } = forked()
      const tag = `${fallbackTagOf(digest)}${suffix}`
      pushSampleImage(registries.source, "fork/app", tag, "no signature")
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* apply("old")
        const own = { referrers: false, source: { name: "source.test/fork/app", version: tag } }
        yield* apply("young", own)
        yield* TestClock.adjust("3 hours")
        assert.strictEqual(conditionText(yield* readImage("young"), "Stalled"), "True DestinationClaimed")
        assert.notInclude(registries.destination.tags("mirror/app") ?? [], tag)

        yield* apply("old", { referrers: false })
        assert.include(registries.destination.tags("mirror/app") ?? [], tag, "the claim ends with the owner's spec")
      }).pipe(Effect.provide(operatorLayer(registries)))
    })
  }

  it.effect("an older Image that writes a companion tag as its own tag keeps the tag", () => {
    const { apply, digest, ready, registries, signers, tag } = forked()
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* signByTag(from, digest, signer)
      yield* signByTag(fork, digest, other)
      yield* apply("old", { referrers: false, source: { name: "source.test/team/app", version: tag } })
      yield* apply("young", ofFork)
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* signers, ["team"])
      assert.deepStrictEqual([yield* ready("old"), yield* ready("young")], ["True Copied", "False DestinationClaimed"])
    }).pipe(Effect.provide(operatorLayer(registries)))
  })
})
