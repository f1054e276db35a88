/** Writes the Kubernetes Job of one copy by Skopeo, and the Job's Secret. Pure. */
import { hash } from "node:crypto"
import { Option, Redacted } from "effect"
import type { CredentialChoice } from "../../domain/Credential.ts"
import { type CopyTask, destinationOf } from "../../domain/Copy.ts"
import { keyOf } from "../../domain/ImageKey.ts"
import type { Proxies, Proxy } from "../../http/Proxy.ts"
import type { Written } from "../../kube/KubeClient.ts"
import type { JobObject, SecretObject } from "../../kube/Resources.ts"
import { formatPlatform } from "../../oci/Platform.ts"
import { formatReference } from "../../oci/Reference.ts"
import type { RepositoryAccess } from "../../registry/RegistryClient.ts"
import { redact } from "../../text/redact.ts"
import { ANNOTATION, isSubset, jobName, type JobOptions, LABEL, labelOfDigest, MANAGER, secretNameOf } from "./Job.ts"
import { CONTAINER } from "./JobPod.ts"
import { DEFAULT_TEMPLATE, EPHEMERAL_STORAGE, type JobTemplate } from "./JobTemplate.ts"

/** A failed Job is kept for a day, so that its log can be read. After a recorded success the operator shortens the time. */
const KEPT_SECONDS = 86_400
/** Added to the pod's deadline. The pod's deadline keeps the pod and its last message. The Job's is for pods that never start. */
const JOB_DEADLINE_SECONDS = 900
const AUTH_DIRECTORY = "/run/skopeo-operator/auth"
const WORK_DIRECTORY = "/work"
const CA_DIRECTORY = "/run/skopeo-operator/ca"
/** The directories of certificates in common images. Go reads a bundle in a single file in any case. */
const SYSTEM_CA_DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"]

/**
 * Keeps service meshes from adding their proxy to a pod. A proxy would outlive Skopeo, and the Job would not end. Istio and Kuma
 * read labels, Linkerd and Consul annotations. A template may override both.
 */
const UNMESHED = {
  labels: { "sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled" },
  annotations: { "linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false" }
}

/**
 * The name of an attempt's Secret. It differs from the name of the Job, which all attempts share: the cluster may not have
 * deleted the Secret of the last attempt yet. An existing Secret of this name belongs to this attempt.
 */
const secretName = (job: string, attempt: string): string => `${job}-${attempt}`

/**
 * The arguments of `skopeo`. No shell parses them. Skopeo 1.9 knows all the flags. A part is written by its digest, without a
 * tag.
 */
export const skopeoArguments = (
  task: CopyTask,
  auth: { readonly source: boolean; readonly destination: boolean },
  {
    part,
    retryTimes = DEFAULT_TEMPLATE.retryTimes
  }: { readonly part?: string | undefined; readonly retryTimes?: number } = {}
): ReadonlyArray<string> => [
  "copy",
  "--all",
  "--preserve-digests",
  "--retry-times",
  String(retryTimes),
  ...(task.source.tlsVerify ? [] : ["--src-tls-verify=false"]),
  ...(task.destination.tlsVerify ? [] : ["--dest-tls-verify=false"]),
  ...(auth.source ? ["--src-authfile", `${AUTH_DIRECTORY}/src.json`] : []),
  ...(auth.destination ? ["--dest-authfile", `${AUTH_DIRECTORY}/dest.json`] : []),
  `docker://${formatReference({ repository: task.source.repository, digest: part ?? task.digest })}`,
  `docker://${formatReference(part === undefined ? destinationOf(task) : { repository: task.destination.repository, digest: part })}`
]

/**
 * The Job of a copy. The Job has no rights in the cluster, and its pod passes the restricted Pod Security profile. `attempt`
 * distinguishes its Secret from that of an earlier Job to the same destination. `parts` are copied instead of the whole image,
 * in order: the init containers end one after the other.
 */
export const jobOf = (
  task: CopyTask,
  access: { readonly source: RepositoryAccess; readonly destination: RepositoryAccess },
  options: JobOptions,
  attempt: string,
  parts: ReadonlyArray<string> = [],
  name: string = jobName(task)
): Written<JobObject> => {
  const auth = {
    source: Option.isSome(access.source.credential),
    destination: Option.isSome(access.destination.credential)
  }
  const hasSecret = auth.source || auth.destination || proxiesOf(options.proxies ?? {}).some(({ isSecret }) => isSecret)
  const template = options.template ?? DEFAULT_TEMPLATE
  const labels = {
    ...template.labels,
    [LABEL.managedBy]: MANAGER,
    [LABEL.instance]: options.instance,
    [LABEL.imageUid]: task.image.uid,
    [LABEL.digest]: labelOfDigest(task.destinationDigest)
  }
  const secret = secretName(name, attempt)
  const container = (containerName: string, part: string | undefined) => ({
    name: containerName,
    image: options.image,
    command: ["skopeo"],
    args: skopeoArguments(task, auth, { part, retryTimes: template.retryTimes }),
    env: [
      { name: "HOME", value: WORK_DIRECTORY },
      { name: "TMPDIR", value: WORK_DIRECTORY },
      ...proxyEnvironment(secret, options.proxies ?? {}),
      ...(options.caConfigMap === undefined
        ? []
        : [{ name: "SSL_CERT_DIR", value: [...SYSTEM_CA_DIRECTORIES, CA_DIRECTORY].join(":") }])
    ],
    resources: resourcesOf(template),
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
        ...template.annotations,
        [ANNOTATION.settings]: settingsOf(options),
        [ANNOTATION.image]: keyOf(task.image),
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
        ...(hasSecret ? { [ANNOTATION.secret]: secret } : {}),
        [ANNOTATION.tlsVerify]: `${task.source.tlsVerify},${task.destination.tlsVerify}`,
        [ANNOTATION.credentials.source]: formatChoice(task.source.credentials),
        [ANNOTATION.credentials.destination]: formatChoice(task.destination.credentials)
      },
      // Kubernetes allows no owner in another namespace. There the labels and annotations name the Image.
      ...(task.image.namespace === options.namespace
        ? {
            ownerReferences: [
              { apiVersion: "skopeo.io/v1alpha1", kind: "Image", name: task.image.name, uid: task.image.uid }
            ]
          }
        : {})
    },
    spec: {
      backoffLimit: template.backoffLimit,
      // A drained node and a preempted pod are no failures of the copy.
      podFailurePolicy: {
        rules: [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }]
      },
      activeDeadlineSeconds: template.deadlineSeconds + JOB_DEADLINE_SECONDS,
      ttlSecondsAfterFinished: KEPT_SECONDS,
      template: {
        metadata: {
          labels: { ...UNMESHED.labels, ...labels },
          annotations: { ...UNMESHED.annotations, ...template.annotations }
        },
        spec: {
          restartPolicy: "Never",
          activeDeadlineSeconds: template.deadlineSeconds,
          nodeSelector: template.nodeSelector,
          tolerations: template.tolerations,
          affinity: template.affinity,
          imagePullSecrets: template.imagePullSecrets.map((secretToPull) => ({ name: secretToPull })),
          ...(template.priorityClassName === "" ? {} : { priorityClassName: template.priorityClassName }),
          ...(template.serviceAccountName === "" ? {} : { serviceAccountName: template.serviceAccountName }),
          automountServiceAccountToken: false,
          ...(template.hostUsers === null ? {} : { hostUsers: template.hostUsers }),
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            ...userOf(template),
            seccompProfile: { type: "RuntimeDefault" }
          },
          ...(parts.length < 2
            ? {}
            : {
                initContainers: parts.slice(0, -1).map((part, index) => container(`${CONTAINER}-${index + 1}`, part))
              }),
          containers: [container(CONTAINER, parts.at(-1))],
          volumes: [
            { name: "work", emptyDir: { sizeLimit: template.workSizeLimit } },
            ...(options.caConfigMap === undefined
              ? []
              : // A pod waits silently for a missing required ConfigMap. Without it Skopeo names the untrusted registry.
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

const userOf = ({ runAsUser }: JobTemplate) =>
  runAsUser === null ? {} : { runAsUser, runAsGroup: runAsUser, fsGroup: runAsUser }

/** Temporary files count as `ephemeral-storage`, so a limit below their folder's size would evict the pod too early. */
const resourcesOf = ({ resources, workSizeLimit }: JobTemplate) => ({
  ...resources,
  limits: { [EPHEMERAL_STORAGE]: workSizeLimit, ...resources.limits }
})

/** Identifies all settings of Jobs, without secrets. */
export const settingsOf = ({ caConfigMap, image, proxies = {}, template = DEFAULT_TEMPLATE }: JobOptions): string => {
  const addresses = proxiesOf(proxies).map(({ isSecret, url, variable }) => [
    variable,
    isSecret ? new URL(Redacted.value(url)).host : Redacted.value(url)
  ])
  return hash("sha256", JSON.stringify([image, caConfigMap, addresses, proxies.noProxy, template]), "hex").slice(0, 16)
}

const proxiesOf = ({ http, https }: Proxies): ReadonlyArray<Proxy> =>
  [https, http].filter((proxy) => proxy !== undefined)

/** The address of a proxy with a password is in the Job's Secret, under the name of its variable. */
const proxyEnvironment = (secret: string, proxies: Proxies) => [
  ...proxiesOf(proxies).map(({ isSecret, url, variable }) =>
    isSecret
      ? { name: variable, valueFrom: { secretKeyRef: { name: secret, key: variable } } }
      : { name: variable, value: Redacted.value(url) }
  ),
  ...(proxies.noProxy === undefined ? [] : [{ name: "NO_PROXY", value: proxies.noProxy }])
]

/** Redacts the credentials of proxies. A proxy may repeat them to Skopeo, and Skopeo may log them. */
export const withoutProxySecrets = (text: string, proxies: Proxies): string =>
  redact(
    text,
    proxiesOf(proxies).flatMap(({ isSecret, url }) => (isSecret ? secretsIn(new URL(Redacted.value(url))) : []))
  )

/** The secrets of a proxy's address. Without a password the user name is the secret. */
const secretsIn = (url: URL): ReadonlyArray<string> => {
  const [username = "", password = ""] = [url.username, url.password].map(decodeURIComponent)
  return [`${username}:${password}`, password === "" ? username : password]
}

/** The Secret of a Job, owned by the Job. `None` if the Job needs none. The kubelet delays the pod until the Secret exists. */
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
  const secretToMake = secretNameOf(job)
  // A Job that was created without credentials mounts no Secret.
  if (Object.keys(data).length === 0 || secretToMake === undefined) return Option.none()
  const { labels = {}, name, namespace = "", uid = "" } = job.metadata
  return Option.some({
    metadata: {
      name: secretToMake,
      namespace,
      labels: { [LABEL.managedBy]: MANAGER, ...labels },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true, blockOwnerDeletion: false }]
    },
    type: "Opaque",
    immutable: true,
    data
  })
}

/** A file in the format containers-auth.json, in base64 as the data of a Secret. */
const authfile = ({ credential, repository }: RepositoryAccess): string =>
  Option.match(credential, {
    onNone: () => "",
    onSome: ({ identityToken, password, username }) => {
      const entry = {
        // Without `auth` Skopeo ignores an identity token.
        auth: Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64"),
        ...(identityToken === undefined ? {} : { identitytoken: Redacted.value(identityToken) })
      }
      return Buffer.from(JSON.stringify({ auths: { [repository.registry]: entry } })).toString("base64")
    }
  })

/** The origin of a credential, without the credential: `secret/NAME`, `aws`, or `configured`. */
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
