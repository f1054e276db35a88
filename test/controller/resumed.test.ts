/** A check that a rate limit interrupts resumes, whatever else happens to its Image meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import type { HttpHead } from "../../src/http/Http.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import type { LimitedRequest } from "../../src/registry/memory/RegistryClientMemory.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import {
  applyImage,
  conditionText,
  DESTINATION,
  engineOfTags,
  makeRegistries,
  operatorLayer,
  readImage,
  SOURCE
} from "../support/world.ts"

const MINUTE = 60_000

/** Minutes, a second at a time: one long step would end before the copies on a busy machine. */
const pass = (minutes: number) => Effect.repeat(TestClock.adjust("10 seconds"), { times: minutes * 6 - 1 })

describe("a check that a rate limit interrupts", () => {
  for (const slowCopy of [false, true]) {
    it.effect(`asks nothing twice when it resumes; a copy of its Image ends meanwhile: ${slowCopy}`, () => {
      let left = Infinity
      const answered: Array<string> = []
      const limiter = ({ now, registry }: LimitedRequest): HttpHead => {
        if (registry !== SOURCE || left === Infinity || now >= 40 * MINUTE) return { status: 200, headers: {} }
        left -= 1
        return left >= 0
          ? { status: 200, headers: {} }
          : { status: 429, headers: { "retry-after": String((40 * MINUTE - now) / 1_000) } }
      }
      const registries = makeRegistries({ limiter })
      const tags = Array.from({ length: 20 }, (_, index) => `1.0.${index}`)
      for (const tag of tags) pushSampleImage(registries.source, "team/app", tag, tag)
      const client = Faults.of(RegistryClient, [
        {
          method: "head",
          when: ({ repository }) => repository.registry === SOURCE && left !== Infinity,
          after: (answer, _, reference) => Effect.sync(() => (answered.push(reference), answer))
        },
        {
          method: "putManifest",
          when: ({ repository }, reference) => slowCopy && repository.registry === DESTINATION && reference === "1.0.7",
          before: () => Effect.sleep("25 minutes")
        }
      ])
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* applyImage("app", {
          mode: "Recurrent",
          frequency: "15m",
          source: { name: "source.test/team/app", version: "1.0.x" },
          destination: { name: "dest.test/mirror/app" }
        })
        yield* pass(9)
        left = 10
        // A regular check comes within the frequency.
        yield* pass(15)
        assert.strictEqual((yield* readImage("app")).status.checkFailure?.reason, "RateLimited")
        const first = answered.length
        assert.isAbove(first, 0, "some tags were answered before the limit")
        // The check is resumed after 40 minutes. The next regular check is later than this.
        yield* pass(16.5)
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        const twice = answered.slice(0, first).filter((tag) => answered.slice(first).includes(tag))
        assert.deepStrictEqual(twice, [], "what was answered before the limit is not asked again")
      }).pipe(Effect.provide(operatorLayer({ layer: client.layer(registries.layer) })))
    })
  }

  it.effect("a OneShot version gets what its source has when it is copied, not what it had hours before", () => {
    const until = 300 * MINUTE
    const limiter = ({ now, registry }: LimitedRequest): HttpHead =>
      registry === DESTINATION && now < until
        ? { status: 429, headers: { "retry-after": String((until - now) / 1_000) } }
        : { status: 200, headers: {} }
    const registries = makeRegistries({ limiter })
    pushSampleImage(registries.source, "team/app", "latest", "old")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        source: { name: "source.test/team/app", version: "latest" },
        destination: { name: "dest.test/mirror/app" }
      })
      yield* pass(10)
      const moved = pushSampleImage(registries.source, "team/app", "latest", "new")
      yield* pass(300)
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      assert.strictEqual(registries.destination.manifest("mirror/app", "latest")?.digest, moved)
    }).pipe(Effect.provide(operatorLayer(registries, { engine: engineOfTags })))
  })
})
