/** `reconcile`: asks an operator for a check, and waits for its end. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { awaitHandled, type Outcome, type Requested } from "../../../src/cli/cluster/awaitHandled.ts"
import { ClusterImages } from "../../../src/cli/cluster/ClusterImage.ts"
import { Controller } from "../../../src/controller/Controller.ts"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../../src/kube/KubeClientMemory.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { makeRegistries, operatorLayer } from "../../support/world.ts"
import { addImage, ready, served } from "./apiServer.ts"

/** A cluster whose operator runs until the test ends, and copies from source.test to dest.test. */
const operated = Effect.gen(function* () {
  const store = new ApiServerStore()
  const registries = makeRegistries()
  pushSampleImage(registries.source, "nginx", "1.0.0", "nginx")
  const operator = operatorLayer(registries, { kube: KubeClientMemory.layer({ store }) }).pipe(
    Layer.provideMerge(Logger.layer([]))
  )
  const context = yield* Layer.build(operator)
  yield* Effect.flatMap(Controller, ({ synced }) => synced).pipe(Effect.provide(context))
  return { ...(yield* served(store)), ...registries }
})

describe("skopeo-operator reconcile", () => {
  it.live("reconcile copies a moved tag at once, and prints the condition Ready after the copy", () =>
    Effect.gen(function* () {
      const { destination, run, source, store } = yield* operated
      addImage(store, { name: "nginx" })
      addImage(store, { name: "missing" })
      const first = yield* run("reconcile", "nginx")
      assert.deepStrictEqual(first, {
        code: 0,
        stdout: "image.skopeo.io/nginx Ready=True Copied: 1 of 1 tag is copied\n",
        stderr: ""
      })
      const moved = pushSampleImage(source, "nginx", "1.0.0", "moved")
      const second = yield* run("reconcile", "--all")
      assert.strictEqual(destination.manifest("nginx", "1.0.0")?.digest, moved)
      assert.strictEqual(second.code, 1)
      assert.include(second.stdout, "image.skopeo.io/nginx Ready=True Copied: 1 of 1 tag is copied\n")
      assert.match(second.stdout, /^image\.skopeo\.io\/missing Ready=False [A-Za-z]+: /mu)
    })
  )

  it.live("reconcile --wait=false only asks for the check", () =>
    Effect.gen(function* () {
      const { run, store } = yield* served()
      addImage(store, { name: "nginx" })
      const { code, stdout } = yield* run("reconcile", "nginx", "--wait=false")
      assert.deepStrictEqual([code, stdout], [0, "image.skopeo.io/nginx check requested\n"])
      const { annotations } = store.get(Images, { namespace: "team", name: "nginx" })?.metadata ?? {}
      assert.match(JSON.stringify(annotations), /^\{"skopeo\.io\/requestedAt":"20[0-9-]+T[0-9:.]+Z"\}$/u)
    })
  )

  it.live("reconcile does not wait for a suspended Image, which no operator checks", () =>
    Effect.gen(function* () {
      const { run, store } = yield* served()
      addImage(store, { name: "nginx", spec: { suspend: true } })
      const { code, stderr, stdout } = yield* run("reconcile", "nginx")
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.strictEqual(stderr, "image.skopeo.io/nginx: is suspended; resume it first\n")
    })
  )

  it.live("a timeout that is not a duration is a mistake in the usage", () =>
    Effect.gen(function* () {
      const { run } = yield* served()
      const { code, stderr } = yield* run("reconcile", "nginx", "--timeout", "soon")
      assert.strictEqual(code, 2)
      assert.include(stderr, '--timeout: "soon" is not a duration; use for example 15m, 1h30m or 1d12h')
    })
  )
})

describe("the wait for a check", () => {
  const names = ["answered", "copying", "silent", "gone", "other"]

  /** The wait for five Images within a minute, and what it has reported. */
  const begun = Effect.gen(function* () {
    const store = new ApiServerStore()
    for (const name of names) addImage(store, { name })
    const kube = KubeClientMemory.layer({ store })
    const images = yield* Effect.flatMap(KubeClient, (client) => client.list(ClusterImages, {})).pipe(
      Effect.provide(kube)
    )
    const requested = images.items.map((image): Requested => ({ image, requestedAt: "noon", answeredBefore: "dawn" }))
    const reports = new Map<string, Outcome>()
    const waiting = yield* awaitHandled(requested, Duration.minutes(1), ({ image }, outcome) =>
      Effect.sync(() => reports.set(image.metadata.name, outcome))
    ).pipe(Effect.provide(kube), Effect.forkChild({ startImmediately: true }))
    yield* TestClock.adjust("10 millis")
    const write = (name: string, status: object) =>
      Effect.andThen(
        Effect.sync(() => store.applyStatus(Images, { metadata: { namespace: "team", name }, status })),
        TestClock.adjust("10 millis")
      )
    return { store, reports, waiting, write }
  })

  it.effect("a wait ends when the status answers the request and no copy is left, and not before", () =>
    Effect.gen(function* () {
      const { reports, store, waiting, write } = yield* begun
      const done = ready("True", "Copied", "done")
      yield* write("answered", { ...done, lastHandledReconcileAt: "dawn" })
      assert.strictEqual(reports.size, 0, "an older request was answered")
      yield* write("answered", { ...done, lastHandledReconcileAt: "noon" })
      assert.strictEqual(reports.get("answered")?._tag, "Handled")
      const reconciling = { type: "Reconciling", status: "True", reason: "Copying", message: "1 copy" }
      const copying = [...done.conditions, { ...reconciling, lastTransitionTime: "2026-01-01T00:00:00Z" }]
      yield* write("copying", { conditions: copying, lastHandledReconcileAt: "noon" })
      assert.isUndefined(reports.get("copying"))
      store.delete(Images, { namespace: "team", name: "gone" }, 0)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(reports.get("gone")?._tag, "Deleted")
      yield* TestClock.adjust("1 minute")
      const outcomes = yield* Fiber.join(waiting)
      assert.strictEqual(outcomes.length, names.length)
      assert.deepInclude(reports.get("copying"), { _tag: "Late", isAnswered: true })
      assert.deepInclude(reports.get("silent"), { _tag: "Late", isAnswered: false })
    })
  )

  it.effect("a later request of another user answers the wait too", () =>
    Effect.gen(function* () {
      const { reports, store, waiting, write } = yield* begun
      const annotations = { "skopeo.io/requestedAt": "evening" }
      store.patch(Images, { namespace: "team", name: "other" }, { metadata: { annotations } })
      yield* write("other", { ...ready("True", "Copied", "done"), lastHandledReconcileAt: "evening" })
      assert.strictEqual(reports.get("other")?._tag, "Handled")
      yield* Fiber.interrupt(waiting)
    })
  )
})
