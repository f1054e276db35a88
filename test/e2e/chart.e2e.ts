/** What the chart makes of its values, by Helm itself. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { parseAllDocuments } from "yaml"
import { succeed } from "../support/cluster.ts"
import { itWithPrograms } from "../support/programs.ts"

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: ReadonlyArray<{
    readonly resources: ReadonlyArray<string>
    readonly verbs: ReadonlyArray<string>
  }>
  readonly roleRef?: { readonly kind: string; readonly name: string }
  readonly subjects?: ReadonlyArray<{ readonly name: string; readonly namespace: string }>
  readonly spec?: {
    readonly template: {
      readonly spec: {
        readonly containers: ReadonlyArray<{ readonly env: ReadonlyArray<{ readonly name: string; value?: string }> }>
      }
    }
  }
}

const template = (values: object) =>
  Effect.map(
    succeed(
      "helm",
      ["template", "skopeo-operator", "charts/skopeo-operator", "-n", "operators", "-f", "-"],
      JSON.stringify(values)
    ),
    (text) => parseAllDocuments(text).map((document): Manifest => document.toJS())
  )

/** `Role team-a/skopeo-operator-images: images get,list,watch; …` */
const rightsIn = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<string> =>
  manifests
    .filter(({ kind }) => kind === "Role" || kind === "ClusterRole")
    .map(({ kind, metadata: { name, namespace = "*" }, rules = [] }) => {
      const rights = rules.map(({ resources, verbs }) => `${resources.join(",")} ${verbs.join(",")}`)
      return `${kind} ${namespace}/${name}: ${rights.join("; ")}`
    })

/** What the operator is bound to, and where. */
const bindingsIn = (manifests: ReadonlyArray<Manifest>): ReadonlyArray<string> =>
  manifests.flatMap(({ metadata: { namespace = "*" }, roleRef, subjects = [] }) =>
    roleRef === undefined
      ? []
      : subjects.map(
          (subject) => `${namespace}: ${roleRef.kind} ${roleRef.name} to ${subject.namespace}/${subject.name}`
        )
  )

const environmentIn = (manifests: ReadonlyArray<Manifest>): Readonly<Record<string, string | undefined>> => {
  const deployment = manifests.find(({ kind }) => kind === "Deployment")
  const env = deployment?.spec?.template.spec.containers[0]?.env ?? []
  return Object.fromEntries(env.map(({ name, value }) => [name, value]))
}

const IMAGES = "images get,list,watch; images/status patch; events create,patch; secrets get"
/** The name has the namespace and the name of the release: a second release takes no permission of the first. */
const CLUSTER_ROLE = "skopeo-operator:operators:skopeo-operator"
const JOBS =
  "Role operators/skopeo-operator: jobs get,list,watch,create,patch,delete; pods list,watch; events list; secrets create,delete"
const LEASES = "Role operators/skopeo-operator-leader-election: leases create; leases get,update"

describe("the chart", () => {
  itWithPrograms(
    ["helm"],
    "lets the operator read Images and their Secrets in the whole cluster where it says nothing else",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({})
        assert.sameMembers([...rightsIn(manifests)], [`ClusterRole */${CLUSTER_ROLE}: ${IMAGES}`, JOBS, LEASES])
        assert.sameMembers(
          [...bindingsIn(manifests)],
          [
            `*: ClusterRole ${CLUSTER_ROLE} to operators/skopeo-operator`,
            "operators: Role skopeo-operator to operators/skopeo-operator",
            "operators: Role skopeo-operator-leader-election to operators/skopeo-operator"
          ]
        )
        const environment = environmentIn(manifests)
        assert.notProperty(environment, "WATCH_NAMESPACES")
        assert.notProperty(environment, "WATCH_LABEL_SELECTOR")
      })
  )

  itWithPrograms(
    ["helm"],
    "lets the operator read them in the watched namespaces alone, that of the Jobs among them",
    () =>
      Effect.gen(function* () {
        const manifests = yield* template({
          watchNamespaces: ["team-a", "operators"],
          watchLabelSelector: "team in (a, b),!paused"
        })
        assert.sameMembers(
          [...rightsIn(manifests)],
          [
            `Role team-a/skopeo-operator-images: ${IMAGES}`,
            `Role operators/skopeo-operator-images: ${IMAGES}`,
            JOBS,
            LEASES
          ]
        )
        assert.sameMembers(
          [...bindingsIn(manifests)],
          [
            "team-a: Role skopeo-operator-images to operators/skopeo-operator",
            "operators: Role skopeo-operator-images to operators/skopeo-operator",
            "operators: Role skopeo-operator to operators/skopeo-operator",
            "operators: Role skopeo-operator-leader-election to operators/skopeo-operator"
          ]
        )
        const environment = environmentIn(manifests)
        assert.strictEqual(environment["WATCH_NAMESPACES"], "team-a,operators")
        assert.strictEqual(environment["WATCH_LABEL_SELECTOR"], "team in (a, b),!paused")
      })
  )

  itWithPrograms(["helm"], "names the hosts that get credentials by plain HTTP, and the token servers", () =>
    Effect.gen(function* () {
      const without = environmentIn(yield* template({}))
      for (const name of ["REGISTRY_PLAIN_HTTP", "REGISTRY_TOKEN_SERVERS"]) assert.notProperty(without, name)
      const registries = {
        plainHttp: ["registry.corp:5000", ".internal"],
        tokenServers: ["registry.corp=sso.example.net", "quay.corp=sso.example.net"]
      }
      const environment = environmentIn(yield* template({ config: { registries } }))
      assert.strictEqual(environment["REGISTRY_PLAIN_HTTP"], "registry.corp:5000,.internal")
      assert.strictEqual(
        environment["REGISTRY_TOKEN_SERVERS"],
        "registry.corp=sso.example.net,quay.corp=sso.example.net"
      )
    })
  )

  itWithPrograms(["helm"], "gives no right to Secrets where Images may name none, in namespaces too", () =>
    Effect.gen(function* () {
      const manifests = yield* template({ watchNamespaces: ["team-a"], credentials: { perImage: false } })
      assert.sameMembers(
        [...rightsIn(manifests)],
        [
          "Role team-a/skopeo-operator-images: images get,list,watch; images/status patch; events create,patch",
          JOBS,
          LEASES
        ]
      )
    })
  )
})
