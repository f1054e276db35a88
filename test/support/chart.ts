/** The chart's manifests, made by Helm itself. */
import { Effect, Predicate, Schema } from "effect"
import { parseAllDocuments } from "yaml"
import { run, succeed } from "./cluster.ts"

const Anything = Schema.Record(Schema.String, Schema.Unknown)

const Rule = Schema.Struct({
  apiGroups: Schema.Array(Schema.String),
  resources: Schema.Array(Schema.String),
  resourceNames: Schema.optionalKey(Schema.Array(Schema.String)),
  verbs: Schema.Array(Schema.String)
})

/** An object of Kubernetes, with the fields that tests read. */
const Manifest = Schema.Struct({
  kind: Schema.String,
  metadata: Schema.Struct({
    name: Schema.String,
    namespace: Schema.optionalKey(Schema.String),
    labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  }),
  rules: Schema.optionalKey(Schema.Array(Rule)),
  roleRef: Schema.optionalKey(Schema.Struct({ kind: Schema.String, name: Schema.String })),
  subjects: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Schema.String, namespace: Schema.String }))),
  automountServiceAccountToken: Schema.optionalKey(Schema.Boolean),
  data: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  spec: Schema.optionalKey(Anything)
})
export type Manifest = typeof Manifest.Type

const decode = Schema.decodeUnknownSync(Schema.Array(Manifest))

const NAMESPACE = "operators"
const helm = (namespace: string) => [
  "template",
  "skopeo-operator",
  "charts/skopeo-operator",
  "-n",
  namespace,
  "-f",
  "-"
]

/** The manifests for values. */
export const template = (values: object, namespace = NAMESPACE): Effect.Effect<ReadonlyArray<Manifest>> =>
  Effect.map(templateObjects(values, namespace), (objects) => decode(objects))

/** The manifests for values as they are applied. */
export const templateObjects = (values: object, namespace = NAMESPACE): Effect.Effect<ReadonlyArray<object>> =>
  Effect.map(succeed("helm", helm(namespace), JSON.stringify(values)), (text) =>
    parseAllDocuments(text)
      .map((document): unknown => document.toJS())
      .filter((value) => typeof value === "object" && value !== null)
  )

/** Why Helm refuses values. Dies if Helm accepts them. */
export const refusal = (values: object): Effect.Effect<string> =>
  Effect.flatMap(run("helm", helm(NAMESPACE), JSON.stringify(values)), ({ code, stderr }) =>
    code === 0 ? Effect.die(new Error("Helm has accepted the values")) : Effect.succeed(stderr)
  )

const DeploymentSpec = Schema.Struct({
  template: Schema.Struct({
    metadata: Schema.Struct({
      labels: Schema.Record(Schema.String, Schema.String),
      annotations: Schema.Record(Schema.String, Schema.String)
    }),
    spec: Schema.Struct({
      containers: Schema.Array(
        Schema.Struct({
          env: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.optionalKey(Schema.String) })),
          volumeMounts: Schema.optionalKey(
            Schema.Array(Schema.Struct({ name: Schema.String, mountPath: Schema.String }))
          )
        })
      ),
      volumes: Schema.optionalKey(Schema.Array(Anything))
    })
  })
})

/** The operator's pod, with its labels and annotations. */
const podTemplateIn = (manifests: ReadonlyArray<Manifest>) =>
  Schema.decodeUnknownSync(DeploymentSpec)(manifests.find(({ kind }) => kind === "Deployment")?.spec).template

/** The operator's pod. */
export const podIn = (manifests: ReadonlyArray<Manifest>) => podTemplateIn(manifests).spec

/** The labels and the annotations of the operator's pod. */
export const marksIn = (manifests: ReadonlyArray<Manifest>) => podTemplateIn(manifests).metadata

/** The value at a path of a manifest, such as `spec/template/spec/affinity`. A number is an index. */
export const valueAt = (value: unknown, path: string): unknown =>
  path.split("/").reduce<unknown>((node, key) => (Predicate.hasProperty(node, key) ? node[key] : undefined), value)

/** The operator's variables. */
export const environmentIn = (manifests: ReadonlyArray<Manifest>): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries((podIn(manifests).containers[0]?.env ?? []).map(({ name, value }) => [name, value]))

/** The objects of a kind, as `namespace/name`. */
export const namesOf = (manifests: ReadonlyArray<Manifest>, kind: string): ReadonlyArray<string> =>
  manifests
    .filter((manifest) => manifest.kind === kind)
    .map(({ metadata: { name, namespace = "" } }) => `${namespace}/${name}`)
