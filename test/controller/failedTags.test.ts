/** A registry that answers with an error for one tag: the other tags are checked and copied. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import type { Reason } from "../../src/domain/Reason.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError, type RegistryErrorReason } from "../../src/registry/RegistryError.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import * as Faults from "../support/Faults.ts"
import { applyImage, conditionText, engineOfTags, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const TAGS = ["1.0.0", "1.0.1", "1.0.2"]
const BROKEN = "1.0.1"
const settle = TestClock.adjust("10 millis")

type Concerns = RegistryError["concerns"]

/** The answers of registries as errors of the HTTP client. */
const answer = (status: number): { readonly reason: RegistryErrorReason; readonly concerns: Concerns } => {
  if (status === 403) return { reason: { _tag: "AuthenticationFailed" }, concerns: "Reference" }
  if (status === 401) return { reason: { _tag: "AuthenticationFailed" }, concerns: "Repository" }
  if (status >= 500) return { reason: { _tag: "ServerError", status }, concerns: "Reference" }
  return { reason: { _tag: "InvalidAnswer" }, concerns: "Reference" }
}

interface Options {
  readonly mode: "OneShot" | "Recurrent"
  readonly side?: "source.test" | "dest.test"
  /** The tags of the source. */
  readonly tags?: ReadonlyArray<string>
  readonly isBroken?: (tag: string) => boolean
  readonly engine?: typeof engineOfTags
  readonly version?: string
}

/** Checks and copies `app` while one side fails for some tags. */
const world = (error: { readonly reason: RegistryErrorReason; readonly concerns: Concerns }, options: Options) => {
  const { isBroken = (tag) => tag === BROKEN, mode, side = "source.test", tags = TAGS, version = "1.0.x" } = options
  const registries = makeRegistries()
  for (const tag of tags) pushSampleImage(registries.source, "app", tag, tag)
  const when = ({ repository }: Pick<RepositoryAccess, "repository">, reference: string) =>
    repository.registry === side && isBroken(reference)
  const before = ({ repository }: Pick<RepositoryAccess, "repository">, reference: string) =>
    Effect.fail(
      RegistryError.of(error.reason, repository, `GET ${reference} answered no`, { concerns: error.concerns })
    )
  const client = Faults.of(RegistryClient, [
    { method: "head", when, before },
    { method: "manifest", when, before }
  ])
  const layer = operatorLayer(
    { layer: client.layer(registries.layer) },
    options.engine === undefined ? {} : { engine: options.engine }
  )
  const run = <A, E>(test: Effect.Effect<A, E, Effect.Services<ReturnType<typeof readImage>> | Controller>) =>
    Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", {
        mode,
        frequency: "1d",
        source: { name: "source.test/app", version },
        destination: { name: "dest.test/app" }
      })
      yield* settle
      return yield* test
    }).pipe(Effect.provide(layer))
  return { ...registries, client, run }
}

describe("one tag of a listing", () => {
  const statuses: ReadonlyArray<readonly [status: number, reason: Reason]> = [
    [400, "InvalidAnswer"],
    [403, "AuthenticationFailed"],
    [412, "InvalidAnswer"],
    [451, "InvalidAnswer"],
    [500, "ServerError"]
  ]
  const cases = statuses.flatMap(([status, reason]) =>
    (["OneShot", "Recurrent"] as const).flatMap((mode) =>
      [undefined, engineOfTags].map((engine) => ({ status, reason, mode, engine }))
    )
  )
  for (const { engine, mode, reason, status } of cases) {
    const how = engine === undefined ? "the manifest is read" : "HEAD is sent"
    it.effect(
      `a tag with ${status} at the source delays no other tag, and is copied after the source recovers: ${mode}, ${how}`,
      () => {
        const { client, destination, run } = world(answer(status), {
          mode,
          ...(engine === undefined ? {} : { engine })
        })
        return run(
          Effect.gen(function* () {
            assert.deepStrictEqual(destination.tags("app"), ["1.0.0", "1.0.2"])
            const failed = yield* readImage("app")
            assert.isUndefined(failed.status.checkFailure)
            assert.strictEqual(failed.status.tags, "2/3")
            assert.strictEqual(conditionText(failed, "Ready"), `False ${reason}`)
            assert.strictEqual(conditionText(failed, "Reconciling"), "True ProgressingWithRetry")
            assert.include(failed.status.conditions?.[0]?.message ?? "", "2 of 3 tags are copied; 1.0.1 failed: ")
            assert.deepStrictEqual(
              failed.status.failures?.map((failure) => [failure.tag, failure.reason, failure.attempts]),
              [[BROKEN, reason, 1]]
            )
            // The pause of 10 seconds is shortened by up to a fifth.
            assert.match(failed.status.failures?.[0]?.nextAttemptAt ?? "", /^1970-01-01T00:00:(?:08|09|10)Z$/u)
            yield* TestClock.adjust("1 hour")
            const attempts = (yield* readImage("app")).status.failures?.[0]?.attempts ?? 0
            assert.isTrue(attempts >= 9 && attempts <= 11, `${attempts} attempts in an hour`)

            client.plan.length = 0
            yield* TestClock.adjust("16 minutes")
            const mended = yield* readImage("app")
            assert.strictEqual(conditionText(mended, "Ready"), "True Copied")
            assert.isUndefined(mended.status.failures)
            assert.deepStrictEqual(destination.tags("app"), TAGS)
          })
        )
      }
    )
  }

  it.effect("a listed tag that the source has deleted is not selected, and is no failure", () => {
    const { client, destination, run } = world(answer(400), { mode: "OneShot", engine: engineOfTags })
    client.plan.splice(0, 2, {
      method: "head",
      when: ({ repository }, reference) => repository.registry === "source.test" && reference === BROKEN,
      after: () => Effect.succeedNone
    })
    return run(
      Effect.gen(function* () {
        assert.deepStrictEqual(destination.tags("app"), ["1.0.0", "1.0.2"])
        const image = yield* readImage("app")
        assert.strictEqual(image.status.tags, "2/2")
        assert.strictEqual(conditionText(image, "Ready"), "True Copied")
      })
    )
  })

  for (const reason of ["InvalidAnswer", "DigestMismatch"] as const) {
    it.effect(
      `a tag with a manifest that is too large or damaged, despite a good HEAD, delays no other tag: ${reason}`,
      () => {
        const { client, destination, run } = world(
          { reason: { _tag: reason }, concerns: "Reference" },
          { mode: "OneShot" }
        )
        client.plan.shift()
        return run(
          Effect.gen(function* () {
            assert.deepStrictEqual(destination.tags("app"), ["1.0.0", "1.0.2"])
            const { status } = yield* readImage("app")
            assert.deepStrictEqual(
              status.failures?.map((failure) => [failure.tag, failure.reason]),
              [[BROKEN, reason]]
            )
          })
        )
      }
    )
  }

  it.effect("a tag with 412 at the destination delays no other tag of a Recurrent Image", () => {
    const { destination, run } = world(answer(412), { mode: "Recurrent", side: "dest.test" })
    pushSampleImage(destination, "app", "1.0.0", "1.0.0")
    pushSampleImage(destination, "app", BROKEN, BROKEN)
    return run(
      Effect.gen(function* () {
        const image = yield* readImage("app")
        assert.strictEqual(image.status.tags, "2/3")
        assert.strictEqual(image.status.failures?.[0]?.tag, BROKEN)
        assert.include(destination.tags("app") ?? [], "1.0.2")
      })
    )
  })

  const BLOCKED = { reason: { _tag: "BlockedByRegistry" }, concerns: "Reference" } as const

  it.effect(
    "a tag whose digest a rule of the destination withholds is written once for each image of the source",
    () => {
      const { destination, requests, run, source } = world(BLOCKED, { mode: "Recurrent", side: "dest.test" })
      pushSampleImage(destination, "app", BROKEN, "vulnerable")
      const puts = () => requests.filter((request) => request === `PUT dest.test/app:${BROKEN}`).length
      return run(
        Effect.gen(function* () {
          const assertCopied = Effect.gen(function* () {
            assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
            assert.strictEqual(destination.manifest("app", BROKEN)?.digest, source.manifest("app", BROKEN)?.digest)
          })
          yield* assertCopied
          yield* TestClock.adjust("3 days")
          yield* assertCopied
          assert.strictEqual(puts(), 1)
          pushSampleImage(source, "app", BROKEN, "mended")
          yield* TestClock.adjust("3 days")
          yield* assertCopied
          assert.strictEqual(puts(), 2)
        })
      )
    }
  )

  it.effect("a single OneShot tag whose digest a rule of the destination withholds is written once", () => {
    const { destination, requests, run, source } = world(BLOCKED, {
      mode: "OneShot",
      side: "dest.test",
      version: BROKEN
    })
    pushSampleImage(destination, "app", BROKEN, "vulnerable")
    return run(
      Effect.gen(function* () {
        yield* TestClock.adjust("3 days")
        assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        assert.strictEqual(destination.manifest("app", BROKEN)?.digest, source.manifest("app", BROKEN)?.digest)
        assert.lengthOf(
          requests.filter((request) => request === `PUT dest.test/app:${BROKEN}`),
          1
        )
      })
    )
  })

  it.effect("of many tags whose digests are withheld ten are written, and the others are named with the reason", () => {
    const tags = Array.from({ length: 14 }, (_, patch) => `1.0.${patch}`)
    const { destination, run } = world(BLOCKED, { mode: "Recurrent", side: "dest.test", tags, isBroken: () => true })
    for (const tag of tags) pushSampleImage(destination, "app", tag, "vulnerable")
    return run(
      Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        const { status } = yield* readImage("app")
        assert.strictEqual(status.tags, "10/14")
        const message = status.conditions?.[0]?.message ?? ""
        assert.match(
          message,
          /^10 of 14 tags are copied; 1\.0\.\d+ failed: .*; also failed: .* \(BlockedByRegistry\)$/u
        )
        assert.lengthOf(message.match(/1\.0\.\d+(?=[,( ]+)/gu) ?? [], 5, message)
      })
    )
  })

  for (const [what, error] of [
    ["a refused credential", answer(401)],
    [
      "a registry that names a time",
      { reason: { _tag: "ServerError", status: 503, until: 60_000 }, concerns: "Registry" }
    ],
    ["a registry that does not answer", { reason: { _tag: "Unreachable" }, concerns: "Registry" }]
  ] as const) {
    it.effect(`a failure that concerns all tags fails the check: ${what}`, () => {
      const { destination, run } = world(error, { mode: "OneShot" })
      return run(
        Effect.gen(function* () {
          const { status } = yield* readImage("app")
          assert.strictEqual(status.checkFailure?.reason, error.reason._tag)
          assert.isUndefined(status.failures)
          assert.isUndefined(destination.tags("app"))
        })
      )
    })
  }
})

describe("many tags", () => {
  const many = Array.from({ length: 40 }, (_, patch) => `1.0.${patch}`)

  it.effect("many failed tags without one answer fail the check after a few requests", () => {
    const { client, run } = world(answer(403), { mode: "Recurrent", tags: many, isBroken: (tag) => many.includes(tag) })
    return run(
      Effect.gen(function* () {
        const { status } = yield* readImage("app")
        assert.strictEqual(status.checkFailure?.reason, "AuthenticationFailed")
        const asked = client.calls.filter(
          (call) => call.method === "head" && call.args[0].repository.registry === "source.test"
        )
        assert.isBelow(asked.length, 30)
      })
    )
  })

  it.effect("the good tags among many failed tags are copied", () => {
    const isBroken = (tag: string) => many.includes(tag) && tag !== "1.0.0" && tag !== "1.0.39"
    const { destination, run } = world(answer(403), { mode: "OneShot", tags: many, isBroken })
    return run(
      Effect.gen(function* () {
        const { status } = yield* readImage("app")
        assert.deepStrictEqual(destination.tags("app"), ["1.0.0", "1.0.39"])
        assert.strictEqual(status.tags, "2/40")
        assert.lengthOf(status.failures ?? [], 20)
      })
    )
  })
})

describe("an exact version", () => {
  it.effect(
    "an exact version with 412 at the source is a failure of its tag, and is copied after the source recovers",
    () => {
      const { client, run } = world(answer(412), { mode: "OneShot", version: BROKEN })
      return run(
        Effect.gen(function* () {
          const failed = yield* readImage("app")
          assert.strictEqual(conditionText(failed, "Ready"), "False InvalidAnswer")
          assert.strictEqual(failed.status.failures?.[0]?.attempts, 1)
          assert.isUndefined(failed.status.checkFailure)
          client.plan.length = 0
          yield* TestClock.adjust("11 seconds")
          assert.strictEqual(conditionText(yield* readImage("app"), "Ready"), "True Copied")
        })
      )
    }
  )
})
