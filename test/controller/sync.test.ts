/** `sync` as programs call it: Images in, the outcomes of their tags out. */
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, Layer, Option, Redacted, Result, Stream } from "effect"
import { CustomCredentials, ImageStore, Local, OutcomeListener, sync, type SyncOutcome } from "../../src/index.ts"
import { OperatorMemory, pushSampleImage, RegistryStore, requireBasic, startRegistry } from "../../src/testing.ts"
import { itOnSockets, passTimeWhenIdle } from "../support/passTimeWhenIdle.ts"

const registries = () => {
  const [source, destination] = [new RegistryStore(), new RegistryStore()]
  const live = OperatorMemory.layer(
    new Map([
      ["source.test", source],
      ["dest.test", destination]
    ])
  )
  return { source, destination, live }
}

const image = (name: string, version: string, repository = "app") => ({
  metadata: { name },
  spec: { source: { name: `source.test/${repository}`, version }, destination: { name: `dest.test/${name}` } }
})

const run = (images: Parameters<typeof sync>[0]) => passTimeWhenIdle(Stream.runCollect(sync(images)))

const textOf = (outcome: SyncOutcome): string =>
  outcome._tag === "Tag"
    ? `${outcome.image.namespace}/${outcome.image.name}:${outcome.tag} ${outcome.action} ${outcome.error?.reason ?? ""}`.trim()
    : `${outcome.name} ${outcome.ready ? "ready" : outcome.reason} ${outcome.tags.length}`

describe("sync", () => {
  it.effect("sync emits each tag once, whether it was copied or is present, and then each Image", () => {
    const { destination, live, source } = registries()
    for (const tag of ["1.0.0", "1.0.1", "2.0.0"]) pushSampleImage(source, "app", tag, tag)
    const digest = pushSampleImage(destination, "one", "1.0.0", "1.0.0")
    return Effect.gen(function* () {
      const one = image("one", "1.0.x")
      const recurrent = { ...one, spec: { ...one.spec, mode: "Recurrent" as const } }
      const outcomes = yield* run([recurrent, image("two", "2.0.0")])
      const tags = outcomes.slice(0, -2).map(textOf)
      assert.sameMembers(tags, ["default/one:1.0.0 present", "default/one:1.0.1 copied", "default/two:2.0.0 copied"])
      assert.deepStrictEqual(outcomes.slice(-2).map(textOf), ["one ready 2", "two ready 1"])
      const present = outcomes.find((outcome) => outcome._tag === "Tag" && outcome.action === "present")
      assert.deepInclude(present, { digest })
      const copied = outcomes.find((outcome) => outcome._tag === "Tag" && outcome.action === "copied")
      assert(copied?._tag === "Tag" && copied.transfer !== undefined)
      assert.isAbove(copied.transfer.bytesSent, 8_192)
      assert.isDefined(destination.manifest("two", "2.0.0"))
    }).pipe(Effect.provide(live))
  })

  it.effect("a listener of outcomes learns of each copy that has ended, with its task and its state", () => {
    const { live, source } = registries()
    pushSampleImage(source, "app", "1.0.0", "seed")
    const ended: Array<string> = []
    const listener = Layer.succeed(OutcomeListener, (_image, facts) =>
      Effect.sync(() => ended.push(...facts.ended.map(({ image, state, tag }) => `${image.name}:${tag} ${state._tag}`)))
    )
    return Effect.gen(function* () {
      yield* run([image("app", "1.0.0")])
      assert.deepStrictEqual(ended, ["app:1.0.0 Succeeded"])
    }).pipe(Effect.provide(live.pipe(Layer.provide(listener))))
  })

  it.effect("sync ends although tags and Images fail, and says why", () => {
    const { live, source } = registries()
    pushSampleImage(source, "app", "1.0.0", "seed")
    return Effect.gen(function* () {
      const outcomes = yield* run([
        image("good", "1.0.0"),
        image("missing", "9.9.9"),
        {
          ...image("nowhere", "1.0.x"),
          spec: { ...image("nowhere", "1.0.x").spec, source: { name: "gone.test/app", version: "1.0.x" } }
        },
        { ...image("off", "1.0.0"), spec: { ...image("off", "1.0.0").spec, suspend: true } }
      ])
      assert.sameMembers(outcomes.map(textOf), [
        "default/good:1.0.0 copied",
        "default/missing:9.9.9 failed SourceNotFound",
        "good ready 1",
        "missing SourceNotFound 1",
        "nowhere Unreachable 0",
        "off  0"
      ])
    }).pipe(Effect.provide(live))
  })

  itOnSockets(
    "sync ends with RateLimited at a registry's limit, and with waitForRateLimit once the limit has ended",
    () =>
      Effect.gen(function* () {
        let refusals = 1
        const source = yield* startRegistry({
          intercept: ({ url = "" }, response) => {
            if (!url.includes("/manifests/") || refusals-- <= 0) return false
            response.writeHead(429, { "retry-after": "600" }).end()
            return true
          }
        })
        const destination = yield* startRegistry()
        pushSampleImage(source.store, "app", "1.0", "seed")
        const images = [
          {
            metadata: { name: "app" },
            spec: {
              source: { name: `${source.host}/app`, version: "1.0", tlsVerify: false },
              destination: { name: `${destination.host}/mirror`, tlsVerify: false }
            }
          }
        ]
        const live = Local.layer().pipe(
          Layer.provide(
            Layer.merge(
              NodeServices.layer,
              ConfigProvider.layer(ConfigProvider.fromEnv({ env: { HOME: "/nonexistent" } }))
            )
          )
        )
        const [short, whole] = yield* Effect.gen(function* () {
          const short = yield* Stream.runCollect(sync(images))
          return [short, yield* Stream.runCollect(sync(images, { waitForRateLimit: true }))] as const
        }).pipe(Effect.provide(live))
        assert.strictEqual(textOf(short.at(-1) ?? assert.fail()), "app RateLimited 1")
        assert.strictEqual(textOf(whole.at(-1) ?? assert.fail()), "app ready 1")
        assert.deepStrictEqual(destination.store.tags("mirror"), ["1.0"])
      })
  )

  it.effect("sync over one layer can run again, because a run takes its Images away", () => {
    const { live, source } = registries()
    pushSampleImage(source, "app", "1.0.0", "seed")
    return Effect.gen(function* () {
      assert.deepStrictEqual((yield* run([image("app", "1.0.0")])).map(textOf), [
        "default/app:1.0.0 copied",
        "app ready 1"
      ])
      assert.deepStrictEqual((yield* run([image("app", "1.0.0")])).map(textOf), [
        "default/app:1.0.0 present",
        "app ready 1"
      ])
      assert.deepStrictEqual(yield* run([]), [])
      assert.isTrue(Option.isNone(yield* (yield* ImageStore).get("default/app")))
    }).pipe(Effect.provide(live))
  })

  it.effect("sync refuses Images with mistakes, with one line for each, and copies nothing", () => {
    const { destination, live, source } = registries()
    pushSampleImage(source, "app", "1.0.0", "seed")
    return Effect.gen(function* () {
      const failed = yield* Effect.result(
        run([
          image("app", "1.0.0"),
          image("app", "1.0.0"),
          { ...image("bad", "1.0.0", "Upper"), metadata: { name: "bad" } }
        ])
      )
      assert(Result.isFailure(failed) && failed.failure._tag === "InvalidImages")
      assert.lengthOf(failed.failure.mistakes, 2)
      assert.include(failed.failure.message, "default/app: metadata.name: is given twice")
      assert.include(
        failed.failure.message,
        'default/bad: spec.source.name: "source.test/Upper" has upper-case letters'
      )
      assert.isUndefined(destination.manifest("app", "1.0.0"))
    }).pipe(Effect.provide(live))
  })

  it.live("sync over Local.layer copies between real registries, with the credential of a custom source", () =>
    Effect.gen(function* () {
      const source = yield* startRegistry()
      const destination = yield* startRegistry({ intercept: requireBasic("robot", "hunter2") })
      const digest = pushSampleImage(source.store, "app", "1.0", "seed")
      const asked: Array<string> = []
      const robot = CustomCredentials.layer(
        Effect.succeed(({ registry, side }) =>
          Effect.sync(() => {
            asked.push(side)
            return registry === destination.host
              ? Option.some({ username: "robot", password: Redacted.make("hunter2") })
              : Option.none()
          })
        )
      )
      const failing = CustomCredentials.layer(
        Effect.succeed(() =>
          Effect.fail(new CustomCredentials.CustomCredentialError({ detail: "the vault is sealed" }))
        )
      )
      const images = [
        {
          metadata: { name: "app" },
          spec: {
            source: { name: `${source.host}/app`, version: "1.0", tlsVerify: false },
            destination: { name: `${destination.host}/mirror`, tlsVerify: false }
          }
        }
      ]
      const local = (credentials: typeof robot) =>
        Local.layer().pipe(
          Layer.provide(credentials),
          Layer.provide(
            Layer.merge(
              NodeServices.layer,
              // The operator's own credentials go by plain HTTP and without TLS only where its owner says so.
              ConfigProvider.layer(
                ConfigProvider.fromEnv({ env: { DISABLE_DEST_TLS_VERIFICATION: "true", HOME: "/nonexistent" } })
              )
            )
          )
        )
      const outcomes = yield* Stream.runCollect(sync(images)).pipe(Effect.provide(local(robot)))
      assert.deepStrictEqual(outcomes.map(textOf), ["default/app:1.0 copied", "app ready 1"])
      assert.strictEqual(destination.store.manifest("mirror", "1.0")?.digest, digest)
      assert.includeMembers(asked, ["source", "destination"])
      const failed = yield* Stream.runCollect(sync(images)).pipe(Effect.provide(local(failing)))
      const end = failed.at(-1)
      assert(end?._tag === "Image")
      assert.strictEqual(end.reason, "CredentialSourceFailed")
      assert.include(end.message, "the vault is sealed")
    })
  )
})
