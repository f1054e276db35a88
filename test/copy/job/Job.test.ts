import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted, Result, Schema } from "effect"
import { jobName, makesCopy, outcomeOf, secretNameOf, settingsIn, taskOf } from "../../../src/copy/job/Job.ts"
import { jobOf, secretOf, settingsOf, skopeoArguments } from "../../../src/copy/job/JobManifest.ts"
import { DEFAULT_TEMPLATE, parseJobTemplate } from "../../../src/copy/job/JobTemplate.ts"
import type { CopyTask } from "../../../src/domain/Copy.ts"
import type { Written } from "../../../src/kube/KubeClient.ts"
import type { JobObject } from "../../../src/kube/Resources.ts"
import { parseProxy, type Proxies } from "../../../src/http/Proxy.ts"
import type { RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import { endpoint, platforms } from "../../support/endpoints.ts"

const DIGEST = `sha256:${"ab".repeat(32)}`
const options = { namespace: "jobs", image: "quay.io/containers/skopeo:v1.9.3", instance: "release-1" }
const ATTEMPT = "0badcafe"

const task = (more: Partial<CopyTask> = {}): CopyTask => ({
  image: { namespace: "team", name: "app", uid: "6f0c9a52-1111-4222-8333-944445555666" },
  generation: 1,
  source: endpoint("quay.io", "argoproj/argocd"),
  digest: DIGEST,
  platforms: [],
  destinationDigest: more.digest ?? DIGEST,
  referrers: false,
  destination: endpoint("registry.corp:5000", "mirror/argocd"),
  tag: "v2.13.1",
  onlyIfMissing: false,
  ...more
})

const to = (path: string, tag: string, registry = "registry.corp:5000") =>
  task({ destination: endpoint(registry, path), tag })

const accessTo = (side: "source" | "destination", of: CopyTask, password?: string): RepositoryAccess => ({
  repository: of[side].repository,
  tlsVerify: true,
  credential:
    password === undefined ? Option.none() : Option.some({ username: "robot", password: Redacted.make(password) })
})
const anonymous = { source: accessTo("source", task()), destination: accessTo("destination", task()) }

const withUid = (job: JobObject): JobObject => ({ ...job, metadata: { ...job.metadata, uid: "job-uid" } })

describe("jobName", () => {
  const tags = ["1.11.1", "1.1.11", "11.1.1", "1-11.1", "1_11_1", "V1", "v1", "V1_", "a".repeat(128), "A".repeat(128)]
  const paths = ["app", "mirror/app", "other/app", "a_b", "a-b", "a__b", `${"long/".repeat(40)}app`, "b".repeat(255)]
  const tasks = paths.flatMap((path) => [
    ...tags.map((tag) => to(path, tag)),
    ...tags.map((tag) => to(path, tag, "docker.io"))
  ])

  it("The name of a Job is a DNS label, and short enough for the names of its pods", () => {
    for (const each of tasks) assert.match(jobName(each), /^[a-z]([a-z0-9-]{0,56}[a-z0-9])?$/u)
  })

  it("Two destinations have two names of Jobs", () => {
    assert.strictEqual(new Set(tasks.map(jobName)).size, tasks.length)
  })

  it("All copies to one destination have one name of a Job", () => {
    const other = task({
      source: endpoint("docker.io", "library/x"),
      digest: `sha256:${"cd".repeat(32)}`,
      image: { namespace: "other", name: "image", uid: "uid" },
      destination: { ...task().destination, tlsVerify: false }
    })
    assert.strictEqual(jobName(other), jobName(task()))
  })

  it("The name of a Job has the repository and the tag in it", () => {
    assert.match(jobName(task()), /^copy-argocd-v2-13-1-[0-9a-f]{20}$/u)
    assert.match(jobName(to("app", "_Release__1.0_")), /^copy-app-release-1-0-[0-9a-f]{20}$/u)
  })
})

describe("skopeoArguments", () => {
  const ends = [`docker://quay.io/argoproj/argocd@${DIGEST}`, "docker://registry.corp:5000/mirror/argocd:v2.13.1"]
  const always = ["copy", "--all", "--preserve-digests", "--retry-times", "3"]
  const authfiles = {
    source: ["--src-authfile", "/run/skopeo-operator/auth/src.json"],
    destination: ["--dest-authfile", "/run/skopeo-operator/auth/dest.json"]
  }
  const rows = [
    { tls: [true, true], auth: [false, false], flags: [] },
    { tls: [false, true], auth: [false, false], flags: ["--src-tls-verify=false"] },
    { tls: [true, false], auth: [false, false], flags: ["--dest-tls-verify=false"] },
    { tls: [true, true], auth: [true, false], flags: authfiles.source },
    { tls: [true, true], auth: [false, true], flags: authfiles.destination },
    {
      tls: [false, false],
      auth: [true, true],
      flags: ["--src-tls-verify=false", "--dest-tls-verify=false", ...authfiles.source, ...authfiles.destination]
    }
  ]
  for (const { auth, flags, tls } of rows) {
    it(`The flags of skopeo with TLS ${tls.join("/")} and credentials ${auth.join("/")} are: ${flags.join(" ") || "none"}`, () => {
      const { destination, source } = task()
      const copied = task({
        source: { ...source, tlsVerify: tls[0] ?? true },
        destination: { ...destination, tlsVerify: tls[1] ?? true }
      })
      const given = skopeoArguments(copied, {
        source: auth[0] ?? false,
        destination: auth[1] ?? false
      })
      assert.deepStrictEqual(given, [...always, ...flags, ...ends])
    })
  }
})

const ContainerSpec = Schema.Struct({
  name: Schema.String,
  image: Schema.String,
  command: Schema.Array(Schema.String),
  args: Schema.Array(Schema.String),
  terminationMessagePolicy: Schema.String,
  env: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      value: Schema.optionalKey(Schema.String),
      valueFrom: Schema.optionalKey(Schema.Unknown)
    })
  ),
  securityContext: Schema.Struct({
    allowPrivilegeEscalation: Schema.Boolean,
    readOnlyRootFilesystem: Schema.Boolean,
    capabilities: Schema.Struct({ drop: Schema.Array(Schema.String) })
  }),
  volumeMounts: Schema.Array(Schema.Struct({ name: Schema.String, mountPath: Schema.String }))
})

/** The parts of a Job's spec that the tests check. */
const JobSpec = Schema.Struct({
  backoffLimit: Schema.Int,
  activeDeadlineSeconds: Schema.Int,
  ttlSecondsAfterFinished: Schema.Int,
  template: Schema.Struct({
    spec: Schema.Struct({
      restartPolicy: Schema.String,
      activeDeadlineSeconds: Schema.Int,
      automountServiceAccountToken: Schema.Boolean,
      securityContext: Schema.Struct({
        runAsNonRoot: Schema.Boolean,
        runAsUser: Schema.Int,
        seccompProfile: Schema.Struct({ type: Schema.String })
      }),
      initContainers: Schema.optionalKey(Schema.Array(ContainerSpec)),
      containers: Schema.Array(ContainerSpec),
      volumes: Schema.Array(
        Schema.Struct({
          name: Schema.String,
          emptyDir: Schema.optionalKey(Schema.Struct({ sizeLimit: Schema.String })),
          secret: Schema.optionalKey(Schema.Struct({ secretName: Schema.String })),
          configMap: Schema.optionalKey(Schema.Struct({ name: Schema.String, optional: Schema.Boolean }))
        })
      )
    })
  })
})
const Anything = Schema.Record(Schema.String, Schema.Unknown)
/** The template of pods as the API server stores it. */
const AnySpec = Schema.Struct({
  activeDeadlineSeconds: Schema.Int,
  podFailurePolicy: Schema.Unknown,
  template: Schema.Struct({
    metadata: Schema.Struct({
      labels: Schema.Record(Schema.String, Schema.String),
      annotations: Schema.Record(Schema.String, Schema.String)
    }),
    spec: Schema.Struct({
      activeDeadlineSeconds: Schema.Int,
      affinity: Anything,
      imagePullSecrets: Schema.Array(Anything),
      nodeSelector: Anything,
      priorityClassName: Schema.optionalKey(Schema.String),
      serviceAccountName: Schema.optionalKey(Schema.String),
      hostUsers: Schema.optionalKey(Schema.Boolean),
      tolerations: Schema.Array(Anything),
      securityContext: Anything,
      containers: Schema.Array(Schema.Struct({ resources: Anything })),
      volumes: Schema.Array(Anything)
    })
  })
})
const anySpecOf = (job: Written<JobObject>) => Schema.decodeUnknownSync(AnySpec)(job.spec)

const specOf = (job: Written<JobObject>) => Schema.decodeUnknownSync(JobSpec)(job.spec)

describe("jobOf", () => {
  it("The restricted Pod Security profile admits the pod of a Job", () => {
    const { template } = specOf(jobOf(task(), anonymous, options, ATTEMPT))
    const { containers, securityContext, volumes } = template.spec
    assert.isTrue(securityContext.runAsNonRoot)
    assert.isAbove(securityContext.runAsUser, 0)
    assert.strictEqual(securityContext.seccompProfile.type, "RuntimeDefault")
    for (const container of containers) {
      assert.isFalse(container.securityContext.allowPrivilegeEscalation)
      assert.isTrue(container.securityContext.readOnlyRootFilesystem)
      assert.deepStrictEqual(container.securityContext.capabilities.drop, ["ALL"])
    }
    assert.deepStrictEqual(
      volumes.map(({ name }) => name),
      ["work"]
    )
    assert.isFalse(template.spec.automountServiceAccountToken)
  })

  it("The template sets the retries of a Job and of Skopeo", () => {
    const template = { ...DEFAULT_TEMPLATE, backoffLimit: 0, retryTimes: 7 }
    const spec = specOf(jobOf(task(), anonymous, { ...options, template }, ATTEMPT))
    assert.strictEqual(spec.backoffLimit, 0)
    assert.include(spec.template.spec.containers[0]?.args.join(" "), "--retry-times 7 ")
  })

  it("The pod of a Job has a volume to write, keeps Skopeo's last message, and bounds time and retries", () => {
    const spec = specOf(jobOf(task(), anonymous, options, ATTEMPT))
    const [container] = spec.template.spec.containers
    const writable = container?.volumeMounts.find(({ name }) => name === "work")?.mountPath
    assert.isDefined(writable)
    for (const name of ["HOME", "TMPDIR"]) {
      assert.strictEqual(container?.env.find((variable) => variable.name === name)?.value, writable)
    }
    assert.deepStrictEqual(container?.command, ["skopeo"])
    assert.strictEqual(container?.image, options.image)
    assert.strictEqual(container?.terminationMessagePolicy, "FallbackToLogsOnError")
    assert.strictEqual(spec.template.spec.restartPolicy, "Never")
    assert.strictEqual(spec.backoffLimit, 1)
    // The pod's deadline comes first. The Job's deadline would delete the pod and its last message.
    assert.isBelow(spec.template.spec.activeDeadlineSeconds, spec.activeDeadlineSeconds)
    assert.isAtLeast(spec.ttlSecondsAfterFinished, 3_600)
  })

  it("A Job has the fields of the template, and keeps the operator's own labels and annotations", () => {
    const template = Result.getOrThrow(
      parseJobTemplate(`{
        "labels": { "team": "infra", "skopeo.io/instance": "mine" },
        "annotations": { "note": "x", "linkerd.io/inject": "enabled" },
        "resources": { "limits": { "cpu": 1, "memory": "2Gi" } },
        "nodeSelector": { "disk": "fast" },
        "tolerations": [{ "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "imagePullSecrets": ["pull"],
        "priorityClassName": "low",
        "runAsUser": null,
        "workSizeLimit": "5Gi",
        "deadlineSeconds": 7200
      }`)
    )
    const job = jobOf(task(), anonymous, { ...options, template }, ATTEMPT)
    assert.include(job.metadata.labels, { team: "infra", "skopeo.io/instance": "release-1" })
    assert.include(job.metadata.annotations, { note: "x" })
    const { activeDeadlineSeconds, podFailurePolicy, template: pod } = anySpecOf(job)
    assert.include(pod.metadata.labels, { team: "infra", "skopeo.io/instance": "release-1" })
    assert.include(pod.metadata.annotations, { note: "x", "linkerd.io/inject": "enabled" })
    assert.deepStrictEqual(pod.spec.containers[0]?.resources, {
      limits: { cpu: 1, memory: "2Gi", "ephemeral-storage": "5Gi" }
    })
    const { affinity, imagePullSecrets, nodeSelector, priorityClassName, tolerations } = pod.spec
    assert.deepStrictEqual(
      { affinity, imagePullSecrets, nodeSelector, priorityClassName, tolerations },
      {
        affinity: { nodeAffinity: {} },
        imagePullSecrets: [{ name: "pull" }],
        nodeSelector: { disk: "fast" },
        priorityClassName: "low",
        tolerations: [{ operator: "Exists" }]
      }
    )
    assert.deepStrictEqual(pod.spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } })
    assert.include(JSON.stringify(pod.spec.volumes), "5Gi")
    assert.deepStrictEqual([pod.spec.activeDeadlineSeconds, activeDeadlineSeconds], [7_200, 8_100])
    assert.include(JSON.stringify(podFailurePolicy), "DisruptionTarget")
  })

  it("A pod may have a service account and a user namespace of its own, and by default has the cluster's", () => {
    const podOf = (text: string) => {
      const template = Result.getOrThrow(parseJobTemplate(text))
      return anySpecOf(jobOf(task(), anonymous, { ...options, template }, ATTEMPT)).template.spec
    }
    const own = podOf(`{ "serviceAccountName": "skopeo-operator-jobs", "hostUsers": false }`)
    assert.deepStrictEqual([own.serviceAccountName, own.hostUsers], ["skopeo-operator-jobs", false])
    const other = podOf("{}")
    assert.notProperty(other, "serviceAccountName")
    assert.notProperty(other, "hostUsers")
  })

  it("A container writes to its node at most the size of its work folder, unless the template has another limit", () => {
    const limitOf = (text: string) => {
      const template = Result.getOrThrow(parseJobTemplate(text))
      const { containers } = anySpecOf(jobOf(task(), anonymous, { ...options, template }, ATTEMPT)).template.spec
      return containers[0]?.resources["limits"]
    }
    assert.deepStrictEqual(limitOf("{}"), { memory: "1Gi", "ephemeral-storage": "1Gi" })
    assert.deepStrictEqual(limitOf(`{ "resources": {}, "workSizeLimit": "5Gi" }`), { "ephemeral-storage": "5Gi" })
    assert.deepStrictEqual(limitOf(`{ "resources": { "limits": { "ephemeral-storage": "2Gi" } } }`), {
      "ephemeral-storage": "2Gi"
    })
  })

  it("The labels and annotations of a pod keep service meshes from adding a sidecar", () => {
    const { labels, annotations } = anySpecOf(jobOf(task(), anonymous, options, ATTEMPT)).template.metadata
    assert.include(labels, { "sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled" })
    assert.include(annotations, { "linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false" })
  })

  it("The settings annotation of a Job changes with the image and the template, and not with the copy", () => {
    const template = { ...DEFAULT_TEMPLATE, priorityClassName: "low" }
    const names = [options, { ...options, image: "other" }, { ...options, template }].map((made) =>
      settingsIn(jobOf(task(), anonymous, made, ATTEMPT))
    )
    assert.strictEqual(new Set(names).size, 3)
    assert.deepStrictEqual(settingsIn(jobOf(task({ tag: "v2" }), anonymous, options, "another")), names[0])
    assert.strictEqual(settingsOf(options), names[0])
  })

  it("The Secret of a Job is read from its annotation, and only a name that the operator gives is accepted", () => {
    const job = jobOf(task(), anonymous, options, ATTEMPT)
    assert.isUndefined(secretNameOf(job))
    for (const [secret, isOwn] of [
      [`${job.metadata.name}-0badcafe`, true],
      ["registry-admin", false],
      [`${job.metadata.name}-admin`, false],
      [job.metadata.name, false]
    ] as const) {
      const annotations = { ...job.metadata.annotations, "skopeo.io/secret": secret }
      const named = secretNameOf({ ...job, metadata: { ...job.metadata, annotations } })
      assert.strictEqual(named, isOwn ? secret : undefined)
    }
  })

  it("A Job is owned by an Image of its namespace, and has no owner in another namespace", () => {
    assert.isUndefined(jobOf(task(), anonymous, options, ATTEMPT).metadata.ownerReferences)
    const { metadata } = jobOf(task(), anonymous, { ...options, namespace: "team" }, ATTEMPT)
    assert.deepStrictEqual(metadata.ownerReferences, [
      { apiVersion: "skopeo.io/v1alpha1", kind: "Image", name: "app", uid: task().image.uid }
    ])
  })

  it("A Job of parts copies each part by digest in a container of its own", () => {
    const [amd64, arm64, attestation] = ["1", "2", "3"].map((letter) => `sha256:${letter.repeat(64)}`)
    assert(amd64 !== undefined && arm64 !== undefined && attestation !== undefined)
    const subset = task({
      platforms: platforms("linux/amd64", "linux/arm64"),
      destinationDigest: `sha256:${"e".repeat(64)}`
    })
    const job = jobOf(subset, anonymous, options, ATTEMPT, [amd64, arm64, attestation])
    const { containers, initContainers = [] } = specOf(job).template.spec
    const ends = (digest: string) => [
      `docker://quay.io/argoproj/argocd@${digest}`,
      `docker://registry.corp:5000/mirror/argocd@${digest}`
    ]
    assert.deepStrictEqual(
      [...initContainers, ...containers].map(({ args, name }) => [name, ...args.slice(-2)]),
      [
        ["skopeo-1", ...ends(amd64)],
        ["skopeo-2", ...ends(arm64)],
        ["skopeo", ...ends(attestation)]
      ]
    )
    const [whole] = specOf(jobOf(task(), anonymous, options, ATTEMPT)).template.spec.containers
    assert(whole !== undefined)
    for (const container of [...initContainers, ...containers]) {
      assert.deepStrictEqual({ ...container, name: whole.name, args: whole.args }, whole)
    }
    assert.deepStrictEqual(taskOf(job), subset)
    assert.isTrue(makesCopy(job, subset))
    assert.isFalse(makesCopy(job, task()), "of other platforms it is another copy")
    const one = specOf(jobOf(subset, anonymous, options, ATTEMPT, [amd64])).template.spec
    assert.isUndefined(one.initContainers)
    assert.deepStrictEqual(one.containers[0]?.args.slice(-2), ends(amd64))
  })

  it("A Job contains no credentials, and its Secret contains those that exist", () => {
    const access = {
      source: accessTo("source", task(), "source-pässword"),
      destination: accessTo("destination", task(), "destination-password")
    }
    const job = jobOf(task(), access, options, ATTEMPT)
    const text = JSON.stringify(job)
    for (const password of ["source-pässword", "destination-password"]) {
      assert.notInclude(text, password)
      assert.notInclude(text, Buffer.from(`robot:${password}`).toString("base64"))
      assert.notInclude(text, Buffer.from(password).toString("base64"))
    }
    const secret = Option.getOrThrow(secretOf(withUid(job), access))
    assert.strictEqual(secret.metadata.name, `${jobName(task())}-${ATTEMPT}`)
    assert.strictEqual(secret.metadata.namespace, "jobs")
    const files = Object.entries(secret.data ?? {}).map(([file, content]) => [
      file,
      JSON.parse(Buffer.from(content, "base64").toString())
    ])
    assert.deepStrictEqual(Object.fromEntries(files), {
      "src.json": { auths: { "quay.io": { auth: Buffer.from("robot:source-pässword").toString("base64") } } },
      "dest.json": {
        auths: { "registry.corp:5000": { auth: Buffer.from("robot:destination-password").toString("base64") } }
      }
    })
    const { volumes } = specOf(job).template.spec
    assert.strictEqual(volumes.find(({ name }) => name === "auth")?.secret?.secretName, secret.metadata.name)

    const half = { ...anonymous, source: access.source }
    const one = Option.getOrThrow(secretOf(withUid(jobOf(task(), half, options, ATTEMPT)), half))
    assert.deepStrictEqual(Object.keys(one.data ?? {}), ["src.json"])
    assert.isTrue(Option.isNone(secretOf(withUid(jobOf(task(), anonymous, options, ATTEMPT)), anonymous)))
  })

  it("Skopeo uses the proxies, and their passwords are only in the Secret", () => {
    const password = "s3cret-of-the-proxy"
    const proxies: Proxies = {
      https: Result.getOrThrow(parseProxy("HTTPS_PROXY", `http://me:${password}@proxy.corp:3128`)),
      http: Result.getOrThrow(parseProxy("HTTP_PROXY", "http://proxy.corp:3128")),
      noProxy: "registry.corp,10.0.0.0/8"
    }
    const job = jobOf(task(), anonymous, { ...options, proxies }, ATTEMPT)
    const [container] = specOf(job).template.spec.containers
    const secretKeyRef = { name: `${jobName(task())}-${ATTEMPT}`, key: "HTTPS_PROXY" }
    assert.deepStrictEqual(container?.env.slice(-3), [
      { name: "HTTPS_PROXY", valueFrom: { secretKeyRef } },
      { name: "HTTP_PROXY", value: "http://proxy.corp:3128/" },
      { name: "NO_PROXY", value: "registry.corp,10.0.0.0/8" }
    ])
    assert.notInclude(JSON.stringify(job), password)
    const secret = Option.getOrThrow(secretOf(withUid(job), anonymous, proxies))
    assert.deepStrictEqual(Object.keys(secret.data ?? {}), ["HTTPS_PROXY"])
    const value = Buffer.from(secret.data?.["HTTPS_PROXY"] ?? "", "base64").toString()
    assert.strictEqual(value, `http://me:${password}@proxy.corp:3128/`)

    const open = { ...(proxies.http === undefined ? {} : { http: proxies.http }) }
    assert.isTrue(
      Option.isNone(
        secretOf(withUid(jobOf(task(), anonymous, { ...options, proxies: open }, ATTEMPT)), anonymous, open)
      )
    )
  })

  it("Skopeo trusts the certificates of a ConfigMap in addition to those of its image", () => {
    const spec = specOf(jobOf(task(), anonymous, { ...options, caConfigMap: "corp-ca" }, ATTEMPT)).template.spec
    const [container] = spec.containers
    const { configMap, name } = spec.volumes.find(({ configMap }) => configMap?.name === "corp-ca") ?? {}
    // A pod would wait silently for a missing required ConfigMap.
    assert.isTrue(configMap?.optional)
    const path = container?.volumeMounts.find((mount) => mount.name === name)?.mountPath
    assert.isDefined(path)
    const directories = container?.env.find((variable) => variable.name === "SSL_CERT_DIR")?.value?.split(":")
    assert.includeMembers(directories ?? [], ["/etc/ssl/certs", path])
  })

  it("An identity token is in the Secret in the format of Docker", () => {
    const access = accessTo("source", task(), "")
    const credential = { username: "robot", password: Redacted.make(""), identityToken: Redacted.make("refresh-1") }
    const both = { ...anonymous, source: { ...access, credential: Option.some(credential) } }
    const job = jobOf(task(), both, options, ATTEMPT)
    assert.notInclude(JSON.stringify(job), "refresh-1")
    const { data = {} } = Option.getOrThrow(secretOf(withUid(job), both))
    assert.deepStrictEqual(JSON.parse(Buffer.from(data["src.json"] ?? "", "base64").toString()), {
      auths: { "quay.io": { auth: Buffer.from("robot:").toString("base64"), identitytoken: "refresh-1" } }
    })
  })

  const Component = Schema.String.check(Schema.isPattern(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?$/u))
  const Registry = Schema.Literals([
    "docker.io",
    "quay.io",
    "registry.corp:5000",
    "localhost",
    "[::1]:5000",
    "10.0.0.1"
  ])
  const Path = Schema.Array(Component).check(Schema.isMinLength(2), Schema.isMaxLength(4))
  const Tag = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/u))
  const Name = Schema.String.check(Schema.isPattern(/^[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?$/u))
  const Hex = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))
  const Tls = Schema.Struct({ source: Schema.Boolean, destination: Schema.Boolean })

  it.prop(
    "A Job is read back as the copy that it was created for",
    {
      from: Registry,
      at: Registry,
      path: Path,
      target: Path,
      tag: Tag,
      name: Name,
      namespace: Name,
      hex: Hex,
      tls: Tls
    },
    ({ at, from, hex, name, namespace, path, tag, target, tls }) => {
      const made = task({
        image: { namespace, name, uid: "6f0c9a52-1111-4222-8333-944445555666" },
        source: endpoint(from, path.join("/"), { tlsVerify: tls.source }),
        digest: `sha256:${hex}`,
        destination: endpoint(at, target.join("/"), { tlsVerify: tls.destination }),
        tag
      })
      const job = jobOf(made, anonymous, options, ATTEMPT)
      assert.deepStrictEqual(taskOf(job), made)
      assert.isTrue(makesCopy(job, made))
      for (const value of Object.values(job.metadata.labels ?? {})) {
        assert.match(value, /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/u)
      }
    },
    { arbitrary: { runs: 200 } }
  )

  it("A Job names the origin of its credentials, so that another process finds the same", () => {
    const { destination, source } = task()
    const made = task({
      source: { ...source, credentials: { _tag: "Secret", name: "quay-pull" } },
      destination: { ...destination, credentials: { _tag: "AwsIdentity" } }
    })
    const job = jobOf(made, anonymous, options, ATTEMPT)
    assert.strictEqual(job.metadata.annotations?.["skopeo.io/source-credentials"], "secret/quay-pull")
    assert.deepStrictEqual(taskOf(job), made)
    const annotations = Object.fromEntries(
      Object.entries(job.metadata.annotations ?? {}).filter(([key]) => !key.endsWith("-credentials"))
    )
    // Jobs of earlier versions have configured credentials only.
    assert.deepStrictEqual(taskOf({ ...job, metadata: { ...job.metadata, annotations } }), task())
  })

  it("A Job that was tampered with makes no known copy", () => {
    const job = jobOf(task(), anonymous, options, ATTEMPT)
    const { annotations = {}, labels = {} } = job.metadata
    const without = (record: Readonly<Record<string, string>>, key: string) =>
      Object.fromEntries(Object.entries(record).filter(([name]) => name !== key))
    const unreadable = [
      { "skopeo.io/destination-digest": "../../other" },
      { "skopeo.io/platforms": "linux/amd64,Linux/ARM64" },
      { "skopeo.io/platforms": "" },
      { "skopeo.io/only-if-missing": "yes" },
      { "skopeo.io/tls-verify": "true" },
      { "skopeo.io/tls-verify": "true,no" },
      { "skopeo.io/source-credentials": "secret/" },
      { "skopeo.io/destination-credentials": "gcp" }
    ]
    for (const marks of unreadable) {
      const changed = { ...job.metadata, annotations: { ...annotations, ...marks } }
      assert.isUndefined(taskOf({ ...job, metadata: changed }), JSON.stringify(marks))
    }
    for (const key of ["skopeo.io/image", "skopeo.io/source", "skopeo.io/destination"]) {
      assert.isUndefined(taskOf({ ...job, metadata: { ...job.metadata, annotations: without(annotations, key) } }))
      const changed = { ...annotations, [key]: "not what it was/at all/x y" }
      assert.isUndefined(taskOf({ ...job, metadata: { ...job.metadata, annotations: changed } }))
    }
    assert.isUndefined(
      taskOf({ ...job, metadata: { ...job.metadata, labels: without(labels, "skopeo.io/image-uid") } })
    )
  })

  it("A Job with an absent or invalid generation makes a copy of generation 0", () => {
    const job = jobOf(task({ generation: 7 }), anonymous, options, ATTEMPT)
    assert.strictEqual(taskOf(job)?.generation, 7)
    const { "skopeo.io/generation": _, ...annotations } = job.metadata.annotations ?? {}
    for (const changed of [annotations, { ...annotations, "skopeo.io/generation": "7.5" }]) {
      assert.strictEqual(taskOf({ ...job, metadata: { ...job.metadata, annotations: changed } })?.generation, 0)
    }
  })

  it("A Job of another Image or another digest makes another copy", () => {
    const job = jobOf(task(), anonymous, options, ATTEMPT)
    assert.isFalse(makesCopy(job, task({ image: { ...task().image, uid: "another" } })))
    assert.isFalse(makesCopy(job, task({ digest: `sha256:${"cd".repeat(32)}` })))
  })
})

describe("outcomeOf", () => {
  const jobWith = (...conditions: ReadonlyArray<{ readonly type: string; readonly status: string }>): JobObject => ({
    metadata: { name: "job" },
    status: {
      conditions: conditions.map((condition) => ({ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }))
    }
  })
  it("The conditions of a Job give its outcome", () => {
    assert.strictEqual(outcomeOf({ metadata: { name: "job" } })._tag, "Active")
    // Kubernetes sets these conditions before the pods are gone. The Job has not ended.
    assert.strictEqual(outcomeOf(jobWith({ type: "SuccessCriteriaMet", status: "True" }))._tag, "Active")
    assert.strictEqual(outcomeOf(jobWith({ type: "FailureTarget", status: "True" }))._tag, "Active")
    assert.strictEqual(outcomeOf(jobWith({ type: "Complete", status: "False" }))._tag, "Active")
    assert.deepStrictEqual(outcomeOf(jobWith({ type: "Complete", status: "True" })), {
      _tag: "Complete",
      at: "2026-01-01T00:00:00Z"
    })
    assert.strictEqual(outcomeOf(jobWith({ type: "Failed", status: "True" }))._tag, "Failed")
  })
})
