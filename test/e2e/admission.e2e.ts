/**
 * The chart's admission policies on a real API server. The policy on Images refuses what the operator would refuse. The operator's
 * account may create only the Jobs and Secrets of copies. Objects are created by dry runs, so no pod runs.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Option, Predicate, Redacted, Result } from "effect"
import { jobOf, secretOf } from "../../src/copy/job/JobManifest.ts"
import { DEFAULT_TEMPLATE, type JobTemplate } from "../../src/copy/job/JobTemplate.ts"
import type { CopyTask } from "../../src/domain/Copy.ts"
import { parseProxy, type Proxies } from "../../src/http/Proxy.ts"
import type { RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { CASES, NAMESPACES, POLICY } from "../charts/policy.table.ts"
import { templateObjects } from "../support/chart.ts"
import { apply, CLUSTER, describeInCluster, eventually, kubectl, live, run, succeed } from "../support/cluster.ts"
import { endpoint } from "../support/endpoints.ts"

const OPERATORS = "zone-operators"
const JOBS = "zone-jobs"
const ADMISSION = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
const RIGHTS = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]

const namespace = (name: string) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })

/** The chart's objects of some kinds. */
const objectsOf = (kinds: ReadonlyArray<string>, values: object) =>
  Effect.map(templateObjects(values, OPERATORS), (objects) =>
    objects.filter((object) => "kind" in object && kinds.includes(String(object.kind)))
  )

const asText = (objects: ReadonlyArray<object>): string => objects.map((each) => JSON.stringify(each)).join("\n---\n")

/** Makes namespaces, and further objects, before the tests of a `describe`, and deletes them after the tests. */
const during = (
  names: ReadonlyArray<string>,
  ...objects: ReadonlyArray<Effect.Effect<ReadonlyArray<object>>>
): void => {
  const all = Effect.map(Effect.all(objects), (lists) => [...names.map(namespace), ...lists.flat()])
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* succeed("kubectl", ["apply", "--server-side", "--force-conflicts", "-f", "crds/skopeo.io_images.yaml"])
        yield* apply(...(yield* all))
      })
    )
  )
  afterAll(() =>
    live(
      Effect.flatMap(all, (made) =>
        succeed("kubectl", ["delete", "--ignore-not-found", "--timeout=120s", "-f", "-"], asText(made))
      )
    )
  )
}

/** Creates an object by a dry run. Gives the API server's refusal, or "accepted". */
const verdictOn = (object: object, ...args: ReadonlyArray<string>) =>
  Effect.map(
    run("kubectl", ["create", "--dry-run=server", ...args, "-f", "-"], JSON.stringify(object)),
    ({ code, stderr }) => (code === 0 ? "accepted" : stderr)
  )

/** Waits until the API server enforces a new policy. */
const untilRefused = (verdict: Effect.Effect<string>) =>
  eventually(Effect.filterOrFail(verdict, (text) => text !== "accepted"))

/** Waits until the API server no longer enforces a deleted policy. */
const untilAccepted = (verdict: Effect.Effect<string>) =>
  eventually(Effect.filterOrFail(verdict, (text) => text === "accepted"))

const imageIn = (
  namespace: string,
  spec: { readonly source: object; readonly destination: object; readonly suspend?: boolean },
  name = "judged"
) => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name, namespace },
  spec: { ...spec, source: { version: "1.0.0", ...spec.source } }
})

const environment = { kubeconfig: CLUSTER.kubeconfig }
const programs = ["helm", "kubectl"]

const REFUSED = {
  source: { name: "nginx" },
  destination: { name: "registry.corp.example/zone-other/nginx" },
  suspend: true
}

describeInCluster("the policy at the API server", { environment, programs }, () => {
  const values = {
    policy: POLICY,
    watchNamespaces: NAMESPACES,
    config: { destination: { defaultRegistry: "registry.corp.example" } }
  }
  during(NAMESPACES)
  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* apply(imageIn("zone-other", REFUSED, "older"))
        yield* apply(...(yield* objectsOf(ADMISSION, values)))
        yield* untilRefused(verdictOn(imageIn("zone-other", REFUSED)))
      })
    )
  )
  afterAll(() =>
    live(
      Effect.flatMap(objectsOf(ADMISSION, values), (objects) =>
        succeed("kubectl", ["delete", "--ignore-not-found", "-f", "-"], asText(objects))
      )
    )
  )

  for (const { destination, namespace, refused, source, title } of CASES) {
    it(`the API server ${refused === undefined ? "accepts" : "refuses"} an Image with ${title}`, () =>
      live(
        Effect.map(verdictOn(imageIn(namespace, { source, destination })), (verdict) =>
          refused === undefined ? assert.strictEqual(verdict, "accepted") : assert.match(verdict, refused)
        )
      ))
  }

  it("an Image that is older than the policy can be annotated and deleted, and its spec cannot be changed", () =>
    live(
      Effect.gen(function* () {
        const older = ["image", "older", "-n", "zone-other"]
        yield* kubectl("annotate", ...older, "skopeo.io/requestedAt=now")
        const { stderr } = yield* run("kubectl", [
          "patch",
          ...older,
          "--type=merge",
          "-p",
          `{"spec":{"suspend":false}}`
        ])
        assert.match(stderr, /it is not for the namespace zone-other/u)
        yield* kubectl("delete", ...older)
      })
    ))
})

describeInCluster("policies of extreme sizes at the API server", { environment, programs }, () => {
  during(["zone-sizes"])

  /** The verdict on an Image while a policy is enforced. */
  const under = (policy: object, image: object) =>
    Effect.gen(function* () {
      const objects = yield* objectsOf(ADMISSION, { policy, watchNamespaces: ["zone-sizes"] })
      const verdict = verdictOn(imageIn("zone-sizes", REFUSED))
      return yield* Effect.acquireUseRelease(
        apply(...objects),
        () => Effect.andThen(untilRefused(verdict), verdictOn(image)),
        () => Effect.andThen(succeed("kubectl", ["delete", "-f", "-"], asText(objects)), untilAccepted(verdict))
      )
    })

  it("a policy without rules refuses every Image", () =>
    live(
      Effect.map(under({ rules: [] }, imageIn("zone-sizes", REFUSED)), (text) =>
        assert.match(text, /the operator's policy does not accept any Image; ask the administrator/u)
      )
    ))

  it("the API server has enough time for the longest names and a hundred rules of ten sources, most of which refuse", () =>
    live(
      Effect.gen(function* () {
        const rules = Array.from({ length: 100 }, (_, rule) => ({
          name: `rule-${rule}`,
          // A rule that refuses includes every port, and so compares the most.
          deny: rule < 99,
          namespaces: ["zone-*", "team-*-x-*"],
          sources: Array.from({ length: 10 }, (_, source) => `docker.io/corp-${rule}/$(namespace)/part-${source}`)
        }))
        const source = { name: `corp-99/zone-sizes/part-9/${"a/".repeat(230)}z` }
        const accepted = yield* under(
          { rules },
          imageIn("zone-sizes", { source, destination: { name: "a.example/b" } })
        )
        assert.strictEqual(accepted, "accepted")
      })
    ))
})

const robot = (side: "source" | "destination"): RepositoryAccess => ({
  repository: task[side].repository,
  tlsVerify: true,
  credential: Option.some({ username: "robot", password: Redacted.make("password") })
})

const task: CopyTask = {
  image: { namespace: "team", name: "app", uid: "6f0c9a52-1111-4222-8333-944445555666" },
  generation: 1,
  source: endpoint("quay.io", "argoproj/argocd"),
  digest: `sha256:${"ab".repeat(32)}`,
  platforms: [],
  destinationDigest: `sha256:${"cd".repeat(32)}`,
  referrers: false,
  destination: endpoint("registry.corp:5000", "mirror/argocd"),
  tag: "v2.13.1",
  onlyIfMissing: false
}

/** An object with another value at a path. A number after the end of a list appends. */
const edited = (node: unknown, [key, ...rest]: ReadonlyArray<string | number>, value: unknown): unknown => {
  if (key === undefined) return value
  if (Array.isArray(node)) {
    const list: ReadonlyArray<unknown> = node
    return [...list.slice(0, Number(key)), edited(list[Number(key)], rest, value), ...list.slice(Number(key) + 1)]
  }
  return {
    ...(Predicate.isObject(node) ? node : {}),
    [key]: edited(Predicate.hasProperty(node, key) ? node[key] : undefined, rest, value)
  }
}

describeInCluster("what the operator's account may create", { environment, programs }, () => {
  const image = "quay.io/containers/skopeo:v1.16.1"
  const proxies: Proxies = {
    https: Result.getOrThrow(parseProxy("HTTPS_PROXY", "http://robot:password@proxy.corp:3128"))
  }
  during([OPERATORS, JOBS], objectsOf([...ADMISSION, ...RIGHTS], { config: { pullJobNamespace: JOBS } }))

  const access = { source: robot("source"), destination: robot("destination") }
  const jobBy = (template: Partial<JobTemplate>) => ({
    apiVersion: "batch/v1",
    kind: "Job",
    ...jobOf(
      task,
      access,
      {
        namespace: JOBS,
        image,
        instance: `skopeo-operator.${OPERATORS}`,
        caConfigMap: "corp-ca",
        proxies,
        template: {
          ...DEFAULT_TEMPLATE,
          serviceAccountName: `skopeo-operator-jobs.skopeo-operator.${OPERATORS}`,
          ...template
        }
      },
      "0badcafe",
      [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`]
    )
  })
  const job = jobBy({})
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    ...Option.getOrThrow(secretOf({ ...job, metadata: { ...job.metadata, uid: "1" } }, access, proxies))
  }
  const AS_OPERATOR = `--as=system:serviceaccount:${OPERATORS}:skopeo-operator`
  const asObject = (value: unknown): object => (Predicate.isObject(value) ? value : {})
  const byTheOperator = (object: unknown) => verdictOn(asObject(object), AS_OPERATOR)

  const POD = ["spec", "template", "spec"]
  const CONTAINER = [...POD, "containers", 0]
  const LABELS = ["spec", "template", "metadata", "labels"]
  const PROBE = { exec: { command: ["sh"] } }
  const REFUSED_JOBS: ReadonlyArray<readonly [string, ReadonlyArray<string | number>, unknown, RegExp]> = [
    ["another image", [...CONTAINER, "image"], "evil.example/x:1", /run only skopeo copy of the image quay\.io/u],
    ["another init container", [...POD, "initContainers", 0, "image"], "evil.example/x:1", /run only skopeo copy/u],
    ["another program", [...CONTAINER, "command"], ["sh"], /run only skopeo copy/u],
    ["another command of Skopeo", [...CONTAINER, "args", 0], "delete", /run only skopeo copy/u],
    ["a hook", [...CONTAINER, "lifecycle"], { postStart: { exec: { command: ["sh"] } } }, /no hooks and no probes/u],
    ["a liveness probe", [...CONTAINER, "livenessProbe"], PROBE, /no hooks and no probes/u],
    ["a readiness probe", [...CONTAINER, "readinessProbe"], PROBE, /no hooks and no probes/u],
    ["a startup probe", [...CONTAINER, "startupProbe"], PROBE, /no hooks and no probes/u],
    ["pods without the label of the NetworkPolicy", [...LABELS, "skopeo.io/instance"], undefined, /have the label/u],
    ["the label of another installation", [...LABELS, "skopeo.io/instance"], "other", /have the label/u],
    ["another service account", [...POD, "serviceAccountName"], "admin", /the service account skopeo-operator-jobs/u],
    ["the token of its service account", [...POD, "automountServiceAccountToken"], true, /without its token/u],
    ["a privileged container", [...CONTAINER, "securityContext"], { privileged: true }, /not privileged/u],
    ["a capability", [...CONTAINER, "securityContext", "capabilities", "add"], ["NET_ADMIN"], /not privileged/u],
    ["the default capabilities", [...CONTAINER, "securityContext", "capabilities"], {}, /not privileged/u],
    ["root", [...POD, "securityContext", "runAsUser"], 0, /do not run as root/u],
    ["any user", [...POD, "securityContext", "runAsNonRoot"], undefined, /do not run as root/u],
    ["root in a container", [...CONTAINER, "securityContext", "runAsUser"], 0, /do not run as root/u],
    ["any user in a container", [...CONTAINER, "securityContext", "runAsNonRoot"], false, /do not run as root/u],
    ["no seccomp", [...POD, "securityContext", "seccompProfile"], { type: "Unconfined" }, /default seccomp/u],
    ["a cluster's seccomp", [...POD, "securityContext", "seccompProfile"], undefined, /default seccomp/u],
    [
      "no seccomp in a container",
      [...CONTAINER, "securityContext", "seccompProfile"],
      { type: "Unconfined" },
      /default seccomp/u
    ],
    ["no AppArmor", [...POD, "securityContext", "appArmorProfile"], { type: "Unconfined" }, /AppArmor/u],
    ["an SELinux type", [...CONTAINER, "securityContext", "seLinuxOptions"], { type: "spc_t" }, /SELinux/u],
    ["a sysctl", [...POD, "securityContext", "sysctls"], [{ name: "net.core.somaxconn", value: "9" }], /the kernel/u],
    ["a chosen node", [...POD, "nodeName"], "node-1", /the choice of the node/u],
    ["the node's network", [...POD, "hostNetwork"], true, /no namespace of their node/u],
    ["the node's processes", [...POD, "hostPID"], true, /no namespace of their node/u],
    ["a folder of the node", [...POD, "volumes", 9], { name: "x", hostPath: { path: "/" } }, /mount only temporary/u],
    ["another Secret", [...POD, "volumes", 9], { name: "x", secret: { secretName: "admin" } }, /mount only temporary/u],
    [
      "a projected token",
      [...POD, "volumes", 9],
      { name: "x", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
      /mount only temporary/u
    ],
    [
      "a variable from another Secret",
      [...CONTAINER, "env", 9],
      { name: "X", valueFrom: { secretKeyRef: { name: "admin", key: "x" } } },
      /variables only from the Secret of their copy/u
    ],
    ["all of another Secret", [...CONTAINER, "envFrom"], [{ secretRef: { name: "admin" } }], /variables only from/u]
  ]
  const REFUSED_SECRETS: ReadonlyArray<readonly [string, ReadonlyArray<string | number>, unknown]> = [
    ["another name", ["metadata", "name"], "admin"],
    ["another type", ["type"], "example.com/other"]
  ]

  describe("creates", () => {
    beforeAll(() => live(untilRefused(byTheOperator(edited(job, [...CONTAINER, "image"], "evil.example/x:1")))))

    it("the operator may create the Job and the Secret of a copy", () =>
      live(
        Effect.gen(function* () {
          assert.strictEqual(yield* byTheOperator(job), "accepted")
          assert.strictEqual(yield* byTheOperator(secret), "accepted")
        })
      ))

    for (const [title, path, value, words] of REFUSED_JOBS) {
      it(`the operator may create no Job with ${title}`, () =>
        live(Effect.map(byTheOperator(edited(job, path, value)), (verdict) => assert.match(verdict, words))))
    }

    for (const [title, path, value] of REFUSED_SECRETS) {
      it(`the operator may create no Secret with ${title}`, () =>
        live(
          Effect.map(byTheOperator(edited(secret, path, value)), (verdict) =>
            assert.match(verdict, /creates only Secrets of type Opaque for its Jobs/u)
          )
        ))
    }

    it("the operator may create no Job with all of the node's /proc", () => {
      // Kubernetes allows this only with a user namespace.
      const unmasked = edited(jobBy({ hostUsers: false }), [...CONTAINER, "securityContext", "procMount"], "Unmasked")
      return live(Effect.map(byTheOperator(unmasked), (verdict) => assert.match(verdict, /leave the kernel/u)))
    })

    it("the operator may create a Job whose user the cluster chooses", () =>
      live(Effect.map(byTheOperator(jobBy({ runAsUser: null })), (verdict) => assert.strictEqual(verdict, "accepted"))))

    it("the operator may shorten the time that a Job is kept, and may not change the pods of a suspended Job", () =>
      live(
        Effect.gen(function* () {
          yield* apply(asObject(edited(job, ["spec", "suspend"], true)))
          const patched = (spec: object) =>
            run("kubectl", [
              ...["patch", "job", job.metadata.name, "-n", JOBS, "--type=merge", "--dry-run=server", AS_OPERATOR],
              ...["-p", JSON.stringify({ spec })]
            ])
          assert.strictEqual((yield* patched({ ttlSecondsAfterFinished: 60 })).code, 0)
          const { stderr } = yield* patched({ template: { metadata: { labels: { "skopeo.io/instance": null } } } })
          assert.match(stderr, /have the label skopeo\.io\/instance: skopeo-operator/u)
        })
      ))

    it("the operator cannot make a token of a service account", () =>
      live(
        Effect.gen(function* () {
          const token = {
            apiVersion: "v1",
            kind: "Secret",
            metadata: {
              name: "copy-token",
              namespace: JOBS,
              annotations: { "kubernetes.io/service-account.name": "default" }
            },
            type: "kubernetes.io/service-account-token"
          }
          assert.match(yield* byTheOperator(token), /creates only Secrets of type Opaque/u)
          assert.strictEqual(yield* verdictOn(token), "accepted")
        })
      ))
  })
})
