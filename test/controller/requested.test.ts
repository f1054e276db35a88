/** The annotation `skopeo.io/requestedAt`: a check at once, which the status answers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { decodeHeader } from "../../src/domain/ImageDecoder.ts"
import type { HttpHead } from "../../src/http/Http.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { Images } from "../../src/kube/Resources.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import {
  applyImage,
  conditionText,
  DESTINATION,
  makeRegistries,
  operatorLayer,
  readImage,
  SOURCE
} from "../support/world.ts"

const name = { namespace: "team", name: "app" }
const spec = { source: { name: "source.test/app", version: "v1" }, destination: { name: "dest.test/app" } } as const
const settle = TestClock.adjust("10 millis")

/** `kubectl annotate image/app skopeo.io/requestedAt=VALUE --overwrite` */
const request = Effect.fnUntraced(function* (value: string) {
  const kube = yield* KubeClient
  const metadata = { ...name, annotations: { "skopeo.io/requestedAt": value } }
  yield* kube.apply(Images, { metadata }, "kubectl-annotate")
  yield* settle
})

const status = Effect.map(readImage("app"), (image) => image.status)
const answer = Effect.map(status, ({ lastHandledReconcileAt }) => lastHandledReconcileAt)
const ready = Effect.map(readImage("app"), (image) => conditionText(image, "Ready"))

const makeWorld = (limiter?: (request: { readonly registry: string }) => HttpHead) => {
  const registries = makeRegistries(limiter === undefined ? {} : { limiter })
  const push = (content: string) => pushSampleImage(registries.source, "app", "v1", content)
  const run = <A, E>(test: Effect.Effect<A, E, Controller | KubeClient>, layer = registries.layer) =>
    Effect.gen(function* () {
      yield* (yield* Controller).synced
      return yield* test
    }).pipe(Effect.provide(operatorLayer({ layer })))
  push("first")
  return { ...registries, push, run }
}

describe("a check that a user asks for", () => {
  it.effect("an Image that is done is checked once for each value, and its tag is copied again if it has moved", () => {
    const { destination, push, requests, run } = makeWorld()
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", { mode: "OneShot", ...spec })
        yield* settle
        const second = push("second")
        requests.length = 0
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(requests, [], "an Image that is done is not checked")
        yield* request("one")
        assert.strictEqual(yield* answer, "one")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(destination.manifest("app", "v1")?.digest, second)
        assert.strictEqual(yield* ready, "True Copied")
        requests.length = 0
        yield* request("one")
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(requests, [])
        yield* request("two")
        assert.strictEqual(yield* answer, "two")
        assert.isAbove(requests.length, 0)
      })
    )
  })

  it.effect(
    "a user who asks all the time gets five checks at once and then one a second, and the last request is answered",
    () => {
      const { requests, run } = makeWorld()
      return run(
        Effect.gen(function* () {
          yield* applyImage("app", { mode: "OneShot", ...spec })
          yield* TestClock.adjust("1 minute")
          requests.length = 0
          yield* request("0")
          const ofOneCheck = requests.length
          assert.isAbove(ofOneCheck, 0)
          for (let number = 1; number < 600; number++) {
            yield* request(String(number))
            yield* TestClock.adjust("90 millis")
          }
          assert.isAtMost(requests.length, 66 * ofOneCheck)
          assert.isAtLeast(requests.length, 50 * ofOneCheck)
          yield* TestClock.adjust("2 seconds")
          assert.strictEqual(yield* answer, "599")
        })
      )
    }
  )

  it.effect("a check that waits for its retry is made at once, and is answered although it fails", () => {
    const state = { fails: true }
    const limiter = ({ registry }: { readonly registry: string }): HttpHead =>
      state.fails && registry === SOURCE
        ? { status: 429, headers: { "retry-after": "18000" } }
        : { status: 200, headers: {} }
    const { run } = makeWorld(limiter)
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", spec)
        yield* settle
        assert.strictEqual((yield* status).checkFailure?.attempts, 1)
        yield* request("now")
        const { checkFailure, lastHandledReconcileAt } = yield* status
        assert.deepStrictEqual([checkFailure?.attempts, lastHandledReconcileAt], [2, "now"])
      })
    )
  })

  it.effect("a copy that waits for its retry is tried again at once", () => {
    const { layer, run } = makeWorld()
    const state = { fails: true }
    const client = Faults.of(RegistryClient, [
      {
        method: "putManifest",
        when: ({ repository }) => state.fails && repository.registry === DESTINATION,
        before: () => Effect.die("the destination is broken")
      }
    ])
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", spec)
        yield* TestClock.adjust("1 hour")
        const [failure] = (yield* status).failures ?? []
        assert.isAbove(failure?.attempts ?? 0, 5)
        state.fails = false
        yield* request("now")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* ready, "True Copied")
        assert.strictEqual(yield* answer, "now")
      }),
      client.layer(layer)
    )
  })

  it.effect("a suspended Image answers when it is resumed", () => {
    const { requests, run } = makeWorld()
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", { suspend: true, ...spec })
        yield* request("now")
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(requests, [])
        assert.isUndefined(yield* answer)
        yield* applyImage("app", { suspend: false, ...spec })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* answer, "now")
      })
    )
  })

  it.effect("an Image with an invalid spec answers, because its spec was judged again", () => {
    const { run } = makeWorld()
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", { frequency: "1s", ...spec })
        yield* settle
        assert.strictEqual(yield* ready, "False InvalidFrequency")
        yield* request("now")
        assert.strictEqual(yield* answer, "now")
      })
    )
  })

  it.effect("a running check gives way to the one that a user asks for, and answers nothing", () => {
    const { layer, run } = makeWorld()
    const client = Faults.of(RegistryClient, [
      {
        method: "manifest",
        when: ({ repository }) => repository.registry === SOURCE,
        before: () => Effect.sleep("1 minute")
      }
    ])
    return run(
      Effect.gen(function* () {
        yield* applyImage("app", spec)
        yield* TestClock.adjust("30 seconds")
        yield* request("now")
        yield* TestClock.adjust("40 seconds")
        assert.isUndefined(yield* answer, "the check that was begun before the request is not what was asked for")
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* answer, "now")
      }),
      client.layer(layer)
    )
  })

  it("the value counts with its first 256 characters, and other annotations are not read", () => {
    const headerOf = (annotations: unknown) => decodeHeader({ metadata: { ...name, annotations } }).requestedAt
    const long = headerOf({ "skopeo.io/requestedAt": "x".repeat(100_000) })
    assert.deepStrictEqual([long?.length, long?.at(0)], [256, "x"])
    for (const none of [
      undefined,
      null,
      {},
      [],
      "text",
      { "skopeo.io/requestedAt": "" },
      { "other.io/requestedAt": "1" }
    ]) {
      assert.isUndefined(headerOf(none))
    }
  })
})
