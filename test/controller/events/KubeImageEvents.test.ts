/** The Events that an operator writes to its API server. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { ImageEvents } from "../../../src/controller/events/ImageEvents.ts"
import * as KubeImageEvents from "../../../src/controller/events/KubeImageEvents.ts"
import type { ImageSpec } from "../../../src/domain/Image.ts"
import type { ImageEvent } from "../../../src/domain/plan/events.ts"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError } from "../../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../../src/kube/KubeClientMemory.ts"
import { Images, ReportedEvents } from "../../../src/kube/Resources.ts"
import { Metrics } from "../../../src/metrics/Metrics.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import * as Faults from "../../support/Faults.ts"
import { makeRegistries, operatorLayer } from "../../support/world.ts"

const INSTANCE = "skopeo-operator-7d9f-abcde"
const layer = KubeImageEvents.layer({ instance: INSTANCE })

const eventsIn = (server: ApiServerStore) =>
  server
    .list(ReportedEvents, {})
    .items.toSorted((a, b) => Number(a.metadata["resourceVersion"]) - Number(b.metadata["resourceVersion"]))

/** `Warning Stalled: the note` for each Event. */
const saidIn = (server: ApiServerStore): ReadonlyArray<string> =>
  eventsIn(server).map(({ note, reason, type }) => `${String(type)} ${String(reason)}: ${String(note)}`)

const makeWorld = () => {
  const registries = makeRegistries()
  const server = new ApiServerStore()
  const client = Faults.of(RegistryClient)
  const kube = Faults.of(KubeClient)
  const operator = operatorLayer(
    { layer: client.layer(registries.layer) },
    { kube: kube.layer(KubeClientMemory.layer({ store: server })), events: layer }
  )
  const settle = TestClock.adjust("1 second")
  const apply = Effect.fnUntraced(function* (spec: Omit<Partial<typeof ImageSpec.Encoded>, "source" | "destination">) {
    const written = {
      source: { name: "source.test/app", version: "1.x" },
      destination: { name: "dest.test/app" },
      ...spec
    }
    server.apply(
      Images,
      { metadata: { namespace: "team", name: "app" }, spec: written },
      yield* Clock.currentTimeMillis
    )
    yield* settle
  })
  /** Starts an operator. The effect ends the operator. */
  const start = Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    yield* Layer.buildWithScope(Layer.fresh(operator), scope)
    yield* settle
    return Scope.close(scope, yield* Effect.exit(Effect.void))
  })
  return { apply, client, kube, ...registries, server, settle, start }
}

const unreachable = {
  method: "tags",
  before: ({ repository }: { readonly repository: { readonly registry: string; readonly path: string } }) =>
    Effect.fail(RegistryError.of("Unreachable", repository, "no answer"))
} as const

describe("the Events of an operator", () => {
  it.effect("each transition of an Image is an Event in the Image's namespace, and a restart repeats none", () => {
    const { apply, client, server, settle, source, start } = makeWorld()
    pushSampleImage(source, "app", "1.0", "one")
    return Effect.gen(function* () {
      const stop = yield* start
      yield* apply({})
      const image = server.get(Images, { namespace: "team", name: "app" })
      const [event] = eventsIn(server)
      const { metadata, ...fields } = event ?? { metadata: { name: "" } }
      assert.match(metadata.name, /^app\.[0-9a-f]{16}$/u)
      assert.deepStrictEqual<unknown>(fields, {
        apiVersion: "events.k8s.io/v1",
        kind: "Event",
        eventTime: "1970-01-01T00:00:01.000000Z",
        reportingController: "skopeo-operator",
        reportingInstance: INSTANCE,
        type: "Normal",
        reason: "Copied",
        action: "Copy",
        note: "copied 1 tag to dest.test/app: 1.0",
        regarding: {
          apiVersion: "skopeo.io/v1alpha1",
          kind: "Image",
          namespace: "team",
          name: "app",
          uid: image?.metadata.uid
        }
      })
      yield* apply({ suspend: true })
      yield* apply({ suspend: false, tags: { latest: 2 } })
      client.plan.push(unreachable)
      yield* apply({ tags: { latest: 3 } })
      yield* stop
      yield* start
      yield* TestClock.adjust("1 hour")
      client.plan.length = 0
      yield* TestClock.adjust("1 hour")
      yield* settle
      assert.deepStrictEqual(saidIn(server), [
        "Normal Copied: copied 1 tag to dest.test/app: 1.0",
        "Normal Suspended: checks and new copies are suspended; running copies finish",
        "Normal Resumed: checks and copies are resumed",
        "Warning CheckFailed: Unreachable: source.test/app: no answer",
        "Normal Recovered: 1 of 1 tag is copied"
      ])
    })
  })

  it.effect("an API server that does not answer delays no copy", () => {
    const { apply, destination, kube, server, source, start } = makeWorld()
    for (let minor = 0; minor < 5; minor += 1) pushSampleImage(source, "app", `1.${minor}`, `${minor}`)
    kube.plan.push({
      method: "apply",
      when: ({ plural }) => plural === ReportedEvents.plural,
      before: () => Effect.never
    })
    return Effect.gen(function* () {
      yield* start
      yield* apply({})
      assert.lengthOf(destination.tags("app") ?? [], 5)
      assert.deepStrictEqual(saidIn(server), [])
    })
  })
})

describe("the reports of Events", () => {
  const image = { namespace: "team", name: `${"a".repeat(199)}.b`, uid: "uid-1", generation: 1 }
  const event = (note: string): ImageEvent => ({ type: "Normal", reason: "Copied", action: "Copy", note })
  const settle = TestClock.adjust("1 second")

  const makeReports = (plan: Array<Faults.Fault<KubeClient["Service"]>> = []) => {
    const server = new ApiServerStore({ history: 10_000 })
    const kube = Faults.of(KubeClient, plan)
    const dropped = Effect.gen(function* () {
      const { body } = yield* (yield* Metrics).exposition
      return Number(/^skopeo_operator_events_dropped_total (\d+)$/mu.exec(body)?.[1])
    })
    const reports = layer.pipe(
      Layer.provideMerge(Metrics.layer),
      Layer.provideMerge(kube.layer(KubeClientMemory.layer({ store: server })))
    )
    return { dropped, kube, layer: reports, server }
  }

  it.effect("a repeated report extends the series of one Event, whose name fits whatever the Image's name is", () => {
    const { layer, server } = makeReports()
    return Effect.gen(function* () {
      const { report } = yield* ImageEvents
      for (let times = 0; times < 3; times += 1) {
        yield* report(image, [event("again")])
        yield* settle
      }
      const [found, ...others] = eventsIn(server)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(found?.["series"], { count: 3, lastObservedTime: "1970-01-01T00:00:02.000000Z" })
      assert.strictEqual(found?.["eventTime"], "1970-01-01T00:00:00.000000Z")
      assert.match(found?.metadata.name ?? "", /^a{199}\.[0-9a-f]{16}$/u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a report that is repeated all the time is written once a minute, with the number of all reports", () => {
    const writes: Array<unknown> = []
    const { dropped, layer, server } = makeReports([
      { method: "apply", before: () => Effect.sync(() => writes.push("apply")) }
    ])
    return Effect.gen(function* () {
      const { report } = yield* ImageEvents
      for (let times = 0; times < 1_210; times += 1) {
        yield* report(image, [event("again")])
        yield* TestClock.adjust("100 millis")
      }
      assert.strictEqual(writes.length, 10 + 2)
      assert.deepStrictEqual(eventsIn(server)[0]?.["series"], {
        count: 1_210,
        lastObservedTime: "1970-01-01T00:02:00.900000Z"
      })
      assert.strictEqual(yield* dropped, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "reports beyond the limit of an Image and those that wait for too long a queue are dropped and counted",
    () => {
      const { dropped, layer, server } = makeReports([{ method: "apply", before: () => Effect.sleep("1 hour") }])
      return Effect.gen(function* () {
        const { report } = yield* ImageEvents
        yield* report(
          image,
          Array.from({ length: 12 }, (_, index) => event(String(index)))
        )
        assert.strictEqual(yield* dropped, 2)
        yield* settle
        for (let index = 0; index < 1_500; index += 1) yield* report({ ...image, uid: `other-${index}` }, [event("x")])
        assert.isAbove(yield* dropped, 500)
        assert.lengthOf(eventsIn(server), 0)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("an Event that the API server refuses is counted, and does not stop the next", () => {
    const forbidden = new KubeError({ operation: "apply", code: 403, reason: "Forbidden", detail: "no" })
    const { dropped, kube, layer, server } = makeReports([{ method: "apply", ...Faults.failing(forbidden) }])
    return Effect.gen(function* () {
      const { report } = yield* ImageEvents
      yield* report(image, [event("1"), event("2")])
      yield* settle
      assert.strictEqual(yield* dropped, 2)
      kube.plan.length = 0
      yield* report(image, [event("3")])
      yield* settle
      assert.deepStrictEqual(saidIn(server), ["Normal Copied: 3"])
    }).pipe(Effect.provide(layer))
  })
})
