/** The steps of the board that follow from the pods of Jobs: each test passes events, and checks the commands. */
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

/** A board after the first list of pods, with a running Job that has no pod yet. */
const worldWith = (limits: Parameters<typeof worldOf>[0] = {}) => {
  const world = worldOf(limits)
  world.podsListed()
  world.run("v1", "uid-1")
  return world
}

/** The obstacle of a copy that has a Job. */
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
  it("The end of Skopeo's container ends the copy: it is inspected, and its place is free", () => {
    const world = worldWith({ total: 1 })
    world.start("v2")
    world.pod("v1", "uid-1", { hasBegun: true })
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 0 }), [
      "Inspect v1",
      "Prepare v2",
      "Settle 1",
      ANNOUNCED
    ])
    // The condition of the Job follows later.
    assert.deepStrictEqual(world.seen("v1", "uid-1", "Complete"), [])
  })

  it("An end of Skopeo that the watch shows before the create is answered is not lost", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 0 }), [])
    assert.include(world.created("v1", "uid-1"), "Inspect v1")
  })

  it("After a recorded success a Job with a running sidecar is deleted, and a Job that ends by itself is not", () => {
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

  it("A failure of Skopeo in a pod that runs on counts after a while, and the Job is deleted after the release", () => {
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

  it("A Job whose failed pod has ended while the watch of pods was interrupted keeps its place and may try again", () => {
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

  it("After a failure of Skopeo in a pod that ends the Job may create another pod", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true, exitCode: 1 })
    world.pod("v1", "uid-1", { hasBegun: true, exitCode: 1, hasEnded: true })
    assert.notInclude(world.pass(20 * SECOND).join(), "Inspect")
    assert.strictEqual(world.state("v1"), "Running")
  })
})

describe("a Job that has not begun", () => {
  it("A Job shows its pod's obstacle at once, and none after its container has started", () => {
    const world = worldWith()
    assert.deepStrictEqual(world.pod("v1", "uid-1", { obstacle: UNSCHEDULABLE }), [ANNOUNCED])
    assert.strictEqual(obstacleAt(world, "v1"), "PodUnschedulable")
    assert.match(wordsAt(world, "v1"), /Job jobs\/copy-app-v1-\w+: no node takes its pod: .*tolerations/u)
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true }), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A Job keeps the message of a failed pull while the kubelet waits for the next pull", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { obstacle: obstacleOf("PodImageNotPulled", "ErrImagePull: no such host") })
    const message = wordsAt(world, "v1")
    assert.deepStrictEqual(
      world.pod("v1", "uid-1", { obstacle: obstacleOf("PodImageNotPulled", "ImagePullBackOff: Back-off") }),
      []
    )
    assert.strictEqual(wordsAt(world, "v1"), message)
  })

  it("A Job without pods shows the reason that the API server gives; without a reason it says so after the second check", () => {
    const world = worldWith()
    assert.deepStrictEqual(world.pass(5 * SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1"), [])
    assert.strictEqual(world.state("v1"), "Running")
    assert.deepStrictEqual(world.pass(10 * SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1"), [ANNOUNCED])
    assert.include(wordsAt(world, "v1"), "it has no pod: the cluster reports no reason")
    assert.deepStrictEqual(world.pass(20 * SECOND), ["CheckPods uid-1"])
    world.podsChecked("v1", "uid-1", [], "exceeded quota")
    assert.strictEqual(obstacleAt(world, "v1"), "PodNotCreated")
    assert.include(wordsAt(world, "v1"), "exceeded quota")
    // The quota is lifted.
    assert.deepStrictEqual(world.pod("v1", "uid-1"), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("The pods of a Job are not checked before the first list of pods", () => {
    const world = worldOf()
    world.run("v1", "uid-1")
    assert.deepStrictEqual(world.pass(START_SECONDS * SECOND), [])
    assert.deepStrictEqual(world.podsListed(podFor("v1", "uid-1", { hasBegun: true })), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A Job that does not start in time is deleted, and its copy fails with the obstacle", () => {
    const world = worldWith({ total: 1 })
    world.start("v2")
    world.pod("v1", "uid-1", { obstacle: UNSCHEDULABLE })
    assert.deepStrictEqual(world.pass((START_SECONDS - 1) * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["CheckPods uid-1"])
    assert.deepStrictEqual(world.podsChecked("v1", "uid-1", [podFor("v1", "uid-1")]), ["Delete uid-1", ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Failed: PodUnschedulable")
    // The place is free after the Job is gone.
    assert.include(world.gone("v1", "uid-1").join(), "Prepare v2")
    world.podGone("v1", "uid-1")
    assert.strictEqual(world.state("v1"), "Failed: PodUnschedulable")
    world.release("v1")
    assert.strictEqual(world.answer(taskOf("v1")), "Started")
  })

  it("A Job that seems not to have started is kept if the API server shows a started pod or does not answer", () => {
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

  it("A Job that starts in time keeps its place", () => {
    const world = worldWith()
    world.pass((START_SECONDS - 1) * SECOND)
    world.pod("v1", "uid-1", { hasBegun: true })
    assert.deepStrictEqual(world.pass(3_600 * SECOND), [])
    assert.strictEqual(world.state("v1"), "Running")
  })

  it("A Job whose Secret is refused shows the refusal", () => {
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

  it("A found Job with other settings is deleted if it has not started, and is kept if it has", () => {
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

  it("After an eviction a Job shows the obstacle of its next pod", () => {
    const world = worldWith()
    world.pod("v1", "uid-1", { hasBegun: true })
    world.podGone("v1", "uid-1")
    world.pod("v1", "uid-1", { name: "second", uid: "second", obstacle: UNSCHEDULABLE })
    assert.strictEqual(obstacleAt(world, "v1"), "PodUnschedulable")
  })
})

describe("a suspended Job", () => {
  it("A suspended Job says so, takes no place, and is never given up", () => {
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

  it("A copy waits for the pod of a deleted Job of its tag, and says so", () => {
    const world = cancelled()
    assert.deepStrictEqual(world.start("v1"), [ANNOUNCED])
    assert.strictEqual(world.state("v1"), "Waiting: waiting for pod jobs/pod-of-uid-1 of an earlier Job to end")
    assert.deepStrictEqual(world.start("v2"), ["Prepare v2"])
    assert.include(world.podGone("v1", "uid-1"), "Prepare v1")
  })

  it("A copy waits for the pod of a deleted Job until Skopeo has ended in the pod", () => {
    const world = cancelled()
    world.start("v1")
    assert.include(world.pod("v1", "uid-1", { hasBegun: true, exitCode: 137 }), "Prepare v1")
  })

  it("A copy waits for the pod of a deleted Job for two minutes at the most", () => {
    const world = cancelled()
    world.start("v1")
    assert.deepStrictEqual(world.pass(119 * SECOND), [])
    assert.include(world.pass(SECOND), "Prepare v1")
    // Later changes of the pod cause no new wait.
    assert.deepStrictEqual(world.pod("v1", "uid-1", { hasBegun: true }), [])
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1 despite pod-of-uid-1"])
  })

  it("A copy waits for the pod of a deleted Job that a new process finds", () => {
    const world = worldOf()
    world.podsListed(podFor("v1", "uid-0", { hasBegun: true }))
    world.start("v1")
    assert.include(world.state("v1"), "waiting for pod jobs/pod-of-uid-0")
    assert.include(world.podsListed(), "Prepare v1")
  })

  it("A copy waits for a pod of an earlier Job that only the API server knows", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    assert.deepStrictEqual(world.prepared("v1"), ["Create v1"])
    assert.deepStrictEqual(world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true })), [])
    assert.deepStrictEqual(world.podGone("v1", "uid-0"), ["Create v1"])
    assert.include(world.created("v1", "uid-1"), "MakeSecret v1")
  })

  it("A copy waits for a pod that only the API server knows for two minutes at the most", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true }))
    assert.deepStrictEqual(world.pass(119 * SECOND), [])
    assert.deepStrictEqual(world.pass(SECOND), ["Create v1 despite pod-of-uid-0"])
  })

  it("A copy that is cancelled while the pods of earlier Jobs are listed gets no Job", () => {
    const world = worldOf()
    world.podsListed()
    world.start("v1")
    world.prepared("v1")
    world.cancel("v1")
    const commands = world.podsLeft("v1", podFor("v1", "uid-0", { hasBegun: true }))
    assert.deepStrictEqual(commands, ["Settle 1", ANNOUNCED])
  })

  it("A copy waits for the pod of the failed Job that it replaces", () => {
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

  it("A copy does not wait for an ended pod, and a pod that is gone is forgotten", () => {
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

  it("The newest three failed Jobs of an Image are kept", () => {
    const world = worldOf()
    world.podsListed()
    for (const tag of ["v1", "v2", "v3"]) {
      assert.deepStrictEqual(fail(world, tag), [])
      world.pass(SECOND)
    }
    assert.deepStrictEqual(fail(world, "v4", RIVAL), [])
    assert.deepStrictEqual(fail(world, "v5"), ["Delete uid-v1"])
    // A Job that is being deleted is not deleted again.
    world.pass(SECOND)
    assert.deepStrictEqual(fail(world, "v6"), ["Delete uid-v2"])
  })

  it("A failed delete of a failed Job is repeated", () => {
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

  it("A hundred failed Jobs are kept at the most", () => {
    const world = worldOf()
    world.podsListed()
    const deleted = Array.from({ length: 102 }, (_, n) => {
      world.pass(SECOND)
      return fail(world, `t${n}`, { namespace: "team", name: `app-${n}`, uid: `uid-${n}` })
    })
    assert.deepStrictEqual(deleted.flat(), ["Delete uid-t0", "Delete uid-t1"])
  })

  it("The failed Jobs of a namespace with a hundred of them push out no failed Job of another namespace", () => {
    const world = worldOf()
    world.podsListed()
    const failOf = (namespace: string, n: number) => {
      world.pass(SECOND)
      return fail(world, `${namespace}-${n}`, { namespace, name: `app-${n}`, uid: `uid-${namespace}-${n}` })
    }
    for (const n of [1, 2]) assert.deepStrictEqual(failOf("good", n), [])
    const deleted = Array.from({ length: 100 }, (_, n) => failOf("evil", n))
    assert.deepStrictEqual(deleted.flat(), ["Delete uid-evil-0", "Delete uid-evil-1"])
  })

  it("Failed Jobs of a deleted Image are deleted, and those of another Image are kept", () => {
    const world = worldOf()
    world.podsListed()
    for (const tag of ["v1", "v2"]) fail(world, tag)
    fail(world, "v3", RIVAL)
    const commands = world.tell(Event.Prune({ image: APP, uid: undefined }))
    assert.sameMembers([...commands], ["Delete uid-v1", "Delete uid-v2"])
  })

  it("Failed Jobs of a deleted Image are deleted when a new Image has its name, and those of the new Image are kept", () => {
    const world = worldOf()
    world.podsListed()
    fail(world, "v1")
    fail(world, "v2", { ...APP, uid: "uid-of-new-app" })
    assert.deepStrictEqual(world.tell(Event.Prune({ image: APP, uid: "uid-of-new-app" })), ["Delete uid-v1"])
  })

  it("A completed Job whose copy could not be verified is not kept: its time to live is shortened", () => {
    const world = worldOf()
    world.podsListed()
    world.run("v1", "uid-1")
    world.seen("v1", "uid-1", "Complete")
    const state = { _tag: "Failed", at: NOW, reason: "Unreachable", message: "no answer" } as const
    world.tell(Event.Inspected({ ...world.ofJob("v1", "uid-1"), state }))
    assert.deepStrictEqual(world.release("v1"), ["Shorten uid-1"])
  })

  it("The Secret of a Job is deleted as soon as the Job has failed", () => {
    const world = worldOf()
    world.podsListed()
    world.run("v1", "uid-1")
    const job = jobFor(taskOf("v1"), "uid-1", "Failed")
    const secret = `${job.metadata.name}-0badcafe`
    const annotations = { ...job.metadata.annotations, "skopeo.io/secret": secret } as const
    world.tell(Event.Seen({ job: { ...job, metadata: { ...job.metadata, annotations } } }))
    const state = { _tag: "Failed", at: NOW, reason: "CopyFailed", message: "it broke" } as const
    const commands = world.commandsOf(Event.Inspected({ ...world.ofJob("v1", uidOf(job)), state }))
    assert.deepStrictEqual(
      commands.flatMap((command) => (command._tag === "Tidy" ? [[command.chore, command.secret]] : [])),
      [["DropSecret", secret]]
    )
  })
})
