/** What is read of the Kubernetes Job that makes one copy: which copy, and how it ended. JobManifest writes it. Pure. */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { CONFIGURED, type CredentialChoice } from "../../domain/Credential.ts"
import { type CopyTask, destinationOf, type ImageIdentity } from "../../domain/Copy.ts"
import { parsePlatform, type Platform } from "../../oci/Platform.ts"
import { DIGEST_PATTERN, formatReference, parseReference } from "../../oci/Reference.ts"
import type { JobObject } from "../../kube/Resources.ts"
import type { Proxies } from "../../http/Proxy.ts"
import type { JobTemplate } from "./JobTemplate.ts"

export interface JobOptions {
  /** Where the Jobs run. */
  readonly namespace: string
  /** Skopeo's image, with its tag: `quay.io/containers/skopeo:v1.16.1`. */
  readonly image: string
  /** Tells the Jobs of two operators in one namespace apart. */
  readonly instance: string
  /** How long a Job is kept once its copy is recorded. Default 10. */
  readonly deletionDelaySeconds?: number
  /** The proxies that lead to registries; default none. */
  readonly proxies?: Proxies
  /** A ConfigMap in the Jobs' namespace whose certificates (PEM) Skopeo trusts beside those of its image. */
  readonly caConfigMap?: string
  /** What else is decided about Jobs and their pods; default `DEFAULT_TEMPLATE`. */
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

/** What finds this operator's own Jobs and their pods. A policy may change the labels that others know too. */
export const selectorOf = (instance: string): string => `${LABEL.instance}=${instance}`

/**
 * A readable name, with a hash of the destination: two copies to one tag can never run at once, and no two destinations
 * share a name however their dots and dashes fall.
 */
export const jobName = (task: CopyTask): string => {
  const hash = createHash("sha256")
    .update(formatReference(destinationOf(task)))
    .digest("hex")
    .slice(0, 12)
  const slug = `${task.destination.repository.path.split("/").at(-1) ?? ""}-${task.tag}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .replaceAll(/^-+|-+$/gu, "")
    .slice(0, 40)
    .replace(/-+$/u, "")
  return `copy-${slug}-${hash}`
}

export const labelOfDigest = (digest: string): string => digest.replace("sha256:", "").slice(0, 63)

/**
 * Whether some of an image's platforms are left out. Skopeo copies what is left one by one, by digest; what names them
 * together, and the tag, is written by this operator afterwards.
 */
export const isSubset = (task: CopyTask): boolean => task.destinationDigest !== task.digest

/**
 * Reads back which copy a Job makes; `undefined` if one of its marks cannot be read, or they do not fit its name, as when it
 * was tampered with.
 */
export const taskOf = (job: JobObject): CopyTask | undefined => {
  const task = readTask(job)
  return task === undefined || jobName(task) !== job.metadata.name ? undefined : task
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
  if (!DIGEST_PATTERN.test(destinationDigest) || platforms === undefined || onlyIfMissing === undefined)
    return undefined
  if (sourceTls === undefined || destinationTls === undefined) return undefined
  if (sourceChoice === undefined || destinationChoice === undefined) return undefined
  const image: ImageIdentity = { namespace, name, uid }
  const generation = Number(annotations[ANNOTATION.generation])
  return {
    image,
    // No Image has a generation of 0: such a copy goes on only if it brings what is asked for now.
    generation: Number.isSafeInteger(generation) ? generation : 0,
    source: { repository: source.repository, tlsVerify: sourceTls, credentials: sourceChoice },
    digest: source.digest,
    platforms,
    destinationDigest,
    // Skopeo copies nothing beside an image.
    referrers: false,
    destination: { repository: destination.repository, tlsVerify: destinationTls, credentials: destinationChoice },
    tag: destination.tag,
    onlyIfMissing
  }
}

/** Platforms joined by commas; absent means all. `undefined` if one of them cannot be read. */
const parsePlatforms = (text: string | undefined): ReadonlyArray<Platform> | undefined =>
  text === undefined ? [] : Result.getOrUndefined(Result.all(text.split(",").map(parsePlatform)))

const parseFlag = (text: string): boolean | undefined => (text === "true" ? true : text === "false" ? false : undefined)

/** `undefined` if the text cannot be read. Jobs of releases that knew no others say nothing. */
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

/** What a Job's conditions say. */
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

/** Whether something keeps a Job from having pods: the operator suspends none. */
export const isSuspended = ({ status }: JobObject): boolean =>
  (status?.conditions ?? []).some((condition) => condition.type === "Suspended" && condition.status === "True")

/** Names what an operator was configured to when it made a Job. */
export const settingsIn = ({ metadata }: JobObject): string => metadata.annotations?.[ANNOTATION.settings] ?? ""

/** The name of a Job's Secret; `undefined` for a name that the operator gives none, as when a Job was tampered with. */
export const secretNameOf = ({ metadata: { annotations = {}, name } }: JobObject): string | undefined => {
  const secret = annotations[ANNOTATION.secret] ?? ""
  return secret.startsWith(`${name}-`) && /^-[0-9a-f]{8}$/u.test(secret.slice(name.length)) ? secret : undefined
}

/** For messages: which Job it was. */
export const describeJob = (namespace: string, task: CopyTask): string =>
  `Job ${namespace}/${jobName(task)} to ${formatReference(destinationOf(task))}`

export const uidOf = (job: JobObject): string => job.metadata.uid ?? ""

/** Whether a Job makes just this copy for just this Image. */
export const makesCopy = (job: JobObject, task: CopyTask): boolean =>
  job.metadata.labels?.[LABEL.imageUid] === task.image.uid &&
  job.metadata.labels[LABEL.digest] === labelOfDigest(task.destinationDigest)
