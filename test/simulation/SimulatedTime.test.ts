import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { SimulatedTime, TimeStandsStill } from "./SimulatedTime.ts"

const log = () => {
  const lines: Array<string> = []
  const say = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void lines.push(`${now} ${what}`))
  return { lines, say }
}

describe("simulated time", () => {
  it("simulated time passes only when nothing else can happen, and wakes sleepers in the order of their times", async () => {
    const { lines, say } = log()
    const time = new SimulatedTime()
    const sleeper = (name: string, millis: number) => Effect.andThen(Effect.sleep(millis), say(name))
    const exit = await time.run(
      Effect.all([sleeper("late", 30), sleeper("first", 10), sleeper("second", 10), sleeper("at once", 0)], {
        concurrency: "unbounded"
      }),
      1
    )
    assert.isTrue(Exit.isSuccess(exit))
    assert.deepStrictEqual(lines, ["0 at once", "10 first", "10 second", "30 late"])
    assert.strictEqual(time.now, 30)
  })

  it("a sleep of a fraction of a millisecond takes a whole millisecond", async () => {
    const { lines, say } = log()
    await new SimulatedTime().run(Effect.andThen(Effect.sleep(0.25), say("awake")), 1)
    assert.deepStrictEqual(lines, ["1 awake"])
  })

  it("simulated time does not wait for an interrupted sleeper", async () => {
    const time = new SimulatedTime()
    await time.run(
      Effect.gen(function* () {
        const sleeper = yield* Effect.forkChild(Effect.sleep("1 day"))
        yield* Effect.sleep(5)
        yield* Fiber.interrupt(sleeper)
      }),
      1
    )
    assert.strictEqual(time.now, 5)
  })

  it("a program that waits for ever is an error", async () => {
    const failure = await new SimulatedTime().run(Effect.never, 1).catch((error: unknown) => error)
    assert.instanceOf(failure, TimeStandsStill)
  })

  it("a program that loops without a pause is an error", async () => {
    const loop = Effect.forever(Effect.yieldNow)
    const failure = await new SimulatedTime().run(loop, 1).catch((error: unknown) => error)
    assert.instanceOf(failure, TimeStandsStill)
  })
})
