/** The outcomes of the tags of a run: what was copied, what was there, what failed, and why. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ImageStore } from "../../src/controller/ImageStore.ts"
import { Outcomes } from "../../src/controller/Outcomes.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import { type ImageOutcome, totalsOf } from "../../src/domain/Outcome.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as Faults from "../support/Faults.ts"
import {
  applyImage,
  DESTINATION,
  makeRegistries,
  operatorLayer,
  type Parts,
  type Registries
} from "../support/world.ts"

const layer = (registries: Registries, parts?: Parts) =>
  operatorLayer(registries, parts).pipe(Layer.provideMerge(Outcomes.layer))

/** The outcome of an Image of the store. */
const outcomeOf = Effect.fnUntraced(function* (name: string) {
  const image = yield* (yield* ImageStore).get(`team/${name}`)
  return yield* (yield* Outcomes).of(Option.getOrThrow(image))
})

const app = { source: { name: "source.test/app", version: "1.0.x" }, destination: { name: "dest.test/app" } }

describe("the outcomes of a run", () => {
  it.effect("a copy that has just ended counts, although the controller records its end a moment later", () => {
    const registries = makeRegistries()
    const tags = ["1.0.0", "1.0.1", "1.0.2"]
    for (const tag of tags) pushSampleImage(registries.source, "app", tag, tag)
    const ends = new Map([
      ["1.0.0", 1_000],
      ["1.0.1", 1_100],
      ["1.0.2", 60_000]
    ])
    const client = Faults.of(RegistryClient, [
      {
        method: "putManifest",
        when: ({ repository }, reference) => repository.registry === DESTINATION && ends.has(reference),
        before: (_, reference) => Effect.sleep(ends.get(reference) ?? 0)
      }
    ])
    return Effect.gen(function* () {
      const outcomes = yield* Outcomes
      yield* applyImage("app", app)
      yield* Effect.repeat(TestClock.adjust("10 millis"), { times: 120 })
      const image = Option.getOrThrow(yield* (yield* ImageStore).get("team/app"))
      const actions = ({ tags }: ImageOutcome) => tags.map(({ action }) => action)
      assert.deepStrictEqual(actions(yield* outcomes.of(image)), ["copied", "pending", "pending"])
      const copies = yield* (yield* CopyEngine).copies(image)
      assert.deepStrictEqual(actions(yield* outcomes.of(image, copies)), ["copied", "copied", "pending"])
    }).pipe(Effect.provide(layer({ ...registries, layer: client.layer(registries.layer) })))
  })

  it.effect(
    "a run says of each tag whether it was copied or there before, its digest, and the bytes of its copy",
    () => {
      const registries = makeRegistries()
      const present = pushSampleImage(registries.source, "app", "1.0.0", "1.0.0")
      const copied = pushSampleImage(registries.source, "app", "1.0.1", "1.0.1")
      pushSampleImage(registries.destination, "app", "1.0.0", "1.0.0")
      return Effect.gen(function* () {
        yield* applyImage("app", { ...app, mode: "Recurrent" })
        yield* TestClock.adjust("5 seconds")
        const { ready, reason, tags } = yield* outcomeOf("app")
        assert.deepStrictEqual([ready, reason], [true, "Copied"])
        assert.deepStrictEqual(tags, [
          { tag: "1.0.0", action: "present", digest: present },
          {
            tag: "1.0.1",
            action: "copied",
            digest: copied,
            transfer: { bytes: 12_997, bytesSent: 12_997, bytesPresent: 0, seconds: 0 }
          }
        ])
        assert.deepStrictEqual(totalsOf(tags), {
          tags: 2,
          copied: 1,
          present: 1,
          failed: 0,
          skipped: 0,
          pending: 0,
          bytes: 12_997,
          bytesSent: 12_997,
          bytesPresent: 0
        })
      }).pipe(Effect.provide(layer(registries)))
    }
  )

  it.effect(
    "a run says of every failed tag why, however many there are, and a later success replaces the failure",
    () => {
      const registries = makeRegistries()
      const tags = Array.from({ length: 30 }, (_, index) => `1.0.${index}`)
      // An image of another platform than the Image asks for.
      for (const tag of tags) pushSampleImage(registries.source, "app", tag, tag, { platforms: ["linux/arm64"] })
      return Effect.gen(function* () {
        yield* applyImage("app", { ...app, platforms: ["linux/amd64"] })
        yield* TestClock.adjust("5 seconds")
        const failed = yield* outcomeOf("app")
        assert.strictEqual(totalsOf(failed.tags).failed, 30)
        for (const { action, error } of failed.tags) {
          assert.strictEqual(action, "failed")
          assert.strictEqual(error?.reason, "PlatformMissing")
          assert.match(error?.message ?? "", /linux\/amd64/u)
        }
        for (const tag of tags) pushSampleImage(registries.source, "app", tag, tag, { platforms: ["linux/amd64"] })
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(totalsOf((yield* outcomeOf("app")).tags).copied, 30)
      }).pipe(Effect.provide(layer(registries)))
    }
  )

  it.effect("a run says that a claimed tag was skipped, and that the one tag of an Image is not at the source", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "app")
    pushSampleImage(registries.source, "other", "1.0.0", "other")
    return Effect.gen(function* () {
      yield* applyImage("app", { ...app, source: { name: "source.test/app", version: "1.0.0" } })
      yield* TestClock.adjust("1 second")
      yield* applyImage("rival", { ...app, source: { name: "source.test/other", version: "1.0.0" } })
      yield* applyImage("missing", { ...app, source: { name: "source.test/app", version: "9.9.9" } })
      yield* TestClock.adjust("5 seconds")
      const [rival] = (yield* outcomeOf("rival")).tags
      assert.deepStrictEqual(rival, {
        tag: "1.0.0",
        action: "skipped",
        error: { reason: "DestinationClaimed", message: "claimed by the older Image team/app" }
      })
      const [missing] = (yield* outcomeOf("missing")).tags
      assert.strictEqual(missing?.action, "failed")
      assert.strictEqual(missing?.error?.reason, "SourceNotFound")
    }).pipe(Effect.provide(layer(registries)))
  })

  it.effect("a listener gets each change of a tag's action once, in order", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "app")
    return Effect.gen(function* () {
      const { changes } = yield* Outcomes
      const seen: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(changes, ({ image, tag }) =>
          Effect.sync(() => seen.push(`${image.name} ${tag.tag} ${tag.action}`))
        ),
        { startImmediately: true }
      )
      yield* applyImage("app", { ...app, mode: "Recurrent" })
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(seen, ["app 1.0.0 pending", "app 1.0.0 copied"])
    }).pipe(Effect.provide(layer(registries)))
  })
})
