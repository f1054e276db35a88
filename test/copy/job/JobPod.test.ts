/** The kept part of a pod, and the obstacles of pods. */
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
    ["a container that is being created", waiting("ContainerCreating"), undefined],
    ["a pod whose init containers run", waiting("PodInitializing"), undefined],
    ["a pod without a status", {}, undefined],
    [
      "an image that cannot be pulled",
      waiting("ErrImagePull", "no such host."),
      /^PodImageNotPulled: its image quay\.io\/skopeo:v9 cannot be pulled: ErrImagePull: no such host; correct SKOPEO_IMAGE/u
    ],
    [
      "a container that cannot start",
      waiting("CreateContainerConfigError", "secret not found"),
      /^PodNotStarted: .*secret not found/u
    ],
    [
      "an init container whose image cannot be pulled",
      { initContainerStatuses: [{ name: "skopeo-1", state: { waiting: { reason: "ImagePullBackOff" } } }] },
      /^PodImageNotPulled: /u
    ],
    [
      "a sidecar whose image cannot be pulled, which is none",
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
  ])("The obstacle of a Job is read from %s", (_what, status, said) => {
    const obstacle = obstacleIn(pod(status))
    const words = obstacle === undefined ? "none" : `${obstacle.reason}: ${obstacle.message}`
    assert.match(words, said ?? /^none$/u)
  })

  it("A pod that is being deleted has no obstacle", () => {
    assert.isUndefined(obstacleIn(pod(waiting("ErrImagePull"), { deletionTimestamp: "2026-01-01T00:00:00Z" })))
  })

  it("The message of an obstacle is one line of limited length", () => {
    const { message = "" } = obstacleIn(pod(waiting("ErrImagePull", "long\n".repeat(1_000)))) ?? {}
    assert.isBelow(message.length, 1_100)
    assert.notInclude(message, "\n")
  })
})

describe("podOf", () => {
  it("The kept part of a pod has its Job, whether the pod has begun, and Skopeo's exit code", () => {
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

  it("A pod has begun when a container before the copy's runs, unless the copy's container has an obstacle", () => {
    const late = { initContainerStatuses: [{ name: "late", state: { running: {} } }] }
    assert.isTrue(podOf(pod({ ...late, ...waiting("PodInitializing") }))?.hasBegun)
    assert.isFalse(podOf(pod({ ...late, ...waiting("ImagePullBackOff") }))?.hasBegun)
  })

  it("The kept part of a pod has no message of a container, which may repeat a secret", () => {
    const state = { terminated: { exitCode: 1, message: "hunter2" } }
    const failed = pod({ phase: "Failed", containerStatuses: [{ name: "skopeo", state }] })
    assert.notInclude(JSON.stringify(podOf(failed)), "hunter2")
  })

  it("A pod without an owning Job is ignored", () => {
    assert.isUndefined(podOf(pod({}, { ownerReferences: [{ kind: "ReplicaSet", name: "a", uid: "b" }] })))
    assert.isUndefined(podOf({ metadata: { name: "bare" } }))
  })
})
