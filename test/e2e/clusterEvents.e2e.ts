/**
 * What real clusters do to the operator and its copies beside the obstacles of `jobs.e2e.ts`: policies that refuse Jobs, namespaces
 * that end, other clients that apply Images, and a second release.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  apply,
  CLUSTER,
  eventually,
  image,
  install,
  kubectl,
  live,
  NAMESPACE,
  run,
  succeed
} from "../support/cluster.ts"
import {
  describeJobs,
  during,
  environment,
  inForce,
  isReady,
  late,
  mirror,
  none,
  policy,
  says,
  sleeper,
  some,
  specOf,
  VALUES,
  WITH_POLICIES
} from "../support/clusterJobs.ts"

/** A policy that refuses each Job without a label. */
const REFUSING = [
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "cost-center" },
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] }]
      },
      validations: [
        { expression: "'cost-center' in object.metadata.labels", message: "every Job needs the label cost-center" }
      ]
    }
  },
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: "cost-center" },
    spec: { policyName: "cost-center", validationActions: ["Deny"] }
  }
]

const namespace = (name: string) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })

/** An object with a finalizer that no controller removes. The object keeps its namespace from going. */
const holder = (inNamespace: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "holder", namespace: inNamespace, finalizers: ["example.com/hold"] }
})

describeJobs("What else happens in a cluster", environment, () => {
  it("the condition of an Image whose Job a policy refuses has the policy's text, and the copy is made without the policy", () =>
    live(
      Effect.gen(function* () {
        yield* during(
          REFUSING,
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("refused")
            yield* says("refused", /^False JobNotCreated .*cost-center.*every Job needs the label cost-center/u, 10)
          })
        )
        yield* isReady("refused")
      })
    ))

  it("an Image whose name has 253 characters and 126 dots is copied", () =>
    live(
      Effect.gen(function* () {
        const name = `${"a.".repeat(126)}a`
        assert.lengthOf(name, 253)
        yield* apply(image(name, specOf("long-name")))
        yield* isReady(name)
      })
    ))

  it("a check at once corrects a status that another client has written", () =>
    live(
      Effect.gen(function* () {
        yield* mirror("edited")
        yield* isReady("edited")
        const condition = {
          type: "Ready",
          status: "False",
          reason: "CopyFailed",
          message: "by hand",
          lastTransitionTime: "2026-01-01T00:00:00Z"
        }
        const status = JSON.stringify({ status: { conditions: [condition], tags: "0/9" } })
        yield* kubectl("patch", "image", "edited", "--subresource=status", "--type=merge", "-p", status)
        yield* says("edited", /^False CopyFailed by hand/u)
        yield* kubectl("annotate", "image", "edited", "skopeo.io/requestedAt=now")
        yield* isReady("edited", 20)
      })
    ))

  it("an Image in sync with its manifest has no difference, and another field manager applies it without a conflict", () =>
    live(
      Effect.gen(function* () {
        yield* mirror("applied")
        yield* isReady("applied")
        const manifest = JSON.stringify(image("applied", specOf("applied")))
        assert.strictEqual((yield* run("kubectl", ["diff", "-f", "-"], manifest)).stdout, "")
        const serverSide = ["--server-side", "--field-manager=argocd-controller", "--force-conflicts=false"]
        // `kubectl apply` above owns the same values, so that a second owner is no conflict.
        yield* succeed("kubectl", ["apply", ...serverSide, "-f", "-"], manifest)
        const diff = yield* run("kubectl", ["diff", ...serverSide.slice(0, 2), "-f", "-"], manifest)
        assert.strictEqual(diff.stdout, "")
        yield* says("applied", /^True Copied /u, 5)
      })
    ))

  it("the first release goes on after a second release has taken what it could and is uninstalled", () =>
    live(
      Effect.gen(function* () {
        const [repository = "", tag = ""] = CLUSTER.operatorImage.split(/:(?=[^:/]*$)/u)
        const values = [...VALUES, `image.repository=${repository}`, `image.version=${tag}`].flatMap((value) => [
          "--set",
          value
        ])
        yield* succeed("helm", [
          ...["install", "second", "charts/skopeo-operator", "-n", "second", "--create-namespace", "--take-ownership"],
          ...["--wait", "--timeout", "120s", ...values]
        ])
        yield* succeed("helm", ["uninstall", "second", "-n", "second", "--wait", "--timeout", "60s"])
        yield* kubectl("delete", "namespace", "second", "--timeout=60s")
        yield* mirror("after-second")
        yield* isReady("after-second")
        // The kept CustomResourceDefinition has the second release as its owner. The next release of these tests needs it.
        const owner = [`meta.helm.sh/release-name=${NAMESPACE}`, `meta.helm.sh/release-namespace=${NAMESPACE}`]
        yield* kubectl("annotate", "crd", "images.skopeo.io", "--overwrite", ...owner)
      })
    ))
})

describeJobs("Namespaces that end", WITH_POLICIES, () => {
  it("the Job and the pod of a copy go with the namespace of their Image", () =>
    live(
      Effect.gen(function* () {
        yield* apply(namespace("tenant"))
        yield* during(
          late("going", 600, 1),
          Effect.gen(function* () {
            yield* inForce
            const going = image("going", specOf("going"))
            yield* apply({ ...going, metadata: { ...going.metadata, namespace: "tenant" } })
            yield* some("pods", "going")
            yield* kubectl("delete", "namespace", "tenant", "--timeout=60s")
            yield* none("jobs", "going", 20)
            yield* none("pods", "going", 20)
          })
        )
      })
    ))

  it("a copy has one pod with a native sidecar, and ends with Skopeo", () =>
    live(
      Effect.gen(function* () {
        const sidecar = sleeper("proxy", 100_000).replaceAll("containers", "initContainers")
        const always = sidecar.replace("args:", `restartPolicy: "Always", args:`)
        yield* during(
          policy("native", "pods", `JSONPatch{op: "add", path: "/spec/initContainers", value: [${always}]}`),
          Effect.gen(function* () {
            yield* inForce
            yield* mirror("native")
            yield* isReady("native", 30)
            yield* none("pods", "native", 90)
          })
        )
      })
    ))

  it("Images say that the Jobs' namespace is being terminated, and are copied once it is made anew", () =>
    live(
      Effect.gen(function* () {
        const values = [...VALUES, "config.pullJobNamespace=copies"]
        yield* apply(namespace("copies"))
        yield* install(...values)
        yield* apply(holder("copies"))
        yield* kubectl("delete", "namespace", "copies", "--wait=false")
        yield* mirror("ended")
        yield* says("ended", /^False \w+ .*terminat/u)
        yield* kubectl(
          "patch",
          "configmap",
          "holder",
          "-n",
          "copies",
          "--type=merge",
          "-p",
          `{"metadata":{"finalizers":[]}}`
        )
        yield* eventually(
          Effect.flatMap(kubectl("get", "namespaces", "copies", "--ignore-not-found"), (text) =>
            text === "" ? Effect.void : Effect.fail(text)
          )
        )
        yield* apply(namespace("copies"))
        yield* install(...values)
        yield* isReady("ended", 90)
        yield* install(...VALUES)
        yield* kubectl("delete", "namespace", "copies", "--timeout=60s")
      })
    ))
})
