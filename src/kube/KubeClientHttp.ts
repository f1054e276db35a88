/** {@link KubeClient} over HTTP, with one pool of connections. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { readList, readObject, readWatch, textOf } from "./answers.ts"
import * as Exchange from "./exchange.ts"
import { KubeAccess } from "./KubeAccess.ts"
import { KubeClient, KubeError, type ListScope, type ObjectName, type Written } from "./KubeClient.ts"
import { apiVersionOf, type KubeObject, type Resource } from "./Resource.ts"

const pathOf = (resource: Resource<KubeObject>, name: Partial<ObjectName>): string =>
  [
    resource.group === "" ? `/api/${resource.version}` : `/apis/${apiVersionOf(resource)}`,
    ...(name.namespace === undefined ? [] : ["namespaces", encodeURIComponent(name.namespace)]),
    resource.plural,
    ...(name.name === undefined ? [] : [encodeURIComponent(name.name)])
  ].join("/")

const scopeParams = ({ fieldSelector, labelSelector }: ListScope): Readonly<Record<string, string>> => ({
  ...(labelSelector === undefined ? {} : { labelSelector }),
  ...(fieldSelector === undefined ? {} : { fieldSelector })
})

const nameOf = ({ metadata: { name, namespace } }: Written<KubeObject>): ObjectName => ({
  name,
  ...(namespace === undefined ? {} : { namespace })
})

const bodyOf = (resource: Resource<KubeObject>, object: Written<KubeObject>, contentType: string) =>
  HttpBody.text(JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object }), contentType)

const deletionOf = (uid: string | undefined) =>
  HttpBody.text(
    JSON.stringify({
      apiVersion: "v1",
      kind: "DeleteOptions",
      // Without a policy batch/v1 would orphan a Job's pods, and a cancelled copy would continue to push.
      propagationPolicy: "Background",
      ...(uid === undefined ? {} : { preconditions: { uid } })
    }),
    "application/json"
  )

/** The options of a call's span. Its attempts are spans of the HTTP client below. */
const spanOf = (resource: Resource<KubeObject>, name: Partial<ObjectName>) => ({
  kind: "client" as const,
  attributes: {
    resource: resource.plural,
    ...(name.namespace === undefined ? {} : { namespace: name.namespace }),
    ...(name.name === undefined ? {} : { name: name.name })
  }
})

const isNotFound = ({ code }: KubeError): boolean => code === 404

const make = Effect.gen(function* () {
  const exchange = Exchange.make(yield* KubeAccess, yield* HttpClient.HttpClient, yield* Exchange.RequestObserver)

  const applyAt = <A extends KubeObject>(
    operationName: string,
    resource: Resource<A>,
    path: string,
    object: Written<A>,
    fieldManager: string
  ) => {
    const operation = exchange.operation(operationName)
    const request = HttpClientRequest.patch(path, {
      urlParams: { fieldManager, force: true, fieldValidation: "Strict" },
      body: bodyOf(resource, object, "application/apply-patch+yaml")
    })
    return exchange.call(operation, request, readObject(operation, resource.schema)).pipe(
      // The server reports another uid as an invalid change of a field. For the caller it is a conflict: another object
      // has the name now.
      Effect.mapError((error) =>
        error.code === 422 && object.metadata.uid !== undefined && error.detail.includes("metadata.uid: Invalid value")
          ? new KubeError({ operation: operationName, code: 409, reason: "Conflict", detail: error.detail })
          : error
      )
    )
  }

  return KubeClient.of({
    get: (resource, name) => {
      const operation = exchange.operation(`get ${resource.plural} ${name.name}`)
      const request = HttpClientRequest.get(pathOf(resource, name))
      return Effect.asSome(exchange.call(operation, request, readObject(operation, resource.schema))).pipe(
        Effect.catchIf(isNotFound, () => Effect.succeedNone),
        Effect.withSpan("KubeClient.get", spanOf(resource, name))
      )
    },

    list: (resource, scope) => {
      const operation = exchange.operation(`list ${resource.plural}`)
      const request = HttpClientRequest.get(pathOf(resource, scope), {
        urlParams: {
          ...scopeParams(scope),
          ...(scope.limit === undefined ? {} : { limit: String(scope.limit) }),
          ...(scope.continue === undefined ? {} : { continue: scope.continue })
        }
      })
      return exchange
        .call(operation, request, readList(operation, resource), Exchange.LIST_TIMEOUT)
        .pipe(Effect.withSpan("KubeClient.list", spanOf(resource, scope)))
    },

    watch: (resource, scope) => {
      const operation = exchange.operation(`watch ${resource.plural}`)
      const request = HttpClientRequest.get(pathOf(resource, scope), {
        urlParams: {
          ...scopeParams(scope),
          watch: "true",
          allowWatchBookmarks: "true",
          ...(scope.timeoutSeconds === undefined ? {} : { timeoutSeconds: String(scope.timeoutSeconds) }),
          ...(scope.resourceVersion === undefined
            ? { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" }
            : { resourceVersion: scope.resourceVersion })
        }
      })
      return readWatch(operation, resource, exchange.watch(operation, request, scope.timeoutSeconds)).pipe(
        Stream.withSpan("KubeClient.watch", spanOf(resource, scope))
      )
    },

    create: (resource, object) => {
      const { name, ...namespace } = nameOf(object)
      const operation = exchange.operation(`create ${resource.plural} ${name}`)
      const request = HttpClientRequest.post(pathOf(resource, namespace), {
        urlParams: { fieldValidation: "Strict" },
        body: bodyOf(resource, object, "application/json")
      })
      return exchange
        .call(operation, request, readObject(operation, resource.schema))
        .pipe(Effect.withSpan("KubeClient.create", spanOf(resource, nameOf(object))))
    },

    update: (resource, object) => {
      const operation = exchange.operation(`update ${resource.plural} ${object.metadata.name}`)
      const request = HttpClientRequest.put(pathOf(resource, nameOf(object)), {
        urlParams: { fieldValidation: "Strict" },
        body: bodyOf(resource, object, "application/json")
      })
      return exchange
        .call(operation, request, readObject(operation, resource.schema))
        .pipe(Effect.withSpan("KubeClient.update", spanOf(resource, nameOf(object))))
    },

    apply: (resource, object, fieldManager) => {
      const operation = `apply ${resource.plural} ${object.metadata.name}`
      return applyAt(operation, resource, pathOf(resource, nameOf(object)), object, fieldManager).pipe(
        Effect.withSpan("KubeClient.apply", spanOf(resource, nameOf(object)))
      )
    },

    applyStatus: (resource, object, fieldManager) => {
      const operation = `apply status of ${resource.plural} ${object.metadata.name}`
      return applyAt(operation, resource, `${pathOf(resource, nameOf(object))}/status`, object, fieldManager).pipe(
        Effect.withSpan("KubeClient.applyStatus", spanOf(resource, nameOf(object)))
      )
    },

    patch: (resource, name, patch, fieldManager) => {
      const operation = exchange.operation(`patch ${resource.plural} ${name.name}`)
      const request = HttpClientRequest.patch(pathOf(resource, name), {
        urlParams: { fieldManager, fieldValidation: "Strict" },
        body: HttpBody.text(JSON.stringify(patch), "application/merge-patch+json")
      })
      return exchange
        .call(operation, request, readObject(operation, resource.schema))
        .pipe(Effect.withSpan("KubeClient.patch", spanOf(resource, name)))
    },

    delete: (resource, name, options = {}) => {
      const operation = exchange.operation(`delete ${resource.plural} ${name.name}`)
      const request = HttpClientRequest.delete(pathOf(resource, name), { body: deletionOf(options.uid) })
      return exchange
        .call(operation, request, (response) => Effect.asVoid(textOf(operation, response)))
        .pipe(
          Effect.catchIf(isNotFound, () => Effect.void),
          Effect.withSpan("KubeClient.delete", spanOf(resource, name))
        )
    }
  })
})

/**
 * A client over the caller's HttpClient.
 *
 * @example
 * ```ts
 * KubeClientHttp.layerNoClient.pipe(Layer.provide([access, NodeHttpClient.layerUndici]))
 * ```
 */
export const layerNoClient: Layer.Layer<KubeClient, never, KubeAccess | HttpClient.HttpClient> = Layer.effect(
  KubeClient,
  make
)

/**
 * A client with its own pool, which trusts the cluster's CA. Proxy variables do not apply to the API server.
 *
 * @example
 * ```ts
 * KubeClientHttp.layer.pipe(Layer.provide(KubeAccess.layerKubeconfig({ files: ["/home/me/.kube/config"] })))
 * ```
 */
export const layer: Layer.Layer<KubeClient, never, KubeAccess> = layerNoClient.pipe(
  // Fresh, because a program may have another client of this layer, whose dispatcher does not trust the cluster's CA.
  Layer.provide(Layer.fresh(NodeHttpClient.layerUndiciNoDispatcher)),
  Layer.provide(
    Layer.unwrap(
      Effect.map(KubeAccess, ({ tls }) =>
        NodeHttpClient.layerDispatcherOptions({
          // Each namespace that is watched holds one for good; the rest is for calls.
          connections: 96,
          // Over HTTP/2 (undici 8.12.4, Node.js 24.21.0) a process that aborted requests was seen to loop in
          // Http2Stream.rstStream for ever, and to take 12 GB. With a connection for each request, the renewal of the Lease
          // depends on no other request either.
          allowH2: false,
          connect: { ...tls, timeout: 10_000, keepAlive: true }
        })
      )
    )
  )
)
