/** The end of a process by a signal: a failure of a command, the regular end of the operator. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, type Running, start } from "../support/commandProcess.ts"
import { freePort } from "../support/freePort.ts"
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
    it.live(`${signal} ends sync at once with ${code}, without an incomplete tag`, () =>
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
          `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${source.host}/app, version: 1.0.0, tlsVerify: false }
  destination: { name: ${destination.host}/app, tlsVerify: false }
`
        )
        const running = yield* start(["sync", "-f", images])
        yield* comesTo(running, reached)
        running.kill(signal)
        const ended = yield* running.ended.pipe(Effect.timeout("3 seconds"))
        assert.strictEqual(ended.code, code)
        assert.isUndefined(destination.store.manifest("app", "1.0.0"))
      })
    )
  }

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
