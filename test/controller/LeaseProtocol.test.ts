/** The steps of a candidate as a table: a candidacy and an observation give the next candidacy and an action. */
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
  // Times far in the past and in the future, because no decision depends on them.
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
    what: "a new process reads the Lease",
    before: nothing,
    observed: Observation.Woken(),
    action: Action.Read(),
    after: nothing
  },
  {
    what: "a missing Lease is created",
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
    what: "a candidate does not take the Lease of another holder, whatever the Lease's times are",
    before: nothing,
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 0)
  },
  {
    what: "a candidate keeps the time when it first read a version of the Lease",
    before: sees(lease(OTHER), 4_000),
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 4_000)
  },
  {
    what: "a new version of the Lease restarts the holder's lease",
    before: sees(lease(OTHER, "1"), 14_999),
    observed: read(lease(OTHER, "2")),
    action: retry,
    after: sees(lease(OTHER, "2"), 0)
  },
  {
    what: "a Lease that was created again with the same version restarts the holder's lease",
    before: sees({ ...lease(OTHER), metadata: { name: "lease", uid: "earlier", resourceVersion: "1" } }, 14_999),
    observed: read(lease(OTHER)),
    action: retry,
    after: sees(lease(OTHER), 0)
  },
  {
    what: "a candidate wakes when the holder's lease expires",
    before: sees(lease(OTHER), 14_400),
    observed: read(lease(OTHER)),
    action: at(600),
    after: sees(lease(OTHER), 14_400)
  },
  {
    what: "a candidate takes a Lease that has not changed for the holder's lease duration",
    before: sees(lease(OTHER), 15_000),
    observed: read(lease(OTHER)),
    action: Action.Hold({ lease: lease(OTHER) }),
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a candidate respects a holder's longer lease duration",
    before: sees(lease(OTHER, "1", 60), 59_000),
    observed: read(lease(OTHER, "1", 60)),
    action: at(1_000),
    after: sees(lease(OTHER, "1", 60), 59_000)
  },
  {
    what: "a candidate respects the deleted Lease of another holder until the lease would have expired",
    before: sees(lease(OTHER), 5_000),
    observed: none,
    action: retry,
    after: sees(lease(OTHER), 5_000)
  },
  {
    what: "a deleted Lease is created once the lease would have expired",
    before: sees(lease(OTHER), 15_000),
    observed: none,
    action: Action.Create(),
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a Lease that was released and then deleted is created at once",
    before: sees(lease(""), 100),
    observed: none,
    action: Action.Create(),
    after: sees(lease(""), 100)
  },
  {
    what: "a candidate that reads its own name in the Lease, because an answer was lost, writes the Lease again",
    before: sees(lease("", "1"), 2_000),
    observed: read(lease(ME, "2")),
    action: Action.Hold({ lease: lease(ME, "2") }),
    after: sees(lease(ME, "2"), 0)
  },
  {
    what: "a candidate leads after a successful write, and its deadline counts from the time when the write was sent",
    before: sees(lease(""), 100),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW - 300 }),
    action: at(1_700),
    after: { ...sees(lease(ME, "2"), 0), leadsUntil: NOW + 9_700 }
  },
  {
    what: "a candidate does not lead if the answer to its write comes after the deadline",
    before: sees(lease(""), 100),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW - 10_000 }),
    action: at(0),
    after: sees(lease(ME, "2"), 0)
  },
  {
    what: "a leader renews the version of the Lease that it wrote, and does not read the Lease before",
    before: leads(lease(ME), 8_000),
    observed: Observation.Woken(),
    action: Action.Hold({ lease: lease(ME) }),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a renewal extends the leadership",
    before: leads(lease(ME), 8_000),
    observed: Observation.Written({ lease: lease(ME, "2"), sentAt: NOW }),
    action: retry,
    after: { ...sees(lease(ME, "2"), 0), leadsUntil: NOW + 10_000 }
  },
  {
    what: "a leader whose renewal gets no answer leads until its deadline, and retries",
    before: leads(lease(ME), 8_000),
    observed: Observation.Failed({ sentAt: NOW - 1_500 }),
    action: at(500),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a retry follows at once on a request that took longer than the pause",
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
    what: "a leader stops leading if the Lease has another holder",
    before: leads(lease(ME, "1"), 8_000),
    observed: read(lease(OTHER, "2")),
    action: retry,
    after: sees(lease(OTHER, "2"), 0)
  },
  {
    what: "a leader stops leading if another client removed the holder from the Lease, and takes the Lease again",
    before: leads(lease(ME, "1"), 8_000),
    observed: read(lease("", "2")),
    action: Action.Hold({ lease: lease("", "2") }),
    after: sees(lease("", "2"), 0)
  },
  {
    what: "a leader creates a deleted Lease again",
    before: leads(lease(ME), 8_000),
    observed: none,
    action: Action.Create(),
    after: leads(lease(ME), 8_000)
  },
  {
    what: "a leader stops leading at its deadline, and retries",
    before: leads(lease(ME), 0),
    observed: Observation.Expired(),
    action: retry,
    after: sees(lease(ME), 2_000)
  },
  {
    what: "a candidate pauses if its write was refused, because another candidate took the Lease",
    before: sees(lease(OTHER), 15_000),
    observed: Observation.Refused({ sentAt: NOW }),
    action: retry,
    after: sees(lease(OTHER), 15_000)
  },
  {
    what: "a candidate without an answer retries",
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

  it("a candidate's pause is up to a fifth longer, but ends when the holder's lease expires", () => {
    const pause = (candidacy: Candidacy) => step(candidacy, read(lease(OTHER)), moment(0.5)).action
    assert.deepStrictEqual(pause(sees(lease(OTHER), 1_000)), at(2_200))
    assert.deepStrictEqual(pause(sees(lease(OTHER), 13_500)), at(1_500))
  })
})

describe("the spec that a holder writes", () => {
  const wall = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
  const time = "2026-01-02T03:04:05.006000Z"

  it("a new Lease has its first holder and no transitions", () => {
    assert.deepStrictEqual(heldSpec(ME, Option.none(), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 0
    })
  })

  it("a renewal keeps the acquire time and the number of transitions", () => {
    const held = { ...lease(ME), spec: { ...lease(ME).spec, leaseTransitions: 7 } }
    assert.deepStrictEqual(heldSpec(ME, Option.some(held), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: "1999-01-01T00:00:00.000000Z",
      renewTime: time,
      leaseTransitions: 7
    })
  })

  it("a Lease that another holder takes counts one more transition", () => {
    const held = { ...lease(OTHER), spec: { ...lease(OTHER).spec, leaseTransitions: 7 } }
    assert.deepStrictEqual(heldSpec(ME, Option.some(held), wall, TIMING), {
      holderIdentity: ME,
      leaseDurationSeconds: 15,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 8
    })
  })

  it("a released Lease has no holder and the shortest lease duration", () => {
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
