/** `copy` as programs call it: two registries, one image, no Image. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import {
  ConfiguredCredentials,
  copy,
  type CopyOptions,
  type CopyProgress,
  Credentials,
  RegistryClientHttp
} from "../../src/index.ts"
import {
  type EmbeddedRegistryOptions,
  pushSampleImage,
  RegistryClientMemory,
  requireBasic,
  startRegistry
} from "../../src/testing.ts"
import { accessTo } from "../support/copyWorld.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { isSignedByTag, makeSigner, signByTag } from "../support/signatures.ts"

const Anonymous = Layer.merge(RegistryClientHttp.layer(), Credentials.layerAnonymous)

const HTTP: CopyOptions = { tlsVerify: { source: false, destination: false } }

const world = Effect.fnUntraced(function* (
  sides: { readonly source?: EmbeddedRegistryOptions; readonly destination?: EmbeddedRegistryOptions } = {}
) {
  const source = yield* startRegistry(sides.source)
  const destination = yield* startRegistry(sides.destination)
  const digest = pushSampleImage(source.store, "team/app", "1.0", "seed")
  return { source, destination, digest, from: `${source.host}/team/app`, to: `${destination.host}/mirror/app` }
})

describe("copy", () => {
  itOnSockets("copy writes the source's tag, and reports the digest, the bytes and the progress", () =>
    Effect.gen(function* () {
      const { destination, digest, from, to } = yield* world()
      const reports: Array<CopyProgress> = []
      const onProgress = (progress: CopyProgress) => void reports.push(progress)
      const result = yield* copy(`${from}:1.0`, to, { ...HTTP, onProgress })
      assert.strictEqual(destination.store.manifest("mirror/app", "1.0")?.digest, digest)
      const last = reports.at(-1) ?? { total: 0, sent: 0 }
      assert.deepInclude(result, { action: "copied", digest, bytes: last.total, bytesSent: last.sent })
      assert.isAbove(result.bytes, 8_192)
      assert.deepInclude(result.source, { tag: "1.0", digest })
      assert.deepInclude(result.destination, { tag: "1.0", digest })
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy of a tag that is there sends nothing, and a copy of a moved tag writes the tag", () =>
    Effect.gen(function* () {
      const { destination, from, source, to } = yield* world()
      yield* copy(`${from}:1.0`, to, HTTP)
      const before = destination.requests.length
      const again = yield* copy(`${from}:1.0`, to, HTTP)
      assert.deepInclude(again, { action: "present", bytes: 0, bytesSent: 0 })
      assert.deepStrictEqual(destination.requests.slice(before), ["HEAD /v2/mirror/app/manifests/1.0"])
      const moved = pushSampleImage(source.store, "team/app", "1.0", "other")
      assert.deepInclude(yield* copy(`${from}:1.0`, to, HTTP), { action: "copied", digest: moved })
      assert.strictEqual(destination.store.manifest("mirror/app", "1.0")?.digest, moved)
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy takes a digest as the source, and latest for a source without a tag", () =>
    Effect.gen(function* () {
      const { destination, digest, from, source, to } = yield* world()
      pushSampleImage(source.store, "team/app", "1.0", "later")
      const latest = pushSampleImage(source.store, "team/app", "latest", "latest")
      yield* copy(`${from}@${digest}`, `${to}:pinned`, HTTP)
      yield* copy(`${from}:1.0@${digest}`, to, HTTP)
      yield* copy(from, to, HTTP)
      const tags = ["pinned", "1.0", "latest"].map((tag) => destination.store.manifest("mirror/app", tag)?.digest)
      assert.deepStrictEqual(tags, [digest, digest, latest])
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy of some platforms writes another index, which a second copy finds in place", () =>
    Effect.gen(function* () {
      const { destination, digest, from, to } = yield* world()
      const options = { ...HTTP, platforms: ["linux/arm64"] }
      const first = yield* copy(`${from}:1.0`, to, options)
      assert.notStrictEqual(first.digest, digest)
      assert.strictEqual(destination.store.manifest("mirror/app", "1.0")?.digest, first.digest)
      const second = yield* copy(`${from}:1.0`, to, options)
      assert.deepInclude(second, { action: "present", digest: first.digest })
      const failed = yield* Effect.result(copy(`${from}:1.0`, to, { ...HTTP, platforms: ["linux/s390x"] }))
      assert(Result.isFailure(failed) && failed.failure._tag === "RegistryError")
      assert.strictEqual(failed.failure.reason._tag, "PlatformMissing")
      assert.match(
        failed.failure.message,
        /has no linux\/s390x; it has linux\/amd64, linux\/arm64; choose other platforms$/u
      )
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy with referrers copies a signature that came after the image", () =>
    Effect.gen(function* () {
      const { destination, digest, from, source, to } = yield* world()
      const options = { ...HTTP, referrers: true }
      const signer = makeSigner()
      yield* copy(`${from}:1.0`, to, options)
      yield* signByTag(accessTo(source.host, "team/app"), digest, signer)
      assert.deepInclude(yield* copy(`${from}:1.0`, to, options), { action: "copied", digest })
      assert.isTrue(yield* isSignedByTag(accessTo(destination.host, "mirror/app"), digest, signer))
      assert.deepInclude(yield* copy(`${from}:1.0`, to, options), { action: "present" })
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy uses the credential of each side for that side only", () =>
    Effect.gen(function* () {
      const login = { username: "me", password: "hunter2" }
      const { destination, digest, from, to } = yield* world({
        destination: { intercept: requireBasic(login.username, login.password) }
      })
      const credentials = Credentials.layer(
        Effect.all([
          ConfiguredCredentials.make({
            source: Option.none(),
            destination: Option.some({
              username: login.username,
              password: Redacted.make(login.password),
              registries: [destination.host]
            })
          })
        ])
      )
      const client = RegistryClientHttp.layer({ plainHttp: "127.0.0.0/8" })
      yield* copy(`${from}:1.0`, to, HTTP).pipe(Effect.provide(Layer.merge(client, credentials)))
      assert.strictEqual(destination.store.manifest("mirror/app", "1.0")?.digest, digest)
    })
  )

  itOnSockets("copy tries again after a server error that passes, and keeps the tag after one that stays", () =>
    Effect.gen(function* () {
      let faults = 1
      const { destination, digest, from, to } = yield* world({
        destination: {
          intercept: (request, response) => {
            if (faults === 0 || request.method !== "PUT") return false
            faults -= 1
            response.writeHead(500).end()
            return true
          }
        }
      })
      assert.deepInclude(yield* copy(`${from}:1.0`, to, HTTP), { action: "copied", digest })
      faults = Number.POSITIVE_INFINITY
      const failed = yield* Effect.result(copy(`${from}:1.0`, `${to}:other`, HTTP))
      assert(Result.isFailure(failed) && failed.failure._tag === "RegistryError")
      assert.strictEqual(failed.failure.side, "destination")
      assert.isUndefined(destination.store.manifest("mirror/app", "other"))
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy of a missing tag fails with NotFound of the source", () =>
    Effect.gen(function* () {
      const { from, to } = yield* world()
      const failed = yield* Effect.result(copy(`${from}:9`, to, HTTP))
      assert(Result.isFailure(failed) && failed.failure._tag === "RegistryError")
      assert.deepStrictEqual([failed.failure.side, failed.failure.reason._tag], ["source", "NotFound"])
      assert.include(failed.failure.message, "has no tag 9")
    }).pipe(Effect.provide(Anonymous))
  )

  itOnSockets("copy refuses arguments that are not valid before the first request", () =>
    Effect.gen(function* () {
      const digest = `sha256:${"a".repeat(64)}`
      const rows: ReadonlyArray<readonly [from: string, to: string, options: CopyOptions, message: string]> = [
        ["docker://a/b", "c.corp/d", {}, 'source: "docker://a/b" starts with docker://; remove docker://'],
        ["a/b", "C.corp/D:1", {}, 'destination: "C.corp/D:1" has upper-case letters'],
        ["a/b:1", `c.corp/d@${digest}`, {}, "has a digest; write only the tag"],
        [
          `a/b@${digest}`,
          "c.corp/d",
          {},
          "names no tag, and the source is a digest; write the tag, such as c.corp/d:latest"
        ],
        ["a/b", "c.corp/d", { platforms: ["amd64"] }, 'platforms: "amd64" is not a platform']
      ]
      for (const [from, to, options, message] of rows) {
        const failed = yield* Effect.result(copy(from, to, options))
        assert(Result.isFailure(failed) && failed.failure._tag === "InvalidCopy")
        assert.include(failed.failure.message, message)
      }
    }).pipe(Effect.provide(Layer.merge(Credentials.layerAnonymous, RegistryClientMemory.layer(new Map()))))
  )
})
