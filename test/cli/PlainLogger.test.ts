/** Records as prose for a terminal. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stdio, References } from "effect"
import { LiveArea } from "../../src/cli/LiveArea.ts"
import * as PlainLogger from "../../src/cli/PlainLogger.ts"

const DIGEST = `sha256:0123456789ab${"c".repeat(52)}`

describe("a record in prose", () => {
  it.each<readonly [message: string, annotations: Readonly<Record<string, unknown>>, prose: string]>([
    ["all Images listed", {}, "all Images listed"],
    ["copied", { image: "team/app", tag: "v1", digest: DIGEST }, `team/app: copied v1 (${DIGEST})`],
    [
      "copy started",
      { image: "team/app", tag: "v1", digest: DIGEST, source: "quay.io/app:v1", destination: "dest.test/app:v1" },
      `team/app: copy started v1 (${DIGEST}) to dest.test/app:v1`
    ],
    [
      "copy failed",
      { image: "team/app", tag: "v2", attempt: 3, reason: "Unreachable", error: "dest.test: no answer" },
      "team/app: copy failed v2, attempt 3: dest.test: no answer"
    ],
    ["check failed", { image: "team/app", error: "quay.io/app: 401" }, "team/app: check failed: quay.io/app: 401"],
    ["check failed", { image: "team/app", reason: "Unreachable" }, "team/app: check failed: Unreachable"],
    [
      "copies refused",
      { image: "team/app", tag: "v1", count: 4, error: "dest.test/app:v1 is being written" },
      "team/app: copies refused v1, count 4: dest.test/app:v1 is being written"
    ],
    ["status not written", { image: "team/app", error: "conflict" }, "team/app: status not written: conflict"],
    ["watch interrupted", { resource: "images", error: "410" }, "images: watch interrupted: 410"],
    ["Job not deleted", { job: "ops/copy-1", error: "500" }, "ops/copy-1: Job not deleted: 500"],
    ["copied", { image: "team/app", tag: "v1", job: "ops/copy-1" }, "team/app: copied v1, job ops/copy-1"],
    [
      "registry notice",
      { registry: "docker.io", reason: "Warning", error: "docker.io/library/app: docker.io says: hello" },
      "registry notice: docker.io/library/app: docker.io says: hello"
    ],
    [
      "rate limited",
      { image: "team/app", registry: "docker.io", reason: "RateLimited" },
      "team/app: rate limited at docker.io: RateLimited"
    ],
    [
      "request answered",
      { image: "team/app", registry: "quay.io", resource: "HEAD /v2/app/manifests/v1", reason: "200" },
      "team/app: request answered HEAD /v2/app/manifests/v1 at quay.io: 200"
    ],
    [
      "request answered",
      { registry: "quay.io", resource: "HEAD /v2/app/manifests/v1", reason: "200" },
      "request answered HEAD /v2/app/manifests/v1 at quay.io: 200"
    ],
    ["copied", { image: "team/app", somethingElse: "x" }, "team/app: copied"],
    ["check failed", { image: "team/app", error: "one\nline\u0000only" }, "team/app: check failed: one line\\u{0}only"],
    ["check failed", { image: "team/app", error: new Error("no text") }, "team/app: check failed"]
  ])("a record %s with %j is one line of prose", (message, annotations, prose) => {
    assert.strictEqual(PlainLogger.formatRecord(message, annotations), prose)
  })

  it("a line has a limited length, however long its error is", () => {
    assert.isBelow(PlainLogger.formatRecord("check failed", { image: "a/b", error: "x".repeat(100_000) }).length, 1_100)
  })

  for (const isTerminal of [true, false]) {
    it.effect(
      `a line has its level and ${isTerminal ? "short digests on a terminal" : "whole digests in a file"}`,
      () =>
        Effect.gen(function* () {
          const printed: Array<string> = []
          const area = LiveArea.make({ write: (text) => printed.push(text), columns: () => 80, rows: () => 24 })
          const surroundings = Layer.mergeAll(
            Layer.succeed(LiveArea, area),
            Stdio.layerTest({ stderrIsTerminal: Effect.succeed(isTerminal) })
          )
          yield* Effect.gen(function* () {
            yield* Effect.logInfo("copied").pipe(Effect.annotateLogs({ tag: "v1", digest: DIGEST }))
            yield* Effect.logWarning("copy failed").pipe(Effect.annotateLogs({ tag: "v2", error: "401" }))
          }).pipe(
            Effect.annotateLogs({ image: "team/app" }),
            Effect.provide(PlainLogger.layer.pipe(Layer.provide(surroundings))),
            Effect.provideService(References.MinimumLogLevel, "Debug")
          )
          assert.deepStrictEqual(printed, [
            `team/app: copied v1 (${isTerminal ? "sha256:0123456789ab…" : DIGEST})\n`,
            "warn: team/app: copy failed v2: 401\n"
          ])
        })
    )
  }

  it.effect("on a terminal a copy that goes well has no line, because the progress shows the copy", () =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const area = LiveArea.make({ write: (text) => printed.push(text), columns: () => 80, rows: () => 24 })
      const surroundings = Layer.mergeAll(
        Layer.succeed(LiveArea, area),
        Stdio.layerTest({ stderrIsTerminal: Effect.succeed(true) })
      )
      yield* Effect.gen(function* () {
        for (const message of ["copy started", "copied", "already present", "copy not started yet"]) {
          yield* Effect.logInfo(message).pipe(Effect.annotateLogs({ image: "default/app", tag: "v1" }))
        }
      }).pipe(Effect.provide(PlainLogger.layer.pipe(Layer.provide(surroundings))))
      assert.deepStrictEqual(printed, ["app: copy not started yet v1\n"])
    })
  )
})
