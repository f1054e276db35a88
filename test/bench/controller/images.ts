/** Images whose tags are at the destination already, and the requests of their check without an operator. */
import { Clock, Effect } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { REGISTRIES } from "./environment.ts"
import { accessTo, SOURCE_TAG } from "./registries.ts"

/** The requests at once of the bench itself, and of the loop without an operator: as many as the operator reconciles at once. */
export const AT_ONCE = 10

export const namesOf = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `image-${index}`)

/** An Image whose tag at the destination has the Image's own name. */
const imageOf = (namespace: string, name: string, path: string, registries = REGISTRIES) => ({
  metadata: { namespace, name },
  spec: {
    source: { name: `${registries.source}/${path}`, version: SOURCE_TAG },
    destination: { name: `${registries.destination}/${path}`, version: name }
  }
})

/** Creates Images, and gives the time of the last creation in nanoseconds of the Clock. */
export const createAll = Effect.fnUntraced(function* (
  namespace: string,
  names: ReadonlyArray<string>,
  path: string,
  options: { readonly registries?: typeof REGISTRIES; readonly atOnce?: number } = {}
) {
  const kube = yield* KubeClient
  yield* Effect.forEach(names, (name) => kube.create(Images, imageOf(namespace, name, path, options.registries)), {
    concurrency: options.atOnce ?? AT_ONCE,
    discard: true
  })
  return yield* Clock.currentTimeNanos
})

/** The requests of a check of such an Image, and the write of its status. */
export const checkWithoutOperator = Effect.fnUntraced(function* (
  namespace: string,
  name: string,
  path: string,
  status: unknown,
  registries = REGISTRIES
) {
  const [kube, client] = [yield* KubeClient, yield* RegistryClient]
  yield* client.head(accessTo(registries.destination, path), name)
  yield* client.head(accessTo(registries.source, path), SOURCE_TAG)
  yield* kube.applyStatus(Images, { metadata: { namespace, name }, status }, "bench")
})
