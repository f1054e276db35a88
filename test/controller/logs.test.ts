/** The log lines of failures that are retried. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, makeRegistries, operatorLayer } from "../support/world.ts"

/** The lines of an operator, with their levels. */
const collected = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    const { error } = fiber.getRef(References.CurrentLogAnnotations)
    lines.push(`${logLevel} ${String(message)}: ${String(error)}`)
  })
  return { lines, layer: Logger.layer([logger]) }
}

describe("a failure that is retried", () => {
  it.effect("a check that fails as before is logged as a warning once, and again when the failure changes", () => {
    const registries = makeRegistries()
    const { layer, lines } = collected()
    return Effect.gen(function* () {
      yield* applyImage("app", {
        source: { name: "source.test/app", version: "1.0.0" },
        destination: { name: "dest.test/app" }
      })
      yield* TestClock.adjust("3 hours")
      const missing = 'spec.source.version: "1.0.0" is not in source.test/app'
      const warnings = () => lines.filter((line) => line.startsWith("Warn "))
      assert.lengthOf(warnings(), 1)
      assert.include(warnings()[0], `Warn check failed: ${missing}`)
      assert.isAbove(lines.filter((line) => line.startsWith(`Debug check failed: ${missing}`)).length, 10)
      yield* applyImage("app", {
        source: { name: "nowhere.test/app", version: "1.0.0" },
        destination: { name: "dest.test/app" }
      })
      yield* TestClock.adjust("3 hours")
      assert.lengthOf(warnings(), 2)
      assert.include(warnings()[1], "nowhere.test/app")
    }).pipe(
      Effect.provide(operatorLayer(registries).pipe(Layer.provideMerge(layer))),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
  })

  it.effect("a copy that fails as before is logged as a warning once", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "app")
    const { layer, lines } = collected()
    const client = Faults.of(RegistryClient, [
      {
        method: "putManifest",
        before: ({ repository }) => Effect.fail(RegistryError.of("PushRefused", repository, "answered 500"))
      }
    ])
    return Effect.gen(function* () {
      yield* applyImage("app", {
        source: { name: "source.test/app", version: "1.0.0" },
        destination: { name: "dest.test/app" }
      })
      yield* TestClock.adjust("3 hours")
      assert.lengthOf(
        lines.filter((line) => line.startsWith("Warn copy failed")),
        1
      )
      assert.isAbove(lines.filter((line) => line.startsWith("Debug copy failed")).length, 10)
    }).pipe(
      Effect.provide(operatorLayer({ layer: client.layer(registries.layer) }).pipe(Layer.provideMerge(layer))),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
  })
})
