/** What follows from the pods of copy Jobs: events in, commands out. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap, Option } from "effect"
import { jobName, uidOf } from "../../../src/copy/job/Job.ts"
import { Event } from "../../../src/copy/job/JobEvents.ts"
import { obstacleOf } from "../../../src/copy/job/JobPod.ts"
import type { JobObject } from "../../../src/kube/Resources.ts"
import {
  APP,
  jobFor,
  NOW,
  podFor,
  preparedFor,
  RIVAL,
  SECOND,
  START_SECONDS,
  stateIn,
  taskOf,
  worldOf
} from "./JobBoard.fixtures.ts"

const ANNOUNCED = "Announce team/app"
const UNSCHEDULABLE = obstacleOf("PodUnschedulable", "no node takes its pod: 0/1 nodes are available")

/** A board whose pods are listed, with a Job that runs and has no pod yet. */
const worldWith = (limits: Parameters<typeof worldOf>[0] = {}) => {
  const world = worldOf(limits)
  world.podsListed()
  world.run("v1", "uid-1")
  return world
}

/** Why a copy waits that has its Job. */
const obstacleAt = (world: ReturnType<typeof worldOf>, tag: string) => {
  const { state } = world.copyAt(tag)
  return state._tag === "Waiting" ? state.obstacle : undefined
}

const wordsAt = (world: ReturnType<typeof worldOf>, tag: string): string => stateIn(world.copyAt(tag))

const suspended = (job: JobObject, status: "True" | "False"): JobObject => ({
  ...job,
  status: { conditions: [{ type: "Suspended", status }] }
})

describe("the end of Skopeo's container", () => {
  it("is the end of the copy: the destination is asked at once, and the place is free", () => {
    const world = worldWith({ total: 1 })
    world.start("v2")
    world.pod("v1", "uid-1", { hasBegun: true })
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 0 }), [
      "Inspect v1",
      "Prepare v2",
      "Settle 1",
      ANNOUNCED
    ])
    // The Job's own condition says the same later.
    assert.deepStrictEqual(world.seen("v1", "uid-1", "Complete"), [])
  })

  it("that the watch of pods tells before the create is answered is not lost", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 0 }), [])
    assert.include(world.created("v1", "uid-1"), "Inspect v1")
  })

  it("ends what lives on in the pod a while after the copy is recorded, and leaves alone a Job that ends by itself", () => {
    for (const endsByItself of [false, true]) {
      const world = worldWith()
      world.pod("v1", "uid-1", { hasBegun: true, exitCode: 0 })
      const state = { _tag: "Succeeded", at: NOW } as const
      world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state }))
      assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
      if (endsByItself) world.seen("v1", "uid-1", "Complete")
      assert.deepStrictEqual(world.pass(15 * SECOND), endsByItself ? [] : ["Delete uid-1"])
    }
  })

  it("in failure counts once its pod has lived on for a while, and the Job goes when that is recorded", () => {
    const world = worldWith()
    const lingering = { hasBegun: true, exitCode: 1 }
    assert.deepStrictEqual(world.pod("v1", "uid-1", lingering), [])
    assert.deepStrictEqual(world.pass(14 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1", lingering)]), [
      "Inspect v1",
      "Settle 1"
    ])
    const state = { _tag: "Failed", at: NOW, reason: "CopyFailed", message: "it broke" } as const
    world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state }))
    assert.deepStrictEqual(world.release("v1"), ["Delete uid-1"])
  })

  it("a Job whose failed pod has ended while the watch of pods was interrupted keeps its place and may try again", () => {
    const world = worldWith()
    const lingering = { hasBegun: true, exitCode: 1 }
    world.pod("v1", "uid-1", lingering)
    assert.deepStrictEqual(world.pass(15 * SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(
      world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1", { ...lingering, hasEnded: true })]),
      []
    )
    assert.deepStrictEqual(world.pass(10 * SECOND), ["CheckPods uid-1"])
    assert.strictEqual(world.state("v1"), "Running")
    world.tell(Event.PodsNotChecked({ ...world.ofJob("v1", "uid-1"), message: "the API server is away" }))
    assert.deepStrictEqual(world.pass(19 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1", lingering)]), [
      "Inspect v1",
      "Settle 1"
    ])
  })

  it("in failure is left to the Job where the pod ends with it: the Job may try again", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true, exitCode: 1 })
    world.pod("v1", "uid-1", { hasBegun: true, exitCode: 1, hasEnded: true })
    assert.notInclude(world.pass(20 * SECOND).join(), "Inspect")
    assert.strictEqual(world.state("v1"), "Running")
  })
})

describe("a Job that has not begun", () => {
  it("says why as soon as its pod does, and nothing once its container runs", () => {
    const world = worldWith()
    assert.deepStrictEqual(world.pod("v1", "uid-1", { obstacle: UNSCHEDULABLE }), [ANNOUNCED])
    assert.strictEqual(obstacleAt(world, "v1"), "PodUnschedulable")
    assert.match(wordsAt(world, "v1"), /Job jobs\/copy-app-v1-\w+: no node takes its pod: .*tolerations/u)
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true }), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("keeps the words of the pull that failed while the kubelet waits to try again", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { obstacle: obstacleOf("PodImageNotPulled", "ErrImagePull: no such host") })
    const told = wordsAt(world, "v1")
    assert.deepStrictEqual(
      world.pod("v1", "uid-1", { obstacle: obstacleOf("PodImageNotPulled", "ImagePullBackOff: Back-off") }),
      []
    )
    assert.strictEqual(wordsAt(world, "v1"), told)
  })

  it("and has no pod is asked about, and what is said is told; where nothing is said, after the second time", () => {
    const world = worldWith()
    assert.deepStrictEqual(world.pass(5 * SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1"), [])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.pass(10 * SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1"), [ANNOUNCED])
    assert.include(wordsAt(world, "v1"), "it has no pod: nothing says why")
    assert.deepStrictEqual(world.pass(20 * SECOND), ["CheckPods uid-1"])
    world.podsChecked("v1", "uid-1", [], "exceeded quota")
    assert.strictEqual(obstacleAt(world, "v1"), "PodNotCreated")
    assert.include(wordsAt(world, "v1"), "exceeded quota")
    // Then the quota is gone.
    assert.deepStrictEqual(world.pod("v1", "uid-1"), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("is not asked about while pods have not been listed", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    assert.deepStrictEqual(world.pass(START_SECONDS * SECOND), [])
    assert.deepStrictEqual(world.podsListed(podFor("v1", "uid-1", { hasBegun: true })), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("gives its place back in time: it is deleted, and its copy has failed for the reason that kept it", () => {
    const world = worldWith({ total: 1 })
    world.start("v2")
    world.pod("v1", "uid-1", { obstacle: UNSCHEDULABLE })
    assert.deepStrictEqual(world.pass((START_SECONDS - 1) * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1")]), ["Delete uid-1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Failed: PodUnschedulable")
    // The place is free when the Job is gone.
    assert.include(world.gone("v1", "uid-1").join(), "Prepare v2")
    world.podGone("v1", "uid-1")
    assert.strictEqual(world.state("v1"), "Failed: PodUnschedulable")
    world.release("v1")
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
  })

  it("as far as a watch tells that was broken off is left alone where the API server says otherwise, or nothing", () => {
    const world = worldWith()
    world.pod("v1", "uid-1")
    assert.deepStrictEqual(world.pass(START_SECONDS * SECOND), ["CheckPods uid-1"])
    world.tell(Event.PodsNotChecked({ ...world.ofJob("v1", "uid-1"), message: "no answer" }))
    assert.deepStrictEqual(world.pass(9 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1", { hasBegun: true })]), [])
    assert.deepStrictEqual(world.pass(20 * SECOND), ["CheckPods uid-1"])
    world.pod("v1", "uid-1", { hasBegun: true })
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1"), [])
    assert.deepStrictEqual(world.pass(3_600 * SECOND), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("and begins in time keeps its place", () => {
    const world = worldWith()
    world.pass((START_SECONDS - 1) * SECOND)
    world.pod("v1", "uid-1", { hasBegun: true })
    assert.deepStrictEqual(world.pass(3_600 * SECOND), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("and of which the Secret is refused says so", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    world.created("v1", "uid-1")
    world.pod("v1", "uid-1")
    const of = world.ofJob("v1", "uid-1")
    assert.deepStrictEqual(world.tell(Event.SecretNotMade({ ...of, message: "exceeded quota" })), [ANNOUNCED])
    assert.strictEqual(obstacleAt(world, "v1"), "SecretNotCreated")
    assert.include(wordsAt(world, "v1"), "exceeded quota")
    const { access } = preparedFor(taskOf("v1"))
    assert.deepStrictEqual(world.tell(Event.SecretMade({ ...of, access })), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("and is found with other settings is made anew, and one that has begun is left alone", () => {
    const outdated = (uid: string): JobObject => {
      const job = jobFor(taskOf("v1"), uid)
      const annotations = { ...job.metadata.annotations, "skopeo.io/settings": "others" } as const
      return { ...job, metadata: { ...job.metadata, annotations } }
    }
    const found = worldOf()
    found.tell(Event.Relisted({ jobs: [outdated("uid-1")] }))
    assert.deepStrictEqual(found.podsListed(podFor("v1", "uid-1")).slice(0, 1), ["Delete uid-1"])
    assert.strictEqual(found.state("v1"), "")
    const begun = worldOf()
    begun.tell(Event.Relisted({ jobs: [outdated("uid-1")] }))
    assert.deepStrictEqual(begun.podsListed(podFor("v1", "uid-1", { hasBegun: true })), [])
    assert.strictEqual(begun.state("v1"), "Running")
  })

  it("after its pod was evicted says what keeps the next one", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true })
    world.podGone("v1", "uid-1")
    world.pod("v1", "uid-1", { name: "second", uid: "second", obstacle: UNSCHEDULABLE })
    assert.strictEqual(obstacleAt(world, "v1"), "PodUnschedulable")
  })
})

describe("a suspended Job", () => {
  it("says so, takes no place, and is never given up: whatever suspended it has a queue of its own", () => {
    const world = worldWith({ total: 1 })
    world.start("v2")
    const job = jobFor(taskOf("v1"), "uid-1")
    assert.deepStrictEqual(world.tell(Event.Seen({ job: suspended(job, "True") })), ["Prepare v2", ANNOUNCED])
    assert.strictEqual(obstacleAt(world, "v1"), "JobSuspended")
    world.pass(3_600 * SECOND)
    assert.strictEqual(obstacleAt(world, "v1"), "JobSuspended")
    world.tell(Event.Seen({ job: suspended(job, "False") }))
    assert.strictEqual(world.state("v1"), "Running")
    assert.include(world.pass(START_SECONDS * SECOND), "CheckPods uid-1")
  })
})

describe("a pod of a Job that is gone", () => {
  const cancelled = () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true })
    world.cancel("v1")
    world.tell(Event.Deleted(world.ofJob("v1", "uid-1")))
    world.gone("v1", "uid-1")
    return world
  }

  it("keeps the next Job of its tag waiting, which says so, until it is gone", () => {
    const world = cancelled()
    assert.deepStrictEqual(world.start("v1"), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Waiting: waiting for pod jobs/pod-of-uid-1 of an earlier Job to end")
    assert.deepStrictEqual(world.start("v2"), ["Prepare v2"])
    assert.include(world.podGone("v1", "uid-1"), "Prepare v1")
  })

  it("keeps it waiting until Skopeo has ended in it", () => {
    const world = cancelled()
    world.start("v1")
    assert.include(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 137 }), "Prepare v1")
  })

  it("keeps it waiting for two minutes at the most: a node that is lost ends none", () => {
    const world = cancelled()
    world.start("v1")
    assert.deepStrictEqual(world.pass(119 * SECOND), [])
    assert.include(world.pass(SECOND), "Prepare v1")
    // What is said of it later changes nothing.
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true }), [])
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1 despite pod-of-uid-1"])
  })

  it("that is found by a new process keeps the tag as well", () => {
    const world = worldOf()
    world.podsListed(podFor("v1", "uid-0", { hasBegun: true }))
    world.start("v1")
    assert.include(world.state("v1"), "waiting for pod jobs/pod-of-uid-0")
    assert.include(world.podsListed(), "Prepare v1")
  })

  it("a pod of an earlier Job that only the API server knows keeps the next Job waiting until the pod is gone", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1"])
    assert.deepStrictEqual(world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true })), [])
    assert.deepStrictEqual(world.podGone("v1", "uid-0"), ["Create v1"])
    assert.include(world.created("v1", "uid-1"), "MakeSecret v1")
  })

  it("a pod of an earlier Job that only the API server knows keeps the next Job waiting for two minutes at the most", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true }))
    assert.deepStrictEqual(world.pass(119 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["Create v1 despite pod-of-uid-0"])
  })

  it("a copy that is cancelled while the pods of earlier Jobs are listed gets no Job", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    world.cancel("v1")
    const commands = world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true }))
    assert.deepStrictEqual(commands, ["Settle 1", ANNOUNCED])
  })

  it("of a failed Job that is replaced is awaited too", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true })
    world.finish("v1", "uid-1", "Failed")
    world.release("v1")
    world.start("v1")
    assert.deepStrictEqual(world.prepared("v1"), ["Delete uid-1"])
    assert.deepStrictEqual(world.gone("v1", "uid-1"), [])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.podGone("v1", "uid-1"), ["Create v1"])
  })

  it("is in nobody's way once it has ended, and is forgotten when it is gone", () => {
    const world = cancelled()
    world.pod("v1", "uid-1", { hasEnded: true })
    assert.deepStrictEqual(world.start("v1"), ["Prepare v1"])
    world.cancel("v1")
    world.podGone("v1", "uid-1")
    assert.isTrue(Option.isNone(HashMap.get(world.board().slots, jobName(taskOf("v1")))))
  })
})

describe("failed Jobs", () => {
  const fail = (world: ReturnType<typeof worldOf>, tag: string, image = APP) => {
    world.run(tag, `uid-${tag}`, { image })
    world.pod(tag, `uid-${tag}`, { hasBegun: true })
    world.finish(tag, `uid-${tag}`, "Failed", { image })
    return world.release(tag, image)
  }

  it("are kept for their logs, the newest three of an Image", () => {
    const world = worldOf()
    world.podsListed()
    for (const tag of ["v1", "v2", "v3"]) {
      assert.deepStrictEqual(fail(world, tag), [])
      world.pass(SECOND)
    }
    assert.deepStrictEqual(fail(world, "v4", RIVAL), [])
    assert.deepStrictEqual(fail(world, "v5"), ["Delete uid-v1"])
    // Until it is gone it is not deleted again.
    world.pass(SECOND)
    assert.deepStrictEqual(fail(world, "v6"), ["Delete uid-v2"])
  })

  it("are deleted again while that fails", () => {
    const world = worldOf()
    world.podsListed()
    for (const tag of ["v1", "v2", "v3", "v4"]) {
      fail(world, tag)
      world.pass(SECOND)
    }
    const of = world.ofJob("v1", "uid-v1")
    world.tell(Event.NotTidied({ ...of, chore: "Delete", message: "no answer" }))
    assert.deepStrictEqual(world.pass(10 * SECOND), ["Delete uid-v1"])
    assert.deepStrictEqual(world.tell(Event.Tidied({ ...of, chore: "Delete" })), [])
  })

  it("are a hundred at the most", () => {
    const world = worldOf()
    world.podsListed()
    const deleted = Array.from({ length: 102 }, (_, n) => {
      world.pass(SECOND)
      return fail(world, `t${n}`, { namespace: "team", name: `app-${n}`, uid: `uid-${n}` })
    })
    assert.deepStrictEqual(deleted.flat(), ["Delete uid-t0", "Delete uid-t1"])
  })

  it("failed Jobs of a deleted Image are deleted, and those of another Image are kept", () => {
    const world = worldOf()
    world.podsListed()
    for (const tag of ["v1", "v2"]) fail(world, tag)
    fail(world, "v3", RIVAL)
    const commands = world.tell(Event.Prune({ image: APP, uid: undefined }))
    assert.sameMembers([...commands], ["Delete uid-v1", "Delete uid-v2"])
  })

  it("failed Jobs of a deleted Image are deleted when a new Image has its name, and those of the new Image are kept", () => {
    const world = worldOf()
    world.podsListed()
    fail(world, "v1")
    fail(world, "v2", { ...APP, uid: "uid-of-new-app" })
    assert.deepStrictEqual(world.tell(Event.Prune({ image: APP, uid: "uid-of-new-app" })), ["Delete uid-v1"])
  })

  it("a completed Job whose copy could not be verified is not kept: its time to live is shortened", () => {
    const world = worldOf()
    world.podsListed()
    world.run("v1", "uid-1")
    world.seen("v1", "uid-1", "Complete")
    const state = { _tag: "Failed", at: NOW, reason: "Unreachable", message: "no answer" } as const
    world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state }))
    assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
  })

  it("lose their Secret as soon as they have failed", () => {
    const world = worldOf()
    world.podsListed()
    world.run("v1", "uid-1")
    const job = jobFor(taskOf("v1"), "uid-1", "Failed")
    const secret = `${job.metadata.name}-0badcafe`
    const annotations = { ...job.metadata.annotations, "skopeo.io/secret": secret } as const
    world.tell(Event.Seen({ job: { ...job, metadata: { ...job.metadata, annotations } } }))
    const state = { _tag: "Failed", at: NOW, reason: "CopyFailed", message: "it broke" } as const
    const commands = world.told(Event.Inspected({ ...world.ofJob("v1", uidOf(job)), state }))
    assert.deepStrictEqual(
      commands.flatMap((command) => (command._tag === "Tidy" ? [[command.chore, command.secret]] : [])),
      [["DropSecret", secret]]
    )
  })
})
