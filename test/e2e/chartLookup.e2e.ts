/** What the chart does with the CRD that a cluster has, by Helm itself against an API server of the test. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "../support/cluster.ts"
import { itWithPrograms } from "../support/programs.ts"
import { json, pathOf, scripted } from "../support/ScriptedServer.ts"

/** The kinds of the chart's objects, by the path of their API. */
const KINDS: Readonly<Record<string, ReadonlyArray<string>>> = {
  "/api/v1": ["ServiceAccount"],
  "/apis/apps/v1": ["Deployment"],
  "/apis/apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
  "/apis/rbac.authorization.k8s.io/v1": ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
  "/apis/admissionregistration.k8s.io/v1": ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
}
const resource = (kind: string) => ({
  name: `${kind.toLowerCase()}s`,
  kind,
  namespaced: !/^(?:Cluster|Custom|Validating)/u.test(kind),
  verbs: ["get"]
})
const group = (name: string) => {
  const version = { groupVersion: `${name}/v1`, version: "v1" }
  return { name, versions: [version], preferredVersion: version }
}

/** What the API server says about itself. */
const DISCOVERY: Readonly<Record<string, object>> = {
  "/version": { major: "1", minor: "30", gitVersion: "v1.30.0" },
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: Object.keys(KINDS).flatMap((path) => /^\/apis\/([^/]+)/u.exec(path)?.slice(1).map(group) ?? [])
  },
  ...Object.fromEntries(
    Object.entries(KINDS).map(([path, kinds]) => {
      const groupVersion = path.replace(/^\/apis?\//u, "")
      return [path, { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: kinds.map(resource) }]
    })
  )
}

const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/images.skopeo.io"
const deploymentIn = (namespace: string) => `/apis/apps/v1/namespaces/${namespace}/deployments/skopeo-operator`

/** The annotations by which Helm knows the release of an object. */
const ownedBy = (namespace: string, more: object = {}) => ({
  "meta.helm.sh/release-name": "skopeo-operator",
  "meta.helm.sh/release-namespace": namespace,
  ...more
})
const crd = (annotations: object) => ({
  [CRD]: {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "images.skopeo.io", annotations }
  }
})
const deployment = (namespace: string, labels: object) => ({
  [deploymentIn(namespace)]: {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "skopeo-operator", namespace, labels, annotations: ownedBy(namespace) }
  }
})
const EARLIER = { "kubernetes.io/name": "skopeo-operator" }
const PRESENT = { ...EARLIER, "app.kubernetes.io/name": "skopeo-operator" }

/** Helm's output for a release in the namespace `operators` of a cluster with objects, and the paths that Helm has read. */
const templateIn = Effect.fnUntraced(function* (objects: Readonly<Record<string, object>>, ...more: Array<string>) {
  const answers = { ...DISCOVERY, ...objects }
  const server = yield* scripted((request, response) => {
    const answer = answers[pathOf(request)]
    const missing = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 }
    json(response, answer === undefined ? 404 : 200, answer ?? missing)
  })
  const output = yield* run("helm", [
    ...["template", "skopeo-operator", "charts/skopeo-operator", "-n", "operators", "--dry-run=server"],
    ...["--disable-openapi-validation", `--kube-apiserver=http://${server.host}`, ...more]
  ])
  return { ...output, paths: server.seen.map(({ url }) => url) }
})

const NO_CRD = ["--is-upgrade", "--set", "crd.create=false"]
const KIND = /^kind: CustomResourceDefinition$/mu

describe("the chart and the CRD of a cluster", () => {
  itWithPrograms(
    ["helm"],
    "an upgrade from the earlier chart with crd.create: false is refused, because Helm would delete the CRD and all Images",
    () =>
      Effect.gen(function* () {
        const earlier = { ...crd(ownedBy("operators")), ...deployment("operators", EARLIER) }
        const { code, stderr } = yield* templateIn(earlier, ...NO_CRD)
        assert.strictEqual(code, 1)
        assert.match(stderr, /crd\.create: false: .* all Images with it; upgrade with crd\.create: true once/u)
        const withCrd = yield* templateIn(earlier, "--is-upgrade")
        assert.match(withCrd.stdout, KIND, withCrd.stderr)
      })
  )

  for (const [title, annotations] of [
    ["that is kept", ownedBy("operators", { "helm.sh/resource-policy": "keep" })],
    ["of another release", ownedBy("others")],
    ["that no release has", {}]
  ] as const) {
    itWithPrograms(["helm"], `an upgrade from the earlier chart may leave out a CRD ${title}`, () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* templateIn(
          { ...crd(annotations), ...deployment("operators", EARLIER) },
          ...NO_CRD
        )
        assert.strictEqual(code, 0, stderr)
        assert.notMatch(stdout, KIND)
      })
    )
  }

  itWithPrograms(["helm"], "an upgrade of this chart with crd.create: false does not read the CRD", () =>
    Effect.gen(function* () {
      const objects = { ...crd(ownedBy("operators")), ...deployment("operators", PRESENT) }
      const { code, paths, stderr } = yield* templateIn(objects, ...NO_CRD)
      assert.strictEqual(code, 0, stderr)
      assert.include(paths, deploymentIn("operators"))
      assert.notInclude(paths, CRD)
    })
  )

  itWithPrograms(["helm"], "a release leaves the CRD to another one as long as that is installed", () =>
    Effect.gen(function* () {
      const owned = crd(ownedBy("others"))
      const beside = yield* templateIn({ ...owned, ...deployment("others", PRESENT) })
      assert.strictEqual(beside.code, 0, beside.stderr)
      assert.notMatch(beside.stdout, KIND)
      // Helm then asks for --take-ownership.
      const after = yield* templateIn(owned)
      assert.match(after.stderr, /images\.skopeo\.io.* cannot be imported/u)
    })
  )
})
