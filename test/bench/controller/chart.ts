/** The operator in the cluster, installed by the chart for Images of one namespace. */
import { Effect, type Scope } from "effect"
import { install, NAMESPACE, restrictedNamespace, run } from "../../support/cluster.ts"
import { BenchFailed } from "../copy/measure.ts"
import { plainNamespace, temporaryNamespace, withoutTraceOfCrd } from "./apiServer.ts"
import { REGISTRIES } from "./environment.ts"
import { SOURCE_TAG } from "./registries.ts"

/** An Image that copies the one tag of a source's repository to the tag `v1` of a repository of the Image's own. */
export const ownImage = (namespace: string, name: string, path: string) => ({
  metadata: { namespace, name },
  spec: {
    source: { name: `${REGISTRIES.sourceInCluster}/${path}`, version: SOURCE_TAG },
    destination: { name: `${REGISTRIES.destinationInCluster}/${path}/${name}` }
  }
})

/** The repository of the destination, as a path, of such an Image. */
export const destinationPath = (name: string, path: string): string => `${path}/${name}`

/** Installs or upgrades the operator with values of the chart. */
export const installOperator = (imagesNamespace: string, ...values: ReadonlyArray<string>) =>
  install(
    "config.source.disabledTlsCheck=true",
    "config.destination.disabledTlsCheck=true",
    `watchNamespaces={${imagesNamespace}}`,
    ...values
  )

/** The operator, until the Scope closes, and the namespace of its Images. */
export const operatorOfChart = Effect.fnUntraced(function* (
  imagesNamespace: string,
  ...values: ReadonlyArray<string>
): Effect.fn.Return<string, BenchFailed, Scope.Scope> {
  const { stdout } = yield* run("kubectl", ["get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"])
  if (stdout.trim() !== "") {
    return yield* new BenchFailed({
      detail: `the cluster has a namespace "${NAMESPACE}", perhaps with an operator; use another cluster`
    })
  }
  yield* withoutTraceOfCrd
  const namespace = yield* plainNamespace(imagesNamespace)
  yield* temporaryNamespace(restrictedNamespace(NAMESPACE))
  yield* Effect.acquireRelease(installOperator(imagesNamespace, ...values), () =>
    run("helm", ["uninstall", "skopeo-operator", "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "60s"])
  )
  return namespace
})
