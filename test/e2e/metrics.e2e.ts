/** What promtool, the linter of Prometheus, says of the metrics. */
import { assert, describe } from "@effect/vitest"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { METRICS } from "../../src/metrics/table.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { run } from "../support/cluster.ts"
import { directory, file } from "../support/commandLine.ts"
import { start } from "../support/commandProcess.ts"
import { freePort } from "../support/freePort.ts"
import { itWithPrograms } from "../support/programs.ts"

/** The answer to a scrape in which each metric of the table has a value. */
const everySeries = Effect.gen(function* () {
  const metrics = yield* Metrics
  const { apiServer, copies, images, queue, registries } = metrics
  const image = "docker.io/library/alpine:3.x"
  images.sampling(
    Effect.succeed([
      {
        namespace: "team",
        name: "app",
        ready: "False",
        reason: "CopyFailed",
        isStalled: false,
        isSuspended: false,
        isRateLimited: true,
        tags: { copied: 1, failed: 1, waiting: 1 },
        freshness: { lastInSync: 1_774_000_000, intervalSeconds: 300, isOverdue: true },
        checkedSeconds: 60
      }
    ])
  )
  copies.started(image)
  copies.bytes(image, "sent", 1)
  copies.bytes(image, "present", 1)
  copies.finished("succeeded", 1)
  copies.finished("failed", 1, "Unreachable")
  copies.sampling(Effect.succeed(new Map([[image, 1]])))
  registries.answered("docker.io", "GET", "200", 0.1)
  registries.quota("docker.io", 1, 100)
  registries.held("docker.io", 1_774_000_000_000)
  queue.added()
  queue.taken(1)
  queue.retried()
  queue.concurrency(20)
  yield* metrics.reconciling(Effect.void, () => "success")
  metrics.leading("skopeo-operator.skopeo.io", true)
  apiServer.answered("10.0.0.1:443", "GET", "200", 0.1)
  apiServer.watchFailed("images")
  metrics.eventDropped()
  metrics.notified("sent")
  metrics.policyRead("/etc/policy.yaml", true)
  return (yield* metrics.exposition).body
}).pipe(Effect.provide(Metrics.layer))

/** Fails the test if promtool says anything. */
const accepted = Effect.fnUntraced(function* (body: string) {
  const { code, stderr, stdout } = yield* run("promtool", ["check", "metrics"], body)
  assert.deepStrictEqual({ code, stderr, stdout }, { code: 0, stderr: "", stdout: "" })
})

describe("promtool", () => {
  itWithPrograms(["promtool"], "promtool has no objection to a scrape with a value of every metric", () =>
    Effect.gen(function* () {
      const body = yield* everySeries
      for (const name of Object.keys(METRICS)) assert.match(body, new RegExp(`^${name}(?:_count)?[{ ]`, "mu"))
      yield* accepted(body)
    })
  )

  itWithPrograms(["promtool"], "promtool has no objection to a scrape of a process that has copied an image", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "1.0.0", "seed")
      const images = yield* file(
        "image.yaml",
        JSON.stringify({
          apiVersion: "skopeo.io/v1alpha1",
          kind: "Image",
          metadata: { name: "app" },
          spec: {
            mode: "Recurrent",
            source: { name: `${source.host}/app`, version: "1.0.0", tlsVerify: false },
            destination: { name: `${destination.host}/app`, tlsVerify: false }
          }
        })
      )
      const port = yield* freePort
      yield* start([
        ...["sync", "-f", images, "--watch", "--state-dir", yield* directory({})],
        ...["--metrics-address", `127.0.0.1:${port}`]
      ])
      const body = yield* HttpClient.get(`http://127.0.0.1:${port}/metrics`).pipe(
        Effect.flatMap((response) => response.text),
        Effect.filterOrFail((text) => text.includes('skopeo_operator_copies_total{outcome="succeeded"} 1')),
        Effect.retry({ schedule: Schedule.spaced("100 millis"), times: 300 }),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.match(body, /^skopeo_operator_image_ready\{namespace="[^"]*",name="app",reason="Copied"\} 1$/mu)
      yield* accepted(body)
    })
  )
})
