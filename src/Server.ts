/** What a cluster asks the operator over HTTP: metrics on one port, probes on another. */
import { NodeHttpServer } from "@effect/platform-node"
import { createServer } from "node:http"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { ImageStore } from "./controller/ImageStore.ts"
import { Metrics } from "./Metrics.ts"

const SHUTDOWN = "1 second"

const serving = (routes: Layer.Layer<never, never, HttpRouter.HttpRouter>, port: number) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(Layer.fresh(NodeHttpServer.layer(createServer, { port, gracefulShutdownTimeout: SHUTDOWN })))
  )

/** `/metrics`, for Prometheus. */
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

/** `/healthz`: the process answers. `/readyz`: all Images have been listed once, whether this process leads or not. */
export const probesServer = (port: number) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const images = yield* ImageStore
      let ready = false
      yield* Effect.forkScoped(
        Effect.map(images.synced, () => {
          ready = true
        })
      )
      return serving(
        Layer.mergeAll(
          HttpRouter.add("GET", "/healthz", Effect.succeed(HttpServerResponse.text("ok"))),
          HttpRouter.add(
            "GET",
            "/readyz",
            Effect.sync(() =>
              ready
                ? HttpServerResponse.text("ok")
                : HttpServerResponse.text("the Images have not been listed yet", { status: 503 })
            )
          )
        ),
        port
      )
    })
  )
