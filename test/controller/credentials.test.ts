/** Credentials through the whole operator: the registries that get each one, and the conditions of unusable ones. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import * as CloudIdentity from "../../src/credentials/CloudIdentity.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { CredentialProvider } from "../../src/credentials/CredentialProvider.ts"
import { Credentials, type TlsVerify } from "../../src/credentials/Credentials.ts"
import * as ImageSecrets from "../../src/credentials/ImageSecrets.ts"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { listWatch } from "../../src/kube/ListWatch.ts"
import { Images, Secrets } from "../../src/kube/Resources.ts"
import { requireBasic, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { clientOnLoopback } from "../support/registryClient.ts"
import * as Faults from "../support/Faults.ts"
import {
  applyImage,
  conditionText,
  makeRegistries,
  operatorLayer,
  readImage,
  type Registries
} from "../support/world.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")

const NOT_VERIFIED: TlsVerify = { source: false, destination: false }

const credentialsLayer = (
  configured: Partial<ConfiguredCredentials.ConfiguredCredentials> = {},
  tlsVerify = NOT_VERIFIED
) =>
  Credentials.layer(
    Effect.all([
      ImageSecrets.make(),
      CloudIdentity.make,
      ConfiguredCredentials.make({ source: Option.none(), destination: Option.none(), ...configured })
    ]),
    { tlsVerify }
  ).pipe(Layer.provide(CredentialProvider.layerNone))

const operator = (
  layer: Registries["layer"],
  configured: Partial<ConfiguredCredentials.ConfiguredCredentials> = {},
  tlsVerify = NOT_VERIFIED
) => operatorLayer({ layer }, { credentials: credentialsLayer(configured, tlsVerify) })

const createLogin = Effect.fnUntraced(function* (
  namespace: string,
  name: string,
  [username, password]: readonly [string, string],
  annotations: Readonly<Record<string, string>> = {}
) {
  yield* (yield* KubeClient).apply(
    Secrets,
    {
      metadata: { namespace, name, annotations },
      type: "kubernetes.io/basic-auth",
      data: { username: base64(username), password: base64(password) }
    },
    "test"
  )
})

/** A registry that accepts one user, and records each Authorization header. */
const startPrivate = Effect.fnUntraced(function* (username: string, password: string) {
  const sent = new Set<string>()
  const admit = requireBasic(username, password)
  const registry = yield* startRegistry({
    intercept: (request, response) => {
      if (request.headers.authorization !== undefined) sent.add(request.headers.authorization)
      return admit(request, response)
    }
  })
  return { ...registry, sent, login: [username, password] as const }
})

const header = (username: string, password: string): string => `Basic ${base64(`${username}:${password}`)}`

/** Completes when the given number of Images are Ready. */
const readyImages = (count: number) => {
  const ready = new Set<string>()
  return listWatch(Images, {}).pipe(
    Stream.flatMap((event) => Stream.fromIterable(event._tag === "Replaced" ? event.objects : [event.object])),
    Stream.takeUntil((object) => {
      const image = Result.getOrThrow(decodeImage(object))
      if (conditionText(image, "Ready").startsWith("True")) ready.add(`${image.namespace}/${image.name}`)
      return ready.size === count
    }),
    Stream.runDrain
  )
}

describe("Images with Secrets of their own", () => {
  it.live(
    "Images and Secrets of the same names in two namespaces: each registry gets its own credential and no other",
    () =>
      Effect.gen(function* () {
        const [sourceA, destinationA] = [
          yield* startPrivate("reader-a", "pull-a"),
          yield* startPrivate("writer-a", "push-a")
        ]
        const [sourceB, destinationB] = [
          yield* startPrivate("reader-b", "pull-b"),
          yield* startPrivate("writer-b", "push-b")
        ]
        pushSampleImage(sourceA.store, "app", "1.0.0", "a")
        pushSampleImage(sourceB.store, "app", "1.0.0", "b")
        yield* Effect.gen(function* () {
          const kube = yield* KubeClient
          for (const [namespace, source, destination] of [
            ["team-a", sourceA, destinationA],
            ["team-b", sourceB, destinationB]
          ] as const) {
            yield* createLogin(namespace, "pull", source.login, { "skopeo.io/registry": source.host })
            yield* createLogin(namespace, "push", destination.login, { "skopeo.io/registry": destination.host })
            yield* kube.apply(
              Images,
              {
                metadata: { namespace, name: "app" },
                spec: {
                  source: {
                    name: `${source.host}/app`,
                    version: "1.0.0",
                    credentials: { secretRef: { name: "pull" } }
                  },
                  destination: { name: `${destination.host}/app`, credentials: { secretRef: { name: "push" } } }
                }
              },
              "test"
            )
          }
          yield* readyImages(2)
        }).pipe(Effect.provide(operator(clientOnLoopback())))
        assert.isDefined(destinationA.store.manifest("app", "1.0.0"))
        assert.isDefined(destinationB.store.manifest("app", "1.0.0"))
        for (const registry of [sourceA, destinationA, sourceB, destinationB]) {
          assert.deepStrictEqual([...registry.sent], [header(...registry.login)])
        }
      })
  )

  it.live("a host that an Image names gets neither another Secret's credential nor the operator's", () =>
    Effect.gen(function* () {
      const good = yield* startPrivate("reader", "pull")
      const sent = new Set<string | undefined>()
      const evil = yield* startRegistry({
        intercept: (request, response) => {
          sent.add(request.headers.authorization)
          response.writeHead(401, { "www-authenticate": 'Basic realm="evil"' }).end("{}")
          return true
        }
      })
      const destination = yield* startRegistry()
      const configured = {
        source: Option.some({ username: "reader", password: Redacted.make("pull"), registries: [good.host] }),
        destination: Option.some({
          username: "writer",
          password: Redacted.make("push"),
          registries: [destination.host]
        })
      }
      yield* Effect.gen(function* () {
        const kube = yield* KubeClient
        yield* createLogin("team", "bound", good.login, { "skopeo.io/registry": good.host })
        yield* createLogin("team", "unbound", good.login)
        const apply = (name: string, credentials: object | undefined) =>
          kube.apply(
            Images,
            {
              metadata: { namespace: "team", name },
              spec: {
                source: {
                  name: `${evil.host}/app`,
                  version: "1.0.0",
                  ...(credentials === undefined ? {} : { credentials })
                },
                destination: { name: `${destination.host}/app` }
              }
            },
            "test"
          )
        yield* apply("bound", { secretRef: { name: "bound" } })
        yield* apply("unbound", { secretRef: { name: "unbound" } })
        yield* apply("configured", undefined)
        const said = new Map<string, string>()
        yield* listWatch(Images, {}).pipe(
          Stream.flatMap((event) => Stream.fromIterable(event._tag === "Replaced" ? event.objects : [event.object])),
          Stream.takeUntil((object) => {
            const image = Result.getOrThrow(decodeImage(object))
            if (conditionText(image, "Ready") !== "") said.set(image.name, conditionText(image, "Ready"))
            return said.size === 3
          }),
          Stream.runDrain
        )
        assert.deepStrictEqual(Object.fromEntries(said), {
          bound: "False SecretForOtherRegistry",
          unbound: "False SecretUnbound",
          configured: "False AuthenticationFailed"
        })
      }).pipe(Effect.provide(operator(clientOnLoopback(), configured)))
      assert.deepStrictEqual([...sent], [undefined])
    })
  )

  const source = { name: "source.test/app", version: "1.0.0" }
  const destination = { name: "dest.test/app" }
  const withSecret = { source: { ...source, credentials: { secretRef: { name: "pull" } } }, destination }

  it.effect("an Image with an unusable Secret is Stalled, and copies once the Secret is corrected", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "a")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* createLogin("team", "pull", ["robot", "hunter2"])
      yield* applyImage("app", withSecret)
      yield* TestClock.adjust("10 millis")
      const stalled = yield* readImage("app")
      assert.deepStrictEqual(
        ["Ready", "Stalled", "Reconciling"].map((type) => conditionText(stalled, type)),
        ["False SecretUnbound", "True SecretUnbound", ""]
      )
      const message = stalled.status.conditions?.find(({ type }) => type === "Stalled")?.message ?? ""
      assert.match(message, /^spec\.source\.credentials\.secretRef\.name: "pull" .*skopeo\.io\/registry=source\.test$/u)
      assert.notInclude(JSON.stringify(stalled), "hunter2")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(registries.requests, [], "no registry is asked without the credential")
      yield* createLogin("team", "pull", ["robot", "hunter2"], { "skopeo.io/registry": "source.test" })
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
      assert.strictEqual(conditionText(yield* readImage("app"), "Stalled"), "")
    }).pipe(Effect.provide(operator(registries.layer)))
  })

  it.effect("a missing Secret is read again soon at first, later once a minute, and never in a loop", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "a")
    const kube = Faults.of(KubeClient)
    const layer = operatorLayer(registries, {
      credentials: credentialsLayer(),
      kube: kube.layer(KubeClientMemory.layer())
    })
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", withSecret)
      yield* TestClock.adjust("5 minutes")
      const readAt = kube.calls.flatMap((call) =>
        call.method === "get" && call.args[0].kind === "Secret" ? [Math.round(call.at / 1_000)] : []
      )
      const pauses = readAt.slice(1).map((time, index) => time - (readAt[index] ?? 0))
      // Each pause is shortened by up to a fifth, and rounded up to a second.
      for (const [index, longest] of [4, 4, 8, 16, 32, 60, 60].entries()) {
        assert.isAtMost(pauses[index] ?? Infinity, longest)
        assert.isAtLeast(pauses[index] ?? 0, 0.8 * longest)
      }
      const waiting = yield* readImage("app")
      assert.deepStrictEqual(
        ["Ready", "Stalled", "Reconciling"].map((type) => conditionText(waiting, type)),
        ["False SecretNotFound", "", "True ProgressingWithRetry"]
      )
      yield* createLogin("team", "pull", ["robot", "hunter2"], { "skopeo.io/registry": "source.test" })
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
    }).pipe(Effect.provide(layer))
  })

  it.effect("an Image whose Secret is deleted during copies records the copies, and its next check fails", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "1.0.0", "a")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* createLogin("team", "pull", ["robot", "hunter2"], { "skopeo.io/registry": "source.test" })
      yield* applyImage("app", { ...withSecret, mode: "Recurrent", frequency: "10m" })
      yield* TestClock.adjust("10 millis")
      yield* (yield* KubeClient).delete(Secrets, { namespace: "team", name: "pull" })
      yield* TestClock.adjust("5 minutes")
      const copied = yield* readImage("app")
      assert.strictEqual(conditionText(copied, "Ready"), "True Copied")
      yield* TestClock.adjust("6 minutes")
      const lately = yield* readImage("app")
      assert.strictEqual(conditionText(lately, "Ready"), "True Copied")
      assert.strictEqual(lately.status.checkFailure?.reason, "SecretNotFound")
      yield* TestClock.adjust("20 minutes")
      const missing = yield* readImage("app")
      assert.strictEqual(conditionText(missing, "Ready"), "False SecretNotFound")
      assert.strictEqual(missing.status.tags, "1/1")
      assert.deepStrictEqual(missing.status.history, copied.status.history)
    }).pipe(Effect.provide(operator(registries.layer)))
  })

  it.effect(
    "an Image with a Secret for one side does not get the operator's credential there, and gets it at the other side",
    () => {
      const registries = makeRegistries()
      pushSampleImage(registries.source, "app", "1.0.0", "a")
      const configured = { source: Option.some({ username: "all", password: Redacted.make("x"), registries: [] }) }
      return Effect.gen(function* () {
        yield* (yield* Controller).synced
        yield* createLogin("team", "pull", ["robot", "hunter2"], { "skopeo.io/registry": "source.test" })
        yield* applyImage("secret", withSecret)
        yield* applyImage("configured", { source, destination: { name: "dest.test/other" } })
        yield* TestClock.adjust("10 millis")
        assert.strictEqual(conditionText(yield* readImage("secret"), "CredentialsUnbound"), "")
        assert.strictEqual(
          conditionText(yield* readImage("configured"), "CredentialsUnbound"),
          "True CredentialsNotBound"
        )
      }).pipe(Effect.provide(operator(registries.layer, configured)))
    }
  )

  it.effect("an Image that asks for an AWS identity which the operator lacks gets a condition with the field", () => {
    const registries = makeRegistries()
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { source, destination: { ...destination, useAwsIRSA: true } })
      yield* TestClock.adjust("10 millis")
      const image = yield* readImage("app")
      assert.strictEqual(conditionText(image, "Stalled"), "True AwsIdentityUnavailable")
      assert.include(image.status.conditions?.[0]?.message ?? "", "spec.destination.useAwsIRSA: true asks for")
    }).pipe(Effect.provide(operator(registries.layer)))
  })
})

/** The Image when its condition Ready first has the given text. */
const imageWith = (ready: string) =>
  listWatch(Images, {}).pipe(
    Stream.flatMap((event) => Stream.fromIterable(event._tag === "Replaced" ? event.objects : [event.object])),
    Stream.map((object) => Result.getOrThrow(decodeImage(object))),
    Stream.filter((image) => conditionText(image, "Ready") === ready),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

describe("an Image with tlsVerify: false under an operator that verifies", () => {
  it.live("an Image's own credential is not sent by plain HTTP either, unless the configuration names the host", () =>
    Effect.gen(function* () {
      const source = yield* startPrivate("reader", "pull")
      const destination = yield* startRegistry()
      pushSampleImage(source.store, "app", "1.0.0", "a")
      const image = {
        metadata: { namespace: "team", name: "app" },
        spec: {
          source: { name: `${source.host}/app`, version: "1.0.0", credentials: { secretRef: { name: "own" } } },
          destination: { name: `${destination.host}/app` }
        }
      }
      const apply = Effect.gen(function* () {
        yield* createLogin("team", "own", source.login, { "skopeo.io/registry": source.host })
        yield* (yield* KubeClient).apply(Images, image, "test")
      })
      yield* Effect.gen(function* () {
        yield* apply
        const { conditions = [] } = (yield* imageWith("False CredentialsNotSent")).status
        const { message = "" } = conditions.find(({ type }) => type === "Ready") ?? {}
        assert.include(message, `${source.host} is reached by plain HTTP`)
        assert.include(message, `add ${source.host} to REGISTRY_PLAIN_HTTP`)
      }).pipe(Effect.provide(operator(clientOnLoopback({ plainHttp: "" }))))
      assert.deepStrictEqual([...source.sent], [])
      yield* Effect.gen(function* () {
        yield* apply
        yield* imageWith("True Copied")
      }).pipe(Effect.provide(operator(clientOnLoopback({ plainHttp: source.host }))))
      assert.deepStrictEqual([...source.sent], [header(...source.login)])
    })
  )

  it.live.each<readonly [side: "source" | "destination", other: "source" | "destination", variable: string]>([
    ["source", "destination", "DISABLE_SRC_TLS_VERIFICATION"],
    ["destination", "source", "DISABLE_DEST_TLS_VERIFICATION"]
  ])(
    "with tlsVerify: false the %s gets the Image's own credential, and not the operator's",
    ([side, other, variable]) =>
      Effect.gen(function* () {
        const registries = {
          source: yield* startPrivate("reader", "pull"),
          destination: yield* startPrivate("writer", "push")
        }
        pushSampleImage(registries.source.store, "app", "1.0.0", "a")
        const { login } = registries[side]
        const configuredFor = ({ host, login: [username, password] }: (typeof registries)["source"]) =>
          Option.some({ username, password: Redacted.make(password), registries: [host] })
        const configured = {
          source: configuredFor(registries.source),
          destination: configuredFor(registries.destination)
        }
        const endpoint = { name: `${registries[side].host}/app`, tlsVerify: false }
        const spec = (credentials: object) => ({
          [side]: { ...endpoint, ...(side === "source" ? { version: "1.0.0" } : {}), ...credentials },
          [other]: { name: `${registries[other].host}/app`, ...(other === "source" ? { version: "1.0.0" } : {}) }
        })
        yield* Effect.gen(function* () {
          const kube = yield* KubeClient
          yield* kube.apply(Images, { metadata: { namespace: "team", name: "app" }, spec: spec({}) }, "test")
          const { conditions = [] } = (yield* imageWith("False AuthenticationFailed")).status
          const messageOf = (type: string) => conditions.find((condition) => condition.type === type)?.message ?? ""
          for (const type of ["Ready", "CredentialsWithheld"]) {
            assert.include(messageOf(type), `spec.${side}.tlsVerify is false`)
            assert.include(messageOf(type), variable)
          }
          assert.deepStrictEqual([...registries[side].sent], [], "no credential of the operator")
          yield* createLogin("team", "own", login, { "skopeo.io/registry": registries[side].host })
          const credentials = { credentials: { secretRef: { name: "own" } } }
          yield* kube.apply(Images, { metadata: { namespace: "team", name: "app" }, spec: spec(credentials) }, "test")
          assert.strictEqual(conditionText(yield* imageWith("True Copied"), "CredentialsWithheld"), "")
        }).pipe(
          Effect.provide(
            operator(clientOnLoopback(), configured, {
              source: side === "source",
              destination: side === "destination"
            })
          )
        )
        assert.deepStrictEqual([...registries[side].sent], [header(...login)], "the Secret's")
      })
  )
})
