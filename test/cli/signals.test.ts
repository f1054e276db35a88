/** The end of a process by a signal: a failure of a command, the regular end of the operator. */
import { execFileSync } from "node:child_process"
import { open } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Schema } from "effect"
import { SyncResult } from "../../src/cli/SyncResult.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, type Running, start } from "../support/commandProcess.ts"
import { freePort } from "../support/freePort.ts"
import { manifest } from "../support/manifest.ts"
import { scripted } from "../support/ScriptedServer.ts"

/** Waits until a process has reached the place for the signal, and fails if the process ends before. */
const comesTo = (running: Running, reached: Deferred.Deferred<void>) =>
  Effect.raceFirst(
    Deferred.await(reached),
    Effect.flatMap(running.ended, ({ stderr }) => Effect.die(new Error(`ended too soon: ${stderr}`)))
  )

describe("a signal", { timeout: PROCESS_TIMEOUT }, () => {
  for (const [signal, code] of [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it.live(
      `${signal} ends sync at once with ${code}, without an incomplete tag, and the output says what was done`,
      () =>
        Effect.gen(function* () {
          const reached = yield* Deferred.make<void>()
          const source = yield* startRegistry()
          // The destination never answers uploads.
          const destination = yield* startRegistry({
            intercept: (request) => {
              if (request.method !== "PUT") return false
              Effect.runSync(Deferred.succeed(reached, undefined))
              return true
            }
          })
          pushSampleImage(source.store, "app", "1.0.0", "app")
          const images = yield* file(
            "images.yaml",
            manifest("app", `${source.host}/app`, "1.0.0", `${destination.host}/app`)
          )
          const running = yield* start(["sync", "-f", images, "-o", "json"])
          yield* comesTo(running, reached)
          running.kill(signal)
          const ended = yield* running.ended.pipe(Effect.timeout("3 seconds"))
          assert.strictEqual(ended.code, code)
          assert.isUndefined(destination.store.manifest("app", "1.0.0"))
          assert.match(ended.stderr, /^interrupted: 0 of 1 tags copied; run it again to go on$/mu)
          const { images: results, interrupted } = Schema.decodeSync(Schema.fromJsonString(SyncResult))(ended.stdout)
          assert.isTrue(interrupted)
          assert.deepStrictEqual(
            results[0]?.tags.map(({ action, tag }) => [tag, action]),
            [["1.0.0", "pending"]]
          )
          assert.isTrue(destination.requests.some((request) => request.startsWith("DELETE /v2/app/blobs/uploads/")))
        })
    )
  }

  for (const [command, signal, code, said] of [
    ["sync", "SIGINT", 130, "interrupted: no tag was copied; run it again to go on\n"],
    ["plan", "SIGTERM", 143, "interrupted: the plan is not complete; run it again\n"],
    ["tags", "SIGHUP", 129, "interrupted: the tags are not complete; run it again\n"],
    ["copy", "SIGINT", 130, "interrupted: the copy has not ended; run it again to go on\n"],
    ["sync --watch", "SIGHUP", 0, ""]
  ] as const) {
    it.live(`${signal} ends ${command} with ${code} and at most one line, while a registry does not answer`, () =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const { host } = yield* scripted(() => Effect.runSync(Deferred.succeed(reached, undefined)))
        const images = yield* file("images.yaml", manifest("app", `${host}/app`, "1.x", `${host}/mirror`))
        const files = ["-f", images, "-q"]
        const args = {
          sync: ["sync", ...files, "-o", "json"],
          plan: ["plan", ...files, "-o", "json"],
          tags: ["tags", ...files, "-o", "json"],
          copy: ["copy", `${host}/app:1`, `${host}/mirror`, "-o", "json"],
          "sync --watch": ["sync", ...files, "--watch", "--state-dir", `${images}.state`]
        }[command]
        const running = yield* start(args)
        yield* comesTo(running, reached)
        running.kill(signal)
        const ended = yield* running.ended.pipe(Effect.timeout("3 seconds"))
        assert.deepStrictEqual([ended.code, ended.stderr], [code, said])
        if (command === "sync") assert.isTrue(JSON.parse(ended.stdout).interrupted)
        else assert.strictEqual(ended.stdout, "")
      })
    )
  }

  it.live(
    "two signals end copy although the registry answers neither the upload nor the withdrawal of the upload",
    () =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const source = yield* startRegistry()
        const destination = yield* startRegistry({
          intercept: ({ method }) => {
            if (method === "PUT") Effect.runSync(Deferred.succeed(reached, undefined))
            return method === "PUT" || method === "DELETE"
          }
        })
        pushSampleImage(source.store, "app", "1.0.0", "app")
        const running = yield* start(["copy", `${source.host}/app:1.0.0`, `${destination.host}/app`])
        yield* comesTo(running, reached)
        running.kill("SIGINT")
        running.kill("SIGTERM")
        const ended = yield* running.ended.pipe(Effect.timeout("10 seconds"))
        // The second signal may come after the process has ended its handlers.
        assert.include([130, 143, null], ended.code)
        assert.strictEqual(ended.stdout, "")
        assert.match(ended.stderr, /^(?:interrupted: the copy has not ended; run it again to go on\n)?$/u)
        assert.isUndefined(destination.store.manifest("app", "1.0.0"))
      })
  )

  it.live("a signal ends sync while sync waits for its file, and the output says that nothing was copied", () =>
    Effect.gen(function* () {
      const fifo = `${yield* file("unused.yaml", "")}.fifo`
      execFileSync("mkfifo", [fifo])
      const pipe = yield* Effect.acquireRelease(
        Effect.promise(() => open(fifo, "r+")),
        (handle) => Effect.promise(() => handle.close())
      )
      const reached = yield* Deferred.make<void>()
      // A pipe has less room than these bytes: the write ends when sync reads the pipe.
      yield* Effect.promise(() => pipe.write(new Uint8Array(256 * 1024).fill(0x20))).pipe(
        Effect.andThen(Deferred.succeed(reached, undefined)),
        Effect.forkScoped
      )
      const running = yield* start(["sync", "-f", fifo, "-o", "json"])
      yield* comesTo(running, reached)
      running.kill("SIGTERM")
      const ended = yield* running.ended.pipe(Effect.timeout("3 seconds"))
      assert.strictEqual(ended.code, 143)
      assert.match(ended.stderr, /^interrupted: no tag was copied; run it again to go on$/mu)
      const { images, interrupted } = Schema.decodeSync(Schema.fromJsonString(SyncResult))(ended.stdout)
      assert.deepStrictEqual([images, interrupted], [[], true])
    })
  )

  it.live("a signal ends the operator with 0, wherever the command line names the operator", () =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      // The API server never answers, so the operator lists Images until a signal stops it.
      const server = yield* scripted(() => Effect.runSync(Deferred.succeed(reached, undefined)))
      const kubeconfig = yield* file(
        "config",
        JSON.stringify({
          apiVersion: "v1",
          kind: "Config",
          "current-context": "test",
          clusters: [{ name: "test", cluster: { server: `http://${server.host}`, "insecure-skip-tls-verify": true } }],
          contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
          users: [{ name: "test", user: {} }]
        })
      )
      const running = yield* start(["--log-level", "debug", "operator"], {
        KUBECONFIG: kubeconfig,
        METRICS_PORT: String(yield* freePort),
        PROBES_PORT: String(yield* freePort)
      })
      yield* comesTo(running, reached)
      running.kill("SIGTERM")
      const ended = yield* running.ended.pipe(Effect.timeout("3 seconds"))
      assert.strictEqual(ended.code, 0, ended.stderr)
    })
  )
})
