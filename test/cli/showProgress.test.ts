/** The places and times of progress lines: on terminals and elsewhere, while copies run. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, type LogLevel, References, Stdio, Stream } from "effect"
import { TestClock } from "effect/testing"
import { LiveArea } from "../../src/cli/LiveArea.ts"
import { type ImageTags, showProgress } from "../../src/cli/showProgress.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import { copyOf } from "../support/copies.ts"

const image: ImageTags = { namespace: "team", name: "app", tags: { selected: 1, copied: 0, failed: 0 } }

const MB = 1_000_000

const running = (done: number): Copy =>
  copyOf("v1", { _tag: "Running", progress: { done, total: 100 * MB, sent: done } })

/** The lines that are shown in some seconds of a copy of one megabyte per second. */
const shownIn = (
  seconds: number,
  where: { readonly isTerminal: boolean; readonly env?: Record<string, string>; readonly level?: LogLevel.LogLevel }
) =>
  Effect.gen(function* () {
    const written: Array<string> = []
    let done = 0
    const engine = CopyEngine.of({
      supports: { platforms: true, referrers: true, manifests: true },
      start: () => Effect.succeed(true),
      copies: () => Effect.sync(() => [running(done)]),
      cancel: () => Effect.void,
      release: () => Effect.void,
      changes: Stream.never
    })
    const area = LiveArea.make({ write: (text) => written.push(text), columns: () => 80, rows: () => 24 })
    const showing = yield* showProgress(Effect.succeed([image])).pipe(
      Effect.provide(
        Layer.mergeAll(
          Layer.succeed(CopyEngine, engine),
          Layer.succeed(LiveArea, area),
          Stdio.layerTest({ stderrIsTerminal: Effect.succeed(where.isTerminal) }),
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: where.env ?? {} }))
        )
      ),
      Effect.provideService(References.MinimumLogLevel, where.level ?? "Info"),
      Effect.forkChild({ startImmediately: true })
    )
    for (let second = 0; second < seconds; second++) {
      done += MB
      yield* TestClock.adjust("1 second")
    }
    yield* Fiber.interrupt(showing)
    return written
  })

describe("progress", () => {
  it.effect("progress on a terminal is a redrawn line that is removed at the end", () =>
    Effect.gen(function* () {
      const written = yield* shownIn(3, { isTerminal: true })
      assert.strictEqual(written[0], `team/app  0/1  ${"─".repeat(40)}  0.0 of 100.0 MB  0 B/s\n`)
      assert.isAtLeast(written.length, 4)
      const redrawn = "\u001B[1A\r\u001B[J"
      for (const text of written.slice(1, -1)) {
        assert.isTrue(text.startsWith(redrawn), JSON.stringify(text))
        assert.match(text.slice(redrawn.length), /^team\/app .* of 100\.0 MB  [0-9.]+ (MB|kB|B)\/s(  \d+:\d\d)?\n$/u)
      }
      assert.strictEqual(written.at(-1), redrawn)
    })
  )

  it.effect("progress elsewhere is a line every 10 seconds while a copy runs", () =>
    Effect.gen(function* () {
      const line = (moved: number) => `team/app: v1: ${moved}.0 of 100.0 MB, 1.0 MB/s\n`
      for (const where of [{ isTerminal: false }, { isTerminal: true, env: { TERM: "dumb" } }]) {
        assert.deepStrictEqual(yield* shownIn(9, where), [])
        assert.deepStrictEqual(yield* shownIn(35, where), [line(10), line(20), line(30)])
      }
    })
  )

  it.effect("progress is not shown at the log level Warn", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shownIn(35, { isTerminal: false, level: "Warn" }), [])
    })
  )
})
