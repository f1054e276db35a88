/** The Kubernetes Job that makes one copy with Skopeo, and what is read back from it. Pure. */
import { createHash } from "node:crypto"
import { Option, Redacted, Result } from "effect"
import { CONFIGURED, type CredentialChoice } from "../../domain/Credential.ts"
import { type CopyTask, destinationOf, type ImageIdentity } from "../../domain/Copy.ts"
import type { Reason } from "../../domain/Reason.ts"
import { formatPlatform, parsePlatform, type Platform } from "../../oci/Platform.ts"
import { DIGEST_PATTERN, formatReference, parseReference, type Repository } from "../../oci/Reference.ts"
import type { JobObject, PodObject, SecretObject } from "../../kube/Resources.ts"
import type { Written } from "../../kube/KubeClient.ts"
import type { Proxies, Proxy } from "../../http/Proxy.ts"
import type { RepositoryAccess } from "../../registry/RegistryClient.ts"
import { howToCreate } from "../../registry/vendors.ts"

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
}

export const MANAGER = "skopeo-operator"

const LABEL = {
  managedBy: "app.kubernetes.io/managed-by",
  instance: "skopeo.io/instance",
  imageUid: "skopeo.io/image-uid",
  digest: "skopeo.io/digest"
} as const

const ANNOTATION = {
  image: "skopeo.io/image",
  generation: "skopeo.io/generation",
  source: "skopeo.io/source",
  destination: "skopeo.io/destination",
  platforms: "skopeo.io/platforms",
  destinationDigest: "skopeo.io/destination-digest",
  onlyIfMissing: "skopeo.io/only-if-missing",
  tlsVerify: "skopeo.io/tls-verify",
  secret: "skopeo.io/secret",
  credentials: {
    source: "skopeo.io/source-credentials",
    destination: "skopeo.io/destination-credentials"
  }
} as const

/** Long enough to read what went wrong; after a recorded success the operator shortens it. */
const KEPT_SECONDS = 86_400
/** The pod's own limit keeps the pod and its last words; the Job's is for pods that never start. */
const POD_DEADLINE_SECONDS = 3_600
const JOB_DEADLINE_SECONDS = 4_500
const RETRY_TIMES = 3
const CONTAINER = "skopeo"
const USER = 65_532
const AUTH_DIRECTORY = "/run/skopeo-operator/auth"
const WORK_DIRECTORY = "/work"
const CA_DIRECTORY = "/run/skopeo-operator/ca"
/** Where images have certificates of their own, one a file; a bundle in one file Go reads in any case. */
const SYSTEM_CA_DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"]

/** What finds this operator's own Jobs. */
export const selectorOf = (instance: string): string => `${LABEL.managedBy}=${MANAGER},${LABEL.instance}=${instance}`

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

/**
 * The Secret of a Job's attempt. Not the Job's own name, which the next attempt has too, while the cluster may yet have to
 * sweep the last one's Secret: a Secret that exists by this name is this attempt's.
 */
const secretName = (job: string, attempt: string): string => `${job}-${attempt}`

const labelOfDigest = (digest: string): string => digest.replace("sha256:", "").slice(0, 63)

/**
 * Whether some of an image's platforms are left out. Skopeo copies what is left one by one, by digest; what names them
 * together, and the tag, is written by this operator afterwards.
 */
export const isSubset = (task: CopyTask): boolean => task.destinationDigest !== task.digest

/**
 * The arguments of `skopeo`, one by one: no shell ever sees them. Only flags that skopeo 1.9 has. Of a part only its
 * digest is written, no tag.
 */
export const skopeoArguments = (
  task: CopyTask,
  auth: { readonly source: boolean; readonly destination: boolean },
  part?: string
): ReadonlyArray<string> => [
  "copy",
  "--all",
  "--preserve-digests",
  "--retry-times",
  String(RETRY_TIMES),
  ...(task.source.tlsVerify ? [] : ["--src-tls-verify=false"]),
  ...(task.destination.tlsVerify ? [] : ["--dest-tls-verify=false"]),
  ...(auth.source ? ["--src-authfile", `${AUTH_DIRECTORY}/src.json`] : []),
  ...(auth.destination ? ["--dest-authfile", `${AUTH_DIRECTORY}/dest.json`] : []),
  `docker://${formatReference({ repository: task.source.repository, digest: part ?? task.digest })}`,
  `docker://${formatReference(part === undefined ? destinationOf(task) : { repository: task.destination.repository, digest: part })}`
]

/**
 * The Job of a copy. It has no rights in the cluster, and its pod passes the restricted Pod Security profile. The attempt
 * tells its Secret from that of an earlier Job to the same destination. Parts, if the whole is not wanted, are copied in
 * their order: a container is done before the next begins.
 */
export const jobOf = (
  task: CopyTask,
  access: { readonly source: RepositoryAccess; readonly destination: RepositoryAccess },
  options: JobOptions,
  attempt: string,
  parts: ReadonlyArray<string> = []
): Written<JobObject> => {
  const auth = {
    source: Option.isSome(access.source.credential),
    destination: Option.isSome(access.destination.credential)
  }
  const labels = {
    [LABEL.managedBy]: MANAGER,
    [LABEL.instance]: options.instance,
    [LABEL.imageUid]: task.image.uid,
    [LABEL.digest]: labelOfDigest(task.destinationDigest)
  }
  const name = jobName(task)
  const secret = secretName(name, attempt)
  const container = (containerName: string, part: string | undefined) => ({
    name: containerName,
    image: options.image,
    command: ["skopeo"],
    args: skopeoArguments(task, auth, part),
    env: [
      { name: "HOME", value: WORK_DIRECTORY },
      { name: "TMPDIR", value: WORK_DIRECTORY },
      ...proxyEnvironment(secret, options.proxies ?? {}),
      ...(options.caConfigMap === undefined
        ? []
        : [{ name: "SSL_CERT_DIR", value: [...SYSTEM_CA_DIRECTORIES, CA_DIRECTORY].join(":") }])
    ],
    resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { name: "work", mountPath: WORK_DIRECTORY },
      ...(options.caConfigMap === undefined ? [] : [{ name: "ca", mountPath: CA_DIRECTORY, readOnly: true }]),
      ...(auth.source || auth.destination ? [{ name: "auth", mountPath: AUTH_DIRECTORY, readOnly: true }] : [])
    ]
  })
  return {
    metadata: {
      name,
      namespace: options.namespace,
      labels,
      annotations: {
        [ANNOTATION.image]: `${task.image.namespace}/${task.image.name}`,
        [ANNOTATION.generation]: String(task.generation),
        [ANNOTATION.source]: formatReference({ repository: task.source.repository, digest: task.digest }),
        [ANNOTATION.destination]: formatReference(destinationOf(task)),
        ...(isSubset(task)
          ? {
              [ANNOTATION.platforms]: task.platforms.map(formatPlatform).join(","),
              [ANNOTATION.destinationDigest]: task.destinationDigest
            }
          : {}),
        ...(task.onlyIfMissing ? { [ANNOTATION.onlyIfMissing]: "true" } : {}),
        [ANNOTATION.secret]: secret,
        [ANNOTATION.tlsVerify]: `${task.source.tlsVerify},${task.destination.tlsVerify}`,
        [ANNOTATION.credentials.source]: formatChoice(task.source.credentials),
        [ANNOTATION.credentials.destination]: formatChoice(task.destination.credentials)
      },
      // An owner in another namespace is not allowed; there, labels and annotations lead back.
      ...(task.image.namespace === options.namespace
        ? {
            ownerReferences: [
              { apiVersion: "skopeo.io/v1alpha1", kind: "Image", name: task.image.name, uid: task.image.uid }
            ]
          }
        : {})
    },
    spec: {
      backoffLimit: 1,
      activeDeadlineSeconds: JOB_DEADLINE_SECONDS,
      ttlSecondsAfterFinished: KEPT_SECONDS,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          activeDeadlineSeconds: POD_DEADLINE_SECONDS,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            // Skopeo's image has no user of its own, and runAsNonRoot refuses root.
            runAsUser: USER,
            runAsGroup: USER,
            fsGroup: USER,
            seccompProfile: { type: "RuntimeDefault" }
          },
          ...(parts.length < 2
            ? {}
            : {
                initContainers: parts.slice(0, -1).map((part, index) => container(`${CONTAINER}-${index + 1}`, part))
              }),
          containers: [container(CONTAINER, parts.at(-1))],
          volumes: [
            { name: "work", emptyDir: { sizeLimit: "1Gi" } },
            ...(options.caConfigMap === undefined
              ? []
              : // Were it required and missing, the pod would wait for it without a word; so Skopeo says whom it does not trust.
                [{ name: "ca", configMap: { name: options.caConfigMap, defaultMode: 0o444, optional: true } }]),
            ...(auth.source || auth.destination
              ? [{ name: "auth", secret: { secretName: secret, defaultMode: 0o440 } }]
              : [])
          ]
        }
      }
    }
  }
}

const proxiesOf = ({ http, https }: Proxies): ReadonlyArray<Proxy> =>
  [https, http].filter((proxy) => proxy !== undefined)

/** A proxy's password is a secret like any other: it stands in the Job's Secret, under the name of its variable. */
const proxyEnvironment = (secret: string, proxies: Proxies) => [
  ...proxiesOf(proxies).map(({ isSecret, url, variable }) =>
    isSecret
      ? { name: variable, valueFrom: { secretKeyRef: { name: secret, key: variable } } }
      : { name: variable, value: Redacted.value(url) }
  ),
  ...(proxies.noProxy === undefined ? [] : [{ name: "NO_PROXY", value: proxies.noProxy }])
]

/** A text without the credentials of proxies: a proxy may repeat to Skopeo what it was sent, and Skopeo say it on. */
export const withoutProxySecrets = (text: string, proxies: Proxies): string =>
  proxiesOf(proxies)
    .flatMap(({ isSecret, url }) => (isSecret ? secretsIn(new URL(Redacted.value(url))) : []))
    .reduce((rest, hidden) => rest.replaceAll(hidden, "<redacted>"), text)

/** As a request has them, and as the address does. Without a password the user is one. */
const secretsIn = ({ password, username }: URL): ReadonlyArray<string> => {
  const secret = password === "" ? username : password
  const both = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return [Buffer.from(both).toString("base64"), decodeURIComponent(secret), secret]
}

/** The secrets of a Job, owned by it; `None` if it needs none. The kubelet waits for them when the Job comes first. */
export const secretOf = (
  job: JobObject,
  access: { readonly source: RepositoryAccess; readonly destination: RepositoryAccess },
  proxies: Proxies = {}
): Option.Option<Written<SecretObject>> => {
  const files = { "src.json": authfile(access.source), "dest.json": authfile(access.destination) }
  const data = Object.fromEntries([
    ...Object.entries(files).flatMap(([file, content]) => (content === "" ? [] : [[file, content]])),
    ...proxiesOf(proxies).flatMap(({ isSecret, url, variable }) =>
      isSecret ? [[variable, Buffer.from(Redacted.value(url)).toString("base64")]] : []
    )
  ])
  if (Object.keys(data).length === 0) return Option.none()
  const { annotations = {}, labels = {}, name, namespace = "", uid = "" } = job.metadata
  return Option.some({
    metadata: {
      name: annotations[ANNOTATION.secret] ?? name,
      namespace,
      labels: { [LABEL.managedBy]: MANAGER, ...labels },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true, blockOwnerDeletion: false }]
    },
    type: "Opaque",
    immutable: true,
    data
  })
}

/** containers-auth.json, in the base64 that a Secret's data has. */
const authfile = ({ credential, repository }: RepositoryAccess): string =>
  Option.match(credential, {
    onNone: () => "",
    onSome: ({ identityToken, password, username }) => {
      const entry = {
        // Skopeo reads no identity token without it.
        auth: Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64"),
        ...(identityToken === undefined ? {} : { identitytoken: Redacted.value(identityToken) })
      }
      return Buffer.from(JSON.stringify({ auths: { [repository.registry]: entry } })).toString("base64")
    }
  })

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

/** Where a credential comes from, never the credential: `secret/NAME`, `aws`, or `configured`. */
const formatChoice = (choice: CredentialChoice): string => {
  switch (choice._tag) {
    case "Secret":
      return `secret/${choice.name}`
    case "AwsIdentity":
      return "aws"
    case "Configured":
      return "configured"
  }
}

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

/** The reasons a user can act on, told by Skopeo's own words. */
const SKOPEO_SAYS: ReadonlyArray<readonly [RegExp, Reason]> = [
  // No registry asks for this authentication.
  [/proxyconnect|proxy authentication required/iu, "Unreachable"],
  [
    /unauthorized|authentication required|access to the resource is denied|invalid username\/password/iu,
    "AuthenticationFailed"
  ],
  [/toomanyrequests|too many requests/iu, "RateLimited"],
  // What Skopeo does to a repository that must be created first, by the request that tells.
  [/initiating layer upload.*name unknown/iu, "DestinationRepositoryMissing"],
  [/manifest unknown|name unknown|repository name not known/iu, "SourceNotFound"],
  [/no such host|connection refused|i\/o timeout|x509|tls:/iu, "Unreachable"]
]

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

/** Why a Job failed: the last words of its newest pod if there are any, else what the Job says of itself. */
export const failureOf = (
  outcome: Extract<JobOutcome, { readonly _tag: "Failed" }>,
  pods: ReadonlyArray<PodObject>,
  destination: Repository,
  redact: (words: string) => string = (words) => words
): { readonly reason: Reason; readonly message: string } => {
  const newest = [...pods].sort((a, b) =>
    (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1
  )[0]
  const { containerStatuses = [], initContainerStatuses = [] } = newest?.status ?? {}
  // The first that failed kept the others from beginning.
  const state = (
    initContainerStatuses.find(
      ({ state }) => (state?.terminated?.exitCode ?? 0) !== 0 || state?.waiting !== undefined
    ) ?? containerStatuses.find(({ name }) => name === CONTAINER)
  )?.state
  const words = lastWords(state?.terminated?.message ?? "", redact)
  if (words !== "") {
    const reason = SKOPEO_SAYS.find(([pattern]) => pattern.test(words))?.[1] ?? "CopyFailed"
    const remedy =
      reason === "DestinationRepositoryMissing"
        ? `; ${howToCreate(destination)}`
        : /x509: certificate signed by unknown authority/u.test(words)
          ? "; Jobs trust a CA that is in the ConfigMap REGISTRY_CA_CONFIGMAP of the namespace where they run"
          : ""
    return { reason, message: `skopeo: ${words}${remedy}` }
  }
  const waiting = state?.waiting
  if (waiting !== undefined) {
    const { message, reason = "" } = waiting
    return {
      reason: IMAGE_NOT_PULLED.has(reason) ? "PodImageNotPulled" : "PodNotStarted",
      message: `the pod waits: ${[reason, message].filter(Boolean).join(": ")}`
    }
  }
  if (outcome.reason === "DeadlineExceeded") {
    return { reason: "DeadlineExceeded", message: `the copy was not done within ${POD_DEADLINE_SECONDS / 60} minutes` }
  }
  return { reason: "CopyFailed", message: `the Job failed: ${outcome.message || outcome.reason}` }
}

/**
 * The message of the last log line; Skopeo writes `time="…" level=fatal msg="…"`. Secrets are taken out before it is cut,
 * for half of one would no longer be known.
 */
const lastWords = (log: string, redact: (words: string) => string): string => {
  const line = log.trim().split("\n").at(-1) ?? ""
  const quoted = /\bmsg="((?:[^"\\]|\\.)*)"/u.exec(line)?.[1]
  const words = quoted?.replaceAll(/\\(.)/gu, (_, escaped: string) => (/[nt]/u.test(escaped) ? " " : escaped)) ?? line
  return redact(words).replaceAll(/\s+/gu, " ").slice(0, 1_000)
}

/** For messages: which Job it was. */
export const describeJob = (namespace: string, task: CopyTask): string =>
  `Job ${namespace}/${jobName(task)} to ${formatReference(destinationOf(task))}`

export const uidOf = (job: JobObject): string => job.metadata.uid ?? ""

/** Whether a Job makes just this copy for just this Image. */
export const makesCopy = (job: JobObject, task: CopyTask): boolean =>
  job.metadata.labels?.[LABEL.imageUid] === task.image.uid &&
  job.metadata.labels[LABEL.digest] === labelOfDigest(task.destinationDigest)
