/** The export of traces: what a collector gets, and what its failures cost. */
import type { IncomingHttpHeaders } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"
import { startRegistry } from "../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../src/registry/memory/SampleImage.ts"
import { type TracingOptions, tracingConfig } from "../src/TracingConfig.ts"
import { startCollector } from "./support/Collector.ts"
import { file, run } from "./support/commandLine.ts"
import { manifest } from "./support/manifest.ts"
import { itOnSockets } from "./support/passTimeWhenIdle.ts"
import { pathOf } from "./support/ScriptedServer.ts"

const SECRET = "hunter2-of-the-collector"
const PASSWORD = "hunter2-of-the-registry"
const SIGNATURE = "hunter2-of-the-store"

/** Two registries, and the file of an Image. The source asks for a password, and redirects blobs to a signed URL. */
const world = Effect.gen(function* () {
  const headers: Array<IncomingHttpHeaders> = []
  const basic = `Basic ${Buffer.from(`robot:${PASSWORD}`).toString("base64")}`
  const source = yield* startRegistry({
    intercept: (request, response) => {
      headers.push(request.headers)
      if (request.url?.includes("X-Signature") === true) return false
      if (request.headers.authorization !== basic) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end()
        return true
      }
      if (!pathOf(request).includes("/blobs/") || request.method !== "GET") return false
      response.writeHead(307, { location: `${pathOf(request)}?X-Signature=${SIGNATURE}` }).end()
      return true
    }
  })
  const destination = yield* startRegistry({
    intercept: (request) => {
      headers.push(request.headers)
      return false
    }
  })
  pushSampleImage(source.store, "app", "v1.0", "app", { platforms: ["linux/amd64"] })
  const images = yield* file(
    "images.yaml",
    manifest("app", `${source.host}/app`, "v1.x", `${destination.host}/mirror/app`)
  )
  const env = {
    CREDS_SOURCE_USERNAME: "robot",
    CREDS_SOURCE_PASSWORD: PASSWORD,
    CREDS_SOURCE_REGISTRIES: source.host,
    SKOPEO_OPERATOR_CACHE: "off"
  }
  return { destination, env, headers, images, source }
})

const traced = (url: string, more: Readonly<Record<string, string>> = {}) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  ...more
})

describe("the export of traces", () => {
  itOnSockets("a copy is one trace of its reconcile: the list of tags, the decision, the checks and the blobs", () =>
    Effect.gen(function* () {
      const collector = yield* startCollector()
      const { destination, env, headers, images, source } = yield* world
      const { code, stderr, stdout } = yield* run(["sync", "-f", images], {
        ...env,
        ...traced(collector.url, {
          OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${SECRET},x-tenant=team`,
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=staging"
        })
      })
      assert.strictEqual(code, 0, stderr)
      const spans = collector.spans()
      const copy = spans.find(({ name }) => name === "copy")
      assert.isDefined(copy)
      const trace = spans.filter(({ traceId }) => traceId === copy?.traceId)
      const [root, ...others] = trace.filter(({ parentSpanId }) => parentSpanId === undefined)
      assert.deepStrictEqual([root?.name, root?.attributes["image"], others], ["reconcile", "default/app", []])
      const requests = trace
        .filter(({ name }) => name === "registry.request")
        .map(({ attributes }) => `${String(attributes["method"])} ${String(attributes["route"])}`)
      for (const request of ["GET tags", "HEAD manifest", "GET blob", "PUT upload", "PUT manifest"]) {
        assert.include(requests, request)
      }
      for (const name of ["check", "decide", "BlobPlacement.place"])
        assert.include(
          trace.map((span) => span.name),
          name
        )
      const { digest, id, ...attributes } = copy?.attributes ?? {}
      assert.deepStrictEqual(attributes, {
        image: "default/app",
        tag: "v1.0",
        source: `${source.host}/app@${String(digest)}`,
        destination: `${destination.host}/mirror/app:v1.0`,
        outcome: "Succeeded"
      })
      assert.isString(id)
      // Each parent of a span is exported too.
      const ids = new Set(spans.map(({ spanId }) => spanId))
      assert.isTrue(spans.every(({ parentSpanId }) => parentSpanId === undefined || ids.has(parentSpanId)))

      const [first] = collector.requests
      assert.deepStrictEqual(
        [first?.path, first?.headers["content-type"], first?.headers.authorization, first?.headers["x-tenant"]],
        ["/v1/traces", "application/json", `Bearer ${SECRET}`, "team"]
      )
      const resource = collector.resource()
      assert.strictEqual(resource["service.name"], "skopeo-operator")
      assert.strictEqual(resource["deployment.environment"], "staging")

      // No registry learns of the trace, and no secret is in a span or in the output.
      assert.isAbove(headers.length, 5)
      for (const names of headers.map((header) => Object.keys(header))) {
        assert.notIncludeMembers(names, ["traceparent", "b3", "tracestate"])
      }
      const bodies = collector.requests.map(({ body }) => body).join("")
      for (const secret of [PASSWORD, SIGNATURE, SECRET]) assert.notInclude(bodies + stdout + stderr, secret)
    })
  )

  itOnSockets("the span of a failure has its error, without the secrets that a registry repeats or redirects to", () =>
    Effect.gen(function* () {
      const collector = yield* startCollector()
      const basic = Buffer.from(`robot:${PASSWORD}`).toString("base64")
      const hostile = yield* startRegistry({
        intercept: (request, response) => {
          if (request.headers.authorization === undefined) {
            response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end()
          } else if (pathOf(request).includes("/redirecting/")) {
            const location = `http://127.0.0.1:9/${SIGNATURE}/blob?X-Signature=${SIGNATURE}`
            response.writeHead(307, { location }).end()
          } else {
            const message = `robot:${PASSWORD} ${basic} ${encodeURIComponent(PASSWORD)}`
            response.writeHead(403, { "content-type": "application/json" })
            response.end(JSON.stringify({ errors: [{ code: "DENIED", message }] }))
          }
          return true
        }
      })
      const destination = yield* startRegistry()
      const { env } = yield* world
      for (const name of ["repeating/app", "redirecting/app"]) {
        const arguments_ = ["copy", `${hostile.host}/${name}:v1`, `${destination.host}/app`]
        const { code } = yield* run(arguments_, {
          ...env,
          ...traced(collector.url),
          CREDS_SOURCE_REGISTRIES: hostile.host
        })
        assert.notStrictEqual(code, 0)
      }
      const bodies = collector.requests.map(({ body }) => body).join("")
      assert.include(bodies, "exception.message")
      assert.include(bodies, "repeating/app: ")
      assert.include(bodies, "redirecting/app: ")
      for (const secret of [PASSWORD, basic, SIGNATURE]) assert.notInclude(bodies, secret)
    })
  )

  itOnSockets("without a variable of a collector no span is sent", () =>
    Effect.gen(function* () {
      const collector = yield* startCollector()
      const { env, images } = yield* world
      for (const variables of [{}, traced(collector.url, { OTEL_SDK_DISABLED: "true" })]) {
        const { code, stderr } = yield* run(["sync", "-f", images], { ...env, ...variables })
        assert.strictEqual(code, 0, stderr)
      }
      assert.lengthOf(collector.requests, 0)
    })
  )

  itOnSockets("a collector gets protobuf by default, and nothing of the traces that are not sampled", () =>
    Effect.gen(function* () {
      const collector = yield* startCollector()
      const { env, images } = yield* world
      const OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = `${collector.url}/own/path`
      const sampler = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" }
      yield* run(["sync", "-f", images], { ...env, ...sampler, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT })
      assert.lengthOf(collector.requests, 0)
      yield* run(["sync", "-f", images], { ...env, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT })
      const [first] = collector.requests
      assert.deepStrictEqual([first?.path, first?.headers["content-type"]], ["/own/path", "application/x-protobuf"])
      assert.include(first?.body, "reconcile")
    })
  )

  itOnSockets("a collector that is down, refuses or is silent costs one warning and no copy", () =>
    Effect.gen(function* () {
      const refusing = yield* startCollector((response) => void response.writeHead(500).end(SECRET))
      const silent = yield* startCollector(() => {})
      const outcomes = [
        ["http://127.0.0.1:9", "127.0.0.1:9: Refused: "],
        [refusing.url, `${new URL(refusing.url).host}: answered 500`],
        [silent.url, `${new URL(silent.url).host}: `]
      ] as const
      for (const [url, error] of outcomes) {
        const { destination, env, images } = yield* world
        const { code, stderr } = yield* run(["sync", "-f", images], { ...env, ...traced(url) })
        assert.strictEqual(code, 0, stderr)
        assert.isDefined(destination.store.manifest("mirror/app", "v1.0"))
        const warnings = stderr.split("\n").filter((line) => line.startsWith("warn"))
        assert.lengthOf(warnings, 1, stderr)
        assert.include(warnings[0], `traces not sent: ${error}`)
        assert.notInclude(stderr, SECRET)
      }
    })
  )
})

describe("the variables of traces", () => {
  const read = (env: Readonly<Record<string, string>>) =>
    Effect.provide(tracingConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  const OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector:4318/"

  it.effect("the endpoint of all signals gets the path of traces, and the variables of traces win", () =>
    Effect.gen(function* () {
      const { headers, url, ...options } = Option.getOrThrow(
        yield* read({
          OTEL_EXPORTER_OTLP_ENDPOINT,
          OTEL_EXPORTER_OTLP_HEADERS: "a=1",
          OTEL_EXPORTER_OTLP_TRACES_HEADERS: "X-Api-Key=k%3D%2C, b = 2",
          OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
          OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "2000",
          OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
          OTEL_TRACES_SAMPLER_ARG: "0.25",
          OTEL_RESOURCE_ATTRIBUTES: "service.name=mirror,cluster=a"
        })
      )
      assert.strictEqual(Redacted.value(url).href, "http://collector:4318/v1/traces")
      assert.deepStrictEqual(Redacted.value(headers), { "x-api-key": "k=,", b: "2" })
      assert.deepStrictEqual(options, {
        protocol: "http/protobuf",
        timeoutMillis: 2_000,
        ratio: 0.25,
        serviceName: "mirror",
        attributes: { cluster: "a" },
        certificates: []
      } satisfies Partial<TracingOptions>)
    })
  )

  it.effect.each([
    ["0.05", 0.05],
    [".05", 0.05],
    ["1e-05", 0.000_01],
    ["1.5e-05", 0.000_015],
    ["0", 0],
    ["1", 1]
  ] as const)("the share of the traces %s is %d", ([text, ratio]) =>
    Effect.gen(function* () {
      const sampler = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: text }
      const options = Option.getOrThrow(yield* read({ OTEL_EXPORTER_OTLP_ENDPOINT, ...sampler }))
      assert.strictEqual(options.ratio, ratio)
    })
  )

  it.effect("without an endpoint no variable of OpenTelemetry is a mistake", () =>
    Effect.gen(function* () {
      const mistakes = { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_TRACES_SAMPLER: "jaeger_remote" }
      const off = [mistakes, { ...mistakes, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER: "none" }]
      for (const env of off) assert.isTrue(Option.isNone(yield* read(env)))
    })
  )

  it.effect.each([
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      "OTEL_EXPORTER_OTLP_PROTOCOL: traces are not sent by grpc; write http/protobuf, and name the collector's port for HTTP, which is 4318 by default"
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "udp" },
      'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "udp" must be one of http/protobuf, http/json'
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
      "OTEL_EXPORTER_OTLP_ENDPOINT: the value is not a URL; write http://HOST:PORT or https://HOST:PORT, with a path if needed"
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: `https://user:${SECRET}@collector` },
      'OTEL_EXPORTER_OTLP_ENDPOINT: the URL has a user or a password before "@", which is not supported; leave it out'
    ],
    [
      { OTEL_EXPORTER_OTLP_HEADERS: `authorization Bearer ${SECRET}` },
      "OTEL_EXPORTER_OTLP_HEADERS: the value is not a list of key=value,key=value; write %25 for a %, and %2C for a comma"
    ],
    [{ OTEL_TRACES_EXPORTER: "jaeger" }, 'OTEL_TRACES_EXPORTER: "jaeger" must be one of otlp, none'],
    [{ OTEL_TRACES_SAMPLER_ARG: "0.1.2" }, 'OTEL_TRACES_SAMPLER_ARG: "0.1.2" is not a number from 0 to 1'],
    [{ OTEL_TRACES_SAMPLER_ARG: "2" }, 'OTEL_TRACES_SAMPLER_ARG: "2" is not a number from 0 to 1'],
    [{ OTEL_EXPORTER_OTLP_TIMEOUT: "10s" }, 'OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not a number from 1 to 600000'],
    [
      { OTEL_EXPORTER_OTLP_CERTIFICATE: "/missing.pem" },
      'OTEL_EXPORTER_OTLP_CERTIFICATE: "/missing.pem" cannot be read'
    ]
  ] as const)("a mistake in a variable of traces is named without its secret: %o", ([env, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ OTEL_EXPORTER_OTLP_ENDPOINT, ...env }))
      assert.include(error.message, message)
      assert.notInclude(error.message, SECRET)
    })
  )
})
