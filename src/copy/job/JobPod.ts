/** A pod of a Job: the part that the operator keeps, and what keeps the containers from running. Pure. */
import { REASONS, type Reason } from "../../domain/Reason.ts"
import type { PodObject } from "../../kube/Resources.ts"
import { boundedLine } from "../../text/line.ts"

/** The container whose end is the end of the copy. */
export const CONTAINER = "skopeo"

/** Why a copy does not run although it has a Job. */
export interface Obstacle {
  readonly reason: Reason
  readonly message: string
}

/** The part of a pod that the operator keeps. It is small. It has no message of a container, which may repeat a secret. */
export interface JobPod {
  readonly name: string
  readonly uid: string
  readonly job: { readonly name: string; readonly uid: string }
  /** Whether a container of the copy has started, or a container that the cluster has put before it. */
  readonly hasBegun: boolean
  /** The exit code of Skopeo, if Skopeo has ended. */
  readonly exitCode: number | undefined
  /** Whether no container of the pod runs, and none will run. */
  readonly hasEnded: boolean
  readonly obstacle: Obstacle | undefined
}

/** Whether Skopeo may still write the destination from a pod. */
export const mayWrite = ({ exitCode, hasEnded }: JobPod): boolean => exitCode === undefined && !hasEnded

const WORDS = 700

/** An obstacle with the cluster's words and the remedy of its reason. */
export const obstacleOf = (reason: Reason, words: string): Obstacle => {
  const { remedy } = REASONS[reason]
  const said = boundedLine(words, WORDS).replace(/[.\s]+$/u, "")
  return { reason, message: `${said}; ${remedy.charAt(0).toLowerCase()}${remedy.slice(1).replace(/\.$/u, "")}` }
}

/** A kubelet's reasons for an image that it cannot pull. Its other reasons are for containers that it cannot start. */
const IMAGE_NOT_PULLED = new Set([
  "ErrImageNeverPull",
  "ErrImagePull",
  "ImageInspectError",
  "ImagePullBackOff",
  "InvalidImageName",
  "RegistryUnavailable",
  "SignatureValidationFailed"
])

/** The reasons of containers that start normally. */
const ON_ITS_WAY = new Set(["ContainerCreating", "PodInitializing"])

/** Whether a container belongs to the copy. A cluster may add others. */
const isOfCopy = ({ name }: { readonly name: string }): boolean =>
  name === CONTAINER || name.startsWith(`${CONTAINER}-`)

const statusesOf = ({ status }: PodObject) => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? [])
]

/** Why the containers of a pod do not run, if the cluster reports a reason. */
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

/** The kept part of a pod. `undefined` if no Job owns the pod. */
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
