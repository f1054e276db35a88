/**
 * The requests of all other tests equal the chart's permissions, both ways: the operator has asked for nothing that the chart does
 * not grant, and has used everything that the chart grants. The audit log of the API server has the requests. This file runs last.
 */
import { assert, it } from "@effect/vitest"
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import { Effect, Option, Schema } from "effect"
import { type Manifest, template } from "../support/chart.ts"
import { CLUSTER, describeInCluster, JOB_NAMESPACE, live, NAMESPACE } from "../support/cluster.ts"

const log = process.env["E2E_AUDIT_LOG"] ?? ""

/** A line of the audit log. */
const Entry = Schema.fromJsonString(
  Schema.Struct({
    verb: Schema.String,
    requestURI: Schema.String,
    user: Schema.Struct({ username: Schema.String }),
    objectRef: Schema.optionalKey(
      Schema.Struct({
        apiGroup: Schema.optionalKey(Schema.String),
        resource: Schema.String,
        subresource: Schema.optionalKey(Schema.String),
        namespace: Schema.optionalKey(Schema.String)
      })
    ),
    annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)
const decode = Schema.decodeUnknownOption(Entry)

interface Requests {
  /** Requests that the API server has allowed, as in {@link permission}. */
  readonly allowed: ReadonlySet<string>
  readonly forbidden: ReadonlySet<string>
}

const permission = (verb: string, group: string, resource: string, where: string): string =>
  `${verb} ${resource}${group === "" ? "" : `.${group}`} ${where}`

const IN_CLUSTER = "in any namespace"
const IN_OWN = "in the operator's namespace or that of its Jobs"

/** The namespaces of the operator and of its Jobs. */
const OWN = new Set([NAMESPACE, JOB_NAMESPACE])

/** The place of a permission. That for Images is for all namespaces, or for those that a test lets the operator watch. */
const placeOf = (verb: string, group: string, resource: string, namespace: string): string => {
  const isOfImages = group === "skopeo.io" || group === "events.k8s.io" || (resource === "secrets" && verb === "get")
  return isOfImages ? IN_CLUSTER : OWN.has(namespace) ? IN_OWN : `in ${namespace}`
}

const requestsIn = (file: string) =>
  Effect.promise(async (): Promise<Requests> => {
    const allowed = new Set<string>()
    const forbidden = new Set<string>()
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const entry = Option.getOrUndefined(decode(line))
      if (entry?.user.username !== `system:serviceaccount:${NAMESPACE}:skopeo-operator`) continue
      const { annotations = {}, objectRef, requestURI, verb } = entry
      const { apiGroup = "", namespace = "", resource = "", subresource } = objectRef ?? {}
      const isForbidden = annotations["authorization.k8s.io/decision"] === "forbid"
      const name = subresource === undefined ? resource : `${resource}/${subresource}`
      ;(isForbidden ? forbidden : allowed).add(
        objectRef === undefined
          ? `${verb} ${requestURI}`
          : permission(verb, apiGroup, name, placeOf(verb, apiGroup, name, namespace))
      )
    }
    return { allowed, forbidden }
  })

const granted = (manifests: ReadonlyArray<Manifest>): ReadonlySet<string> =>
  new Set(
    manifests
      .filter(({ kind }) => kind === "Role" || kind === "ClusterRole")
      .flatMap(({ kind, rules = [] }) =>
        rules.flatMap(({ apiGroups, resources, verbs }) =>
          apiGroups.flatMap((group) =>
            resources.flatMap((resource) =>
              verbs.map((verb) => permission(verb, group, resource, kind === "ClusterRole" ? IN_CLUSTER : IN_OWN))
            )
          )
        )
      )
  )

/** Permissions that need not be in the log, with the reason. */
const UNUSED: Readonly<Record<string, string>> = {
  [`create events.events.k8s.io ${IN_CLUSTER}`]: "asked for when an apply creates an Event; the log says patch",
  [`list images.skopeo.io ${IN_CLUSTER}`]: "an API server with streaming lists gives the list with the watch",
  [`list jobs.batch ${IN_OWN}`]: "an API server with streaming lists gives the list with the watch",
  [`get jobs.batch ${IN_OWN}`]: "asked only if the answer to the creation of a Job was lost"
}

/** Requests that the chart does not grant, with the reason. */
const UNGRANTED: Readonly<Record<string, string>> = {}

const difference = (all: ReadonlySet<string>, ...others: ReadonlyArray<ReadonlySet<string>>): ReadonlyArray<string> =>
  [...all].filter((each) => !others.some((other) => other.has(each))).sort()

describeInCluster(
  "the audit log of all tests",
  { environment: { kubeconfig: CLUSTER.kubeconfig, auditLog: log }, programs: ["helm"] },
  () => {
    it("the operator asks the API server for nothing that the chart does not grant, and uses all that it grants", () =>
      live(
        Effect.gen(function* () {
          const rights = granted(yield* template({}))
          const { allowed, forbidden } = yield* requestsIn(log)
          const excused = (reasons: object) => new Set(Object.keys(reasons))
          // Some tests remove permissions that the chart grants. So a forbidden request may be one of these.
          assert.deepStrictEqual(
            difference(new Set([...allowed, ...forbidden]), rights, excused(UNGRANTED)),
            [],
            "requested and not granted"
          )
          assert.deepStrictEqual(difference(rights, allowed, excused(UNUSED)), [], "granted and not used")
          assert.deepStrictEqual(difference(excused(UNUSED), rights), [], "excused and not granted")
        })
      ))
  }
)
