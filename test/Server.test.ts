/** The answers to probes. */
import { assert, describe, it } from "@effect/vitest"
import { NodeHttpClient } from "@effect/platform-node"
import { Deferred, Effect, Layer, Option } from "effect"
import { HttpClient } from "effect/http"
import { ControllerStopped } from "../src/controller/Controller.ts"
import { ImageStore } from "../src/controller/ImageStore.ts"
import { LeaderElection } from "../src/controller/LeaderElection.ts"
import * as KubeClientMemory from "../src/kube/KubeClientMemory.ts"
import { probesServer } from "../src/Server.ts"
import { freePort } from "./support/freePort.ts"

describe("the server of probes", () => {
  it.live(
    "the probes answer whether the controller runs, Images can be followed and are listed, and copies can be started",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const synced = yield* Deferred.make<void>()
        const running = yield* Deferred.make<never, ControllerStopped>()
        let refusal = Option.none<string>()
        let forbidden = Option.none<string>()
        const images = Layer.effect(
          ImageStore,
          Effect.map(ImageStore, (store) => ({
            ...store,
            synced: Deferred.await(synced),
            forbidden: Effect.sync(() => forbidden)
          }))
        ).pipe(Layer.provide(ImageStore.layer()), Layer.provide(KubeClientMemory.layer()))
        const election = Layer.succeed(LeaderElection, {
          lead: Effect.never,
          running: Deferred.await(running),
          unavailable: Effect.sync(() => refusal)
        })
        const ask = (path: string) =>
          Effect.flatMap(HttpClient.get(`http://127.0.0.1:${port}${path}`), (response) =>
            Effect.map(response.text, (text) => `${response.status} ${text}`)
          )
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* ask("/healthz"), "200 ok")
          assert.strictEqual(yield* ask("/readyz"), "503 the Images are not listed yet")
          yield* Deferred.succeed(synced, undefined)
          assert.strictEqual(yield* ask("/readyz"), "200 ok")
          forbidden = Option.some("images may not be watched")
          assert.strictEqual(yield* ask("/readyz"), "503 the Images cannot be followed: images may not be watched")
          forbidden = Option.none()
          refusal = Option.some("jobs may not be listed")
          assert.strictEqual(yield* ask("/readyz"), "503 no copy can be started: jobs may not be listed")
          yield* Deferred.fail(running, new ControllerStopped({ detail: "the test says so" }))
          assert.strictEqual(yield* ask("/healthz"), "503 the controller has stopped")
        }).pipe(
          Effect.provide(
            Layer.merge(
              probesServer({ port, setting: "PORT" }).pipe(Layer.provide(Layer.merge(images, election))),
              NodeHttpClient.layerUndici
            )
          )
        )
      })
  )
})
