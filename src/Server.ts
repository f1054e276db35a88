/** The HTTP servers of the operator: metrics on one port, probes on another port. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { createServer } from "node:http"
import { Effect, Layer, Option } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { ImageStore } from "./controller/ImageStore.ts"
import { LeaderElection } from "./controller/LeaderElection.ts"
import { Metrics } from "./metrics/Metrics.ts"

const SHUTDOWN = "1 second"

const serving = (routes: Layer.Layer<never, never, HttpRouter.HttpRouter>, port: number) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(Layer.fresh(NodeHttpServer.layer(createServer, { port, gracefulShutdownTimeout: SHUTDOWN })))
  )

/** Serves `/metrics` for Prometheus. */
export const metricsServer = (port: number) =>
  Layer.unwrap(
    Effect.map(Metrics, (metrics) =>
      serving(
        HttpRouter.add(
          "GET",
          "/metrics",
          Effect.map(metrics.exposition, ({ body, contentType }) => HttpServerResponse.text(body, { contentType }))
        ),
        port
      )
    )
  )

/**
 * Serves the probes. `/healthz` answers 503 once the controller of a leader has stopped, and 200 before. `/readyz` answers 503
 * until all Images are listed, while the API server forbids to follow Images, and while a leader's engine cannot start copies. Else
 * it answers 200.
 */
export const probesServer = (port: number) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const images = yield* ImageStore
      const { running, unavailable } = yield* LeaderElection
      let ready = false
      let stopped = false
      yield* Effect.forkScoped(
        Effect.map(images.synced, () => {
          ready = true
        })
      )
      yield* Effect.forkScoped(
        Effect.map(Effect.exit(running), () => {
          stopped = true
        })
      )
      const probe = (path: `/${string}`, problem: Effect.Effect<string | undefined>) =>
        HttpRouter.add(
          "GET",
          path,
          Effect.map(problem, (text) =>
            HttpServerResponse.text(text ?? "ok", { status: text === undefined ? 200 : 503 })
          )
        )
      return serving(
        Layer.mergeAll(
          probe(
            "/healthz",
            Effect.sync(() => (stopped ? "the controller has stopped" : undefined))
          ),
          probe(
            "/readyz",
            Effect.gen(function* () {
              const forbidden = yield* images.forbidden
              if (Option.isSome(forbidden)) return `the Images cannot be followed: ${forbidden.value}`
              if (!ready) return "the Images are not listed yet"
              const problem = yield* unavailable
              return Option.getOrUndefined(Option.map(problem, (why) => `no copy can be started: ${why}`))
            })
          )
        ),
        port
      )
    })
  )
