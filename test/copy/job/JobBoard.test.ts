/** The steps of the board: each test passes events, and checks the commands and the copies. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap, Option } from "effect"
import { jobName, oldJobName } from "../../../src/copy/job/Job.ts"
import { Event } from "../../../src/copy/job/JobEvents.ts"
import type { JobObject } from "../../../src/kube/Resources.ts"
import { endpoint } from "../../support/endpoints.ts"
import { APP, jobFor, NOW, podFor, preparedFor, RIVAL, SECOND, taskOf, worldOf } from "./JobBoard.fixtures.ts"

const SLOT = "Waiting: waiting for a free slot (10 copies in all, 4 per registry)"
const ANNOUNCED = "Announce team/app"

describe("a copy", () => {
  it("A copy gets a Job, then a Secret, then its inspection, and is forgotten after its release", () => {
    const world = worldOf()
    assert.deepStrictEqual(world.start("v1"), ["Prepare v1"])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1"])
    assert.deepStrictEqual(world.created("v1", "uid-1"), ["MakeSecret v1"])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.seen("v1", "uid-1"), [])
    assert.deepStrictEqual(world.seen("v1", "uid-1", "Complete"), ["Inspect v1", "Settle 1"])
    assert.strictEqual(world.state("v1"), "Running")
    const state = { _tag: "Succeeded", at: NOW } as const
    assert.deepStrictEqual(world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state })), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Succeeded")
    assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
    assert.strictEqual(world.state("v1"), "")
    assert.deepStrictEqual(world.tell(Event.Tidied({ ...world.ofJob("v1", "uid-1"), chore: "Shorten" })), [])
    assert.deepStrictEqual(world.gone("v1", "uid-1"), [])
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })

  it("A second start of an unreleased copy starts nothing", () => {
    const world = worldOf()
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
    world.start("v1")
    for (const event of ["prepared", "created", "seen", "ended", "inspected"] as const) {
      assert.strictEqual(world.answer(taskOf("v1")), "UnderWay", `before ${event}`)
      assert.strictEqual(world.answer(taskOf("v1", { image: RIVAL })), "Busy", `before ${event}`)
      assert.notInclude(world.start("v1").join(), "Prepare")
      if (event === "prepared") world.prepared("v1")
      if (event === "created") world.created("v1", "uid-1")
      if (event === "seen") world.seen("v1", "uid-1")
      if (event === "ended") world.seen("v1", "uid-1", "Failed")
      if (event === "inspected") world.finish("v1", "uid-1", "Failed")
    }
    assert.strictEqual(world.answer(taskOf("v1")), "UnderWay")
    world.release("v1")
    assert.strictEqual(world.answer(taskOf("v1", { image: RIVAL })), "Started")
  })

  it("A copy that was listed before it got its Job can be released by that id", () => {
    const world = worldOf()
    world.start("v1")
    const listed = world.copyAt("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    assert.strictEqual(world.copyAt("v1").id, "uid-1")
    world.finish("v1", "uid-1", "Failed")
    world.tell(Event.Release({ copy: listed }))
    assert.strictEqual(world.state("v1"), "")
  })

  it("A copy whose tag exists and is not to be overwritten gets no Job", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    const digest = `sha256:${"c".repeat(64)}`
    const commands = world.tell(Event.NotNeeded({ ...world.ofAttempt("v1"), digest }))
    assert.deepStrictEqual(commands, ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Present")
    assert.deepStrictEqual(world.release("v1"), [])
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
  })

  it("The release of an earlier attempt does not release a later one", () => {
    const world = worldOf()
    const fail = () => {
      world.start("v1")
      const why = { reason: "Unreachable", message: "no answer", until: undefined } as const
      world.tell(Event.NotPrepared({ ...world.ofAttempt("v1"), ...why }))
      return world.copyAt("v1")
    }
    const first = fail()
    world.tell(Event.Release({ copy: first }))
    const second = fail()
    assert.notStrictEqual(second.id, first.id)
    world.tell(Event.Release({ copy: first }))
    assert.strictEqual(world.copyAt("v1").id, second.id)
  })

  it("A copy that cannot be prepared fails with the reason and the time, and frees its place", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    const why = { reason: "RateLimited", message: "later", until: NOW + 90 * SECOND } as const
    const commands = world.tell(Event.NotPrepared({ ...world.ofAttempt("v1"), ...why }))
    assert.deepStrictEqual(commands, ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.deepStrictEqual(world.copyAt("v1").state, { _tag: "Failed", at: NOW, ...why })
  })

  it("A copy whose Job the API server refuses has failed", () => {
    const world = worldOf()
    world.start("v1")
    world.prepared("v1")
    assert.deepStrictEqual(world.notCreated("v1", true), ["Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Failed: JobNotCreated")
    const { state } = world.copyAt("v1")
    assert(state._tag === "Failed")
    assert.strictEqual(
      state.message,
      `Job jobs/${jobName(taskOf("v1"))} to dest.test/mirror/app:v1 could not be created: no answer`
    )
  })

  it("A copy runs as soon as the watch shows its Job, even before the create is answered", () => {
    const world = worldOf()
    world.start("v1")
    world.prepared("v1")
    assert.deepStrictEqual(world.seen("v1", "uid-1"), [])
    assert.strictEqual(world.state("v1"), "Running")
    // The answer brings the content of the Secret.
    assert.deepStrictEqual(world.created("v1", "uid-1"), ["MakeSecret v1"])
  })

  it("A copy can end before its create is answered", () => {
    const world = worldOf()
    world.start("v1")
    world.prepared("v1")
    const id = world.idOf("v1")
    assert.deepStrictEqual(world.seen("v1", "uid-1", "Failed"), ["Inspect v1", "Settle 1"])
    assert.deepStrictEqual(world.created("v1", "uid-1", id), [])
    world.finish("v1", "uid-1", "Failed")
    assert.strictEqual(world.state("v1"), "Failed: CopyFailed")
  })
})

describe("a Job that is gone before its create is answered", () => {
  const begun = () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    world.prepared("v1")
    return { world, id: world.idOf("v1") }
  }

  it("A Job that came and went in the watch before its create is answered leaves no copy and no place", () => {
    const { id, world } = begun()
    world.seen("v1", "uid-1")
    assert.deepStrictEqual(world.gone("v1", "uid-1"), ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.deepStrictEqual(world.created("v1", "uid-1", id), [])
    assert.strictEqual(world.state("v1"), "")
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
  })

  it("A created Job that the watch does not show is looked up", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.pass(9 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["Check v1"])
    assert.deepStrictEqual(world.checked("v1", "uid-1", undefined), ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "")
  })

  it("A created Job that is missing in a list is looked up at once", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    // The list may be older than the create.
    assert.deepStrictEqual(world.tell(Event.Relisted({ jobs: [] })), ["Check v1"])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.checked("v1", "uid-1", jobFor(taskOf("v1"), "uid-1")), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A created Job is looked up until the watch shows it, so that its end is noticed", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    const running = jobFor(taskOf("v1"), "uid-1")
    for (const seconds of [10, 20, 40, 60, 60]) {
      assert.deepStrictEqual(world.pass(seconds * SECOND - 1), [])
      assert.deepStrictEqual(world.pass(1), ["Check v1"])
      world.checked("v1", "uid-1", running)
    }
    world.pass(60 * SECOND)
    const ended = jobFor(taskOf("v1"), "uid-1", "Complete")
    assert.deepStrictEqual(world.checked("v1", "uid-1", ended), ["Inspect v1", "Prepare v2", "Settle 1", ANNOUNCED])
  })

  it("A lookup without an answer is repeated", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    world.pass(10 * SECOND)
    const unanswered = { name: jobName(taskOf("v1")), of: "uid-1", message: "down" }
    assert.deepStrictEqual(world.tell(Event.NotChecked(unanswered)), [])
    assert.deepStrictEqual(world.pass(20 * SECOND), ["Check v1"])
  })

  it("A finished Job that the watch never showed is looked up, and is forgotten when it is gone", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    world.pass(10 * SECOND)
    world.checked("v1", "uid-1", jobFor(taskOf("v1"), "uid-1", "Failed"))
    const state = { _tag: "Failed", at: NOW, reason: "CopyFailed", message: "it broke" } as const
    world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state }))
    world.release("v1")
    // The time to live of the Job ends. The watch has shown neither the Job nor its deletion.
    assert.deepStrictEqual(world.pass(20 * SECOND), ["Check v1"])
    world.checked("v1", "uid-1", undefined)
    assert.isFalse(HashMap.has(world.board().slots, jobName(taskOf("v1"))))
  })

  it("A Job that the watch has shown is not looked up", () => {
    const { world } = begun()
    world.created("v1", "uid-1")
    world.seen("v1", "uid-1")
    assert.deepStrictEqual(world.pass(3_600 * SECOND), [])
  })
})

describe("a watch that is behind", () => {
  it("A late event of the watch does not reopen a Job that has ended", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    world.pass(10 * SECOND)
    world.checked("v1", "uid-1", jobFor(taskOf("v1"), "uid-1", "Complete"))
    assert.deepStrictEqual(world.seen("v1", "uid-1"), [])
    world.start("v2")
    assert.notInclude(world.state("v2"), "free slot", "the place is free")
  })

  it("The next Job does not wait for the watch when a lookup shows that the last Job is gone", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.finish("v1", "uid-1", "Failed")
    world.release("v1")
    world.start("v1")
    world.prepared("v1")
    world.tell(Event.Deleted(world.ofJob("v1", "uid-1")))
    assert.deepStrictEqual(world.pass(10 * SECOND), ["Check v1"])
    assert.deepStrictEqual(world.checked("v1", "uid-1", undefined), ["Create v1"])
  })
})

describe("a create whose answer is lost", () => {
  const begun = () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    world.prepared("v1")
    return world
  }

  it("A create without an answer keeps its place until a lookup shows that there is no Job", () => {
    const world = begun()
    assert.deepStrictEqual(world.notCreated("v1", false), ["Check v1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Waiting: its Job may have been created: no answer")
    const name = jobName(taskOf("v1"))
    const failure = Event.NotChecked({ name, of: world.idOf("v1"), message: "down" })
    assert.deepStrictEqual(world.tell(failure), [])
    assert.deepStrictEqual(world.pass(10 * SECOND), ["Check v1"])
    const commands = world.checked("v1", world.idOf("v1"), undefined)
    assert.deepStrictEqual(commands, ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Failed: JobNotCreated")
  })

  it("A lookup that finds the Job answers a create whose answer was lost", () => {
    const world = begun()
    world.notCreated("v1", false)
    const commands = world.checked("v1", world.idOf("v1"), jobFor(taskOf("v1"), "uid-1"))
    assert.deepStrictEqual(commands, ["MakeSecret v1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
    assert.notStrictEqual(world.state("v2"), "Running")
  })

  it("The watch answers a create whose answer was lost", () => {
    const world = begun()
    world.seen("v1", "uid-1")
    assert.deepStrictEqual(world.notCreated("v1", false), ["MakeSecret v1"])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("The watch answers a lost create during the lookup of the Job", () => {
    const world = begun()
    world.notCreated("v1", false)
    const of = world.idOf("v1")
    assert.deepStrictEqual(world.seen("v1", "uid-1"), ["MakeSecret v1", ANNOUNCED])
    // The lookup was answered before the Job existed.
    assert.deepStrictEqual(world.checked("v1", of, undefined), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A create without an answer has failed if another copy's Job has the name, and that Job stays", () => {
    const world = begun()
    const other = taskOf("v1", { image: RIVAL })
    world.notCreated("v1", false)
    world.checked("v1", world.idOf("v1"), jobFor(other, "uid-2"))
    assert.strictEqual(world.state("v1"), "Failed: JobNotCreated")
    world.seen("v1", "uid-2", undefined, { image: RIVAL })
    assert.strictEqual(world.state("v1", RIVAL), "Running")
  })

  it("Creates without answers never exceed the limits", () => {
    const world = worldOf()
    const tags = Array.from({ length: 40 }, (_, n) => `t${n}`)
    for (const tag of tags) world.start(tag)
    const jobs = new Set<string>()
    // Each create makes a Job, and its answer is lost.
    for (let round = 0; round < 10; round++) {
      for (const tag of tags) {
        if (world.state(tag) !== "Running" || jobs.has(tag)) continue
        world.prepared(tag)
        jobs.add(tag)
        world.notCreated(tag, false)
      }
    }
    assert.strictEqual(jobs.size, 4)
    for (const tag of jobs) world.checked(tag, world.idOf(tag), jobFor(taskOf(tag), `uid-${tag}`))
    assert.strictEqual(tags.filter((tag) => world.state(tag) === "Running").length, 4)
  })
})

describe("a copy that is cancelled", () => {
  it("A copy that is cancelled before its create is forgotten at once, and its place is free", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    world.start("v3")
    assert.deepStrictEqual(world.cancel("v2"), [ANNOUNCED])
    const id = world.idOf("v1")
    assert.deepStrictEqual(world.cancel("v1"), ["Prepare v3", "Settle 1", ANNOUNCED])
    const late = Event.Prepared({ name: jobName(taskOf("v1")), id, prepared: preparedFor(taskOf("v1")) })
    assert.deepStrictEqual(world.tell(late), [])
    assert.strictEqual(world.state("v1"), "")
  })

  it("A copy that is cancelled during its create has its Job deleted, and keeps its place until the Job is gone", () => {
    for (const how of ["answer", "watch", "look-up"] as const) {
      const world = worldOf({ total: 1 })
      world.start("v1")
      world.start("v2")
      world.prepared("v1")
      assert.deepStrictEqual(world.cancel("v1"), [ANNOUNCED])
      assert.strictEqual(world.state("v1"), "", how)
      assert.strictEqual(world.answer(taskOf("v1")), "UnderWay", "its Image starts it again when it is gone")
      if (how === "look-up") world.notCreated("v1", false)
      const commands = {
        answer: () => world.created("v1", "uid-1"),
        watch: () => world.seen("v1", "uid-1"),
        "look-up": () => world.checked("v1", world.idOf("v1"), jobFor(taskOf("v1"), "uid-1"))
      }[how]()
      assert.deepStrictEqual(commands, ["Delete uid-1"], how)
      assert.strictEqual(world.state("v1"), "", how)
      world.tell(Event.Deleted(world.ofJob("v1", "uid-1")))
      assert.deepStrictEqual(world.gone("v1", "uid-1"), ["Prepare v2", "Settle 1", ANNOUNCED], how)
      assert.strictEqual(world.answer(taskOf("v1")), "Started")
    }
  })

  it("A copy that is cancelled during its create is forgotten when the create is refused", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.prepared("v1")
    world.cancel("v1")
    assert.deepStrictEqual(world.notCreated("v1", true), ["Settle 1", ANNOUNCED])
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })

  it("A running copy that is cancelled keeps its place and its destination until its Job is gone", () => {
    const world = worldOf({ total: 1 })
    world.run("v1", "uid-1")
    world.start("v2")
    const copy = world.copyAt("v1")
    assert.deepStrictEqual(world.cancel("v1"), ["Delete uid-1", ANNOUNCED])
    assert.deepStrictEqual(world.tell(Event.Cancel({ copy })), [])
    assert.strictEqual(world.state("v1"), "")
    assert.strictEqual(world.answer(taskOf("v1")), "UnderWay")
    assert.strictEqual(world.answer(taskOf("v1", { image: RIVAL })), "Busy")
    assert.strictEqual(world.state("v2"), "Waiting: waiting for a free slot (1 copies in all, 4 per registry)")
    assert.deepStrictEqual(world.gone("v1", "uid-1"), ["Prepare v2", "Settle 1", ANNOUNCED])
  })

  it("The Job of a cancelled copy is deleted until it is gone", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.cancel("v1")
    const job = world.ofJob("v1", "uid-1")
    assert.deepStrictEqual(world.tell(Event.NotDeleted({ ...job, message: "forbidden" })), [])
    assert.deepStrictEqual(world.pass(10 * SECOND), ["Check v1"])
    assert.deepStrictEqual(world.checked("v1", "uid-1", jobFor(taskOf("v1"), "uid-1")), ["Delete uid-1"])
    assert.deepStrictEqual(world.tell(Event.Deleted(job)), [])
    assert.deepStrictEqual(world.pass(20 * SECOND), ["Check v1"])
    assert.deepStrictEqual(world.checked("v1", "uid-1", undefined), ["Settle 1", ANNOUNCED])
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })

  it("A cancelled copy whose Job ends frees its place, and is not inspected", () => {
    const world = worldOf({ total: 1 })
    world.run("v1", "uid-1")
    world.start("v2")
    world.cancel("v1")
    assert.deepStrictEqual(world.seen("v1", "uid-1", "Complete"), ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "")
  })

  it("A cancel by the id of the attempt deletes the Job of that attempt, and no Job of another attempt", () => {
    const world = worldOf()
    world.start("v1")
    const listed = world.copyAt("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    assert.deepStrictEqual(world.tell(Event.Cancel({ copy: { ...listed, id: "another" } })), [])
    assert.deepStrictEqual(world.tell(Event.Cancel({ copy: listed })), ["Delete uid-1", ANNOUNCED])
  })
})

describe("a Job's Secret", () => {
  const access = preparedFor(taskOf("v1")).access

  it("A Secret that could not be made is announced, and is made at the next start", () => {
    const world = worldOf()
    world.start("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    const job = world.ofJob("v1", "uid-1")
    assert.deepStrictEqual(world.tell(Event.SecretNotMade({ ...job, message: "quota" })), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running", "its Job waits for it, and keeps its place")
    assert.deepStrictEqual(world.start("v1"), ["MakeSecret v1"])
    assert.deepStrictEqual(world.start("v1"), [], "one try at a time")
    // The start fails with the refusal. An announcement would cause another start at once.
    assert.deepStrictEqual(world.tell(Event.SecretNotMade({ ...job, message: "quota" })), [])
    assert.deepStrictEqual(world.start("v1"), ["MakeSecret v1"])
    world.tell(Event.SecretMade({ ...job, access }))
    assert.deepStrictEqual(world.start("v1"), [])
  })

  it("The Secret of a found Job is made from the credentials of its Image, not from the Job's annotations", () => {
    const world = worldOf()
    const stolen = { destination: endpoint("dest.test", "mirror/app", { credentials: { _tag: "Secret", name: "x" } }) }
    world.tell(Event.Relisted({ jobs: [jobFor(taskOf("v1", stolen), "uid-1")] }))
    const own = { source: endpoint("source.test", "app", { credentials: { _tag: "Secret", name: "own" } }) }
    const [command] = world.commandsOf(Event.Start({ task: taskOf("v1", own) }))
    assert(command?._tag === "MakeSecret")
    assert.deepStrictEqual(command.owner.image, APP)
    assert.deepStrictEqual(command.owner.source.credentials, { _tag: "Secret", name: "own" })
    assert.deepStrictEqual(command.owner.destination.credentials, { _tag: "Configured" })
    assert.isUndefined(command.given)
  })

  it("The start of another Image makes no Secret", () => {
    const world = worldOf()
    world.tell(Event.Relisted({ jobs: [jobFor(taskOf("v1"), "uid-1")] }))
    assert.deepStrictEqual(world.start("v1", { image: RIVAL }), [])
  })

  it("The inspection gets the content of the Secret, so that it can be redacted", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    const [command] = world.commandsOf(Event.Seen({ job: jobFor(taskOf("v1"), "uid-1", "Failed") }))
    assert(command?._tag === "Inspect")
    assert.deepStrictEqual(command.given, access)
  })

  it("A Secret that is made after its Job is gone leaves nothing in the board", () => {
    const world = worldOf()
    world.start("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    world.gone("v1", "uid-1")
    const job = world.ofJob("v1", "uid-1")
    assert.deepStrictEqual(world.tell(Event.SecretMade({ ...job, access })), [])
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })
})

describe("limits", () => {
  it("A copy beyond the limits waits, says so, and begins when a Job ends", () => {
    const world = worldOf({ perRegistry: 2 })
    for (const tag of ["v1", "v2"]) world.run(tag, `uid-${tag}`)
    assert.deepStrictEqual(world.start("v3"), [ANNOUNCED])
    assert.strictEqual(world.state("v3"), SLOT.replace("4 per", "2 per"))
    const commands = world.seen("v1", "uid-v1", "Failed")
    assert.deepStrictEqual(commands, ["Inspect v1", "Prepare v3", "Settle 1", ANNOUNCED])
    assert.strictEqual(world.state("v3"), "Running")
  })

  it("Running Jobs of the first list count against the limits, even if they exceed the limits", () => {
    const world = worldOf({ total: 2 })
    const tags = ["a", "b", "c"]
    const jobs = tags.map((tag) => jobFor(taskOf(tag), `uid-${tag}`))
    assert.deepStrictEqual(world.tell(Event.Relisted({ jobs })), [ANNOUNCED])
    world.start("v1")
    for (const tag of ["a", "b"]) {
      assert.notStrictEqual(world.state("v1"), "Running")
      world.seen(tag, `uid-${tag}`, "Failed")
    }
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("Ended Jobs of the first list do not count against the limits, and each is inspected", () => {
    const world = worldOf({ total: 1 })
    const ended = jobFor(taskOf("a"), "uid-a", "Complete")
    const other = jobFor(taskOf("b", { image: RIVAL }), "uid-b", "Failed")
    assert.deepStrictEqual(
      world.tell(Event.Relisted({ jobs: [ended, other] })).map((words) => words.replace(/copy-\S+/u, "it")),
      ["Inspect it", "Inspect it", ANNOUNCED, "Announce rivals/app"]
    )
    world.start("v1")
    assert.strictEqual(world.state("v1"), "Running")
  })
})

describe("a source's rate limit", () => {
  const limited = (world: ReturnType<typeof worldOf>, tag: string, until: number | undefined) =>
    world.tell(Event.Limited({ ...world.ofAttempt(tag), message: "0 of 4 pulls are left", until }))

  it("A rate-limited copy waits until its time without a place, and says so", () => {
    const world = worldOf({ total: 1 })
    world.start("v1")
    world.start("v2")
    const commands = limited(world, "v1", NOW + 90 * SECOND)
    assert.deepStrictEqual(commands, ["Prepare v2", "Settle 1", ANNOUNCED])
    assert.deepStrictEqual(world.copyAt("v1").state, {
      _tag: "Waiting",
      reason: "0 of 4 pulls are left",
      limited: true
    })
    world.cancel("v2")
    assert.deepStrictEqual(world.pass(90 * SECOND - 1), [])
    assert.deepStrictEqual(world.pass(1), ["Prepare v1"])
    assert.strictEqual(world.state("v1"), "Waiting: 0 of 4 pulls are left", "until it is known that there are some")
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1", ANNOUNCED])
  })

  it("Rate-limited copies of a namespace are tried again in their first order, a second apart", () => {
    const world = worldOf()
    const other = { image: { namespace: "few", name: "app", uid: "uid-few" } }
    for (const tag of ["a1", "a2", "a3"]) world.start(tag)
    world.start("b1", other)
    for (const tag of ["a2", "a1", "a3", "b1"]) limited(world, tag, NOW + 60 * SECOND)
    const order: Array<string> = []
    for (let second = 0; second < 4; second++) {
      order.push(
        world
          .pass(second === 0 ? 60 * SECOND : SECOND)
          .filter((words) => words.startsWith("Prepare"))
          .join(" and ")
      )
    }
    assert.deepStrictEqual(order, ["Prepare a2 and Prepare b1", "Prepare a1", "Prepare a3", ""])
    // After another refusal each copy keeps its position.
    for (const tag of ["a3", "a1", "a2"]) limited(world, tag, NOW + 123 * SECOND)
    assert.deepStrictEqual(world.pass(60 * SECOND), ["Prepare a2"])
  })

  it("A rate limit without a time is tried again after a minute", () => {
    const world = worldOf()
    world.start("v1")
    limited(world, "v1", undefined)
    assert.deepStrictEqual(world.pass(60 * SECOND), ["Prepare v1"])
  })

  it("A cancelled rate-limited copy is forgotten", () => {
    const world = worldOf()
    world.start("v1")
    limited(world, "v1", NOW + 60 * SECOND)
    world.cancel("v1")
    assert.deepStrictEqual(world.pass(3_600 * SECOND), [])
    assert.isTrue(HashMap.isEmpty(world.board().limited))
  })
})

describe("the next Job of a destination", () => {
  const again = () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.finish("v1", "uid-1", "Failed")
    assert.deepStrictEqual(world.release("v1"), [], "a failed Job is kept for its log")
    assert.deepStrictEqual(world.start("v1"), ["Prepare v1"])
    assert.deepStrictEqual(world.prepared("v1"), ["Delete uid-1"])
    return world
  }

  it("The next Job of a destination is created when the last one is gone", () => {
    const world = again()
    assert.deepStrictEqual(world.tell(Event.Deleted(world.ofJob("v1", "uid-1"))), [])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.gone("v1", "uid-1"), ["Create v1"])
  })

  it("The next Job of a destination is created when a list lacks the last one", () => {
    const world = again()
    assert.deepStrictEqual(world.tell(Event.Relisted({ jobs: [] })), ["Create v1"])
  })

  it("The next copy fails if the last Job cannot be deleted, or is not gone in time", () => {
    const refused = again()
    refused.tell(Event.NotDeleted({ ...refused.ofJob("v1", "uid-1"), message: "forbidden" }))
    assert.strictEqual(refused.state("v1"), "Failed: JobNotCreated")
    const slow = again()
    assert.deepStrictEqual(slow.pass(60 * SECOND), ["Settle 2", ANNOUNCED])
    assert.strictEqual(slow.state("v1"), "Failed: JobNotCreated")
    // The copy can be started again.
    slow.release("v1")
    assert.deepStrictEqual(slow.start("v1"), ["Prepare v1"])
  })

  it("The next Job is created at once if the last one went during the preparation", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.finish("v1", "uid-1", "Failed")
    world.release("v1")
    world.start("v1")
    world.gone("v1", "uid-1")
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1"])
  })
})

describe("a finished Job's lifetime", () => {
  it("The write that shortens the life of a finished Job is repeated until it succeeds", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.finish("v1", "uid-1", "Succeeded")
    assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
    const failure = Event.NotTidied({ ...world.ofJob("v1", "uid-1"), chore: "Shorten", message: "down" })
    for (const seconds of [10, 20, 40, 80]) {
      assert.deepStrictEqual(world.tell(failure), [])
      assert.deepStrictEqual(world.pass(seconds * SECOND - 1), [])
      assert.deepStrictEqual(world.pass(1), ["Shorten uid-1"])
    }
    world.tell(Event.Tidied({ ...world.ofJob("v1", "uid-1"), chore: "Shorten" }))
    assert.deepStrictEqual(world.pass(86_400 * SECOND), [])
  })

  it("The life of a finished Job that is gone is not shortened again", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.finish("v1", "uid-1", "Succeeded")
    world.release("v1")
    world.gone("v1", "uid-1")
    world.tell(Event.NotTidied({ ...world.ofJob("v1", "uid-1"), chore: "Shorten", message: "down" }))
    assert.deepStrictEqual(world.pass(86_400 * SECOND), [])
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })
})

describe("a Job that this process did not make", () => {
  it("A found Job that makes the waiting copy is adopted by that copy", () => {
    const world = worldOf()
    world.start("v1")
    assert.deepStrictEqual(world.seen("v1", "uid-1"), ["MakeSecret v1"])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.prepared("v1"), [], "an answer from before")
  })

  it("A copy waits for a found Job of another copy to its destination", () => {
    const world = worldOf()
    world.start("v1")
    world.seen("v1", "uid-2", undefined, { image: RIVAL })
    assert.deepStrictEqual(world.prepared("v1"), ["Settle 1", ANNOUNCED])
    assert.match(world.state("v1"), /^Waiting: waiting for Job jobs\/\S+ to dest\.test\/mirror\/app:v1 to end$/u)
    world.finish("v1", "uid-2", "Failed", { image: RIVAL })
    assert.deepStrictEqual(world.release("v1", RIVAL), ["Prepare v1", ANNOUNCED])
  })

  it("A found Job with another uid replaces the known Job of its name", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    world.seen("v1", "uid-2")
    assert.strictEqual(world.copyAt("v1").id, "uid-2")
    assert.deepStrictEqual(world.gone("v1", "uid-1"), [], "news of the first")
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A found Job with invalid annotations is ignored", () => {
    const world = worldOf()
    const job = jobFor(taskOf("v1"), "uid-1")
    const annotations = { ...job.metadata.annotations, "skopeo.io/platforms": "Linux/ARM64" }
    world.tell(Event.Seen({ job: { ...job, metadata: { ...job.metadata, annotations } } }))
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })

  it("A found Job whose name does not fit its destination is ignored", () => {
    const world = worldOf()
    const job = jobFor(taskOf("v1"), "uid-1")
    world.tell(Event.Seen({ job: { ...job, metadata: { ...job.metadata, name: "copy-else" } } }))
    assert.strictEqual(HashMap.size(world.board().slots), 0)
  })
})

describe("the copies of an Image", () => {
  it("The copies of an Image are in the order in which they started", () => {
    const world = worldOf({ total: 1 })
    for (const tag of ["v3", "v1", "v2"]) world.start(tag)
    world.start("v4", { image: RIVAL })
    const names = Option.getOrThrow(HashMap.get(world.board().byImage, "team/app"))
    assert.deepStrictEqual(
      names,
      ["v3", "v1", "v2"].map((tag) => jobName(taskOf(tag)))
    )
    world.cancel("v1")
    assert.strictEqual(Option.getOrThrow(HashMap.get(world.board().byImage, "team/app")).length, 2)
    assert.strictEqual(world.copiesAt("v4").length, 0)
    assert.strictEqual(world.copiesAt("v4", RIVAL).length, 1)
  })
})

describe("a Job with the name that an earlier release gave it", () => {
  const oldJob = (tag: string, uid: string, condition?: "Complete" | "Failed"): JobObject => {
    const job = jobFor(taskOf(tag), uid, condition)
    return { ...job, metadata: { ...job.metadata, name: oldJobName(taskOf(tag)) } }
  }
  const ofOld = (tag: string, uid: string) => ({ name: oldJobName(taskOf(tag)), uid })

  it("A running Job is the copy to its destination, and its outcome is recorded; the next Job has the new name", () => {
    const world = worldOf()
    world.podsListed()
    world.tell(Event.Seen({ job: oldJob("v1", "uid-1") }))
    assert.strictEqual(world.state("v1"), "Running")
    assert.strictEqual(world.answer(taskOf("v1")), "UnderWay")
    assert.strictEqual(world.answer(taskOf("v1", { image: RIVAL })), "Busy")
    assert.notInclude(world.start("v1").join(), "Prepare")
    world.tell(Event.Seen({ job: oldJob("v1", "uid-1", "Complete") }))
    world.tell(Event.Inspected({ ...ofOld("v1", "uid-1"), state: { _tag: "Succeeded", at: NOW } }))
    assert.strictEqual(world.state("v1"), "Succeeded")
    assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
    world.tell(Event.Tidied({ ...ofOld("v1", "uid-1"), chore: "Shorten" }))
    world.tell(Event.Gone(ofOld("v1", "uid-1")))
    assert.deepStrictEqual(world.start("v1"), ["Prepare v1"])
  })

  it("A running Job is deleted when its copy is cancelled", () => {
    const world = worldOf()
    world.podsListed()
    world.tell(Event.Seen({ job: oldJob("v1", "uid-1") }))
    assert.include(world.cancel("v1"), "Delete uid-1")
  })

  it("A copy waits for a pod of the Job that may still write the tag", () => {
    const world = worldOf()
    const pod = { ...podFor("v1", "uid-1", { hasBegun: true }), job: ofOld("v1", "uid-1") }
    world.podsListed(pod)
    const name = oldJobName(taskOf("v1"))
    const started = world.commandsOf(Event.Start({ task: taskOf("v1") }))
    assert.isFalse(started.some(({ _tag }) => _tag === "Create"))
    const ended = world.commandsOf(Event.PodGone({ name, uid: pod.uid }))
    const prepare = ended.find((command) => command._tag === "Prepare")
    assert.strictEqual(prepare?.name, name)
  })

  it("A Job of that name to another destination is no copy", () => {
    const world = worldOf()
    world.podsListed()
    const job = jobFor(taskOf("v2"), "uid-2")
    world.tell(Event.Seen({ job: { ...job, metadata: { ...job.metadata, name: oldJobName(taskOf("v1")) } } }))
    assert.strictEqual(world.state("v2"), "")
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
  })
})
