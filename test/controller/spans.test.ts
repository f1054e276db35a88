/** The spans and log lines of a reconcile and its check. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References, Tracer } from "effect"
import { Reconciler } from "../../src/controller/Reconciler.ts"
import { readStoredImage } from "../../src/domain/StoredImage.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { applyImage, makeRegistries, reconcilerLayer } from "../support/world.ts"

interface Line {
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** One reconcile of a new Image, its spans and its log. */
const reconciled = Effect.fnUntraced(function* (source: string) {
  const spans: Array<Tracer.Span> = []
  const lines: Array<Line> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make<unknown, void>(({ fiber, message }) => {
    lines.push({ message: String(message), annotations: fiber.getRef(References.CurrentLogAnnotations) })
  })
  const registries = makeRegistries()
  const digest = pushSampleImage(registries.source, "app", "v1.0", "app")
  yield* Effect.gen(function* () {
    const object = yield* applyImage("app", {
      source: { name: source, version: "v1.x" },
      destination: { name: "dest.test/app" }
    })
    yield* (yield* Reconciler)
      .reconcile(readStoredImage(object))
      .pipe(Effect.provideService(Tracer.Tracer, tracer), Effect.provide(Logger.layer([logger])))
  }).pipe(Effect.provide(reconcilerLayer(registries)))
  const attributesOf = (name: string) => Object.fromEntries(spans.find((span) => span.name === name)?.attributes ?? [])
  return { attributesOf, digest, lines }
})

describe("a reconcile", () => {
  it.effect(
    "a reconcile is a span with the Image and the cause of the next reconcile, and its check is a span with both repositories",
    () =>
      Effect.gen(function* () {
        const { attributesOf } = yield* reconciled("source.test/app")
        const { uid, ...reconcile } = attributesOf("reconcile")
        assert.isString(uid)
        assert.deepStrictEqual(reconcile, { image: "team/app", generation: 1, next: "Interval" })
        assert.deepStrictEqual(attributesOf("check"), {
          source: "source.test/app",
          destination: "dest.test/app",
          reason: "Changed",
          tags: 1
        })
      })
  )

  it.effect("a reconcile logs short messages with facts as annotations", () =>
    Effect.gen(function* () {
      const { digest, lines } = yield* reconciled("source.test/app")
      assert.deepStrictEqual(lines, [
        {
          message: "copy started",
          annotations: {
            image: "team/app",
            tag: "v1.0",
            digest,
            source: `source.test/app@${digest}`,
            destination: "dest.test/app:v1.0",
            attempt: 1
          }
        }
      ])
      const failed = yield* reconciled("nowhere.test/app")
      assert.deepStrictEqual(failed.lines, [
        {
          message: "check failed",
          annotations: {
            image: "team/app",
            attempt: 1,
            reason: "Unreachable",
            error: "nowhere.test/app: the registry is not one of the registries in memory"
          }
        }
      ])
    })
  )
})
