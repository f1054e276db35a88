import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as ImageSecrets from "../../src/credentials/ImageSecrets.ts"
import { KubeClient, KubeError } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { Secrets } from "../../src/kube/Resources.ts"
import * as Faults from "../support/Faults.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")
const PASSWORD = "hunter2-of-robot"

const dockerConfig = (auths: object) => ({ ".dockerconfigjson": base64(JSON.stringify({ auths })) })
const AUTH = { auth: base64(`robot:${PASSWORD}`) }
const LOGIN = { username: base64("robot"), password: base64(PASSWORD) }

const create = Effect.fnUntraced(function* (
  name: string,
  type: string | undefined,
  data: Readonly<Record<string, string>>,
  registries?: string,
  namespace = "team"
) {
  const annotations = registries === undefined ? {} : { "skopeo.io/registry": registries }
  yield* (yield* KubeClient).apply(
    Secrets,
    { metadata: { namespace, name, annotations }, ...(type === undefined ? {} : { type }), data },
    "test"
  )
})

const find = Effect.fnUntraced(function* (name: string, registry = "quay.io", namespace = "team") {
  const credentials = yield* Credentials
  return yield* credentials.find({
    side: "source",
    repository: { registry, path: "team/app" },
    namespace,
    choice: { _tag: "Secret", name }
  })
})

const secretOf = (found: Effect.Success<ReturnType<typeof find>>): string =>
  Option.match(found, {
    onNone: () => "",
    onSome: ({ credential }) => `${credential.username} ${Redacted.value(credential.password)}`
  })

/** Credentials over an API server with these faults, and the names of the Secrets that are read. */
const world = (
  options: ImageSecrets.ImageSecretsOptions = {},
  faults: Array<Faults.Fault<KubeClient["Service"]>> = []
) => {
  const kube = Faults.of(KubeClient, faults)
  return {
    reads: () =>
      kube.calls.flatMap((call) =>
        call.method === "get" ? [`${call.args[0].plural} ${call.args[1].namespace}/${call.args[1].name}`] : []
      ),
    layer: Credentials.layer(Effect.all([ImageSecrets.make(options)])).pipe(
      Layer.provideMerge(kube.layer(KubeClientMemory.layer()))
    )
  }
}

/** The API server refuses to give a Secret. */
const refused = (name: string, code: number, reason: string, detail: string): Faults.Fault<KubeClient["Service"]> => ({
  method: "get",
  when: (_resource, asked) => asked.name === name,
  ...Faults.failing(new KubeError({ operation: "get secrets", code, reason, detail }))
})

const FIELD = "spec.source.credentials.secretRef.name"

describe("a Secret of an Image", () => {
  it.effect.each<
    readonly [what: string, type: string, data: Readonly<Record<string, string>>, registries: string | undefined]
  >([
    ["a Docker configuration", "kubernetes.io/dockerconfigjson", dockerConfig({ "quay.io": AUTH }), undefined],
    [
      "one for just the repository",
      "kubernetes.io/dockerconfigjson",
      dockerConfig({ "quay.io/team": AUTH }),
      undefined
    ],
    ["a bound password", "kubernetes.io/basic-auth", LOGIN, "quay.io"],
    ["a password for several hosts", "kubernetes.io/basic-auth", LOGIN, "ghcr.io, QUAY.io"]
  ])("a Secret is used: %s", ([, type, data, registries]) =>
    Effect.gen(function* () {
      yield* create("pull", type, data, registries)
      assert.strictEqual(secretOf(yield* find("pull")), `robot ${PASSWORD}`)
    }).pipe(Effect.provide(world().layer))
  )

  it.effect.each<
    readonly [
      what: string,
      type: string | undefined,
      data: Readonly<Record<string, string>>,
      registries: string | undefined,
      reason: string,
      message: string
    ]
  >([
    [
      "a password bound to no registry",
      "kubernetes.io/basic-auth",
      LOGIN,
      undefined,
      "SecretUnbound",
      "does not name the registry of its password, so the password is not sent; add the annotation skopeo.io/registry with the hosts, here quay.io: kubectl annotate secret -n team pull --overwrite skopeo.io/registry=quay.io"
    ],
    ["an empty annotation", "kubernetes.io/basic-auth", LOGIN, " , ", "SecretUnbound", "skopeo.io/registry=quay.io"],
    [
      "a password for other registries",
      "kubernetes.io/basic-auth",
      LOGIN,
      "ghcr.io",
      "SecretForOtherRegistry",
      "has credentials for ghcr.io, and none for quay.io; name another Secret, or add the host: kubectl annotate secret -n team pull --overwrite skopeo.io/registry=ghcr.io,quay.io"
    ],
    [
      "a password for another part of the registry",
      "kubernetes.io/basic-auth",
      LOGIN,
      "quay.io/other",
      "SecretForOtherRegistry",
      "has credentials for quay.io/other, and none for quay.io; name another Secret"
    ],
    [
      "a Docker configuration for other registries",
      "kubernetes.io/dockerconfigjson",
      dockerConfig({ "ghcr.io": AUTH, "quay.io/other": AUTH }),
      undefined,
      "SecretForOtherRegistry",
      "has credentials for ghcr.io, quay.io/other, and none for quay.io; add it, or name another Secret"
    ],
    [
      "a Docker configuration for none",
      "kubernetes.io/dockerconfigjson",
      dockerConfig({}),
      undefined,
      "SecretForOtherRegistry",
      "has credentials for no registry, and none for quay.io; add it, or name another Secret"
    ],
    [
      "a helper's name, which is not run",
      "kubernetes.io/dockerconfigjson",
      { ".dockerconfigjson": base64('{"credsStore":"evil","credHelpers":{"quay.io":"evil"}}') },
      undefined,
      "SecretForOtherRegistry",
      "has credentials for no registry"
    ],
    [
      "no Docker configuration",
      "kubernetes.io/dockerconfigjson",
      { ".dockerconfigjson": base64(PASSWORD) },
      undefined,
      "SecretInvalid",
      'has a .dockerconfigjson that is no Docker configuration; it is JSON such as {"auths":{"HOST":{"auth":"…"}}}'
    ],
    [
      "a broken entry",
      "kubernetes.io/dockerconfigjson",
      dockerConfig({ "quay.io": { auth: base64(PASSWORD) } }),
      undefined,
      "SecretInvalid",
      "has a .dockerconfigjson that has for quay.io an auth that is not the base64 of user:password"
    ],
    [
      "no data",
      "kubernetes.io/dockerconfigjson",
      {},
      undefined,
      "SecretInvalid",
      "has no .dockerconfigjson in its data"
    ],
    [
      "no password",
      "kubernetes.io/basic-auth",
      { username: base64("robot") },
      "quay.io",
      "SecretInvalid",
      "has no password in its data"
    ],
    [
      "another type",
      "kubernetes.io/tls",
      LOGIN,
      "quay.io",
      "SecretInvalid",
      "is of type kubernetes.io/tls; make one of type kubernetes.io/dockerconfigjson (kubectl create secret docker-registry), or of type kubernetes.io/basic-auth with the annotation skopeo.io/registry"
    ],
    ["no type", undefined, LOGIN, "quay.io", "SecretInvalid", "is of type Opaque;"]
  ])("a Secret stalls the Image: %s", ([, type, data, registries, reason, message]) =>
    Effect.gen(function* () {
      yield* create("pull", type, data, registries)
      const error = yield* Effect.flip(find("pull"))
      assert.deepStrictEqual([error.reason, error.stalled], [reason, true])
      assert.include(error.message, `${FIELD}: "pull" `)
      assert.include(error.message, message)
      assert.notInclude(error.message + JSON.stringify(error) + inspect(error, { depth: 10 }), PASSWORD)
    }).pipe(Effect.provide(world().layer))
  )

  it.effect("a Secret is never sent to a host that only the Image names", () =>
    Effect.gen(function* () {
      yield* create("config", "kubernetes.io/dockerconfigjson", dockerConfig({ "quay.io": AUTH }))
      yield* create("login", "kubernetes.io/basic-auth", LOGIN, "quay.io")
      for (const host of ["evil.test", "quay.io.evil.test", "evil.test:443", "quay.io:5000"]) {
        for (const name of ["config", "login"]) {
          assert.strictEqual((yield* Effect.flip(find(name, host))).reason, "SecretForOtherRegistry")
        }
      }
    }).pipe(Effect.provide(world().layer))
  )

  it.effect("a Secret of another namespace is not used", () =>
    Effect.gen(function* () {
      yield* create("pull", "kubernetes.io/basic-auth", LOGIN, "quay.io", "other")
      const error = yield* Effect.flip(find("pull"))
      assert.strictEqual(
        error.message,
        `${FIELD}: "pull" is no Secret in namespace team; create the Secret there, and the operator will use it`
      )
      assert.deepStrictEqual([error.reason, error.stalled], ["SecretNotFound", false])
    }).pipe(Effect.provide(world().layer))
  )

  it.effect("a Secret with an invalid name is not requested, because the name could be another path of the API", () => {
    const { layer, reads } = world()
    return Effect.gen(function* () {
      for (const name of ["..", ".", "../other/pull", "pull/../../pods", "Pull", "a?b", ""]) {
        assert.strictEqual((yield* Effect.flip(find(name))).reason, "SecretNotFound")
      }
      assert.deepStrictEqual(reads(), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "a missing Secret is requested once in three seconds, and used within that time after it is created",
    () => {
      const { layer, reads } = world()
      return Effect.gen(function* () {
        for (let image = 0; image < 1_000; image++) yield* Effect.flip(find("pull"))
        assert.lengthOf(reads(), 1)
        yield* create("pull", "kubernetes.io/basic-auth", LOGIN, "quay.io")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(secretOf(yield* find("pull")), `robot ${PASSWORD}`)
        assert.lengthOf(reads(), 2)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("a repaired Secret is used within three seconds, and a changed one within half a minute", () => {
    const { layer, reads } = world()
    return Effect.gen(function* () {
      yield* create("pull", "kubernetes.io/basic-auth", LOGIN)
      for (let image = 0; image < 1_000; image++) yield* Effect.flip(find("pull"))
      assert.lengthOf(reads(), 1)
      yield* create("pull", "kubernetes.io/basic-auth", LOGIN, "quay.io")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(secretOf(yield* find("pull")), `robot ${PASSWORD}`)
      yield* create("pull", "kubernetes.io/basic-auth", { ...LOGIN, password: base64("new") }, "quay.io")
      const before = reads().length
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(secretOf(yield* find("pull")), `robot ${PASSWORD}`)
      assert.lengthOf(reads(), before, "many Images share one read")
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(secretOf(yield* find("pull")), "robot new")
      assert.deepStrictEqual(reads().slice(before), ["secrets team/pull"], "and only the Secret that is named is read")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a Secret that the API server refuses does not stall the Image", () =>
    Effect.gen(function* () {
      const forbidden = yield* Effect.flip(find("forbidden"))
      assert.strictEqual(
        forbidden.message,
        `${FIELD}: "forbidden" is a Secret that the operator may not read; allow the operator's role to get secrets (the chart's value credentials.perImage)`
      )
      const silent = yield* Effect.flip(find("silent"))
      assert.include(silent.message, "could not be read: get secrets: no answer (Unreachable)")
      for (const error of [forbidden, silent]) {
        assert.deepStrictEqual([error.reason, error.stalled], ["SecretUnreadable", false])
      }
    }).pipe(
      Effect.provide(
        world({}, [refused("forbidden", 403, "Forbidden", "no"), refused("silent", 0, "Unreachable", "no answer")])
          .layer
      )
    )
  )

  it.effect("a Secret is not read if the operator is configured so, and the message names the value to set", () => {
    const { layer, reads } = world({ enabled: false })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(find("pull"))
      assert.deepStrictEqual([error.reason, error.stalled, reads()], ["SecretsDisabled", true, []])
      assert.include(error.message, "set the chart's value credentials.perImage to true")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a Secret is read only for an Image that names one", () => {
    const { layer, reads } = world()
    return Effect.gen(function* () {
      const found = yield* (yield* Credentials).find({
        side: "destination",
        repository: { registry: "quay.io", path: "app" },
        namespace: "team",
        choice: { _tag: "Configured" }
      })
      assert.deepStrictEqual([Option.isNone(found), reads()], [true, []])
    }).pipe(Effect.provide(layer))
  })
})
