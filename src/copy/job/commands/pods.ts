/** The pods of Jobs, as the API server lists them. */
import { Effect } from "effect"
import type { KubeClient } from "../../../kube/KubeClient.ts"
import { type PodObject, Pods } from "../../../kube/Resources.ts"
import type { OfJob } from "../JobEvents.ts"
import { type JobPod, podOf } from "../JobPod.ts"

type Client = Pick<KubeClient["Service"], "list">

/** The pods of all Jobs of a name. Pods may outlive their Job. */
export const podsOfName = (kube: Client, namespace: string, name: string) =>
  Effect.map(
    kube.list(Pods, { namespace, labelSelector: `batch.kubernetes.io/job-name=${name}` }),
    ({ items }) => items
  )

export const podsOfJob = (kube: Client, namespace: string, { name, uid }: OfJob) =>
  Effect.map(podsOfName(kube, namespace, name), (pods) =>
    pods.filter(({ metadata: { ownerReferences = [] } }) => ownerReferences.some((owner) => owner.uid === uid))
  )

/** The part of each pod that the board keeps. */
export const keptOf = (pods: ReadonlyArray<PodObject>): ReadonlyArray<JobPod> =>
  pods.map(podOf).filter((pod) => pod !== undefined)
