import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Faults from "./Faults.ts"

class Shop extends Context.Service<
  Shop,
  {
    readonly name: string
    readonly buy: (what: string, count: number) => Effect.Effect<string, "closed" | "timeout">
    readonly news: (topic: string) => Stream.Stream<string, "closed">
  }
>()("test/Shop") {}

/** A shop, and the goods that it has sold. */
const shop = (...plan: Array<Faults.Fault<Shop["Service"]>>) => {
  const sold: Array<string> = []
  const faults = Faults.of(Shop, plan)
  const layer = faults.layer(
    Layer.succeed(Shop, {
      name: "the shop",
      buy: (what, count) =>
        Effect.sync(() => {
          sold.push(what)
          return `${count} ${what}`
        }),
      news: (topic) => Stream.make(`${topic} is here`)
    })
  )
  return { ...faults, layer, sold }
}

const buy = (what: string, count = 1) => Effect.flatMap(Shop, (shop) => Effect.result(shop.buy(what, count)))

describe("a service with faults", () => {
  it.effect("a call without a fault reaches the service, and each call is recorded with its time", () => {
    const { calls, layer } = shop()
    return Effect.gen(function* () {
      assert.strictEqual((yield* Shop).name, "the shop")
      assert.deepStrictEqual(yield* buy("tea", 2), Result.succeed("2 tea"))
      yield* TestClock.adjust("1 second")
      const { news } = yield* Shop
      assert.deepStrictEqual(yield* Stream.runCollect(news("tea")), ["tea is here"])
      assert.deepStrictEqual(calls, [
        { method: "buy", args: ["tea", 2], at: 0 },
        { method: "news", args: ["tea"], at: 1_000 }
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a failing call does not reach the service, and only the call of the given number fails", () => {
    const { layer, sold } = shop({
      method: "buy",
      when: (what) => what === "tea",
      nth: 2,
      ...Faults.failing("closed" as const)
    })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* buy("tea"), Result.succeed("1 tea"))
      assert.deepStrictEqual(yield* buy("milk"), Result.succeed("1 milk"))
      assert.deepStrictEqual(yield* buy("tea"), Result.fail("closed"))
      assert.deepStrictEqual(yield* buy("tea"), Result.succeed("1 tea"))
      assert.deepStrictEqual(sold, ["tea", "milk", "tea"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a call with a lost answer has reached the service", () => {
    const { layer, sold } = shop({ method: "buy", ...Faults.answerLost("timeout" as const) })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* buy("tea"), Result.fail("timeout"))
      assert.deepStrictEqual(sold, ["tea"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a call or an answer may be delayed, and a call may be held", () => {
    const { layer, plan, sold } = shop()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      plan.push({ method: "buy", when: (what) => what === "tea", ...Faults.delayed("1 minute") })
      plan.push({ method: "buy", when: (what) => what === "milk", ...Faults.answerDelayed("1 hour") })
      plan.push({ method: "buy", when: (what) => what === "salt", ...Faults.heldUntil(gate) })
      const fibers = yield* Effect.forEach(["tea", "milk", "salt"], (what) =>
        Effect.forkChild(Effect.andThen(buy(what), Clock.currentTimeMillis))
      )
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(sold, ["milk"])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(sold, ["milk", "tea"])
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [60_000, 3_600_000, 7_259_000])
    }).pipe(Effect.provide(layer))
  })

  it.effect("an answer may be replaced, and a stream may fail", () => {
    const { layer } = shop(
      { method: "buy", after: (bought, what, count) => Effect.succeed(`${bought}, and ${count} more ${what}`) },
      { method: "news", nth: 1, ...Faults.failing("closed" as const) }
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* buy("tea"), Result.succeed("1 tea, and 1 more tea"))
      const news = (yield* Shop).news("tea")
      assert.strictEqual(yield* Effect.flip(Stream.runCollect(news)), "closed")
      assert.deepStrictEqual(yield* Stream.runCollect(news), ["tea is here"])
    }).pipe(Effect.provide(layer))
  })
})
