/** What a candidate knows, what it observes, and what it does then. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import {
  Action,
  type Candidacy,
  heldSpec,
  type Moment,
  Observation,
  releasedSpec,
  step,
  TIMING
} from "../../src/controller/LeaseProtocol.ts"
import type { LeaseObject } from "../../src/kube/Resources.ts"

const ME = "me"
const OTHER = "other"
const NOW = 100_000

const lease = (holderIdentity: string, resourceVersion = "1", leaseDurationSeconds = 15): LeaseObject => ({
  metadata: { name: "lease", uid: "u", resourceVersion },
  // Ages ago and ages to come: no decision is made by them.
  spec: {
    holderIdentity,
    leaseDurationSeconds,
    acquireTime: "1999-01-01T00:00:00.000000Z",
    renewTime: "2999-01-01T00:00:00.000000Z"
  }
})
const none = Observation.Read({ lease: Option.none() })
const read = (object: LeaseObject) => Observation.Read({ lease: Option.some(object) })

const nothing: Candidacy = { identity: ME }
const sees = (object: LeaseObject, ago: number): Candidacy => ({
  identity: ME,
  seen: { lease: object, since: NOW - ago }
})
const leads = (object: LeaseObject, until: number): Candidacy => ({ ...sees(object, 2_000), leadsUntil: NOW + until })

const retry = Action.Pause({ until: NOW + 2_000 })
const at = (millis: number) => Action.Pause({ until: NOW + millis })

interface Row {
  readonly what: string
  readonly before: Candidacy
  readonly observed: Observation
  readonly action: Action
  readonly after: Candidacy
}

const rows: ReadonlyArray<Row> = [
  {
    what: "a process that begins reads the Lease",
    before: nothing,
    observed: Observation.Woken(),
    action: Action.Read(),
    after: nothing
  },
  {
    what: "a Lease that is not there is made",
    before: nothing,
    observed: none,
    action: Action.Create(),
    after: nothing
  },
  {
    what: "a Lease without a holder is taken at once",
    before: nothing,
    observed: read(lease("", "1", 1)),
    action: Action.Hold({ lease: lease("", "1", 1) }),
    after: sees(lease("", "1", 1), 0)
  },
  {
    what: "a Lease without a spec is taken at once",
    before: nothing,
    observed: read({ metadata: { name: "lease", uid: "u", resourceVersion: "1" } }),
    action: Action.Hold({ lease: { metadata: { name: "lease", uid: "u", resourceVersion: "1" } } }),
    after: sees({ metadata: { name: "lease", uid: "u", resourceVersion: "1" } }, 0)
  },
  {
    what: "a Lease that another holds is left to it, whatever its times say",
    before: nothing,
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 0)
  },
  {
    what: "a version that is known keeps the time when it was seen first",
    before: sees(lease(OTHER), 4_000),
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 4_000)
  },
  {
    what: "a new version begins the time of its holder anew",
    before: sees(lease(OTHER, "1"), 14_999),
    observed: read(lease(OTHER, "2")),
    action: retry,
    after: sees(lease(OTHER, "2"), 0)
  },
  {
    what: "a Lease that was made again with the same version begins the time of its holder anew",
    before: sees({ ...lease(OTHER), metadata: { name: "lease", uid: "earlier", resourceVersion: "1" } }, 14_999),
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 0)
  },
  {
    what: "a candidate wakes when the time of the holder ends",
    before: sees(lease(OTHER), 14_400),
    observed: read(lease(OTHER)),
    action: at(600),
    after: sees(lease(OTHER), 14_400)
  },
  {
    what: "a Lease that has not changed for as long as its holder asked for is taken",
    before: sees(lease(OTHER), 15_000),
    observed: read(lease(OTHER)),
    action: Action.Hold({ lease: lease(OTHER) }),
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a holder that asked for a longer time has it",
    before: sees(lease(OTHER, "1", 60), 59_000),
    observed: read(lease(OTHER, "1", 60)),
    action: at(1_000),
    after: sees(lease(OTHER, "1", 60), 59_000)
  },
  {
    what: "a Lease that another held and that was deleted is respected for as long as it would have lasted",
    before: sees(lease(OTHER), 5_000),
    observed: none,
    action: retry,
    after: sees(lease(OTHER), 5_000)
  },
  {
    what: "a Lease that was deleted and would have ended is made",
    before: sees(lease(OTHER), 15_000),
    observed: none,
    action: Action.Create(),
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a Lease that was released and then deleted is made",
    before: sees(lease(""), 100),
    observed: none,
    action: Action.Create(),
    after: sees(lease(""), 100)
  },
  {
    what: "a Lease that this process holds without leading, by a write whose answer was lost, is written again",
    before: sees(lease("", "1"), 2_000),
    observed: read(lease(ME, "2")),
    action: Action.Hold({ lease: lease(ME, "2") }),
    after: sees(lease(ME, "2"), 0)
  },
  {
    what: "a write that is answered makes a leader, for a time that counts from when it was sent",
    before: sees(lease(""), 100),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW - 300 }),
    action: at(1_700),
    after: { ...sees(lease(ME, "2"), 0), leadsUntil: NOW + 9_700 }
  },
  {
    what: "a write whose answer comes after the deadline makes no leader",
    before: sees(lease(""), 100),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW - 10_000 }),
    action: at(0),
    after: sees(lease(ME, "2"), 0)
  },
  {
    what: "a leader renews by the version that it wrote, without a read",
    before: leads(lease(ME), 8_000),
    observed: Observation.Woken(),
    action: Action.Hold({ lease: lease(ME) }),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a leader that has renewed leads on",
    before: leads(lease(ME), 8_000),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW }),
    action: retry,
    after: { ...sees(lease(ME, "2"), 0), leadsUntil: NOW + 10_000 }
  },
  {
    what: "a leader whose renewal has no answer leads until its deadline, and tries again",
    before: leads(lease(ME), 8_000),
    observed: Observation.Failed({ sentAt: NOW - 1_500 }),
    action: at(500),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a request that took longer than the pause is followed by the next at once",
    before: leads(lease(ME), 3_000),
    observed: Observation.Failed({ sentAt: NOW - 5_000 }),
    action: at(0),
    after: leads(lease(ME), 3_000)
  },
  {
    what: "a leader whose renewal is refused reads the Lease at once",
    before: leads(lease(ME), 8_000),
    observed: Observation.Refused({ sentAt: NOW }),
    action: Action.Read(),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a leader that still holds the Lease after another client changed it renews",
    before: leads(lease(ME, "1"), 8_000),
    observed: read(lease(ME, "2")),
    action: Action.Hold({ lease: lease(ME, "2") }),
    after: { ...leads(lease(ME, "2"), 8_000), seen: { lease: lease(ME, "2"), since: NOW } }
  },
  {
    what: "a leader whose Lease another holds leads no longer",
    before: leads(lease(ME, "1"), 8_000),
    observed: read(lease(OTHER, "2")),
    action: retry,
    after: sees(lease(OTHER, "2"), 0)
  },
  {
    what: "a leader whose name was taken out of the Lease leads no longer, and takes the Lease again",
    before: leads(lease(ME, "1"), 8_000),
    observed: read(lease("", "2")),
    action: Action.Hold({ lease: lease("", "2") }),
    after: sees(lease("", "2"), 0)
  },
  {
    what: "a leader whose Lease was deleted makes it again",
    before: leads(lease(ME), 8_000),
    observed: none,
    action: Action.Create(),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a leader whose deadline has come leads no longer, and tries again",
    before: leads(lease(ME), 0),
    observed: Observation.Expired(),
    action: retry,
    after: sees(lease(ME), 2_000)
  },
  {
    what: "a candidate whose write was refused has lost a race, and waits",
    before: sees(lease(OTHER), 15_000),
    observed: Observation.Refused({ sentAt: NOW }),
    action: retry,
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a candidate without an answer tries again",
    before: sees(lease(OTHER), 5_000),
    observed: Observation.Failed({ sentAt: NOW }),
    action: retry,
    after: sees(lease(OTHER), 5_000)
  }
]

const moment = (random: number): Moment => ({ now: NOW, random, timing: TIMING })

describe("a step of a candidate", () => {
  for (const { action, after, before, observed, what } of rows) {
    it(what, () => {
      assert.deepStrictEqual(step(before, observed, moment(0)), { candidacy: after, action })
    })
  }

  it("a pause is up to a fifth longer, but no longer than the time of the holder", () => {
    const pause = (candidacy: Candidacy) => step(candidacy, read(lease(OTHER)), moment(0.5)).action
    assert.deepStrictEqual(pause(sees(lease(OTHER), 1_000)), at(2_200))
    assert.deepStrictEqual(pause(sees(lease(OTHER), 13_500)), at(1_500))
  })
})

describe("a Lease that is written", () => {
  const wall = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
  const time = "2026-01-02T03:04:05.006000Z"

  it("a new one begins with its holder", () => {
    assert.deepStrictEqual(heldSpec(ME, Option.none(), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 0
    })
  })

  it("a renewal keeps since when it is held, and how often it has changed hands", () => {
    const held = { ...lease(ME), spec: { ...lease(ME).spec, leaseTransitions: 7 } }
    assert.deepStrictEqual(heldSpec(ME, Option.some(held), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: "1999-01-01T00:00:00.000000Z",
      renewTime: time,
      leaseTransitions: 7
    })
  })

  it("one that is taken counts the change of hands", () => {
    const held = { ...lease(OTHER), spec: { ...lease(OTHER).spec, leaseTransitions: 7 } }
    assert.deepStrictEqual(heldSpec(ME, Option.some(held), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 8
    })
  })

  it("one that is released has no holder and the shortest time", () => {
    const held = { ...lease(ME), spec: { ...lease(ME).spec, leaseTransitions: 7 } }
    assert.deepStrictEqual(releasedSpec(held, wall), {
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 7
    })
  })
})
