/** The command `operator` as a process over an API server in memory: its traces, its notifications, and its log. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { Images } from "../../src/kube/Resources.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { kubeconfigOf, serveApiServer } from "../support/apiServerHttp.ts"
import { startCollector } from "../support/Collector.ts"
import { file } from "../support/commandLine.ts"
import { PROCESS_TIMEOUT, start } from "../support/commandProcess.ts"
import { freePort } from "../support/freePort.ts"
import { startReceiver } from "../support/Receiver.ts"

const TOKEN = "hunter2-of-the-collector"
const SECRET = "a secret of the receiver, 32 bytes"

describe("the operator in a cluster", { timeout: PROCESS_TIMEOUT }, () => {
  it.live("the leader posts the Event of a copy, and the trace of the copy leaves after SIGTERM", () =>
    Effect.gen(function* () {
      const collector = yield* startCollector()
      const receiver = yield* startReceiver()
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      pushSampleImage(source.store, "app", "v1", "app")
      const store = new ApiServerStore()
      const kubeconfig = yield* file("config", kubeconfigOf(yield* serveApiServer(store)))
      const spec = {
        source: { name: `${source.host}/app`, version: "v1", tlsVerify: false },
        destination: { name: `${destination.host}/app`, tlsVerify: false }
      }
      Result.getOrThrow(store.create(Images, { metadata: { namespace: "team", name: "app" }, spec }, 0))
      const operator = yield* start(["operator"], {
        KUBECONFIG: kubeconfig,
        COPY_ENGINE: "direct",
        METRICS_PORT: String(yield* freePort),
        PROBES_PORT: String(yield* freePort),
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${TOKEN}`,
        NOTIFY_URL: `http://${receiver.host}/hook`,
        NOTIFY_SECRET: SECRET
      })
      const { body } = yield* receiver.next
      assert.include(body, '"type":"io.skopeo.image.Copied"')
      operator.kill("SIGTERM")
      const { code, stderr, stdout } = yield* operator.ended
      assert.strictEqual(code, 0, stderr)
      const spans = collector.spans()
      const copy = spans.find(({ name }) => name === "copy")
      const trace = spans.filter(({ traceId }) => traceId === copy?.traceId).map(({ name }) => name)
      for (const name of ["reconcile", "check", "decide", "registry.request", "KubeClient.applyStatus"]) {
        assert.include(trace, name)
      }
      // The renewals of the Lease fill no collector.
      assert.isFalse(
        spans.some(({ attributes }) => attributes["resource"] === "leases" && attributes["name"] !== undefined)
      )
      assert.match(stdout, new RegExp(`"message":"copy started".*"trace_id":"${copy?.traceId}"`, "u"))
      for (const hidden of [TOKEN, SECRET, "/hook"]) {
        assert.notInclude(stdout + stderr + collector.requests.map((request) => request.body).join(""), hidden)
      }
    })
  )
})
