/** What is kept of a pod, and what keeps it from its work. */
import { assert, describe, it } from "@effect/vitest"
import { obstacleIn, podOf } from "../../../src/copy/job/JobPod.ts"
import type { PodObject } from "../../../src/kube/Resources.ts"

const pod = (status: PodObject["status"], more: Partial<PodObject["metadata"]> = {}): PodObject => ({
  metadata: {
    name: "copy-app-1",
    uid: "pod-uid",
    ownerReferences: [{ kind: "Job", name: "copy-app", uid: "job-uid" }],
    ...more
  },
  spec: {
    containers: [
      { name: "istio-proxy", image: "proxy" },
      { name: "skopeo", image: "quay.io/skopeo:v9" }
    ]
  },
  ...(status === undefined ? {} : { status })
})

const waiting = (reason: string, message = "words") => ({
  containerStatuses: [{ name: "skopeo", state: { waiting: { reason, message } } }]
})

describe("obstacleIn", () => {
  it.each<readonly [what: string, status: PodObject["status"], said: RegExp | undefined]>([
    ["a pod that is on its way", waiting("ContainerCreating"), undefined],
    ["a pod whose parts are copied first", waiting("PodInitializing"), undefined],
    ["a pod of which nothing is said", {}, undefined],
    [
      "an image that cannot be pulled",
      waiting("ErrImagePull", "no such host."),
      /^PodImageNotPulled: its image quay\.io\/skopeo:v9 cannot be pulled: ErrImagePull: no such host; correct SKOPEO_IMAGE/u
    ],
    [
      "a container that cannot be started",
      waiting("CreateContainerConfigError", "secret not found"),
      /^PodNotStarted: .*secret not found/u
    ],
    [
      "an image of a part that cannot be pulled",
      { initContainerStatuses: [{ name: "skopeo-1", state: { waiting: { reason: "ImagePullBackOff" } } }] },
      /^PodImageNotPulled: /u
    ],
    [
      "another's container, which is no obstacle to the copy",
      { containerStatuses: [{ name: "istio-proxy", state: { waiting: { reason: "ErrImagePull" } } }] },
      undefined
    ],
    [
      "a pod that no node takes",
      {
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }]
      },
      /^PodUnschedulable: no node takes its pod: 0\/3 nodes; add a node that fits/u
    ]
  ])("of %s", (_what, status, said) => {
    const obstacle = obstacleIn(pod(status))
    const words = obstacle === undefined ? "none" : `${obstacle.reason}: ${obstacle.message}`
    assert.match(words, said ?? /^none$/u)
  })

  it("is none of a pod that is being deleted", () => {
    assert.isUndefined(obstacleIn(pod(waiting("ErrImagePull"), { deletionTimestamp: "2026-01-01T00:00:00Z" })))
  })

  it("is one line, and ends", () => {
    const { message = "" } = obstacleIn(pod(waiting("ErrImagePull", "long\n".repeat(1_000)))) ?? {}
    assert.isBelow(message.length, 1_100)
    assert.notInclude(message, "\n")
  })
})

describe("podOf", () => {
  it("says whose pod it is, whether it has begun, and how Skopeo has ended", () => {
    const state = { terminated: { exitCode: 0 } }
    const ended = pod({ phase: "Running", containerStatuses: [{ name: "skopeo", state }] })
    assert.deepStrictEqual(podOf(ended), {
      name: "copy-app-1",
      uid: "pod-uid",
      job: { name: "copy-app", uid: "job-uid" },
      hasBegun: true,
      exitCode: 0,
      hasEnded: false,
      obstacle: undefined
    })
    const part = { initContainerStatuses: [{ name: "skopeo-1", state }], ...waiting("PodInitializing") }
    assert.deepInclude(podOf(pod({ phase: "Pending", ...part })), { hasBegun: true, exitCode: undefined })
    assert.deepInclude(podOf(pod({ phase: "Failed" })), { hasBegun: false, hasEnded: true })
  })

  it("has begun once a container that a cluster has put before those of the copy runs, unless these cannot", () => {
    const late = { initContainerStatuses: [{ name: "late", state: { running: {} } }] }
    assert.isTrue(podOf(pod({ ...late, ...waiting("PodInitializing") }))?.hasBegun)
    assert.isFalse(podOf(pod({ ...late, ...waiting("ImagePullBackOff") }))?.hasBegun)
  })

  it("keeps nothing that a container said, which may repeat a secret", () => {
    const state = { terminated: { exitCode: 1, message: "hunter2" } }
    const failed = pod({ phase: "Failed", containerStatuses: [{ name: "skopeo", state }] })
    assert.notInclude(JSON.stringify(podOf(failed)), "hunter2")
  })

  it("is none of a pod that no Job owns", () => {
    assert.isUndefined(podOf(pod({}, { ownerReferences: [{ kind: "ReplicaSet", name: "a", uid: "b" }] })))
    assert.isUndefined(podOf({ metadata: { name: "bare" } }))
  })
})
