import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { AnsweredClient, makeTagLists } from "../../../src/controller/check/AnsweredClient.ts"
import { RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { makeRegistries } from "../../support/world.ts"

const accessTo = (registry: string): RepositoryAccess => ({
  repository: { registry, path: "app" },
  tlsVerify: true,
  credential: Option.none()
})
const source = accessTo("source.test")
const destination = accessTo("dest.test")

/** Two rounds of questions, and the requests that reached the registries in the second round. */
const askedTwice = Effect.fnUntraced(function* (between: (answered: AnsweredClient) => void = () => {}) {
  const registries = makeRegistries()
  const digest = pushSampleImage(registries.source, "app", "v1", "v1")
  pushSampleImage(registries.destination, "app", "v0", "v0")
  const answered = yield* Effect.map(
    RegistryClient,
    (registry) => new AnsweredClient(registry, makeTagLists(1_000_000))
  ).pipe(Effect.provide(registries.layer))
  const { client } = answered
  const round = Effect.gen(function* () {
    return [
      yield* client.tags(source),
      yield* client.tags(destination),
      yield* client.head(source, "v1"),
      yield* client.head(source, "gone"),
      yield* client.head(destination, "v0"),
      yield* client.referrers(source, digest)
    ]
  })
  const first = yield* round
  between(answered)
  registries.requests.length = 0
  assert.deepStrictEqual(yield* round, first)
  return { answered, requests: [...registries.requests].sort(), digest, client, registries }
})

describe("a client that remembers what it was answered", () => {
  it.effect("the client sends no request twice, not even for a missing manifest", () =>
    Effect.map(askedTwice(), ({ requests }) => assert.deepStrictEqual(requests, []))
  )

  it.effect("the client asks again for forgotten answers, of that repository only", () =>
    Effect.gen(function* () {
      const lists = yield* askedTwice((answered) => answered.forget(destination.repository, "tags"))
      assert.deepStrictEqual(lists.requests, ["LIST dest.test/app"])
      const heads = yield* askedTwice((answered) => answered.forget(source.repository, "heads"))
      assert.deepStrictEqual(heads.requests, ["HEAD source.test/app:gone", "HEAD source.test/app:v1"])
    })
  )

  it.effect("a manifest that was read by its tag answers HEAD and the read by its digest", () =>
    Effect.gen(function* () {
      const { answered, client, digest, registries } = yield* askedTwice()
      answered.forget(source.repository, "heads")
      const manifest = yield* client.manifest(source, "v1")
      registries.requests.length = 0
      const head = Option.getOrThrow(yield* client.head(source, "v1"))
      assert.deepStrictEqual([head.digest, head.size], [digest, manifest.bytes.length])
      assert.strictEqual(yield* client.manifest(source, "v1"), manifest)
      assert.strictEqual(yield* client.manifest(source, digest), manifest)
      assert.deepStrictEqual(registries.requests, [])
    })
  )

  it.effect("the client remembers no failure", () =>
    Effect.gen(function* () {
      const { client, registries } = yield* askedTwice()
      yield* Effect.flip(client.manifest(source, "v2"))
      yield* Effect.flip(client.tags(accessTo("nowhere.test")))
      const digest = pushSampleImage(registries.source, "app", "v2", "v2")
      assert.strictEqual((yield* client.manifest(source, "v2")).digest, digest)
    })
  )

  it.effect("the client reports the memory of its answers, and keeps at most 1 MiB of manifests", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(200 * 1024)
      let reads = 0
      const registry = RegistryClient.of({
        ...(yield* RegistryClient),
        manifest: (_, digest) =>
          Effect.sync(() => {
            reads += 1
            return { bytes, digest, mediaType: "text/plain", size: bytes.length }
          })
      })
      const answered = new AnsweredClient(registry, makeTagLists(1_000_000))
      assert.strictEqual(answered.bytes, 0)
      const digests = Array.from({ length: 10 }, (_, i) => `sha256:${String(i).repeat(64)}`)
      for (const _ of [1, 2]) {
        for (const digest of digests) yield* answered.client.manifest(source, digest)
      }
      assert.strictEqual(reads, 15, "five are remembered, five are read again")
      assert.isAbove(answered.bytes, 1_000 * 1024)
      assert.isBelow(answered.bytes, 1_050 * 1024)
    }).pipe(Effect.provide(makeRegistries().layer))
  )
})
