/** An API server over HTTP with Images, a kubeconfig for it, and the commands that read them. */
import { Effect, Result } from "effect"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { kubeconfigOf, serveApiServer } from "../../support/apiServerHttp.ts"
import { file, run } from "../../support/commandLine.ts"

export const CREATED = Date.UTC(2026, 0, 1)

export interface WrittenImage {
  readonly namespace?: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: object
  readonly status?: object
}

/** Adds an Image to a store. */
export const addImage = (
  store: ApiServerStore,
  { labels = {}, name, namespace = "team", spec = {}, status }: WrittenImage
): void => {
  const metadata = { namespace, name, labels }
  const source = { name: `source.test/${name}`, version: "1.0.0" }
  const written = { source, destination: { name: `dest.test/${name}` }, ...spec }
  Result.getOrThrow(store.create(Images, { metadata, spec: written }, CREATED))
  if (status !== undefined) Result.getOrThrow(store.applyStatus(Images, { metadata: { namespace, name }, status }))
}

/** A kubeconfig whose context has the namespace `team`. */
const kubeconfig = (server: string): string =>
  kubeconfigOf(server).replace('"context":{', '"context":{"namespace":"team",')

/** Serves a store, and gives the program with its kubeconfig. */
export const served = Effect.fnUntraced(function* (store = new ApiServerStore()) {
  const server = yield* serveApiServer(store)
  const config = yield* file("config", kubeconfig(server))
  return { store, config, run: (...args: ReadonlyArray<string>) => run(args, { KUBECONFIG: config }) }
})

/** The condition Ready of a status. */
export const ready = (status: "True" | "False", reason: string, message: string, observedGeneration = 1) => ({
  conditions: [
    { type: "Ready", status, reason, message, observedGeneration, lastTransitionTime: "2026-01-01T00:00:00Z" }
  ]
})
