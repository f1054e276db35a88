/** A pod of a Job: what is kept of it, and what keeps its containers from running. Pure. */
import { REASONS, type Reason } from "../../domain/Reason.ts"
import type { PodObject } from "../../kube/Resources.ts"
import { oneLine, shorten } from "../../text/line.ts"

/** The container whose end is the copy's. */
export const CONTAINER = "skopeo"

/** Why a copy that has its Job does not run. */
export interface Obstacle {
  readonly reason: Reason
  readonly message: string
}

/** Small, for the operator holds one for each copy; without the words of containers, which may repeat a secret. */
export interface JobPod {
  readonly name: string
  readonly uid: string
  readonly job: { readonly name: string; readonly uid: string }
  /** Whether a container of the copy runs or has run, or others run before it. */
  readonly hasBegun: boolean
  /** How Skopeo has ended, if it has. */
  readonly exitCode: number | undefined
  /** Whether none of its containers runs any more, or will. */
  readonly hasEnded: boolean
  readonly obstacle: Obstacle | undefined
}

/** Whether Skopeo may write the destination from it. */
export const mayWrite = ({ exitCode, hasEnded }: JobPod): boolean => exitCode === undefined && !hasEnded

const WORDS = 700

/** What others say of a pod, and what a user can do. */
export const obstacleOf = (reason: Reason, words: string): Obstacle => {
  const { remedy } = REASONS[reason]
  const said = shorten(oneLine(words), WORDS).replace(/[.\s]+$/u, "")
  return { reason, message: `${said}; ${remedy.charAt(0).toLowerCase()}${remedy.slice(1).replace(/\.$/u, "")}` }
}

/** What a kubelet says of an image that it cannot pull; its other words are of a container that it cannot start. */
const IMAGE_NOT_PULLED = new Set([
  "ErrImageNeverPull",
  "ErrImagePull",
  "ImageInspectError",
  "ImagePullBackOff",
  "InvalidImageName",
  "RegistryUnavailable",
  "SignatureValidationFailed"
])

/** What every container goes through. */
const ON_ITS_WAY = new Set(["ContainerCreating", "PodInitializing"])

/** Containers of the copy; a cluster may have added others. */
const isOfCopy = ({ name }: { readonly name: string }): boolean =>
  name === CONTAINER || name.startsWith(`${CONTAINER}-`)

const statusesOf = ({ status }: PodObject) => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? [])
]

/** Why the containers of a pod do not run, as far as the cluster says. */
export const obstacleIn = (pod: PodObject): Obstacle | undefined => {
  if (pod.metadata.deletionTimestamp !== undefined) return undefined
  const unplaced = pod.status?.conditions?.find(({ status, type }) => type === "PodScheduled" && status === "False")
  if (unplaced !== undefined) {
    return obstacleOf(
      "PodUnschedulable",
      `no node takes its pod: ${unplaced.message ?? unplaced.reason ?? "no reason"}`
    )
  }
  const waiting = statusesOf(pod)
    .filter(isOfCopy)
    .map(({ state }) => state?.waiting)
    .find((state) => state?.reason !== undefined && !ON_ITS_WAY.has(state.reason))
  if (waiting === undefined) return undefined
  const { message, reason = "" } = waiting
  const words = [reason, message].filter(Boolean).join(": ")
  const image = pod.spec?.containers?.find(isOfCopy)?.image ?? ""
  return IMAGE_NOT_PULLED.has(reason)
    ? obstacleOf("PodImageNotPulled", `its image ${image} cannot be pulled: ${words}`)
    : obstacleOf("PodNotStarted", `its pod waits: ${words}`)
}

/** What is kept of a pod; `undefined` if no Job owns it. */
export const podOf = (pod: PodObject): JobPod | undefined => {
  const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "Job")
  if (owner === undefined) return undefined
  const obstacle = obstacleIn(pod)
  const hasRun = ({ state }: ReturnType<typeof statusesOf>[number]): boolean =>
    state?.running !== undefined || state?.terminated !== undefined
  const begun = statusesOf(pod).filter(hasRun)
  return {
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? "",
    job: { name: owner.name, uid: owner.uid },
    hasBegun: begun.some(isOfCopy) || (begun.length > 0 && obstacle === undefined),
    exitCode: begun.find(({ name }) => name === CONTAINER)?.state?.terminated?.exitCode,
    hasEnded: pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed",
    obstacle
  }
}
