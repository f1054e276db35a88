/** The progress of `sync --watch` on a terminal. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Option } from "effect"
import { pushSampleImage, startRegistry } from "../../../src/testing.ts"
import { directory, file, run } from "../../support/commandLine.ts"
import { manifest } from "../../support/manifest.ts"

describe("the progress of sync --watch", () => {
  it.live("the line of an Image has the number of its copied tags, of all selected ones", () =>
    Effect.gen(function* () {
      const shown = yield* Deferred.make<void>()
      let text = ""
      const source = yield* startRegistry()
      // The second tag is never written.
      const destination = yield* startRegistry({
        intercept: ({ method = "", url = "" }) => method === "PUT" && url.endsWith("/manifests/1.0.1")
      })
      pushSampleImage(source.store, "app", "1.0.0", "one")
      pushSampleImage(source.store, "app", "1.0.1", "two")
      const images = yield* file(
        "images.yaml",
        manifest("app", `${source.host}/app`, "1.0.x", `${destination.host}/mirror`)
      )
      const args = ["sync", "-f", images, "--watch", "--state-dir", yield* directory({})]
      const running = run(args, { COPIES_AT_ONCE: "1" }, "", (written) => {
        text += written
        if (/app +1\/2 /u.test(text)) Deferred.doneUnsafe(shown, Effect.void)
      })
      const ended = yield* Effect.raceFirst(running, Deferred.await(shown).pipe(Effect.timeoutOption("10 seconds")))
      assert.deepStrictEqual(ended, Option.some(undefined), text)
    })
  )
})
