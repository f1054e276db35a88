/** Writes the Kubernetes Job that makes one copy with Skopeo, and its Secret. Pure. */
import { createHash } from "node:crypto"
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
import { ANNOTATION, isSubset, jobName, type JobOptions, LABEL, labelOfDigest, MANAGER, secretNameOf } from "./Job.ts"
import { CONTAINER } from "./JobPod.ts"
import { DEFAULT_TEMPLATE, type JobTemplate } from "./JobTemplate.ts"

/** Long enough to read what went wrong; after a recorded success the operator shortens it. */
const KEPT_SECONDS = 86_400
/** The pod's own limit keeps the pod and its last words; the Job's, which comes later, is for pods that never start. */
const JOB_DEADLINE_SECONDS = 900
const RETRY_TIMES = 3
const AUTH_DIRECTORY = "/run/skopeo-operator/auth"
const WORK_DIRECTORY = "/work"
const CA_DIRECTORY = "/run/skopeo-operator/ca"
/** Where images have certificates of their own, one a file; a bundle in one file Go reads in any case. */
const SYSTEM_CA_DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"]

/**
 * What keeps meshes from adding their proxy to a pod: it would outlive Skopeo, and the Job would not end. Istio and Kuma
 * read labels, Linkerd and Consul annotations. A template may say otherwise.
 */
const UNMESHED = {
  labels: { "sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled" },
  annotations: { "linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false" }
}

/**
 * The Secret of a Job's attempt. Not the Job's own name, which the next attempt has too, while the cluster may yet have to
 * sweep the last one's Secret: a Secret that exists by this name is this attempt's.
 */
const secretName = (job: string, attempt: string): string => `${job}-${attempt}`

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
  const hasSecret = auth.source || auth.destination || proxiesOf(options.proxies ?? {}).some(({ isSecret }) => isSecret)
  const template = options.template ?? DEFAULT_TEMPLATE
  const labels = {
    ...template.labels,
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
    resources: template.resources,
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
      // A node that is drained, or wanted for another pod, says nothing of the copy.
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
          automountServiceAccountToken: false,
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

const userOf = ({ runAsUser }: JobTemplate) =>
  runAsUser === null ? {} : { runAsUser, runAsGroup: runAsUser, fsGroup: runAsUser }

/** Names everything but the copy that a Job is made of, without secrets. */
export const settingsOf = ({ caConfigMap, image, proxies = {}, template = DEFAULT_TEMPLATE }: JobOptions): string => {
  const addresses = proxiesOf(proxies).map(({ isSecret, url, variable }) => [
    variable,
    isSecret ? new URL(Redacted.value(url)).host : Redacted.value(url)
  ])
  return createHash("sha256")
    .update(JSON.stringify([image, caConfigMap, addresses, proxies.noProxy, template]))
    .digest("hex")
    .slice(0, 16)
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
  const secretToMake = secretNameOf(job)
  // A Job that was made without credentials mounts none.
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
