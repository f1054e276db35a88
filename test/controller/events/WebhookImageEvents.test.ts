/** The notifications that an operator posts to a receiver. */
import { createHmac } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Layer, Logger, Option, Redacted, References } from "effect"
import { ImageEvents } from "../../../src/controller/events/ImageEvents.ts"
import * as KubeImageEvents from "../../../src/controller/events/KubeImageEvents.ts"
import * as WebhookImageEvents from "../../../src/controller/events/WebhookImageEvents.ts"
import type { ImageEvent } from "../../../src/domain/plan/events.ts"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../../src/kube/KubeClientMemory.ts"
import { Images, ReportedEvents } from "../../../src/kube/Resources.ts"
import { Metrics } from "../../../src/metrics/Metrics.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import * as Faults from "../../support/Faults.ts"
import { everythingElse, itOnSockets } from "../../support/passTimeWhenIdle.ts"
import { type Received, startReceiver } from "../../support/Receiver.ts"
import { makeRegistries, operatorLayer } from "../../support/world.ts"

const SECRET = Buffer.from("a secret of the receiver, 32 bytes")
const TOKEN = "hunter2-in-the-path"

const webhook = (host: string, more: Partial<WebhookImageEvents.WebhookOptions> = {}) =>
  WebhookImageEvents.layer({
    url: Redacted.make(new URL(`http://${host}/hooks/${TOKEN}`)),
    secret: Option.some(Redacted.make<Uint8Array>(SECRET)),
    source: "/clusters/test",
    userAgent: "skopeo-operator/test",
    ...more
  })

interface Body {
  readonly id: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
const bodyOf = ({ body }: Received): Body => JSON.parse(body)
const idsOf = (requests: ReadonlyArray<Received>) => requests.map((request) => bodyOf(request).id)

/** Whether a receiver that follows Standard Webhooks accepts a request. */
const isSigned = ({ body, headers }: Received, secret: Uint8Array = SECRET): boolean => {
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`
  const expected = `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`
  return headers["webhook-signature"] === expected
}

/** Everything that is logged. */
const logged = () => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    lines.push(`${logLevel} ${String(message)} ${JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))}`)
  })
  return { lines, layer: Logger.layer([logger]) }
}

const IMAGE = { namespace: "team", name: "app", uid: "uid-1", generation: 3 }
const event = (note: string, reason: ImageEvent["reason"] = "Copied"): ImageEvent => ({
  type: "Normal",
  reason,
  action: "Copy",
  note
})

/** The counter of notifications by outcome. */
const outcomes = Effect.gen(function* () {
  const { body } = yield* (yield* Metrics).exposition
  return Object.fromEntries(
    [...body.matchAll(/^skopeo_operator_notifications_total\{outcome="([a-z]+)"\} ([0-9]+)$/gmu)].map(
      ([, outcome, count]) => [outcome, Number(count)]
    )
  )
})

/** The reports over a receiver, without an operator. */
const reports = (host: string, more: Partial<WebhookImageEvents.WebhookOptions> = {}) =>
  webhook(host, more).pipe(Layer.provide(ImageEvents.layerNone), Layer.provideMerge(Metrics.layer))

describe("the notifications of an operator", () => {
  itOnSockets("the receiver gets each Event of an Image in order, signed, as a CloudEvent with its facts", () => {
    const registries = makeRegistries()
    const digest = pushSampleImage(registries.source, "app", "1.0", "one")
    const server = new ApiServerStore()
    const client = Faults.of(RegistryClient)
    return Effect.gen(function* () {
      const receiver = yield* startReceiver()
      const apply = Effect.fnUntraced(function* (more: object) {
        const spec = { source: { name: "source.test/app", version: "1.x" }, destination: { name: "dest.test/app" } }
        const object = { metadata: { namespace: "team", name: "app" }, spec: { ...spec, ...more } }
        server.apply(Images, object, yield* Clock.currentTimeMillis)
        yield* Effect.sleep("5 seconds")
      })
      yield* Effect.gen(function* () {
        yield* apply({})
        yield* apply({ suspend: true })
        yield* apply({ suspend: false })
        client.plan.push({
          method: "tags",
          before: ({ repository }) => Effect.fail(RegistryError.of("Unreachable", repository, "no answer"))
        })
        yield* apply({ tags: { latest: 2 } })
      }).pipe(
        Effect.provide(
          operatorLayer(
            { layer: client.layer(registries.layer) },
            {
              kube: KubeClientMemory.layer({ store: server }),
              events: webhook(receiver.host).pipe(Layer.provide(KubeImageEvents.layer({ instance: "test" })))
            }
          )
        )
      )
      const uid = server.get(Images, { namespace: "team", name: "app" })?.metadata.uid
      const [copied, ...others] = receiver.requests.map(bodyOf)
      const { id, ...document } = copied ?? { id: "" }
      assert.match(id, /^[0-9a-f-]{36}$/u)
      assert.deepStrictEqual<unknown>(document, {
        specversion: "1.0",
        source: "/clusters/test",
        type: "io.skopeo.image.Copied",
        subject: "team/app",
        time: "1970-01-01T00:00:00.000Z",
        datacontenttype: "application/json",
        data: {
          namespace: "team",
          name: "app",
          uid,
          generation: 1,
          type: "Normal",
          reason: "Copied",
          message: "copied 1 tag to dest.test/app: 1.0",
          count: 1,
          source: "source.test/app",
          destination: "dest.test/app",
          tags: [{ name: "1.0", digest }],
          tagCount: 1
        }
      })
      assert.deepStrictEqual(
        others.map(({ data, type }) => [type, data["type"], data["cause"]]),
        [
          ["io.skopeo.image.Suspended", "Normal", undefined],
          ["io.skopeo.image.Resumed", "Normal", undefined],
          ["io.skopeo.image.CheckFailed", "Warning", "Unreachable"]
        ]
      )
      for (const request of receiver.requests) {
        assert.strictEqual(request.headers["content-type"], "application/cloudevents+json")
        assert.strictEqual(request.headers["webhook-id"], bodyOf(request).id)
        assert.isTrue(isSigned(request))
        assert.isFalse(isSigned(request, Buffer.from("another secret")))
      }
      assert.strictEqual(new Set(idsOf(receiver.requests)).size, 4)
      // The API server has the same Events.
      assert.sameMembers(
        server.list(ReportedEvents, {}).items.map(({ reason }) => `io.skopeo.image.${String(reason)}`),
        receiver.requests.map((request) => bodyOf(request).type)
      )
    })
  })

  itOnSockets("a receiver that does not answer delays no copy", () => {
    const registries = makeRegistries()
    for (let minor = 0; minor < 5; minor++) pushSampleImage(registries.source, "app", `1.${minor}`, `${minor}`)
    const server = new ApiServerStore()
    return Effect.gen(function* () {
      const receiver = yield* startReceiver(() => {})
      const spec = { source: { name: "source.test/app", version: "1.x" }, destination: { name: "dest.test/app" } }
      yield* Effect.gen(function* () {
        server.apply(Images, { metadata: { namespace: "team", name: "app" }, spec }, yield* Clock.currentTimeMillis)
        yield* everythingElse
        assert.lengthOf(registries.destination.tags("app") ?? [], 5)
      }).pipe(
        Effect.provide(
          operatorLayer(registries, {
            kube: KubeClientMemory.layer({ store: server }),
            events: webhook(receiver.host).pipe(Layer.provide(ImageEvents.layerNone))
          })
        )
      )
    })
  })
})

describe("the delivery of a notification", () => {
  itOnSockets("a notification keeps its id in each attempt, and each attempt is signed with its own time", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver((response, count) => {
        if (count === 1) response.writeHead(503).end()
        else if (count === 2) response.writeHead(429, { "retry-after": "30" }).end()
        else response.writeHead(200).end()
      })
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        yield* report(IMAGE, [event("first"), event("second")])
        yield* Effect.sleep("2 minutes")
        assert.deepStrictEqual(yield* outcomes, { sent: 2 })
      }).pipe(Effect.provide(reports(receiver.host)))
      const messages = receiver.requests.map((request) => bodyOf(request).data["message"])
      assert.deepStrictEqual(messages, ["first", "first", "first", "second"])
      const [first, second, third] = receiver.requests
      assert.strictEqual(new Set(idsOf(receiver.requests.slice(0, 3))).size, 1)
      assert.isTrue(receiver.requests.every((request) => isSigned(request)))
      const times = [first, second, third].map((request) => Number(request?.headers["webhook-timestamp"]))
      assert.isAtLeast((times[2] ?? 0) - (times[1] ?? 0), 30)
    })
  )

  itOnSockets("without a secret nothing is signed, and a redirect is not followed", () =>
    Effect.gen(function* () {
      const elsewhere = yield* startReceiver()
      const receiver = yield* startReceiver(
        (response) => void response.writeHead(307, { location: `http://${elsewhere.host}/` }).end()
      )
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        yield* report(IMAGE, [event("copied")])
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(yield* outcomes, { failed: 1 })
      }).pipe(Effect.provide(reports(receiver.host, { secret: Option.none() })))
      assert.lengthOf(elsewhere.requests, 0)
      assert.lengthOf(receiver.requests, 1)
      assert.isUndefined(receiver.requests[0]?.headers["webhook-signature"])
    })
  )

  itOnSockets("a receiver that is down is logged once, by its host alone, until it is there again", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      const receiver = yield* startReceiver((response, count) => {
        response.writeHead(count <= 2 ? 400 : 200).end(`refused ${TOKEN} ${SECRET.toString()}`)
      })
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        for (const note of ["a", "b", "c"]) yield* report(IMAGE, [event(note)])
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(yield* outcomes, { failed: 2, sent: 1 })
      }).pipe(
        Effect.provide(reports(receiver.host)),
        Effect.provide(layer),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      const facts = JSON.stringify({ image: "team/app", reason: "Copied", error: `${receiver.host}: answered 400` })
      assert.deepStrictEqual(lines, [`Warn notification not sent ${facts}`, `Debug notification not sent ${facts}`])
      for (const secret of [TOKEN, SECRET.toString(), SECRET.toString("base64")]) {
        assert.notInclude(lines.join("\n"), secret)
      }
    })
  )

  itOnSockets("10,000 Events for a receiver that does not answer return at once, and 1,000 wait", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver(() => {})
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        yield* report(IMAGE, [event("first")])
        yield* everythingElse
        const before = yield* Clock.currentTimeMillis
        for (let index = 0; index < 10_000; index++) {
          yield* report({ ...IMAGE, namespace: `team-${index % 2}`, uid: `uid-${index}` }, [event("note")])
        }
        assert.strictEqual(yield* Clock.currentTimeMillis, before)
        assert.deepStrictEqual(yield* outcomes, { dropped: 9_000 })
        assert.lengthOf(receiver.requests, 1)
      }).pipe(Effect.provide(reports(receiver.host)))
    })
  )

  itOnSockets("a tenant with very many notifications leaves room in the queue for other namespaces", () =>
    Effect.gen(function* () {
      let isReady = false
      const receiver = yield* startReceiver((response) => void response.writeHead(isReady ? 200 : 503).end())
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        for (let index = 0; index < 2_000; index++) yield* report({ ...IMAGE, uid: `uid-${index}` }, [event("note")])
        assert.deepStrictEqual(yield* outcomes, { dropped: 1_100 })
        for (let index = 0; index < 100; index++) {
          yield* report({ ...IMAGE, namespace: "other", uid: `other-${index}` }, [event("note")])
        }
        assert.deepStrictEqual(yield* outcomes, { dropped: 1_100 })
        isReady = true
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(yield* outcomes, { dropped: 1_100, sent: 1_000 })
        // The notifications that were sent no longer count.
        for (let index = 0; index < 900; index++) yield* report({ ...IMAGE, uid: `next-${index}` }, [event("note")])
        yield* Effect.sleep("1 minute")
        assert.deepStrictEqual(yield* outcomes, { dropped: 1_100, sent: 1_900 })
      }).pipe(Effect.provide(reports(receiver.host)))
    })
  )

  itOnSockets("a user who suspends and resumes an Image all the time causes few notifications", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver()
      yield* Effect.gen(function* () {
        const { report } = yield* ImageEvents
        for (let index = 0; index < 1_000; index++) {
          yield* report(IMAGE, [event("checks are suspended", index % 2 === 0 ? "Suspended" : "Resumed")])
        }
        yield* everythingElse
        assert.deepStrictEqual(yield* outcomes, { sent: 20 })
      }).pipe(Effect.provide(reports(receiver.host)))
      assert.strictEqual(bodyOf(receiver.requests[19] ?? assert.fail()).data["count"], 10)
    })
  )
})
