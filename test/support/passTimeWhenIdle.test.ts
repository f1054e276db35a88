import { assert, describe } from "@effect/vitest"
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { get } from "node:http"
import { Clock, Effect, Fiber } from "effect"
import { scripted } from "./ScriptedServer.ts"
import { everythingElse, itOnSockets } from "./passTimeWhenIdle.ts"

const HOUR = 3_600_000

/** Sends a request and reads the whole answer. An interrupt abandons the answer. */
const ask = (host: string) =>
  Effect.callback<string>((resume) => {
    const request = get(`http://${host}/`, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece))
      response.on("end", () => resume(Effect.succeed(text)))
    })
    request.on("error", () => {})
    return Effect.sync(() => request.destroy())
  })

/** Fails if time passes before the effect has ended. No timeout is shorter than a millisecond. */
const beforeTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const answer = yield* Effect.timeout(effect, "1 millis")
    assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    return answer
  })

describe("passTimeWhenIdle", () => {
  itOnSockets(
    "time passes for all sleeping fibers, in the order of their times",
    () =>
      Effect.gen(function* () {
        const woken: Array<string> = []
        const sleep = (name: string, millis: number) =>
          Effect.andThen(
            Effect.sleep(millis),
            Effect.map(Clock.currentTimeMillis, (now) => woken.push(`${name} at ${now}`))
          )
        const fibers = yield* Effect.forEach([sleep("third", HOUR), sleep("first", 1), sleep("second", 2)], (sleeper) =>
          Effect.forkChild(sleeper)
        )
        yield* Effect.forEach(fibers, Fiber.join)
        assert.deepStrictEqual(woken, ["first at 1", "second at 2", `third at ${HOUR}`])
      }),
    60_000
  )

  itOnSockets(
    "time does not pass while sockets receive data, however much and in however many pieces",
    () =>
      Effect.gen(function* () {
        const piece = "x".repeat(100_000)
        const { host } = yield* scripted((_, response) => {
          const send = (left: number): void => {
            if (left === 0) response.end()
            else response.write(piece, () => setImmediate(() => send(left - 1)))
          }
          send(50)
        })
        const answers = yield* beforeTimePasses(
          Effect.all([ask(host), ask(host), Effect.andThen(ask(host), ask(host))])
        )
        for (const answer of answers) assert.lengthOf(answer, 5_000_000)
      }),
    60_000
  )

  itOnSockets(
    "time does not pass while a file is read or a process runs",
    () =>
      Effect.gen(function* () {
        // A large file, so that the read takes a while.
        const program = yield* beforeTimePasses(Effect.promise(() => readFile(process.execPath)))
        assert.isAbove(program.length, 10_000_000)
        const code = yield* beforeTimePasses(
          Effect.callback<number | null>((resume) => {
            spawn("sleep", ["0.05"]).once("close", (code) => resume(Effect.succeed(code)))
          })
        )
        assert.strictEqual(code, 0)
      }),
    60_000
  )

  itOnSockets(
    "time does not pass while a fiber can run",
    () => beforeTimePasses(Effect.forEach(Array.from({ length: 1_000 }), () => Effect.yieldNow, { discard: true })),
    60_000
  )

  itOnSockets(
    "time passes up to the timeout when the other side is silent",
    () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted(() => undefined)
        const error = yield* Effect.flip(Effect.timeout(ask(host), "1 hour"))
        assert.strictEqual(error._tag, "TimeoutError")
        assert.strictEqual(yield* Clock.currentTimeMillis, HOUR)
        assert.lengthOf(seen, 1)
      }),
    60_000
  )

  itOnSockets(
    "everythingElse completes after all other work",
    () =>
      Effect.gen(function* () {
        const { host } = yield* scripted((_, response) => void response.end("an answer"))
        const answers: Array<string> = []
        yield* Effect.forkChild(Effect.map(ask(host), (answer) => answers.push(answer)))
        yield* everythingElse
        assert.deepStrictEqual(answers, ["an answer"])
      }),
    60_000
  )
})
