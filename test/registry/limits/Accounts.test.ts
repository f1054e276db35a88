import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { Account } from "../../../src/registry/limits/Account.ts"
import { Accounts } from "../../../src/registry/limits/Accounts.ts"
import { limitOf } from "../../../src/registry/limits/configured.ts"

/** Accounts of credentials at registries; nothing has to wait. */
const makeWorld = (capacity?: number) =>
  Effect.map(Clock.Clock, (clock) => {
    const accounts = new Accounts(capacity)
    let made = 0
    const get = (credential: string, registry = "a.test") =>
      accounts.get(`${registry} ${credential}`, () => {
        made += 1
        return new Account(registry, limitOf(new Map(), registry, false), clock, () => undefined)
      })
    /** A request that its registry answers with what is left. */
    const ask = Effect.fnUntraced(function* (credential: string, remaining?: number, registry?: string) {
      const account = get(credential, registry)
      const permit = yield* account.admit("Other", (effect) => effect)
      const headers =
        remaining === undefined ? {} : { "ratelimit-remaining": String(remaining), "ratelimit-limit": "100" }
      account.land(permit, { status: 200, headers })
      return accounts.leastQuota(account)?.remaining
    })
    return { accounts, ask, get, made: () => made }
  })

describe("the accounts of registries and credentials", () => {
  it.effect("the accounts are bounded in number, though each has a quota", () =>
    Effect.gen(function* () {
      const { accounts, ask } = yield* makeWorld()
      for (let index = 0; index < 11_000; index++) yield* ask(`credential-${index}`, 50)
      assert.strictEqual(accounts.size, 10_000)
    })
  )

  it.effect("an account that is used, or that a request is in flight of, is not the one to be dropped", () =>
    Effect.gen(function* () {
      const { accounts, get, made } = yield* makeWorld(3)
      const busy = get("busy")
      const permit = yield* busy.admit("Other", (effect) => effect)
      const used = get("used")
      get("unused")
      assert.strictEqual(get("used"), used)
      get("new")
      assert.strictEqual(made(), 4)
      assert.deepStrictEqual([get("busy"), get("used")], [busy, used])
      assert.strictEqual(made(), 4)
      busy.land(permit, undefined)
      assert.strictEqual(accounts.size, 3)
    })
  )

  it.effect("the least that is left at a registry is that of all its credentials", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeWorld()
      assert.isUndefined(yield* ask("none"))
      assert.strictEqual(yield* ask("one", 50), 50)
      assert.strictEqual(yield* ask("two", 20), 20)
      assert.strictEqual(yield* ask("one", 49), 20)
      assert.strictEqual(yield* ask("other", 5, "b.test"), 5)
      assert.strictEqual(yield* ask("two", 19), 19)
      assert.strictEqual(yield* ask("two", 100), 49, "its quota is renewed")
      assert.strictEqual(yield* ask("two", 99), 49)
    })
  )
})
