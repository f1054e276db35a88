/** The client over HTTP against API servers that are healthy, slow or broken. */
import { assert, describe, it } from "@effect/vitest"
import type { RequestListener, ServerResponse } from "node:http"
import { createSecureServer } from "node:http2"
import { text } from "node:stream/consumers"
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Deferred, Effect, Fiber, Layer, Option, Queue, Redacted, Stream } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { RequestObserver } from "../../src/kube/exchange.ts"
import { KubeAccess } from "../../src/kube/KubeAccess.ts"
import { KubeClient, type KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientHttp from "../../src/kube/KubeClientHttp.ts"
import { Images, Jobs, Secrets } from "../../src/kube/Resources.ts"
import { makeAuthority } from "../support/certificates.ts"
import { json, scripted } from "../support/ScriptedServer.ts"
import { makeSpans, treeOf } from "../support/spans.ts"

const TOKEN = "token-of-the-realm"

const accessTo = (
  host: string,
  authorization: KubeAccess["Service"]["authorization"] = Effect.succeedSome(Redacted.make(`Bearer ${TOKEN}`)),
  renewed = authorization
) =>
  Layer.succeed(KubeAccess, {
    server: `http://${host}`,
    tls: {},
    authorization,
    renewed,
    namespace: Option.none(),
    defaultNamespace: "default"
  })

/** A client of a server with the given handler. */
const clientOf = Effect.fnUntraced(function* (
  answer: RequestListener,
  authorization?: KubeAccess["Service"]["authorization"],
  renewed?: KubeAccess["Service"]["renewed"]
) {
  const server = yield* scripted(answer)
  const access = accessTo(server.host, authorization, renewed)
  const context = yield* Layer.build(KubeClientHttp.layer.pipe(Layer.provide(access)))
  return { kube: yield* Effect.provide(KubeClient, context), ...server }
})

const secret = (name = "a", resourceVersion = "7") => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "team", resourceVersion }
})
/** Fields of the metadata that any writer of an object can fill. */
const fat = {
  annotations: {
    "kubectl.kubernetes.io/last-applied-configuration": "x".repeat(1024 * 1024),
    "skopeo.io/registry": "a",
    "skopeo.io/requestedAt": "noon"
  },
  labels: { team: "blue" },
  finalizers: ["a/b"],
  ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "a", uid: "u" }],
  managedFields: [{ manager: "kubectl", fieldsV1: { "f:metadata": {} } }],
  selfLink: "/a"
}
const image = (name: string) => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name, namespace: "team", uid: `uid-${name}`, resourceVersion: "7", generation: 1 },
  spec: { suspend: true },
  status: { tags: "1/1" }
})
const fatImage = (name: string) => ({
  ...image(name),
  metadata: { ...image(name).metadata, ...fat },
  extra: "x"
})
const status = (code: number, reason: string, message: string) => ({
  kind: "Status",
  apiVersion: "v1",
  status: "Failure",
  code,
  reason,
  message
})

/** Fails the test if an error shows the token. */
const withoutToken = (error: KubeError): string => {
  const shown = `${String(error)} ${error.message} ${JSON.stringify(error)} ${error.stack ?? ""}`
  assert.notInclude(shown, TOKEN)
  return `${error.code} ${error.reason}`
}

describe("the observer of requests", () => {
  it.effect("each attempt of a call is counted by host, method and status", () =>
    Effect.gen(function* () {
      const answers = [401, 200]
      const requests: Array<string> = []
      const { host, kube } = yield* clientOf((_, response) =>
        json(response, answers.shift() ?? 200, secret("pull"))
      ).pipe(
        Effect.provideService(RequestObserver, {
          answered: (to, method, code) => requests.push(`${to} ${method} ${code}`),
          watchFailed: () => {}
        })
      )
      yield* kube.get(Secrets, { namespace: "team", name: "pull" })
      assert.deepStrictEqual(requests, [`${host} GET 401`, `${host} GET 200`])
    })
  )
})

describe("a client's spans", () => {
  it.effect("the spans of a client name each call and its object, contain the attempts, and show no secret", () =>
    Effect.gen(function* () {
      const sent = new Set<string>()
      const { kube } = yield* clientOf((request, response) => {
        for (const name of Object.keys(request.headers)) sent.add(name)
        json(response, 200, secret("pull"))
      })
      const spans = makeSpans()
      yield* kube.get(Secrets, { namespace: "team", name: "pull" }).pipe(spans.collect)
      yield* kube.apply(Secrets, { metadata: { namespace: "team", name: "pull" } }, "test").pipe(spans.collect)
      yield* kube.list(Secrets, { namespace: "team" }).pipe(Effect.ignore, spans.collect)
      const calls = spans.all.filter(({ name }) => name.startsWith("KubeClient."))
      assert.deepStrictEqual(
        calls.map(({ attributes, kind, name }) => [name, kind, Object.fromEntries(attributes)]),
        [
          ["KubeClient.get", "client", { resource: "secrets", namespace: "team", name: "pull" }],
          ["KubeClient.apply", "client", { resource: "secrets", namespace: "team", name: "pull" }],
          ["KubeClient.list", "client", { resource: "secrets", namespace: "team" }]
        ]
      )
      assert.strictEqual(
        treeOf(spans.all, ({ name }) => name),
        "KubeClient.get\n  GET\nKubeClient.apply\n  PATCH\nKubeClient.list\n  GET"
      )
      assert.notInclude(JSON.stringify(spans.all.map(({ attributes }) => [...attributes])), TOKEN)
      assert.isTrue(sent.has("authorization"))
      for (const name of ["traceparent", "b3"]) assert.isFalse(sent.has(name), `${name} is sent to the API server`)
    })
  )
})

describe("proxies", () => {
  const VARIABLES = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"]

  it.effect("proxies of the environment are never used for the API server", () =>
    Effect.gen(function* () {
      const proxy = yield* scripted((_, response) => json(response, 502, {}))
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const before = VARIABLES.map((name) => [name, process.env[name]] as const)
          for (const name of VARIABLES) process.env[name] = `http://${proxy.host}`
          return before
        }),
        (before) =>
          Effect.sync(() => {
            for (const [name, value] of before) {
              if (value === undefined) delete process.env[name]
              else process.env[name] = value
            }
          })
      )
      const { kube, seen } = yield* clientOf((_, response) => json(response, 200, secret()))
      assert.isTrue(Option.isSome(yield* kube.get(Secrets, { name: "a", namespace: "team" })))
      assert.lengthOf(seen, 1)
      assert.lengthOf(proxy.seen, 0)
    })
  )
})

describe("requests", () => {
  interface Sent {
    readonly method: string
    readonly path: string
    readonly query: Readonly<Record<string, string>>
    readonly type: string | undefined
    readonly body: unknown
  }
  /** The request of a call. */
  const sentBy = (call: (kube: KubeClient["Service"]) => Effect.Effect<unknown, KubeError>) =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const { kube } = yield* clientOf((request, response) => {
        void text(request).then((body) => {
          const url = new URL(request.url ?? "", "http://server")
          sent.push({
            method: request.method ?? "",
            path: url.pathname,
            query: Object.fromEntries(url.searchParams),
            type: request.headers["content-type"],
            body: body === "" ? undefined : JSON.parse(body)
          })
          json(response, 200, { ...secret(), items: [] })
        })
      })
      yield* call(kube)
      return sent
    })
  const metadata = { name: "a", namespace: "team" }
  const { apiVersion, kind } = image("a")

  it.effect("get and list send the name and the scope", () =>
    Effect.gen(function* () {
      const read = { method: "GET", type: undefined, body: undefined }
      assert.deepStrictEqual(yield* sentBy((kube) => kube.get(Secrets, metadata)), [
        { ...read, path: "/api/v1/namespaces/team/secrets/a", query: {} }
      ])
      assert.deepStrictEqual(yield* sentBy((kube) => kube.list(Jobs, {})), [
        { ...read, path: "/apis/batch/v1/jobs", query: {} }
      ])
      assert.deepStrictEqual(
        yield* sentBy((kube) =>
          kube.list(Jobs, {
            namespace: "team",
            labelSelector: "a=b,c=d",
            fieldSelector: "x.y=z",
            limit: 500,
            continue: "next+page="
          })
        ),
        [
          {
            ...read,
            path: "/apis/batch/v1/namespaces/team/jobs",
            query: { labelSelector: "a=b,c=d", fieldSelector: "x.y=z", limit: "500", continue: "next+page=" }
          }
        ]
      )
    })
  )

  it.effect("create requires strict validation", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sentBy((kube) => kube.create(Images, { metadata, spec: { a: 1 } })), [
        {
          method: "POST",
          path: "/apis/skopeo.io/v1alpha1/namespaces/team/images",
          query: { fieldValidation: "Strict" },
          type: "application/json",
          body: { apiVersion, kind, metadata, spec: { a: 1 } }
        }
      ])
    })
  )

  /** An API server with TLS by a CA of its own, and the version of HTTP of each request. */
  const withTls = Effect.gen(function* () {
    const authority = makeAuthority()
    const versions: Array<string> = []
    const { certificate, key } = authority.issue(["127.0.0.1"])
    const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (request, response) => {
      versions.push(request.httpVersion)
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify(secret()))
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    )
    const address = server.address()
    assert(address !== null && typeof address !== "string")
    const access = Layer.succeed(KubeAccess, {
      server: `https://127.0.0.1:${address.port}`,
      tls: { ca: authority.certificate },
      authorization: Effect.succeedNone,
      renewed: Effect.succeedNone,
      namespace: Option.none(),
      defaultNamespace: "default"
    })
    return { access, versions }
  })
  const getSecret = Effect.flatMap(KubeClient, (kube) => kube.get(Secrets, metadata))

  it.live("requests use HTTP/1.1 even if the API server offers HTTP/2", () =>
    Effect.gen(function* () {
      const { access, versions } = yield* withTls
      const got = yield* Effect.provide(getSecret, KubeClientHttp.layer.pipe(Layer.provide(access)))
      assert.isTrue(Option.isSome(got))
      assert.deepStrictEqual(versions, ["1.1"])
    })
  )

  it.live("a client trusts the cluster's CA in a program that has an HTTP client of its own", () =>
    Effect.gen(function* () {
      const { access } = yield* withTls
      const got = yield* getSecret.pipe(
        Effect.provide(KubeClientHttp.layer.pipe(Layer.provide(access))),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.isTrue(Option.isSome(got))
    })
  )

  it.effect("an update is a PUT of the whole object, with the version that it replaces", () =>
    Effect.gen(function* () {
      const replaced = { ...metadata, resourceVersion: "7" }
      assert.deepStrictEqual(yield* sentBy((kube) => kube.update(Images, { metadata: replaced, spec: { a: 1 } })), [
        {
          method: "PUT",
          path: "/apis/skopeo.io/v1alpha1/namespaces/team/images/a",
          query: { fieldValidation: "Strict" },
          type: "application/json",
          body: { apiVersion, kind, metadata: replaced, spec: { a: 1 } }
        }
      ])
    })
  )

  it.effect(
    "apply names its manager, by force and with strict validation, and applyStatus uses the path of the status",
    () =>
      Effect.gen(function* () {
        const applied = {
          method: "PATCH",
          query: { fieldManager: "me", force: "true", fieldValidation: "Strict" },
          type: "application/apply-patch+yaml"
        }
        const path = "/apis/skopeo.io/v1alpha1/namespaces/team/images/a"
        assert.deepStrictEqual(yield* sentBy((kube) => kube.apply(Images, { metadata, spec: { a: 1 } }, "me")), [
          { ...applied, path, body: { apiVersion, kind, metadata, spec: { a: 1 } } }
        ])
        assert.deepStrictEqual(
          yield* sentBy((kube) => kube.applyStatus(Images, { metadata, status: { b: 2 } }, "me")),
          [{ ...applied, path: `${path}/status`, body: { apiVersion, kind, metadata, status: { b: 2 } } }]
        )
      })
  )

  it.effect("delete removes dependents in the background, and only the object with the given uid", () =>
    Effect.gen(function* () {
      const deletion = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" }
      const path = "/apis/batch/v1/namespaces/team/jobs/a"
      const sent = { method: "DELETE", path, query: {}, type: "application/json" }
      assert.deepStrictEqual(yield* sentBy((kube) => kube.delete(Jobs, metadata)), [{ ...sent, body: deletion }])
      assert.deepStrictEqual(yield* sentBy((kube) => kube.delete(Jobs, metadata, { uid: "uid-1" })), [
        { ...sent, body: { ...deletion, preconditions: { uid: "uid-1" } } }
      ])
    })
  )

  it.effect("each request has the token that is valid at its time, or none", () =>
    Effect.gen(function* () {
      let asked = 0
      const rotating = Effect.sync(() => Option.some(Redacted.make(`Bearer ${TOKEN}-${++asked}`)))
      const { kube, seen } = yield* clientOf((_, response) => json(response, 200, secret()), rotating)
      yield* kube.get(Secrets, { name: "a" })
      yield* kube.get(Secrets, { name: "a" })
      assert.deepStrictEqual(
        seen.map(({ authorization }) => authorization),
        [`Bearer ${TOKEN}-1`, `Bearer ${TOKEN}-2`]
      )
      const anonymous = yield* clientOf((_, response) => json(response, 200, secret()), Effect.succeedNone)
      yield* anonymous.kube.get(Secrets, { name: "a" })
      assert.deepStrictEqual(
        anonymous.seen.map(({ authorization }) => authorization),
        [undefined]
      )
    })
  )
})

describe("answers", () => {
  it.effect("null in an answer of Go means empty", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) =>
        json(response, 200, { metadata: { resourceVersion: "9", continue: "" }, items: null })
      )
      assert.deepStrictEqual(yield* kube.list(Secrets, {}), { items: [], resourceVersion: "9" })
    })
  )

  it.effect("an object is read with the fields of its resource's schema and no others", () =>
    Effect.gen(function* () {
      const kept = {
        ...image("a"),
        metadata: { ...image("a").metadata, annotations: { "skopeo.io/requestedAt": "noon" } }
      }
      const { kube } = yield* clientOf((request, response) => {
        const { pathname, searchParams } = new URL(request.url ?? "", "http://server")
        if (searchParams.has("watch")) {
          return void response.end(`${JSON.stringify({ type: "ADDED", object: fatImage("a") })}\n`)
        }
        if (pathname.endsWith("/images")) {
          return json(response, 200, { metadata: { resourceVersion: "9" }, items: [fatImage("a")] })
        }
        json(
          response,
          200,
          pathname.includes("/images/") ? fatImage("a") : { ...secret(), metadata: { name: "a", ...fat } }
        )
      })
      const name = { name: "a", namespace: "team" }
      assert.deepStrictEqual(yield* kube.get(Images, name), Option.some(kept))
      assert.deepStrictEqual(yield* kube.list(Images, {}), { items: [kept], resourceVersion: "9" })
      const watch = Stream.runCollect(kube.watch(Images, { resourceVersion: "1" }))
      assert.deepStrictEqual(yield* watch, [{ type: "ADDED", object: kept, resourceVersion: "7" }])
      assert.deepStrictEqual(yield* kube.apply(Images, { metadata: name }, "me"), kept)
      assert.deepStrictEqual(yield* kube.applyStatus(Images, { metadata: name }, "me"), kept)
      assert.deepStrictEqual(Option.getOrThrow(yield* kube.get(Secrets, name)).metadata, {
        name: "a",
        annotations: { "skopeo.io/registry": "a", "skopeo.io/requestedAt": "noon" }
      })
      const job = Option.getOrThrow(yield* kube.get(Jobs, name))
      const annotations = { "skopeo.io/registry": "a", "skopeo.io/requestedAt": "noon" }
      assert.deepStrictEqual(job.metadata, { name: "a", annotations, labels: {} })
    })
  )

  it.effect("a list may exceed the size limit of an object, because its objects are read one by one", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 20 }, (_, index) => `image-${index}`)
      const { kube } = yield* clientOf((_, response) =>
        json(response, 200, { metadata: {}, items: names.map(fatImage) })
      )
      const { items } = yield* kube.list(Images, {})
      assert.deepStrictEqual(
        items.map(({ metadata }) => metadata.name),
        names
      )
    })
  )

  it.effect("a list that breaks off, or has a broken item, is an error", () =>
    Effect.gen(function* () {
      const whole = JSON.stringify({ metadata: { resourceVersion: "9" }, items: [secret("a"), secret("b")] })
      for (const body of [
        whole.slice(0, -1),
        whole.slice(0, whole.indexOf('"b"')),
        '{"metadata":{},"items":[{}]}',
        '{"metadata":{},"items":[{"metadata":{"name":"a",}}]}'
      ]) {
        const { kube } = yield* clientOf((_, response) => response.writeHead(200).end(body))
        assert.strictEqual(withoutToken(yield* Effect.flip(kube.list(Secrets, {}))), "0 Unreachable")
      }
    })
  )

  for (const [what, code, head, call] of [
    ["an object", 200, '{"metadata":{"name":"', (kube) => kube.get(Secrets, { name: "a" })],
    ["an object of a list", 200, '{"metadata":{},"items":[{"metadata":{"name":"', (kube) => kube.list(Secrets, {})],
    ["the metadata of a list", 200, '{"metadata":{"continue":"', (kube) => kube.list(Secrets, {})],
    ["the answer to a delete", 200, "", (kube) => kube.delete(Secrets, { name: "a" })],
    ["a refusal", 403, "", (kube) => kube.get(Secrets, { name: "a" })],
    [
      "a line of a watch",
      200,
      '{"type":"ADDED","object":{"metadata":{"name":"',
      (kube) => Stream.runDrain(kube.watch(Secrets, { resourceVersion: "1" }))
    ]
  ] satisfies ReadonlyArray<
    readonly [string, number, string, (kube: KubeClient["Service"]) => Effect.Effect<unknown, KubeError>]
  >) {
    it.effect(`an answer fails at its size limit if there is no end to ${what}`, () =>
      Effect.gen(function* () {
        const closed = yield* Deferred.make<void>()
        const { kube } = yield* clientOf((_, response) => {
          const more = () => {
            if (!response.destroyed) response.write("x".repeat(1024 * 1024), more)
          }
          response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
          response.writeHead(code).write(head, more)
        })
        const error = yield* Effect.flip(call(kube))
        if (code === 403) assert.strictEqual(withoutToken(error), "403 Status403")
        else {
          assert.strictEqual(withoutToken(error), "0 Unreachable")
          assert.include(error.message, String(16 * 1024 * 1024))
        }
        yield* Deferred.await(closed)
      })
    )
  }

  it.effect("a missing object is None for get and success for delete", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) => json(response, 404, status(404, "NotFound", "not found")))
      assert.deepStrictEqual(yield* kube.get(Secrets, { name: "a" }), Option.none())
      yield* kube.delete(Secrets, { name: "a" }, { uid: "uid" })
      assert.strictEqual(withoutToken(yield* Effect.flip(kube.list(Secrets, {}))), "404 NotFound")
    })
  )

  it.effect("a refusal has the reason and the message of the server", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) =>
        json(response, 403, status(403, "Forbidden", 'jobs.batch is forbidden: User "x" cannot create'))
      )
      const error = yield* Effect.flip(kube.create(Jobs, { metadata: { name: "a", namespace: "team" } }))
      assert.strictEqual(withoutToken(error), "403 Forbidden")
      assert.strictEqual(error.message, 'create jobs a: jobs.batch is forbidden: User "x" cannot create (Forbidden)')
    })
  )

  it.effect("a refusal is one line of at most 2,000 characters, because a policy may write any text", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) =>
        json(response, 403, status(403, "Forbidden", `denied:\n${"x".repeat(100_000)}`))
      )
      const { detail } = yield* Effect.flip(kube.create(Jobs, { metadata: { name: "a", namespace: "team" } }))
      assert.lengthOf(detail, 2_000)
      assert.match(detail, /^denied: x+…$/u)
    })
  )

  it.effect("an answer about another object with the name is a Conflict", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) =>
        json(
          response,
          422,
          status(422, "Invalid", 'Image.skopeo.io "a" is invalid: metadata.uid: Invalid value: "u": field is immutable')
        )
      )
      const error = yield* Effect.flip(kube.apply(Images, { metadata: { name: "a", uid: "u" } }, "me"))
      assert.strictEqual(withoutToken(error), "409 Conflict")
    })
  )

  for (const [what, body] of [
    ["a proxy's page", "<html><body>Bad Gateway</body></html>"],
    ["nothing", ""],
    ["half of JSON", '{"kind":"Status","mess'],
    ["other JSON", '["no","status"]']
  ] as const) {
    it.effect(`a refusal may be ${what}`, () =>
      Effect.gen(function* () {
        const { kube } = yield* clientOf((_, response) => response.writeHead(502).end(body))
        const error = yield* Effect.flip(kube.get(Secrets, { name: "a" }))
        assert.strictEqual(withoutToken(error), "502 Status502")
        assert.include(error.message, "answered 502")
      })
    )
    it.effect(`an answer that is ${what} instead of an object is an error`, () =>
      Effect.gen(function* () {
        const { host, kube } = yield* clientOf((_, response) => response.writeHead(200).end(body))
        const error = yield* Effect.flip(kube.get(Secrets, { name: "a" }))
        assert.strictEqual(withoutToken(error), "0 Unreachable")
        assert.include(error.message, host)
      })
    )
  }

  it.effect("a server that is not listening is Unreachable", () =>
    Effect.gen(function* () {
      const { host } = yield* Effect.scoped(clientOf((_, response) => response.end()))
      const layer = KubeClientHttp.layer.pipe(Layer.provide(accessTo(host)))
      const error = yield* Effect.flip(
        Effect.flatMap(KubeClient, (kube) => kube.get(Secrets, { name: "a" })).pipe(Effect.provide(layer))
      )
      assert.strictEqual(withoutToken(error), "0 Unreachable")
      assert.include(error.message, "ECONNREFUSED")
    })
  )
})

describe("a server that does not answer", () => {
  /** Runs a call until the server has its request, then lets time pass. Gives the time the call took and its error. */
  const waitedFor = (
    call: (kube: KubeClient["Service"]) => Effect.Effect<unknown, KubeError>,
    answer: (response: ServerResponse) => void = () => {}
  ) =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const { kube } = yield* clientOf((_, response) => {
        answer(response)
        Deferred.doneUnsafe(arrived, Effect.void)
      })
      const started = yield* Clock.currentTimeMillis
      const fiber = yield* Effect.forkChild(
        Effect.flatMap(Effect.flip(call(kube)), (error) =>
          Effect.map(Clock.currentTimeMillis, (now) => ({
            error: withoutToken(error),
            seconds: (now - started) / 1_000
          }))
        )
      )
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("10 minutes")
      return yield* Fiber.join(fiber)
    })

  it.effect("a silent server delays a call for 30 seconds and a list for two minutes", () =>
    Effect.gen(function* () {
      const unreachable = "0 Unreachable"
      const name = { name: "a" }
      assert.deepStrictEqual(yield* waitedFor((kube) => kube.get(Secrets, name)), { error: unreachable, seconds: 30 })
      assert.deepStrictEqual(yield* waitedFor((kube) => kube.apply(Secrets, { metadata: name }, "me")), {
        error: unreachable,
        seconds: 30
      })
      assert.deepStrictEqual(yield* waitedFor((kube) => kube.delete(Secrets, name)), {
        error: unreachable,
        seconds: 30
      })
      assert.deepStrictEqual(yield* waitedFor((kube) => kube.list(Secrets, {})), { error: unreachable, seconds: 120 })
      assert.deepStrictEqual(
        yield* waitedFor((kube) => Stream.runDrain(kube.watch(Secrets, { resourceVersion: "1" }))),
        { error: unreachable, seconds: 30 }
      )
    })
  )

  it.effect("an answer that stops half-way delays a call no longer than a silent server", () =>
    Effect.gen(function* () {
      const half = (response: ServerResponse) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.write('{"metadata":')
      }
      assert.deepStrictEqual(yield* waitedFor((kube) => kube.get(Secrets, { name: "a" }), half), {
        error: "0 Unreachable",
        seconds: 30
      })
    })
  )
})

describe("a server that is busy", () => {
  /**
   * Calls a server with these answers, the last of which is repeated. The server is a function, because sockets do not follow
   * TestClock.
   */
  const asked = (
    answers: ReadonlyArray<number>,
    {
      call = (kube) => kube.get(Secrets, { name: "a" }),
      headers = {}
    }: {
      readonly call?: (kube: KubeClient["Service"]) => Effect.Effect<unknown, KubeError>
      readonly headers?: Readonly<Record<string, string>>
    } = {}
  ) =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const http = HttpClient.make((request) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const code = answers[Math.min(times.length, answers.length - 1)] ?? 200
          times.push(now)
          const body = code === 200 ? secret() : status(code, "TooManyRequests", "later")
          const response = new Response(JSON.stringify(body), { status: code, headers: code === 200 ? {} : headers })
          return HttpClientResponse.fromWeb(request, response)
        })
      )
      const layer = KubeClientHttp.layerNoClient.pipe(
        Layer.provide(Layer.mergeAll(Layer.succeed(HttpClient.HttpClient, http), accessTo("kube.test")))
      )
      const fiber = yield* Effect.flatMap(KubeClient, call).pipe(
        Effect.provide(layer),
        Effect.match({ onFailure: withoutToken, onSuccess: () => true }),
        Effect.forkChild
      )
      yield* TestClock.adjust("5 minutes")
      return { result: yield* Fiber.join(fiber), times }
    })

  const pausesOf = (times: ReadonlyArray<number>) => times.slice(1).map((time, index) => time - (times[index] ?? 0))

  for (const code of [429, 503, 504]) {
    it.effect(`a call is retried after ${code} with growing pauses, a limited number of times`, () =>
      Effect.gen(function* () {
        const well = yield* asked([code, code, 200])
        assert.isTrue(well.result)
        assert.lengthOf(well.times, 3)
        const never = yield* asked([code])
        assert.strictEqual(never.result, `${code} TooManyRequests`)
        assert.lengthOf(never.times, 5)
        for (const [index, pause] of pausesOf(never.times).entries()) {
          const nominal = 500 * 2 ** index
          assert.isTrue(
            Number.isInteger(pause) && pause >= nominal * 0.79 && pause <= nominal * 1.21,
            `${pause} ms of ${nominal}`
          )
        }
      })
    )
  }

  for (const code of [400, 403, 404, 409, 410, 422]) {
    it.effect(`a call is not retried after ${code}`, () =>
      Effect.map(asked([code, 200]), ({ times }) => assert.lengthOf(times, 1))
    )
  }

  it.effect("a call is retried after the pause that Retry-After names, and after 30 seconds at most", () =>
    Effect.gen(function* () {
      for (const code of [429, 503]) {
        const after = (seconds: string) =>
          Effect.map(asked([code, 200], { headers: { "retry-after": seconds } }), ({ times }) => pausesOf(times)[0])
        assert.strictEqual(yield* after("7"), 7_000)
        assert.strictEqual(yield* after("3600"), 30_000)
        assert.strictEqual(yield* after("Wed, 21 Oct 2099 07:28:00 GMT"), 30_000)
        for (const none of ["0", "-5", "soon", "1e9"]) {
          assert.isBelow((yield* after(none)) ?? Infinity, 601, none)
        }
      }
      const never = yield* asked([429], { headers: { "retry-after": "99999999999999999999" } })
      assert.deepStrictEqual(pausesOf(never.times), [30_000, 30_000, 30_000, 30_000])
    })
  )

  for (const { call, isRepeated, what } of [
    { what: "a read", call: (kube) => kube.get(Secrets, { name: "a" }), isRepeated: true },
    { what: "an apply", call: (kube) => kube.apply(Secrets, { metadata: { name: "a" } }, "me"), isRepeated: true },
    {
      what: "a status",
      call: (kube) => kube.applyStatus(Images, { metadata: { name: "a" }, status: {} }, "me"),
      isRepeated: true
    },
    { what: "a delete", call: (kube) => kube.delete(Secrets, { name: "a" }), isRepeated: true },
    { what: "a create", call: (kube) => kube.create(Secrets, { metadata: { name: "a" } }), isRepeated: false }
  ] satisfies ReadonlyArray<{
    readonly what: string
    readonly call: (kube: KubeClient["Service"]) => Effect.Effect<unknown, KubeError>
    readonly isRepeated: boolean
  }>) {
    it.effect(`${what} is ${isRepeated ? "" : "not "}retried after 500 and 504`, () =>
      Effect.gen(function* () {
        for (const code of [500, 504]) {
          assert.lengthOf((yield* asked([code, 200], { call })).times, isRepeated ? 2 : 1)
          assert.lengthOf((yield* asked([code], { call })).times, isRepeated ? 5 : 1)
        }
        // 429 and 503 mean that the server did not execute the request.
        for (const code of [429, 503]) assert.lengthOf((yield* asked([code, 200], { call })).times, 2)
      })
    )
  }
})

describe("a server that refuses a token", () => {
  /** Calls a server that accepts one token, first with `first` and then with `second`. Gives the result and the sent tokens. */
  const calledWith = (taken: string, first: string, second: string) =>
    Effect.gen(function* () {
      const tokens = { current: first }
      const { kube, seen } = yield* clientOf(
        (request, response) =>
          request.headers.authorization === `Bearer ${TOKEN}-${taken}`
            ? json(response, 200, secret())
            : json(response, 401, status(401, "Unauthorized", "Unauthorized")),
        Effect.sync(() => Option.some(Redacted.make(`Bearer ${TOKEN}-${tokens.current}`))),
        Effect.sync(() => {
          tokens.current = second
          return Option.some(Redacted.make(`Bearer ${TOKEN}-${second}`))
        })
      )
      const result = yield* Effect.match(kube.create(Secrets, { metadata: { name: "a" } }), {
        onFailure: withoutToken,
        onSuccess: ({ metadata }) => metadata.name
      })
      return { result, sent: seen.map(({ authorization }) => authorization?.replace(`Bearer ${TOKEN}-`, "")) }
    })

  it.effect("a call is sent once more after 401, with the token read again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* calledWith("new", "old", "new"), { result: "a", sent: ["old", "new"] })
      assert.deepStrictEqual(yield* calledWith("other", "old", "new"), {
        result: "401 Unauthorized",
        sent: ["old", "new"]
      })
    })
  )

  it.effect("a call without a token is not sent again after 401", () =>
    Effect.gen(function* () {
      const { kube, seen } = yield* clientOf(
        (_, response) => json(response, 401, status(401, "Unauthorized", "Unauthorized")),
        Effect.succeedNone
      )
      assert.strictEqual(withoutToken(yield* Effect.flip(kube.get(Secrets, { name: "a" }))), "401 Unauthorized")
      assert.lengthOf(seen, 1)
    })
  )
})

describe("a watch", () => {
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`
  const watched = (kube: KubeClient["Service"]) =>
    kube.watch(Secrets, { namespace: "team", labelSelector: "a=b", resourceVersion: "5", timeoutSeconds: 270 })
  const summaries = (kube: KubeClient["Service"], scope?: object) =>
    (scope === undefined ? watched(kube) : kube.watch(Secrets, scope)).pipe(
      Stream.map((event) => {
        if (event.type === "ERROR") return `ERROR ${withoutToken(event.error)} ${event.error.message}`
        return event.type === "BOOKMARK"
          ? `BOOKMARK ${event.resourceVersion}${event.isInitialEnd === true ? " end" : ""}`
          : `${event.type} ${event.object.metadata.name} ${event.resourceVersion}`
      })
    )
  /** Writes the pieces one by one, each in its own packet. */
  const inPieces = (response: ServerResponse, pieces: ReadonlyArray<Uint8Array | string>) => {
    const [first, ...rest] = pieces
    if (first === undefined) return void response.end()
    response.write(first, () => setImmediate(() => inPieces(response, rest)))
  }

  it.effect("a watch requests the changes after a version, with bookmarks and a time limit", () =>
    Effect.gen(function* () {
      const { kube, seen } = yield* clientOf((_, response) => response.end())
      yield* Stream.runDrain(watched(kube))
      const url = new URL(seen[0]?.url ?? "", "http://server")
      assert.strictEqual(url.pathname, "/api/v1/namespaces/team/secrets")
      assert.deepStrictEqual(Object.fromEntries(url.searchParams), {
        watch: "true",
        allowWatchBookmarks: "true",
        timeoutSeconds: "270",
        labelSelector: "a=b",
        resourceVersion: "5"
      })
    })
  )

  it.effect("a watch without a version begins with all objects, and a bookmark ends their list", () =>
    Effect.gen(function* () {
      const bookmark = (resourceVersion: string, annotations: unknown) =>
        line("BOOKMARK", { kind: "Secret", metadata: { resourceVersion, annotations } })
      const { kube, seen } = yield* clientOf((_, response) =>
        inPieces(response, [
          line("ADDED", secret("a", "6")),
          bookmark("7", null),
          bookmark("8", { "k8s.io/initial-events-end": "true" }),
          bookmark("9", { other: "true" })
        ])
      )
      assert.deepStrictEqual(yield* Stream.runCollect(summaries(kube, {})), [
        "ADDED a 6",
        "BOOKMARK 7",
        "BOOKMARK 8 end",
        "BOOKMARK 9"
      ])
      const url = new URL(seen[0]?.url ?? "", "http://server")
      assert.deepStrictEqual(Object.fromEntries(url.searchParams), {
        watch: "true",
        allowWatchBookmarks: "true",
        sendInitialEvents: "true",
        resourceVersionMatch: "NotOlderThan"
      })
    })
  )

  it.effect("a watch gives events line by line, however their bytes are cut, and ends when its server ends it", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(
        line("ADDED", { ...secret("a", "6"), type: "Schlüssel-🔑" }) +
          line("MODIFIED", secret("a", "7")) +
          line("BOOKMARK", { kind: "Secret", metadata: { resourceVersion: "8", creationTimestamp: null } }) +
          "\n" +
          line("DELETED", { ...secret("a", "9"), metadata: { ...secret("a", "9").metadata, labels: null } })
      )
      for (const size of [1, 7, 64, bytes.length]) {
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size)
        )
        const { kube } = yield* clientOf((_, response) => inPieces(response, pieces))
        assert.deepStrictEqual(yield* Stream.runCollect(summaries(kube)), [
          "ADDED a 6",
          "MODIFIED a 7",
          "BOOKMARK 8",
          "DELETED a 9"
        ])
      }
    })
  )

  it.effect("a watch whose version is too old fails with 410, or ends with an ERROR line", () =>
    Effect.gen(function* () {
      const expired = status(410, "Expired", "too old resource version: 5 (100)")
      const refusing = yield* clientOf((_, response) => json(response, 410, expired))
      const error = yield* Effect.flip(Stream.runDrain(summaries(refusing.kube)))
      assert.strictEqual(withoutToken(error), "410 Expired")
      assert.include(error.message, "too old resource version")
      const { kube } = yield* clientOf((_, response) =>
        inPieces(response, [line("ADDED", secret("a", "6")), line("ERROR", expired)])
      )
      assert.deepStrictEqual(yield* Stream.runCollect(summaries(kube)), [
        "ADDED a 6",
        "ERROR 410 Expired watch secrets: too old resource version: 5 (100) (Expired)"
      ])
    })
  )

  it.effect("a watch that breaks off gives the events before, and fails", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<(response: ServerResponse) => void> = [
        (response) => response.write(line("ADDED", secret("a", "6")), () => response.destroy()),
        (response) => inPieces(response, [line("ADDED", secret("a", "6")), "<html>\n"]),
        (response) => inPieces(response, [line("ADDED", secret("a", "6")), line("ADDED", { metadata: 5 })])
      ]
      for (const answer of answers) {
        const { kube } = yield* clientOf((_, response) => answer(response))
        const told: Array<string> = []
        const error = yield* Effect.flip(
          Stream.runForEach(summaries(kube), (event) => Effect.sync(() => told.push(event)))
        )
        assert.deepStrictEqual(told, ["ADDED a 6"])
        assert.strictEqual(withoutToken(error), "0 Unreachable")
      }
    })
  )

  it.effect("a watch ends if it is silent for longer than its requested duration", () =>
    Effect.gen(function* () {
      const { kube } = yield* clientOf((_, response) => void response.write(line("ADDED", secret("a", "6"))))
      const told = yield* Queue.unbounded<string>()
      const fiber = yield* Effect.forkChild(Stream.runForEach(summaries(kube), (event) => Queue.offer(told, event)))
      assert.strictEqual(yield* Queue.take(told), "ADDED a 6")
      yield* TestClock.adjust("279 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
    })
  )
})
