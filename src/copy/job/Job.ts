/** Reads the Kubernetes Job of one copy: its copy and its end. JobManifest writes the Job. Pure. */
import { hash } from "node:crypto"
import { Result } from "effect"
import { CONFIGURED, type CredentialChoice } from "../../domain/Credential.ts"
import { type CopyTask, destinationOf, type ImageIdentity } from "../../domain/Copy.ts"
import { parsePlatform, type Platform } from "../../oci/Platform.ts"
import { isDigest } from "../../oci/Digest.ts"
import { formatReference, parseReference } from "../../oci/Reference.ts"
import type { JobObject } from "../../kube/Resources.ts"
import type { Proxies } from "../../http/Proxy.ts"
import type { JobTemplate } from "./JobTemplate.ts"

export interface JobOptions {
  /** The namespace of the Jobs. */
  readonly namespace: string
  /** The image of Skopeo with its tag: `quay.io/containers/skopeo:v1.16.1`. */
  readonly image: string
  /** The value of a label that distinguishes the Jobs of two operators in one namespace. */
  readonly instance: string
  /** How long a Job that has succeeded is kept after its copy is recorded. Default 10. */
  readonly deletionDelaySeconds?: number
  /** The proxies to registries. Default none. */
  readonly proxies?: Proxies
  /** A ConfigMap in the Jobs' namespace. Skopeo trusts its certificates (PEM) in addition to those of Skopeo's image. */
  readonly caConfigMap?: string
  /** Further settings of Jobs and their pods. Default `DEFAULT_TEMPLATE`. */
  readonly template?: JobTemplate
}

export const MANAGER = "skopeo-operator"

export const LABEL = {
  managedBy: "app.kubernetes.io/managed-by",
  instance: "skopeo.io/instance",
  imageUid: "skopeo.io/image-uid",
  digest: "skopeo.io/digest"
} as const

export const ANNOTATION = {
  image: "skopeo.io/image",
  generation: "skopeo.io/generation",
  source: "skopeo.io/source",
  destination: "skopeo.io/destination",
  platforms: "skopeo.io/platforms",
  destinationDigest: "skopeo.io/destination-digest",
  onlyIfMissing: "skopeo.io/only-if-missing",
  tlsVerify: "skopeo.io/tls-verify",
  secret: "skopeo.io/secret",
  settings: "skopeo.io/settings",
  credentials: {
    source: "skopeo.io/source-credentials",
    destination: "skopeo.io/destination-credentials"
  }
} as const

/** The label selector of this operator's Jobs and their pods. A policy may change labels that other tools know too. */
export const selectorOf = (instance: string): string => `${LABEL.instance}=${instance}`

/**
 * The name of the Job to a destination: a readable part and a hash of the destination. All copies to one tag have one name, so
 * two of them never run at once. The hash has 80 bits, so that no destination can be made to share the name of another's Job.
 */
export const jobName = (task: CopyTask): string => nameWith(task, { slug: 32, hash: 20 })

/** The name that earlier releases gave the Job to a destination. */
export const oldJobName = (task: CopyTask): string => nameWith(task, { slug: 40, hash: 12 })

/** Whether a Job of this name copies to a task's destination. */
export const isNameFor = (name: string, task: CopyTask): boolean => name === jobName(task) || name === oldJobName(task)

const nameWith = (task: CopyTask, length: { readonly slug: number; readonly hash: number }): string => {
  const hashed = hash("sha256", formatReference(destinationOf(task)), "hex").slice(0, length.hash)
  const slug = `${task.destination.repository.path.split("/").at(-1) ?? ""}-${task.tag}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .replaceAll(/^-+|-+$/gu, "")
    .slice(0, length.slug)
    .replace(/-+$/u, "")
  return `copy-${slug}-${hashed}`
}

/** The digits of a digest that fit into a label. */
export const labelOfDigest = (digest: string): string => digest.slice(digest.indexOf(":") + 1).slice(0, 63)

/**
 * Whether a copy leaves out some of an image's platforms. Skopeo copies each remaining platform by its digest. Afterwards this
 * operator writes their index and the tag.
 */
export const isSubset = (task: CopyTask): boolean => task.destinationDigest !== task.digest

/**
 * The copy that a Job makes. `undefined` if a label or an annotation cannot be read or does not fit the Job's name: the Job was
 * tampered with.
 */
export const taskOf = (job: JobObject): CopyTask | undefined => {
  const task = readTask(job)
  return task !== undefined && isNameFor(job.metadata.name, task) ? task : undefined
}

const readTask = (job: JobObject): CopyTask | undefined => {
  const { annotations = {}, labels = {} } = job.metadata
  const [namespace, name, ...rest] = (annotations[ANNOTATION.image] ?? "").split("/")
  const source = Result.getOrUndefined(parseReference(annotations[ANNOTATION.source] ?? ""))
  const destination = Result.getOrUndefined(parseReference(annotations[ANNOTATION.destination] ?? ""))
  const uid = labels[LABEL.imageUid]
  if (namespace === undefined || name === undefined || rest.length > 0 || uid === undefined) return undefined
  if (source?.digest === undefined || destination?.tag === undefined) return undefined
  const destinationDigest = annotations[ANNOTATION.destinationDigest] ?? source.digest
  const platforms = parsePlatforms(annotations[ANNOTATION.platforms])
  const onlyIfMissing = parseFlag(annotations[ANNOTATION.onlyIfMissing] ?? "false")
  const [sourceTls, destinationTls] = (annotations[ANNOTATION.tlsVerify] ?? "true,true").split(",").map(parseFlag)
  const sourceChoice = parseChoice(annotations[ANNOTATION.credentials.source])
  const destinationChoice = parseChoice(annotations[ANNOTATION.credentials.destination])
  if (!isDigest(destinationDigest) || platforms === undefined || onlyIfMissing === undefined) return undefined
  if (sourceTls === undefined || destinationTls === undefined) return undefined
  if (sourceChoice === undefined || destinationChoice === undefined) return undefined
  const image: ImageIdentity = { namespace, name, uid }
  const generation = Number(annotations[ANNOTATION.generation])
  return {
    image,
    // No Image has generation 0. A copy of generation 0 continues only if it still fits the spec.
    generation: Number.isSafeInteger(generation) ? generation : 0,
    source: { repository: source.repository, tlsVerify: sourceTls, credentials: sourceChoice },
    digest: source.digest,
    platforms,
    destinationDigest,
    // Skopeo copies no referrers.
    referrers: false,
    destination: { repository: destination.repository, tlsVerify: destinationTls, credentials: destinationChoice },
    tag: destination.tag,
    onlyIfMissing
  }
}

/** Parses platforms that are joined by commas. An absent text means all platforms. `undefined` if a platform is invalid. */
const parsePlatforms = (text: string | undefined): ReadonlyArray<Platform> | undefined =>
  text === undefined ? [] : Result.getOrUndefined(Result.all(text.split(",").map(parsePlatform)))

const parseFlag = (text: string): boolean | undefined => (text === "true" ? true : text === "false" ? false : undefined)

/** `undefined` if the text is invalid. Jobs of earlier releases lack the annotation: they had configured credentials only. */
const parseChoice = (text = "configured"): CredentialChoice | undefined => {
  if (text === "configured") return CONFIGURED
  if (text === "aws") return { _tag: "AwsIdentity" }
  const name = text.startsWith("secret/") ? text.slice("secret/".length) : ""
  return name === "" ? undefined : { _tag: "Secret", name }
}

export type JobOutcome =
  | { readonly _tag: "Active" }
  | { readonly _tag: "Complete"; readonly at: string | undefined }
  | { readonly _tag: "Failed"; readonly reason: string; readonly message: string; readonly at: string | undefined }

/** How a Job has ended, by its conditions. */
export const outcomeOf = (job: JobObject): JobOutcome => {
  const conditions = job.status?.conditions ?? []
  const met = (type: string) => conditions.find((condition) => condition.type === type && condition.status === "True")
  const complete = met("Complete")
  if (complete !== undefined) return { _tag: "Complete", at: job.status?.completionTime ?? complete.lastTransitionTime }
  const failed = met("Failed")
  if (failed !== undefined) {
    return {
      _tag: "Failed",
      reason: failed.reason ?? "CopyFailed",
      message: failed.message ?? "",
      at: failed.lastTransitionTime
    }
  }
  return { _tag: "Active" }
}

/** Whether a Job is suspended. A queue such as Kueue suspends Jobs. The operator suspends none. */
export const isSuspended = ({ status }: JobObject): boolean =>
  (status?.conditions ?? []).some((condition) => condition.type === "Suspended" && condition.status === "True")

/** Identifies the settings of the operator that created a Job. */
export const settingsIn = ({ metadata }: JobObject): string => metadata.annotations?.[ANNOTATION.settings] ?? ""

/** The name of a Job's Secret. `undefined` for any name that the operator does not give: the Job was tampered with. */
export const secretNameOf = ({ metadata: { annotations = {}, name } }: JobObject): string | undefined => {
  const secret = annotations[ANNOTATION.secret] ?? ""
  return secret.startsWith(`${name}-`) && /^-[0-9a-f]{8}$/u.test(secret.slice(name.length)) ? secret : undefined
}

/** A Job in messages. */
export const describeJob = (namespace: string, task: CopyTask, name: string = jobName(task)): string =>
  `Job ${namespace}/${name} to ${formatReference(destinationOf(task))}`

export const uidOf = (job: JobObject): string => job.metadata.uid ?? ""

/** Whether a Job makes this copy for this Image. */
export const makesCopy = (job: JobObject, task: CopyTask): boolean =>
  job.metadata.labels?.[LABEL.imageUid] === task.image.uid &&
  job.metadata.labels[LABEL.digest] === labelOfDigest(task.destinationDigest)
