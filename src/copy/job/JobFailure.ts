/** Why a Job has failed, from the Job and its pods. Pure. */
import type { Reason } from "../../domain/Reason.ts"
import type { PodObject } from "../../kube/Resources.ts"
import type { Repository } from "../../oci/Reference.ts"
import { causeInWords, REMEDIES } from "../../registry/refusalCause.ts"
import { howToCreate } from "../../registry/vendors.ts"
import type { JobOutcome } from "./Job.ts"
import { NO_INDEX_OF_INDEXES } from "./skopeoRefusal.ts"
import { knownWords } from "./SkopeoWords.ts"
import { CONTAINER, type Obstacle, obstacleIn, obstacleOf } from "./JobPod.ts"

const RATE_LIMITED = /toomanyrequests|too many requests/iu

/** The reasons that a user can act on, by Skopeo's messages. */
const SKOPEO_SAYS: ReadonlyArray<readonly [RegExp, Reason]> = [
  // The proxy asks for this authentication, not a registry.
  [/proxyconnect|proxy authentication required/iu, "Unreachable"],
  [
    /unauthorized|authentication required|access to the resource is denied|invalid username\/password/iu,
    "AuthenticationFailed"
  ],
  [RATE_LIMITED, "RateLimited"],
  // The first request of an upload shows that the repository has to be created.
  [/initiating layer upload.*name unknown/iu, "DestinationRepositoryMissing"],
  [/manifest unknown|name unknown|repository name not known/iu, "SourceNotFound"],
  [/unexpectedly received a manifest list/iu, "UnsupportedManifest"],
  [/no such host|connection refused|i\/o timeout|x509|tls:/iu, "Unreachable"]
]

interface ObjectName {
  readonly namespace: string
  readonly name: string
}

interface Failed {
  readonly outcome: Extract<JobOutcome, { readonly _tag: "Failed" }>
  readonly job: ObjectName
  /** The pods of the Job. */
  readonly pods: ReadonlyArray<PodObject>
  readonly destination: Repository
  /** How long a pod may run. */
  readonly deadlineSeconds: number
  readonly redact?: (words: string) => string
}

/** Why a Job has failed: by its newest pod, or without pods by the Job itself. */
export const failureOf = ({
  deadlineSeconds,
  destination,
  job,
  outcome,
  pods,
  redact = (words) => words
}: Failed): Obstacle => {
  const newest = [...pods].sort((a, b) =>
    (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1
  )[0]
  const failed = newest === undefined ? undefined : containerIn(newest)
  const ended = failed?.state?.terminated
  const words = redact(lastWords(ended?.message ?? ""))
  const log = `kubectl logs -n ${job.namespace} job/${job.name} -c ${failed?.name ?? CONTAINER}`
  if (ended?.reason === "OOMKilled")
    return obstacleOf("OOMKilled", `skopeo needed more memory than ${memoryOf(newest)}`)
  const { message = "", reason = "" } = newest?.status ?? {}
  if (reason === "Evicted") return obstacleOf("PodEvicted", `the pod was evicted: ${message}`)
  if (reason === "DeadlineExceeded") {
    const { shown } = knownWords(words)
    return late(
      `the copy was not done within ${durationOf(deadlineSeconds)}${shown === "" ? "" : `; skopeo: ${shown}`}`
    )
  }
  if (words !== "") return saidBySkopeo(words, destination, ended?.exitCode ?? 1, log)
  const obstacle = newest === undefined ? undefined : obstacleIn(newest)
  if (obstacle !== undefined) return obstacle
  if (outcome.reason === "DeadlineExceeded") return late(`the Job was not done in its time: ${outcome.message}`)
  return ended === undefined || ended.exitCode === 0
    ? { reason: "CopyFailed", message: `the Job failed: ${outcome.message || outcome.reason}` }
    : { reason: "CopyFailed", message: `skopeo ended with exit code ${ended.exitCode}, and said nothing` }
}

/** The container with the end of a pod's copy. After a failed container the later containers do not start. */
const containerIn = ({ status }: PodObject) =>
  (status?.initContainerStatuses ?? []).find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0) ??
  (status?.containerStatuses ?? []).find(({ name }) => name === CONTAINER)

const memoryOf = (pod: PodObject | undefined): string => {
  const limit = pod?.spec?.containers?.find(({ name }) => name === CONTAINER)?.resources?.limits?.memory
  return limit === undefined ? "there is" : `its limit of ${limit}`
}

const durationOf = (seconds: number): string => (seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} seconds`)

const late = (message: string): Obstacle => ({ reason: "DeadlineExceeded", message })

/** The reason and the known parts of Skopeo's words. Other parts may be the text of a page inside of the cluster. */
const saidBySkopeo = (words: string, destination: Repository, exitCode: number, log: string): Obstacle => {
  const line = words.replaceAll(/\s+/gu, " ")
  // A registry answers "denied" for a quota and for a rule too. A rate limit may speak of a quota.
  const cause = RATE_LIMITED.test(line) ? undefined : causeInWords(line)
  const reason = cause ?? SKOPEO_SAYS.find(([pattern]) => pattern.test(line))?.[1] ?? "CopyFailed"
  const remedy =
    cause !== undefined
      ? `; ${REMEDIES[cause]}`
      : reason === "DestinationRepositoryMissing"
        ? `; ${howToCreate(destination)}`
        : reason === "UnsupportedManifest"
          ? `; ${NO_INDEX_OF_INDEXES}`
          : /x509: certificate signed by unknown authority/u.test(line)
            ? "; Jobs trust a CA that is in the ConfigMap REGISTRY_CA_CONFIGMAP of the namespace where they run"
            : ""
  const { isWhole, shown } = knownWords(words)
  const said = shown === "" ? `skopeo ended with exit code ${exitCode}` : `skopeo: ${shown}`
  return { reason, message: `${said}${remedy}${isWhole ? "" : `; read the log: ${log}`}` }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\n", t: " " }

/** The message of the last log line. Skopeo writes `time="…" level=fatal msg="…"`. */
const lastWords = (log: string): string => {
  const line = log.trim().split("\n").at(-1) ?? ""
  const quoted = /\bmsg="((?:[^"\\]|\\.)*)"/u.exec(line)?.[1]
  return quoted?.replaceAll(/\\(.)/gu, (_, escaped: string) => ESCAPES[escaped] ?? escaped) ?? line
}
