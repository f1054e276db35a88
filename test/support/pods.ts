/** What a cluster's Job controller and its kubelets do with Jobs, on an API server in memory. */
import { Result } from "effect"
import type { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { Jobs, Pods } from "../../src/kube/Resources.ts"

interface JobName {
  readonly namespace?: string
  readonly name: string
}

/** The pod of a Job, by the Job's name. `nth` tells the pods of one Job apart. */
export const podName = ({ name, namespace = "" }: JobName, nth: number) => ({ namespace, name: `${name}-${nth}` })

interface PodOptions {
  /** Tells the pods of one Job apart. Default 1. */
  readonly nth?: number
  readonly now?: number
  /** With one, the pod outlives its Job. Default none. */
  readonly finalizers?: ReadonlyArray<string>
}

/** A Job gets a pod, which its kubelet has yet to start. */
export const createPod = (
  server: ApiServerStore,
  name: JobName,
  { finalizers = [], nth = 1, now = 0 }: PodOptions = {}
): void => {
  const job = server.get(Jobs, name)
  if (job === undefined) throw new Error(`no Job ${name.name}`)
  const { labels, uid } = job.metadata
  const marks = typeof labels === "object" ? { labels: { ...labels, "batch.kubernetes.io/job-name": name.name } } : {}
  Result.getOrThrow(
    server.create(
      Pods,
      {
        metadata: {
          ...podName(name, nth),
          ...marks,
          ...(finalizers.length === 0 ? {} : { finalizers }),
          ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: name.name, uid, controller: true }]
        },
        spec: {
          containers: [{ name: "skopeo", image: "skopeo:test", resources: { limits: { memory: "1Gi" } } }]
        }
      },
      now
    )
  )
}

/** What a kubelet, or the scheduler, writes into the status of a pod. */
export const setPod = (server: ApiServerStore, name: JobName, status: object, nth = 1): void => {
  Result.getOrThrow(server.applyStatus(Pods, { metadata: podName(name, nth), status }))
}

/** The status of a pod whose container is in a state. */
export const skopeoIs = (state: object, more: object = {}): object => ({
  phase: "Running",
  containerStatuses: [{ name: "skopeo", state }],
  ...more
})

/** Every Job gets a pod at once, and its container runs. */
export const runPods = (server: ApiServerStore): void => {
  const { resourceVersion } = server.list(Jobs, {})
  Result.getOrThrow(
    server.watch(Jobs, {}, Number(resourceVersion), ({ object, type }) => {
      if (type !== "ADDED") return
      createPod(server, object.metadata)
      setPod(server, object.metadata, skopeoIs({ running: {} }))
    })
  )
}
