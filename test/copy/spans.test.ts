/** The spans of an Image that the operator copies. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream, type Tracer } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { conditionOf } from "../../src/domain/Image.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"
import { makeSpans, treeOf } from "../support/spans.ts"
import { applyImage, makeRegistries, operatorLayer } from "../support/world.ts"

const copied = Effect.gen(function* () {
  const store = yield* ImageStore
  yield* store.changes.pipe(
    Stream.takeUntil(({ after }) => after !== undefined && conditionOf(after.status, "Ready")?.status === "True"),
    Stream.runDrain
  )
})

describe("the spans of a copy", () => {
  itOnSockets("the spans of a copy are a tree with each request below its step of the copy", () =>
    Effect.gen(function* () {
      const source = yield* startRegistry()
      const destination = yield* startRegistry()
      const digest = pushSampleImage(source.store, "team/app", "v1", "seed", { platforms: ["linux/amd64"] })
      const spans = makeSpans()
      yield* Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", {
          source: { name: `${source.host}/team/app`, version: "v1", tlsVerify: false },
          destination: { name: `${destination.host}/mirror/app`, tlsVerify: false }
        })
        yield* copied
      }).pipe(Effect.provide(operatorLayer({ layer: RegistryClientHttp.layer() })), spans.collect)

      const describe = ({ attributes, name }: Tracer.Span): string => {
        const [method, route, registry] = ["method", "route", "registry"].map((key) => String(attributes.get(key)))
        const where = registry === source.host ? "source" : "destination"
        if (name === "registry.request") return `${method} ${route} at the ${where}`
        return name === "Credentials.find" ? `${name} for the ${String(attributes.get("side"))}` : name
      }
      const copy = spans.all.filter(({ name }) => name === "copy")
      assert.deepStrictEqual(
        copy.map(({ attributes }) => Object.fromEntries(attributes)),
        [
          {
            image: "team/app",
            tag: "v1",
            digest,
            source: `${source.host}/team/app@${digest}`,
            destination: `${destination.host}/mirror/app:v1`,
            id: copy[0]?.attributes.get("id"),
            outcome: "Succeeded"
          }
        ]
      )
      const placed = `  BlobPlacement.place
    RegistryClient.copyBlob
      POST upload at the destination
      GET blob at the source
      PUT upload at the destination`
      assert.strictEqual(
        treeOf(spans.all, describe, copy),
        `copy
  Credentials.find for the source
  Credentials.find for the destination
  RegistryLimits.allowance
  RegistryClient.manifest
  RegistryClient.manifest
    GET manifest at the source
${placed}
${placed}
  RegistryClient.putManifest
    PUT manifest at the destination
  RegistryClient.putManifest
    PUT manifest at the destination`
      )
      const requests = spans.all.filter(({ name }) => name === "registry.request")
      assert.deepStrictEqual(
        requests.filter(({ parent }) => Option.isNone(parent)),
        [],
        "no request stands alone"
      )
    })
  )

  it.effect("a copy that waits for a slot is a child of its own reconcile, not of the copy before it", () => {
    const registries = makeRegistries()
    const names = ["one", "two", "three"]
    for (const name of names) pushSampleImage(registries.source, name, "v1", name)
    const spans = makeSpans()
    return Effect.gen(function* () {
      for (const name of names) {
        yield* applyImage(name, {
          source: { name: `source.test/${name}`, version: "v1" },
          destination: { name: `dest.test/${name}` }
        })
      }
      for (let step = 0; step < 10; step++) yield* TestClock.adjust("1 minute")
      const reconciles = new Map(
        spans.all.filter(({ name }) => name === "reconcile").map((span) => [span.traceId, span.attributes.get("image")])
      )
      const copies = spans.all.filter(({ name }) => name === "copy")
      assert.sameMembers(
        copies.map(({ attributes }) => attributes.get("image")),
        names.map((name) => `team/${name}`)
      )
      for (const { attributes, traceId } of copies) {
        assert.strictEqual(reconciles.get(traceId), attributes.get("image"))
      }
    }).pipe(Effect.provide(operatorLayer(registries, { limits: { total: 1 } })), spans.collect)
  })
})
