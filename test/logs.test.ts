/** The log of the operator: the table of its messages and fields, and the lines of copies. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { FIELDS, MESSAGES } from "../scripts/documents/logs.ts"
import * as JsonLogger from "../src/JsonLogger.ts"
import { RegistryClient } from "../src/registry/RegistryClient.ts"
import { RegistryError } from "../src/registry/RegistryError.ts"
import { pushSampleImage } from "../src/registry/memory/SampleImage.ts"
import { run } from "./support/commandLine.ts"
import * as Faults from "./support/Faults.ts"
import { applyImage, makeRegistries, operatorLayer } from "./support/world.ts"

const root = new URL("../src/", import.meta.url).pathname
const sources = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => readFileSync(join(root, file), "utf8"))

/** The messages of commands, which no service logs. */
const OF_COMMANDS = new Set(["waiting for a rate limit", "no longer waiting for a rate limit"])

/** The functions that log a message of their caller. */
const FORWARDED = new Set(["message", "messages[event._tag]"])

describe("the messages of the log", () => {
  const calls = sources.flatMap((text) =>
    [...text.matchAll(/Effect\.log(?:Debug|Info|Warning|Error|Fatal)\(([^;]*?)\)(?=[.,;)\n ])/gu)].map(
      ([, argument = ""]) => argument
    )
  )
  const literals = calls.flatMap((argument) => /^"([^"]+)"$/u.exec(argument)?.[1] ?? [])

  it("each message is a constant, and a value is never a part of it", () => {
    assert.isAbove(literals.length, 25)
    assert.deepStrictEqual(
      calls.filter((argument) => !/^"[^"]+"$/u.test(argument) && !FORWARDED.has(argument)),
      []
    )
  })

  it("the table of messages has each message of the source", () => {
    assert.deepStrictEqual(
      literals.filter((message) => !(message in MESSAGES) && !OF_COMMANDS.has(message)),
      []
    )
  })

  it("the source has each message of the table", () => {
    const all = sources.join("\n")
    assert.deepStrictEqual(
      Object.keys(MESSAGES).filter((message) => !all.includes(JSON.stringify(message))),
      []
    )
  })
})

describe("the lines of the operator's log", () => {
  it.effect("a line is one JSON object with known fields, and the end of a copy has the Image and the attempt", () => {
    const registries = makeRegistries()
    const digest = pushSampleImage(registries.source, "good", "1.0.0", "good")
    pushSampleImage(registries.source, "bad", "1.0.0", "bad")
    const client = Faults.of(RegistryClient, [
      {
        method: "putManifest",
        when: ({ repository }) => repository.path === "bad",
        before: ({ repository }) => Effect.fail(RegistryError.of("PushRefused", repository, "answered 500"))
      }
    ])
    return Effect.gen(function* () {
      for (const name of ["good", "bad", "missing"]) {
        yield* applyImage(name, {
          source: { name: `source.test/${name}`, version: "1.0.0" },
          destination: { name: `dest.test/${name}` }
        })
      }
      for (let step = 0; step < 10; step++) yield* TestClock.adjust("10 seconds")
      const lines = (yield* TestConsole.logLines).map((line) => JSON.parse(String(line)) as Record<string, unknown>)
      for (const line of lines) {
        assert.deepStrictEqual(
          Object.keys(line).filter((field) => !(field in FIELDS)),
          []
        )
        assert.property(MESSAGES, String(line["message"]))
        assert.match(String(line["image"]), /^team\/(?:good|bad|missing)$/u)
      }
      const about = (image: string) => lines.filter((line) => line["image"] === `team/${image}`)
      const facts = {
        image: "team/good",
        tag: "1.0.0",
        digest,
        source: `source.test/good@${digest}`,
        destination: "dest.test/good:1.0.0"
      }
      assert.deepStrictEqual(
        about("good").map((line): object => ({ ...line, timestamp: "" })),
        [
          { timestamp: "", level: "INFO", message: "copy started", ...facts, attempt: 1 },
          { timestamp: "", level: "INFO", message: "copied", ...facts, attempt: 1 }
        ]
      )
      const starts = about("bad").filter(({ message }) => message === "copy started")
      assert.deepStrictEqual(
        starts.slice(0, 2).map(({ attempt }) => attempt),
        [1, 2]
      )
      const failures = about("bad").filter(({ message }) => message === "copy failed")
      assert.deepStrictEqual(
        failures.slice(0, 2).map(({ attempt, level, reason }) => [level, attempt, reason]),
        [
          ["WARN", 1, "PushRefused"],
          ["DEBUG", 2, "PushRefused"]
        ]
      )
      assert.include(String(failures[0]?.["error"]), "answered 500")
      const [missing] = about("missing")
      assert.deepStrictEqual([missing?.["message"], missing?.["attempt"]], ["check failed", 1])
    }).pipe(
      Effect.provide(
        operatorLayer({ layer: client.layer(registries.layer) }).pipe(
          Layer.provideMerge(Logger.layer([JsonLogger.logger])),
          Layer.provideMerge(TestConsole.layer)
        )
      ),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
  })

  it.effect("LOG_LEVEL sets the level, a flag comes first, and a mistake names the levels", () =>
    Effect.gen(function* () {
      const args = ["plan", "-f", "/missing.yaml"]
      const wrong = yield* run(args, { LOG_LEVEL: "loud" })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, 'LOG_LEVEL: "loud" must be one of info, debug, warn, error, none')
      assert.notInclude((yield* run(args, { LOG_LEVEL: "debug" })).stderr, "LOG_LEVEL")
    })
  )
})
