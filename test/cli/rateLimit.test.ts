/** What `sync` and `copy` do about a registry whose rate limit holds them back. */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { type EmbeddedRegistryOptions, pushSampleImage, startRegistry } from "../../src/testing.ts"
import { file, run } from "../support/commandLine.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

/** A source that answers its first `refusals` requests for manifests with a status and a time, and a destination without a limit. */
const limitedWorld = Effect.fnUntraced(function* (seconds: number, refusals = 1, status = 429) {
  let left = refusals
  const intercept: NonNullable<EmbeddedRegistryOptions["intercept"]> = ({ url = "" }, response) => {
    if (!url.includes("/manifests/") || left <= 0) return false
    left -= 1
    response.writeHead(status, { "retry-after": String(seconds) }).end()
    return true
  }
  const [source, destination] = [yield* startRegistry({ intercept }), yield* startRegistry()]
  pushSampleImage(source.store, "app", "1.0", "seed")
  const image = yield* file(
    "image.yaml",
    `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${source.host}/app, version: "1.0", tlsVerify: false }
  destination: { name: ${destination.host}/mirror, tlsVerify: false }
`
  )
  return { source, destination, image }
})

const REMEDY = /run again after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, or with --wait-for-rate-limit/u

describe("a rate limit", () => {
  itOnSockets("sync ends with 1, and says of each Image for which registry it waits, until when, and what to do", () =>
    Effect.gen(function* () {
      const { destination, image, source } = yield* limitedWorld(600)
      const { code, stderr } = yield* run(["sync", "-f", image])
      assert.strictEqual(code, 1)
      const last = stderr.trimEnd().split("\n").at(-1) ?? ""
      assert.include(last, `app: waits for a rate limit: ${source.host}/app: `)
      assert.match(last, REMEDY)
      assert.deepStrictEqual(destination.store.tags("mirror") ?? [], [])
    })
  )

  itOnSockets("sync with --wait-for-rate-limit says what it waits for and until when, and copies then", () =>
    Effect.gen(function* () {
      const { destination, image, source } = yield* limitedWorld(600, 2)
      const started = yield* Clock.currentTimeMillis
      const { code, stderr, stdout } = yield* run(["sync", "-f", image, "--wait-for-rate-limit"])
      assert.strictEqual(code, 0, stderr)
      assert.isAtLeast((yield* Clock.currentTimeMillis) - started, 1_200_000)
      assert.include(stderr, `app: waiting for a rate limit: until 1970-01-01T00:10:00Z: ${source.host}/app: `)
      assert.include(stderr, "app: waiting for a rate limit: until 1970-01-01T00:20:0")
      assert.notInclude(stderr, "run again")
      assert.match(stdout, /^app +1\/1 +True/mu)
      assert.deepStrictEqual(destination.store.tags("mirror"), ["1.0"])
    })
  )

  itOnSockets("copy ends with 1 and says when to run it again, and with --wait-for-rate-limit waits and copies", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* limitedWorld(600)
      const args = ["copy", `${source.host}/app:1.0`, `${destination.host}/mirror`, "--tls-verify=false"]
      const failed = yield* run(args)
      assert.strictEqual(failed.code, 1)
      assert.match(failed.stderr, REMEDY)
      const other = yield* limitedWorld(600)
      const copied = yield* run([
        "copy",
        `${other.source.host}/app:1.0`,
        `${other.destination.host}/mirror`,
        "--tls-verify=false",
        "--wait-for-rate-limit"
      ])
      assert.strictEqual(copied.code, 0, copied.stderr)
      assert.match(copied.stderr, /^waiting for a rate limit: until 1970-01-01T00:\d\d:\d\dZ: /mu)
      assert.deepStrictEqual(other.destination.store.tags("mirror"), ["1.0"])
    })
  )

  itOnSockets("sync and copy with --wait-for-rate-limit wait after 503 with Retry-After too", () =>
    Effect.gen(function* () {
      const { destination, image, source } = yield* limitedWorld(600, 1, 503)
      const synced = yield* run(["sync", "-f", image, "--wait-for-rate-limit"])
      assert.strictEqual(synced.code, 0, synced.stderr)
      assert.match(
        synced.stderr,
        new RegExp(`waiting for a rate limit: .*${source.host}/app: the registry answered 503`, "u")
      )
      assert.deepStrictEqual(destination.store.tags("mirror"), ["1.0"])
      const other = yield* limitedWorld(600, 1, 503)
      const args = ["copy", `${other.source.host}/app:1.0`, `${other.destination.host}/mirror`, "--wait-for-rate-limit"]
      const copied = yield* run(args)
      assert.strictEqual(copied.code, 0, copied.stderr)
      assert.deepStrictEqual(other.destination.store.tags("mirror"), ["1.0"])
    })
  )

  itOnSockets("copy prints no progress while it waits for a rate limit, also in the middle of an image", () =>
    Effect.gen(function* () {
      let left = 1
      const source = yield* startRegistry()
      const destination = yield* startRegistry({
        intercept: ({ method = "" }, response) => {
          if (method !== "POST" || left === 0) return false
          left = 0
          response.writeHead(429, { "retry-after": "3600" }).end()
          return true
        }
      })
      pushSampleImage(source.store, "app", "1.0", "seed")
      const args = ["copy", `${source.host}/app:1.0`, `${destination.host}/mirror`, "--wait-for-rate-limit"]
      const { code, stderr } = yield* run(args)
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /^waiting for a rate limit: .*\n$/u)
    })
  )
})
