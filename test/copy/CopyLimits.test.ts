/** The copies that run: a test for each rule, and random arrivals and ends for the invariants. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import {
  admit,
  type Claim,
  claimOf,
  claimsOf,
  CopyLimits,
  describeWait,
  enqueue,
  type Limits,
  NONE_WAITING,
  type Waiting,
  withdraw
} from "../../src/copy/CopyLimits.ts"
import { endpoint } from "../support/endpoints.ts"

let claims = 0
const claim = (key: string, source: string, destination: string, namespace = "team"): Claim =>
  claimOf(key, (claims += 1), {
    image: { namespace, name: "app", uid: `${namespace}-uid` },
    generation: 1,
    source: endpoint(source, "app"),
    platforms: [],
    destinationDigest: `sha256:${"a".repeat(64)}`,
    referrers: false,
    digest: `sha256:${"0".repeat(64)}`,
    destination: endpoint(destination, "app"),
    tag: "v1",
    onlyIfMissing: false
  })

/** Copies that run until a test ends them, with the keys of running copies in the order of their starts. */
const worldOf = (options: Partial<Limits> = {}) => {
  const limits = { total: 10, perRegistry: 4, ...options }
  let waiting: Waiting = NONE_WAITING
  const running = new Map<string, Claim>()
  const begun: Array<Claim> = []
  const proceed = () => {
    const admission = admit(waiting, running.values(), limits)
    waiting = admission.waiting
    for (const claim of admission.admitted) running.set(claim.key, claim)
    begun.push(...admission.admitted)
  }
  return {
    limits,
    begun,
    running: (): ReadonlyArray<string> => [...running.keys()],
    claims: (): ReadonlyArray<Claim> => [...running.values()],
    waiting: (): ReadonlyArray<Claim> => claimsOf(waiting),
    start: (claim: Claim) => {
      waiting = enqueue(waiting, claim)
      proceed()
    },
    end: (key: string) => {
      running.delete(key)
      proceed()
    },
    cancel: (claim: Claim) => {
      waiting = withdraw(waiting, claim)
      proceed()
    }
  }
}

describe("the copies that run at once", () => {
  it.effect("ten copies run by default, four per registry, and a waiting copy has the limits as its reason", () =>
    Effect.gen(function* () {
      const limits = yield* CopyLimits
      const { running, start } = worldOf({ total: limits.total, perRegistry: limits.perRegistry })
      for (let n = 0; n < 6; n++) start(claim(`same ${n}`, `source${n}.test`, "dest.test"))
      assert.lengthOf(running(), 4)
      for (let n = 0; n < 20; n++) start(claim(`other ${n}`, `s${n}.test`, `d${n}.test`))
      assert.lengthOf(running(), 10)
      assert.strictEqual(describeWait(limits), "waiting for a free slot (10 copies in all, 4 per registry)")
    }).pipe(Effect.provide(CopyLimits.layer()))
  )

  it("a copy takes a slot of its source's registry and of its destination's registry", () => {
    const { running, start } = worldOf({ perRegistry: 2 })
    start(claim("reads", "hub.test", "a.test"))
    start(claim("writes", "b.test", "hub.test"))
    start(claim("waits", "hub.test", "c.test"))
    assert.deepStrictEqual(running(), ["reads", "writes"])
  })

  it("a copy within one registry takes one slot of that registry", () => {
    const { running, start } = worldOf({ perRegistry: 1 })
    start(claim("within", "hub.test", "hub.test"))
    assert.deepStrictEqual(running(), ["within"])
  })

  it("a waiting copy holds no slot of a registry", () => {
    const { running, start } = worldOf()
    for (let n = 0; n < 4; n++) start(claim(`holds zzz ${n}`, "bbb.test", "zzz.test"))
    for (let n = 0; n < 4; n++) start(claim(`waits for zzz ${n}`, "aaa.test", "zzz.test"))
    start(claim("aaa is free", "aaa.test", "yyy.test"))
    assert.deepStrictEqual(running().slice(4), ["aaa is free"])
  })

  it("a copy that waits for a registry holds no slot of the total", () => {
    const { running, start } = worldOf({ total: 2, perRegistry: 1 })
    for (const name of ["busy", "waits", "waits too"]) start(claim(name, "slow.test", "d.test"))
    start(claim("free", "fast.test", "e.test"))
    assert.deepStrictEqual(running(), ["busy", "free"])
  })

  it("the copies of a namespace at its limit hold no other namespace back, and say why they wait", () => {
    const { end, limits, running, start } = worldOf({ perNamespace: 2 })
    for (let n = 0; n < 4; n++) start(claim(`a${n}`, "s.test", `d${n}.test`, "team-a"))
    start(claim("b", "s.test", "d.test", "team-b"))
    assert.deepStrictEqual(running(), ["a0", "a1", "b"])
    end("a0")
    assert.deepStrictEqual(running(), ["a1", "b", "a2"])
    assert.strictEqual(
      describeWait(limits),
      "waiting for a free slot (10 copies in all, 4 per registry, 2 per namespace)"
    )
  })

  it("if one namespace has all slots, one copy of another namespace runs beside them", () => {
    const { end, running, start } = worldOf({ total: 3, perRegistry: 2 })
    for (const name of ["a1", "a2", "a3"]) start(claim(name, "slow.test", "d.test", "team-a"))
    assert.deepStrictEqual(running(), ["a1", "a2"])
    start(claim("b1", "s.test", "d.test", "team-b"))
    start(claim("b2", "s.test", "d.test", "team-b"))
    start(claim("c1", "s.test", "d.test", "team-c"))
    assert.deepStrictEqual(running(), ["a1", "a2", "b1"])
    end("b1")
    assert.deepStrictEqual(running(), ["a1", "a2", "b2"], "team-b waited before team-c")
    end("b2")
    assert.deepStrictEqual(running(), ["a1", "a2", "c1"])
    start(claim("a4", "slow.test", "e.test", "team-a"))
    assert.deepStrictEqual(running(), ["a1", "a2", "c1"], "the copy of team-c counts")
  })

  it("a limit of one is never exceeded", () => {
    const { running, start } = worldOf({ total: 1 })
    start(claim("a", "s.test", "d.test", "team-a"))
    start(claim("b", "t.test", "e.test", "team-b"))
    assert.deepStrictEqual(running(), ["a"])
  })

  it("copies in opposite directions do not block each other", () => {
    const { end, running, start } = worldOf({ perRegistry: 1 })
    start(claim("holds a", "a.test", "x.test"))
    start(claim("holds b", "b.test", "y.test"))
    start(claim("there", "a.test", "b.test"))
    start(claim("back", "b.test", "a.test"))
    end("holds a")
    end("holds b")
    assert.deepStrictEqual(running(), ["there"])
    end("there")
    assert.deepStrictEqual(running(), ["back"])
  })
})

describe("the copy that begins next", () => {
  it("the end of a copy starts the copy that has waited longest, and a cancelled copy takes no slot", () => {
    const { cancel, end, running, start } = worldOf({ perRegistry: 1 })
    const claims = ["one", "two", "three", "four"].map((name) => claim(name, "s.test", "d.test"))
    for (const each of claims) start(each)
    assert.deepStrictEqual(running(), ["one"])
    end("one")
    assert.deepStrictEqual(running(), ["two"])
    for (const each of claims) if (each.key === "three") cancel(each)
    end("two")
    assert.deepStrictEqual(running(), ["four"])
  })

  it("namespaces alternate: one copy of a namespace does not wait for a hundred copies of another", () => {
    for (const limits of [{ total: 1 }, { perRegistry: 1 }]) {
      const { begun, end, start } = worldOf(limits)
      for (let n = 0; n < 100; n++) start(claim(`greedy ${n}`, "s.test", "d.test", "greedy"))
      start(claim("modest", "s.test", "d.test", "modest"))
      end("greedy 0")
      end("greedy 1")
      assert.deepStrictEqual(
        begun.map(({ key }) => key),
        ["greedy 0", "greedy 1", "modest"]
      )
    }
  })

  it("a namespace that was passed over because of a full registry is next when the registry is free", () => {
    const { begun, end, start } = worldOf({ total: 2, perRegistry: 1 })
    start(claim("slow", "slow.test", "a.test", "one"))
    start(claim("fast 0", "fast.test", "b.test", "two"))
    start(claim("waits for slow", "slow.test", "a.test", "one"))
    for (let n = 1; n < 4; n++) start(claim(`fast ${n}`, "fast.test", "b.test", "two"))
    start(claim("slow too", "slow.test", "a.test", "two"))
    end("fast 0")
    end("slow")
    assert.deepStrictEqual(
      begun.map(({ key }) => key),
      ["slow", "fast 0", "fast 1", "waits for slow"]
    )
  })
})

describe("the claims of a long list", () => {
  it("are queued, begin and are withdrawn in time in proportion to the list", () => {
    const millisFor = (count: number): number => {
      const claims = Array.from({ length: count }, (_, index) => claim(String(index), "s.test", "d.test"))
      const start = process.hrtime.bigint()
      let waiting = claims.reduce(enqueue, NONE_WAITING)
      for (let ends = 0; ends < count / 2; ends++) {
        waiting = admit(waiting, [], { total: 1, perRegistry: 1 }).waiting
      }
      waiting = claims.toReversed().reduce(withdraw, waiting)
      assert.deepStrictEqual(waiting, [])
      return Number(process.hrtime.bigint() - start) / 1e6
    }
    millisFor(2_000)
    const [short, long] = [millisFor(2_500), millisFor(40_000)]
    // Sixteen times as long a list; where each claim copies the list it takes 256 times as long.
    assert.isBelow(long, short * 80, `${Math.round(short)} ms for 2,500 tags, ${Math.round(long)} ms for 40,000`)
  })
})

const REGISTRIES = ["a.test", "b.test", "c.test"]
const NAMESPACES = ["one", "two", "three"]
const below = (length: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: length - 1 }))

/** A copy arrives, a running copy ends, or a waiting copy is cancelled. */
const Step = Schema.Struct({
  what: Schema.Literals(["start", "start", "end", "end", "cancel"]),
  which: below(1_000),
  namespace: below(NAMESPACES.length),
  source: below(REGISTRIES.length),
  destination: below(REGISTRIES.length)
})
const Run = Schema.Struct({
  total: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
  perRegistry: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
  steps: Schema.Array(Step).check(Schema.isMinLength(60), Schema.isMaxLength(120))
})

const pick = <A>(from: ReadonlyArray<A>, which: number): A | undefined => from[which % Math.max(1, from.length)]

/** Runs the steps, and checks after each step. */
const run = (drawn: typeof Run.Type, check: (world: ReturnType<typeof worldOf>) => void, oneRegistry = false) => {
  const world = worldOf(drawn)
  drawn.steps.forEach((step, index) => {
    const [running, waiting] = [pick(world.running(), step.which), pick(world.waiting(), step.which)]
    if (step.what === "start") {
      const [source, destination] = oneRegistry ? [0, 1] : [step.source, step.destination]
      world.start(
        claim(
          `copy ${index}`,
          REGISTRIES[source] ?? "",
          REGISTRIES[destination] ?? "",
          NAMESPACES[step.namespace] ?? ""
        )
      )
    } else if (step.what === "end" && running !== undefined) world.end(running)
    else if (step.what === "cancel" && waiting !== undefined) world.cancel(waiting)
    check(world)
  })
  return world
}

const countAt = (claims: ReadonlyArray<Claim>, registry: string): number =>
  claims.filter(({ registries }) => registries.includes(registry)).length

describe("however copies come and end", () => {
  it.prop(
    "one namespace never exceeds the limits, all namespaces do by one copy at most, and no copy waits that fits",
    { drawn: Run },
    ({ drawn }) => {
      run(drawn, ({ claims, limits, waiting }) => {
        const fits = (more: ReadonlyArray<Claim>, beyond = 0) =>
          more.length <= limits.total + beyond &&
          REGISTRIES.every((registry) => countAt(more, registry) <= limits.perRegistry + beyond)
        assert.isTrue(fits(claims(), 1))
        for (const name of NAMESPACES) assert.isTrue(fits(claims().filter(({ namespace }) => namespace === name)))
        for (const claim of waiting()) assert.isFalse(fits([...claims(), claim]), `${claim.key} could begin`)
      })
    },
    { arbitrary: { runs: 500 }, timeout: 60_000 }
  )

  it.prop(
    "copies of one namespace between the same registries begin in the order in which they came",
    { drawn: Run },
    ({ drawn }) => {
      const { begun } = run(drawn, () => undefined)
      const routes = new Map<string, Array<number>>()
      for (const { key, namespace, registries } of begun) {
        const route = `${namespace} ${registries.join()}`
        routes.set(route, [...(routes.get(route) ?? []), Number(key.slice("copy ".length))])
      }
      for (const order of routes.values())
        assert.deepStrictEqual(
          order,
          order.toSorted((a, b) => a - b)
        )
    },
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.prop(
    "every copy begins after the copies before it have ended",
    { drawn: Run },
    ({ drawn }) => {
      const world = run(drawn, () => undefined)
      const left = world.waiting().length
      const before = world.begun.length
      const most = left + world.running().length
      for (let ends = 0; ends < most && world.waiting().length > 0; ends++) world.end(world.running()[0] ?? "")
      assert.deepStrictEqual(world.waiting(), [])
      assert.strictEqual(world.begun.length, before + left)
    },
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.prop(
    "each waiting namespace without a running copy starts a copy before any other namespace starts a second one",
    { drawn: Run },
    ({ drawn }) => {
      /** By waiting namespace: the namespaces of the copies that began since the namespace waits, or since its last copy began. */
      const since = new Map<string, Array<string>>()
      let seen = 0
      run(
        drawn,
        ({ begun, claims, waiting }) => {
          for (const { namespace } of begun.slice(seen)) {
            since.delete(namespace)
            for (const others of since.values()) {
              assert.notInclude(others, namespace)
              others.push(namespace)
            }
          }
          seen = begun.length
          const runs = new Set(claims().map(({ namespace }) => namespace))
          const waits = new Set(waiting().flatMap(({ namespace }) => (runs.has(namespace) ? [] : [namespace])))
          for (const namespace of since.keys()) if (!waits.has(namespace)) since.delete(namespace)
          for (const namespace of waits) if (!since.has(namespace)) since.set(namespace, [])
        },
        true
      )
    },
    { arbitrary: { runs: 500 }, timeout: 60_000 }
  )
})
