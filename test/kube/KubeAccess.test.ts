/** The token of a pod's service account. The kubelet replaces the token's file. */
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Logger, Option, PlatformError, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as KubeAccess from "../../src/kube/KubeAccess.ts"

const missing = PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "readFileString" })

/** A pod with a token file that a test changes and removes, and the messages of its log. */
const makePod = (token?: string) => {
  const pod = { token, reads: 0 }
  const logged: Array<string> = []
  const files = FileSystem.layerNoop({
    readFileString: (path) =>
      Effect.suspend(() => {
        if (!path.endsWith("/token")) return Effect.succeed(path.endsWith("/namespace") ? "team\n" : "certificates")
        pod.reads += 1
        return pod.token === undefined ? Effect.fail(missing) : Effect.succeed(`${pod.token}\n`)
      })
  })
  const layer = KubeAccess.layerInCluster({ host: "10.96.0.1", port: 443 }).pipe(
    Layer.provide(files),
    Layer.provideMerge(Logger.layer([Logger.make(({ message }) => logged.push(String(message)))]))
  )
  return { pod, logged, layer }
}

const text = Effect.map((value: Option.Option<Redacted.Redacted>) =>
  Option.getOrUndefined(Option.map(value, Redacted.value))
)
const authorization = text(Effect.flatMap(KubeAccess.KubeAccess, ({ authorization }) => authorization))
const renewed = text(Effect.flatMap(KubeAccess.KubeAccess, ({ renewed }) => renewed))

describe("the token of a service account", () => {
  it.effect("a command in a pod works in the namespace of the pod", () =>
    Effect.gen(function* () {
      const access = yield* KubeAccess.KubeAccess
      assert.strictEqual(access.defaultNamespace, "team")
    }).pipe(Effect.provide(makePod("token").layer))
  )

  it.effect("a token is read once a minute", () => {
    const { layer, pod } = makePod("first")
    return Effect.gen(function* () {
      assert.strictEqual(yield* authorization, "Bearer first")
      pod.token = "second"
      const { reads } = pod
      assert.strictEqual(yield* authorization, "Bearer first")
      assert.strictEqual(pod.reads, reads)
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(yield* authorization, "Bearer second")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a renewed token is read at once, and then used for a minute", () => {
    const { layer, pod } = makePod("first")
    return Effect.gen(function* () {
      assert.strictEqual(yield* authorization, "Bearer first")
      pod.token = "second"
      assert.strictEqual(yield* renewed, "Bearer second")
      pod.token = "third"
      assert.strictEqual(yield* authorization, "Bearer second")
    }).pipe(Effect.provide(layer))
  })

  it.effect("the last token stays in use while its file cannot be read, and each failed read is logged", () => {
    const { layer, logged, pod } = makePod("first")
    return Effect.gen(function* () {
      assert.strictEqual(yield* authorization, "Bearer first")
      pod.token = undefined
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(yield* authorization, "Bearer first")
      assert.strictEqual(yield* authorization, "Bearer first")
      assert.deepStrictEqual(logged, ["token not read"])
      assert.strictEqual(yield* renewed, "Bearer first")
      pod.token = "second"
      assert.strictEqual(yield* renewed, "Bearer second")
      assert.deepStrictEqual(logged, ["token not read", "token not read"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a missing token file is an error at the start", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(makePod().layer))
      assert.strictEqual(
        error.message,
        "/var/run/secrets/kubernetes.io/serviceaccount/token cannot be read; give the pod its service account's token"
      )
    })
  )
})

describe("a kubeconfig", () => {
  it.effect("the error of a broken kubeconfig has the place of the mistake, and no token of the file", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/config`
      yield* fs.writeFileString(file, "users:\n- name: a\n  user:\n    token: s3cret\n     broken: [x\n")
      const { message } = yield* Effect.flip(Layer.build(KubeAccess.layerKubeconfig({ files: [file] })))
      assert.match(message, /^the kubeconfig cannot be used: bad indentation of a mapping entry \(5:/u)
      assert.notInclude(message, "s3cret")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
