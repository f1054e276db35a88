/** The file of a policy: read at the start, read again while the operator runs, and kept if a later version has a mistake. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Policy } from "../../src/credentials/Policy.ts"
import type { PolicyRequest } from "../../src/domain/policy/judge.ts"
import { makePolicyFile } from "../support/policyFile.ts"

const side = { isPrivate: false, isUnverified: false, usesCloudIdentity: false }
const request: PolicyRequest = {
  namespace: "team",
  source: { ...side, repository: { registry: "source.test", path: "app" } },
  destination: { ...side, repository: { registry: "dest.test", path: "app" } }
}

const ALL = "rules: [{ name: all }]"
const NONE = "rules: []"

/** The name of the rule that accepts the Image, or `refused`. */
const judged = Effect.gen(function* () {
  const judgement = yield* (yield* Policy).judge(request)
  return judgement._tag === "Accepted" ? judgement.grant.rule : "refused"
})

/** The log lines with their errors. */
const makeLog = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ fiber, message }) => {
      const error = fiber.getRef(References.CurrentLogAnnotations)["error"]
      lines.push(`${String(message)}${typeof error === "string" ? `: ${error}` : ""}`)
    })
  ])
  return { lines, layer }
}

describe("the file of a policy", () => {
  it.effect("without a file every Image is accepted, and the policy never changes", () =>
    Effect.gen(function* () {
      const { changes, judge } = yield* Policy
      const judgement = yield* judge(request)
      assert(judgement._tag === "Accepted")
      assert.strictEqual(judgement.grant.operatorCredentials.size, 3)
      assert.strictEqual(judgement.grant.allow.size, 3)
      const ended = yield* Effect.forkScoped(Stream.runDrain(changes))
      yield* TestClock.adjust("1 day")
      assert.isUndefined(ended.pollUnsafe())
    }).pipe(Effect.provide(Policy.layerNone))
  )

  it.effect("a changed file applies within ten seconds, and each change is reported once", () => {
    const file = makePolicyFile(ALL)
    const log = makeLog()
    let changes = 0
    return Effect.gen(function* () {
      yield* Effect.forkScoped(Stream.runForEach((yield* Policy).changes, () => Effect.sync(() => (changes += 1))))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* judged, "all")
      assert.strictEqual(changes, 1, "the current rules")
      file.write(NONE)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* judged, "refused")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(changes, 2)
      assert.deepStrictEqual(log.lines, ["policy changed"])
    }).pipe(Effect.provide(Layer.provideMerge(file.layer, log.layer)))
  })

  it.effect(
    "a later version with a mistake is logged once, and the last valid rules stay until the file is valid",
    () => {
      const read: Array<boolean> = []
      const file = makePolicyFile(NONE, { onRead: (isValid) => read.push(isValid) })
      const log = makeLog()
      return Effect.gen(function* () {
        assert.deepStrictEqual(read, [true])
        file.write("rules:\n- { name: all, sources: [nginx] }")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* judged, "refused")
        assert.deepStrictEqual(log.lines, [
          'policy not read, the last valid policy stays: POLICY_FILE: /etc/policy.yaml:2: rules[0].sources[0]: "nginx" names no registry; write the host first, such as docker.io/nginx'
        ])
        assert.deepStrictEqual(read.slice(1), [false, false, false, false, false, false])
        file.write(undefined)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* judged, "refused")
        assert.include(log.lines[1], "/etc/policy.yaml cannot be read (NotFound); name a readable file with a policy")
        file.write(ALL)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* judged, "all")
        assert.isTrue(read.at(-1))
      }).pipe(Effect.provide(Layer.provideMerge(file.layer, log.layer)))
    }
  )

  it.effect("a file that returns to its last valid version is valid again", () => {
    const read: Array<boolean> = []
    const file = makePolicyFile(ALL, { onRead: (isValid) => read.push(isValid) })
    return Effect.gen(function* () {
      file.write("rules: 7")
      yield* TestClock.adjust("10 seconds")
      file.write(ALL)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(read, [true, false, true])
      assert.strictEqual(yield* judged, "all")
    }).pipe(Effect.provide(file.layer))
  })

  for (const [what, text, message] of [
    [
      "with a mistake",
      "rules:\n- nme: all",
      'POLICY_FILE: /etc/policy.yaml:2: rules[0].nme: "all" is not a field of a rule; did you mean name?'
    ],
    [
      "that is too large",
      "x".repeat(1024 * 1024 + 1),
      "POLICY_FILE: /etc/policy.yaml is larger than 1048576 bytes; write a smaller policy"
    ],
    [
      "that does not exist",
      undefined,
      "POLICY_FILE: /etc/policy.yaml cannot be read (NotFound); name a readable file with a policy"
    ]
  ] as const) {
    it.effect(`a file ${what} fails the start, and the error names the setting, the file and the remedy`, () => {
      const file = makePolicyFile("")
      file.write(text)
      return Effect.gen(function* () {
        const error = yield* Effect.flip(Layer.build(file.fallible))
        assert.strictEqual(error._tag, "PolicyFileError")
        assert.isTrue(error.message.startsWith(message), error.message)
      })
    })
  }

  it.effect("the file is not read after the end of the operator", () => {
    const read: Array<boolean> = []
    const file = makePolicyFile(ALL, { onRead: (isValid) => read.push(isValid) })
    return Effect.gen(function* () {
      const running = yield* Effect.forkScoped(Effect.provide(Effect.never, file.layer), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(running)
      const before = read.length
      yield* TestClock.adjust("1 minute")
      assert.isAbove(before, 1)
      assert.lengthOf(read, before)
    })
  })
})
