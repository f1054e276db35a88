import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  afterAnswer,
  afterSend,
  commit,
  initial,
  judge,
  type RateLimit,
  reserve,
  shortageOf,
  type Verdict
} from "../../../src/registry/limits/RateLimit.ts"
import type { HttpHead } from "../../../src/http/Http.ts"
import type { RequestKind } from "../../../src/registry/limits/Quota.ts"
import type { RegistryLimit } from "../../../src/registry/limits/configured.ts"

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0)
const NONE: RegistryLimit = {}

/** A rate limit whose requests and answers are single steps at given times. */
const limitOf = (limit: RegistryLimit = NONE) => {
  let state: RateLimit = initial(limit, NOW)
  let now = NOW
  const send = (kind: RequestKind) => {
    const permit = { kind, sentAt: now }
    state = afterSend(state, limit, kind, now)
    return (status?: number, headers: HttpHead["headers"] = {}) => {
      state = afterAnswer(state, permit, status === undefined ? undefined : { status, headers }, now)
    }
  }
  return {
    send,
    ask: (asked: RequestKind, status: number, headers: HttpHead["headers"] = {}) => send(asked)(status, headers),
    may: (asked: RequestKind): string => words(judge(state, limit, asked, now), now),
    reserve: (id: number, pulls: number): string => {
      const next = reserve(state, id, pulls, now)
      if ("_tag" in next) return `${next.why} (${(next.until - now) / 1_000} s)`
      state = next
      return "taken"
    },
    commit: (id: number) => {
      state = commit(state, id)
    },
    pass: (seconds: number) => {
      now += seconds * 1_000
    },
    shortage: () => shortageOf(state, now)?.why,
    state: () => state
  }
}

const words = (verdict: Verdict, now: number): string =>
  verdict._tag === "Go"
    ? "go"
    : verdict._tag === "Later"
      ? Number.isFinite(verdict.at)
        ? `later ${(verdict.at - now) / 1_000}`
        : "once answered"
      : `refused ${(verdict.until - now) / 1_000}`

const hub = (remaining: number, source = "192.0.2.7"): HttpHead["headers"] => ({
  "ratelimit-limit": "100;w=21600",
  "ratelimit-remaining": `${remaining};w=21600`,
  "docker-ratelimit-source": source
})

describe("a registry that has said nothing", () => {
  it("a registry that reported no limit gets any number of requests", () => {
    const limit = limitOf()
    for (let count = 0; count < 1_000; count++) {
      assert.strictEqual(limit.may("Pull"), "go")
      limit.send("Pull")
    }
  })
})

describe("a rate", () => {
  it("a rate admits a burst, then single requests", () => {
    const limit = limitOf({ rate: { perSecond: 2, burst: 3 } })
    for (let count = 0; count < 3; count++) {
      assert.strictEqual(limit.may("Other"), "go")
      limit.ask("Other", 200)
    }
    assert.strictEqual(limit.may("Other"), "later 0.5")
    limit.pass(0.5)
    assert.strictEqual(limit.may("Other"), "go")
    limit.ask("Other", 200)
    assert.strictEqual(limit.may("Other"), "later 0.5")
    limit.pass(3_600)
    for (let count = 0; count < 3; count++) {
      assert.strictEqual(limit.may("Other"), "go")
      limit.ask("Other", 200)
    }
    assert.strictEqual(limit.may("Other"), "later 0.5")
  })

  it("a rate admits requests after the clock is set back", () => {
    const limit = limitOf({ rate: { perSecond: 1, burst: 1 } })
    limit.ask("Other", 200)
    limit.pass(-7_200)
    assert.strictEqual(limit.may("Other"), "go")
  })

  it.prop(
    "a rate is never exceeded in any window",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 700 }))),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))
    ],
    ([steps, perSecond, burst]) => {
      const limit: RegistryLimit = { rate: { perSecond, burst } }
      let state = initial(limit, NOW)
      let now = NOW
      const times: Array<number> = []
      for (const step of steps) {
        // As many requests as the limit admits, each time.
        for (let tries = 0; tries < 50; tries++) {
          const verdict = judge(state, limit, "Other", now)
          if (verdict._tag !== "Go") break
          const permit = { kind: "Other", sentAt: now } as const
          state = afterAnswer(afterSend(state, limit, "Other", now), permit, { status: 200, headers: {} }, now)
          times.push(now)
        }
        now += step
      }
      times.forEach((start, from) => {
        times.slice(from).forEach((end, count) => {
          const allowed = burst + ((end - start) * perSecond) / 1_000
          assert.isAtMost(count + 1, allowed + 1e-6, `${count + 1} requests in ${end - start} ms`)
        })
      })
    }
  )
})

describe("a number of requests at once", () => {
  it("a limit of requests in flight is never exceeded, and each answer or failure frees a place", () => {
    const limit = limitOf({ concurrent: 2 })
    const [first, second] = [limit.send("Pull"), limit.send("Other")]
    assert.strictEqual(limit.may("Head"), "once answered")
    first()
    assert.strictEqual(limit.may("Head"), "go")
    limit.send("Other")
    second(500)
    assert.strictEqual(limit.may("Other"), "go")
  })
})

describe("a refusal", () => {
  for (const [name, status, headers, verdict] of [
    ["429 with seconds", 429, { "retry-after": "90" }, "refused 90"],
    ["429 with a date", 429, { "retry-after": "Tue, 24 Nov 2026 12:02:00 GMT" }, "refused 120"],
    ["429 with a Go duration", 429, { "retry-after": "1m1s" }, "refused 61"],
    ["429 with microseconds", 429, { "retry-after": "880.092us" }, "later 1"],
    ["429 with a short time", 429, { "retry-after": "4" }, "later 4"],
    ["429 with a year", 429, { "retry-after": "31536000" }, "refused 21600"],
    ["429 without a time", 429, {}, "later 1"],
    ["503 with a time", 503, { "retry-after": "30" }, "refused 30"],
    ["503 without a time", 503, {}, "go"],
    ["500", 500, {}, "go"],
    ["404", 404, { "retry-after": "30" }, "go"]
  ] as const) {
    it(`the refusal by ${name}: ${verdict}`, () => {
      const limit = limitOf()
      limit.ask("Other", status, headers)
      for (const asked of ["Pull", "Head", "Other"] as const) assert.strictEqual(limit.may(asked), verdict)
    })
  }

  it("refusals without a time hold longer each time, up to a quarter of an hour", () => {
    const limit = limitOf()
    const waits: Array<number> = []
    for (let count = 0; count < 14; count++) {
      limit.ask("Other", 429)
      const wait = (limit.state().heldUntil - NOW) / 1_000 - waits.reduce((sum, passed) => sum + passed, 0)
      waits.push(wait)
      limit.pass(wait)
    }
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900])
  })

  it("refusals of requests that were in flight together count as one", () => {
    const limit = limitOf()
    const answers = Array.from({ length: 5 }, () => limit.send("Other"))
    for (const answer of answers) answer(429)
    assert.strictEqual(limit.may("Other"), "later 1")
  })

  it("a refusal stands although an earlier request succeeds later", () => {
    const limit = limitOf()
    const upload = limit.send("Other")
    limit.ask("Other", 429, { "retry-after": "60" })
    limit.pass(10)
    upload(201)
    assert.strictEqual(limit.may("Other"), "refused 50")
  })

  it("after a refusal one request is sent at a time, until a request succeeds", () => {
    const limit = limitOf()
    limit.ask("Other", 429, { "retry-after": "60" })
    limit.pass(60)
    assert.strictEqual(limit.may("Other"), "go")
    const probe = limit.send("Other")
    assert.strictEqual(limit.may("Other"), "later 5")
    // A request that is never answered does not hold back the others for ever.
    limit.pass(5)
    assert.strictEqual(limit.may("Other"), "go")
    probe(200)
    limit.send("Other")
    assert.strictEqual(limit.may("Other"), "go")
  })

  it("the refusal of the single request after a refusal extends the hold", () => {
    const limit = limitOf()
    limit.ask("Other", 429)
    limit.pass(1)
    limit.ask("Other", 429)
    assert.strictEqual(limit.may("Other"), "later 2")
  })

  it("a refusal is dropped if the clock is set back by more than the longest hold", () => {
    const limit = limitOf()
    limit.ask("Other", 429, { "retry-after": "60" })
    limit.pass(-86_400)
    assert.strictEqual(limit.may("Other"), "go")
  })
})

describe("Docker Hub's pulls", () => {
  it("pulls are admitted while the quota, less those in flight, allows them", () => {
    const limit = limitOf()
    limit.ask("Head", 200, hub(2))
    const first = limit.send("Pull")
    limit.send("Pull")
    assert.strictEqual(limit.may("Pull"), "once answered")
    assert.strictEqual(limit.may("Head"), "go")
    first(200, hub(1))
    assert.strictEqual(limit.may("Pull"), "once answered")
  })

  it("a used up quota of pulls holds back only pulls, and is checked again", () => {
    const limit = limitOf()
    limit.ask("Pull", 200, hub(0))
    assert.strictEqual(limit.may("Pull"), "refused 900")
    assert.strictEqual(limit.may("Head"), "go")
    assert.strictEqual(limit.may("Other"), "go")
    assert.strictEqual(limit.shortage(), "0 of 100 pulls in 6h are left; no more are made until 2026-11-24T12:15:00Z")
    // Waiting requests were given a time, which a HEAD in between does not change.
    limit.pass(600)
    limit.ask("Head", 200, hub(0))
    assert.strictEqual(limit.may("Pull"), "refused 300")
    limit.pass(300)
    assert.strictEqual(limit.may("Pull"), "go")
    const findsOut = limit.send("Pull")
    assert.strictEqual(limit.may("Pull"), "once answered")
    findsOut(429, hub(0))
    assert.strictEqual(limit.may("Pull"), "refused 900")
    assert.strictEqual(limit.may("Head"), "go")
  })

  it("pulls are admitted again as soon as a HEAD reports a renewed quota", () => {
    const limit = limitOf()
    limit.ask("Pull", 429, hub(0))
    limit.ask("Head", 200, hub(40))
    assert.strictEqual(limit.may("Pull"), "go")
  })

  it("pulls wait until the time that their refusal names", () => {
    const limit = limitOf()
    limit.ask("Pull", 429, { ...hub(0), "retry-after": "3600" })
    assert.strictEqual(limit.may("Pull"), "refused 3600")
    assert.strictEqual(limit.may("Head"), "go")
  })

  it("pulls are not limited any more once an answer about a manifest lacks the headers", () => {
    const limit = limitOf()
    limit.ask("Pull", 200, hub(0))
    limit.ask("Other", 200)
    assert.strictEqual(limit.may("Pull"), "refused 900")
    limit.ask("Head", 200)
    assert.strictEqual(limit.may("Pull"), "go")
  })

  it("a 429 without the headers of a quota holds back all requests, not only pulls", () => {
    const limit = limitOf()
    limit.ask("Head", 200, hub(50))
    limit.ask("Head", 429, { "retry-after": "60" })
    for (const asked of ["Pull", "Head", "Other"] as const) assert.strictEqual(limit.may(asked), "refused 60")
  })
})

describe("a quota of requests", () => {
  const gitlab = (remaining: number, reset: string) => ({
    "ratelimit-limit": "60",
    "ratelimit-remaining": String(remaining),
    "ratelimit-reset": reset
  })

  it("a used up quota of requests holds back all requests until it is renewed", () => {
    const limit = limitOf()
    limit.ask("Other", 200, gitlab(1, "30"))
    assert.strictEqual(limit.may("Head"), "go")
    limit.ask("Head", 200, gitlab(0, String(NOW / 1_000 + 30)))
    for (const asked of ["Pull", "Head", "Other"] as const) assert.strictEqual(limit.may(asked), "refused 30")
    limit.pass(30)
    assert.strictEqual(limit.may("Other"), "go")
    limit.ask("Other", 200, gitlab(59, "60"))
    assert.strictEqual(limit.may("Other"), "go")
  })
})

describe("pulls that Jobs make", () => {
  it("a reservation takes pulls from a user's quota while it has enough", () => {
    const limit = limitOf()
    limit.ask("Head", 200, hub(7, "7d9b3c6e-user"))
    assert.strictEqual(limit.reserve(1, 3), "taken")
    assert.strictEqual(limit.reserve(2, 3), "taken")
    assert.include(limit.reserve(3, 3), "1 of 100 pulls in 6h are left; no more are made until")
    // The Job has made the pulls, which the next answer reports.
    limit.commit(1)
    assert.include(limit.reserve(3, 3), "1 of 100")
    limit.ask("Head", 200, hub(6, "7d9b3c6e-user"))
    assert.strictEqual(limit.reserve(3, 3), "taken")
  })

  it("a reservation for a Job with another address is estimated", () => {
    const limit = limitOf()
    limit.ask("Head", 200, { ...hub(100), "ratelimit-limit": "10;w=21600", "ratelimit-remaining": "10;w=21600" })
    assert.strictEqual(limit.reserve(1, 6), "taken")
    limit.commit(1)
    limit.pass(600)
    assert.strictEqual(
      limit.reserve(2, 6),
      "an estimated 4 of 10 pulls in 6h are left; no more are made until 2026-11-24T18:00:00Z (21000 s)"
    )
    assert.strictEqual(limit.reserve(2, 4), "taken")
    limit.commit(2)
    limit.pass(21_000)
    assert.strictEqual(limit.reserve(3, 6), "taken")
  })

  it("a reservation takes at most the whole quota, even for an image with more pulls", () => {
    const limit = limitOf()
    limit.ask("Head", 200, { ...hub(4, "user"), "ratelimit-limit": "4;w=3600" })
    assert.strictEqual(limit.reserve(1, 12), "taken")
  })

  it("a reservation counts nothing without a limit, and is refused during a hold", () => {
    const limit = limitOf()
    for (let id = 0; id < 1_000; id++) assert.strictEqual(limit.reserve(id, 12), "taken")
    for (let id = 0; id < 1_000; id++) limit.commit(id)
    assert.lengthOf(limit.state().reservations, 0)
    limit.ask("Other", 429, { "retry-after": "60" })
    assert.include(limit.reserve(1, 1), "at 2026-11-24T12:01:00Z")
  })
})
