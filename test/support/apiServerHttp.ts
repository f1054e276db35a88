/** An `ApiServerStore` over HTTP on loopback, as a real API server answers `KubeClientHttp`, for the operator as a process. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Clock, Effect, Option, Result, Schema, type Scope } from "effect"
import type {
  ApiServerStore,
  Refusal,
  StoredChange,
  StoredObject,
  StoredResource
} from "../../src/kube/ApiServerStore.ts"
import type { ListScope, MergePatch } from "../../src/kube/KubeClient.ts"
import { Events, Images, Jobs, Leases, Pods, ReportedEvents, Secrets } from "../../src/kube/Resources.ts"
import { serve } from "../../src/registry/memory/LoopbackServer.ts"
import { WholeObject } from "./wholeObjects.ts"

const RESOURCES: ReadonlyArray<StoredResource> = [Images, Jobs, Pods, Secrets, Leases, Events, ReportedEvents]

/** The request of a path: `/apis/GROUP/VERSION/[namespaces/NAMESPACE/]PLURAL[/NAME[/status]]`, or `/api/v1/…` for the core group. */
interface Target {
  readonly resource: StoredResource
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly isStatus: boolean
}

const targetOf = (path: string): Target | undefined => {
  const [, api, ...parts] = path.split("/").map(decodeURIComponent)
  const group = api === "apis" ? parts.shift() : ""
  const version = parts.shift()
  const namespace = parts[0] === "namespaces" ? parts.splice(0, 2)[1] : undefined
  const [plural, name, status] = parts
  const resource = RESOURCES.find((one) => one.group === group && one.version === version && one.plural === plural)
  return resource === undefined ? undefined : { resource, namespace, name, isStatus: status === "status" }
}

const scopeOf = ({ namespace }: Target, query: URLSearchParams): ListScope => {
  const [fieldSelector, labelSelector] = [query.get("fieldSelector"), query.get("labelSelector")]
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(fieldSelector === null ? {} : { fieldSelector }),
    ...(labelSelector === null ? {} : { labelSelector })
  }
}

const send = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, { code, detail, reason }: Refusal): void =>
  send(response, code, { kind: "Status", status: "Failure", code, reason, message: detail })

const NOT_FOUND: Refusal = { code: 404, reason: "NotFound", detail: "the server could not find the requested resource" }

const answerWith = (response: ServerResponse, result: Result.Result<unknown, Refusal>, status = 200): void =>
  Result.match(result, {
    onFailure: (refusal) => refuse(response, refusal),
    onSuccess: (body) => send(response, status, body ?? { kind: "Status", status: "Success" })
  })

/** Writes a list object by object: a page of fat objects is never one text here. */
const list = (store: ApiServerStore, target: Target, query: URLSearchParams, response: ServerResponse): void => {
  const [limit, next] = [query.get("limit"), query.get("continue")]
  const { items, ...metadata } = store.list(target.resource, {
    ...scopeOf(target, query),
    ...(limit === null ? {} : { limit: Number(limit) }),
    ...(next === null ? {} : { continue: next })
  })
  response.writeHead(200, { "content-type": "application/json" })
  response.write(`{"kind":"${target.resource.kind}List","metadata":${JSON.stringify(metadata)},"items":[`)
  items.forEach((object, index) => response.write(`${index === 0 ? "" : ","}${JSON.stringify(object)}`))
  response.end("]}")
}

const watch = (store: ApiServerStore, target: Target, query: URLSearchParams, response: ServerResponse): void => {
  const version = query.get("resourceVersion")
  const write = (type: string, object: unknown) => response.write(`${JSON.stringify({ type, object })}\n`)
  const report = ({ object, type }: Pick<StoredChange, "type" | "object">) => write(type, object)
  const started = store.watch(
    target.resource,
    scopeOf(target, query),
    version === null ? undefined : Number(version),
    report
  )
  if (Result.isFailure(started)) return refuse(response, started.failure)
  const { past, stop, version: resourceVersion } = started.success
  response.writeHead(200, { "content-type": "application/json" })
  response.on("close", stop)
  response.flushHeaders()
  for (const change of past) report(change)
  if (version !== null) return
  write("BOOKMARK", {
    metadata: { resourceVersion: String(resourceVersion), annotations: { "k8s.io/initial-events-end": "true" } }
  })
}

const Deletion = Schema.fromJsonString(
  Schema.Struct({ preconditions: Schema.optionalKey(Schema.Struct({ uid: Schema.optionalKey(Schema.String) })) })
)

interface Body {
  readonly contentType: string
  readonly text: string
}

const bodyOf = async (request: IncomingMessage): Promise<Body> => {
  let text = ""
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) text += chunk
  return { contentType: request.headers["content-type"] ?? "", text }
}

const write = (
  store: ApiServerStore,
  { isStatus, name, namespace, resource }: Target,
  method: string,
  { contentType, text: body }: Body,
  now: number
): Result.Result<StoredObject | void, Refusal> => {
  const inNamespace = namespace === undefined ? {} : { namespace }
  if (method === "DELETE" && name !== undefined) {
    const options = Option.getOrUndefined(Schema.decodeUnknownOption(Deletion)(body))
    return store.delete(resource, { name, ...inNamespace }, now, options?.preconditions)
  }
  if (method === "PATCH" && name !== undefined && contentType === "application/merge-patch+json") {
    return store.patch(resource, { name, ...inNamespace }, JSON.parse(body) as MergePatch)
  }
  const object = Schema.decodeUnknownSync(Schema.fromJsonString(WholeObject))(body)
  const written = { ...(JSON.parse(body) as object), metadata: { ...object.metadata, ...inNamespace } }
  if (method === "POST") return store.create(resource, written, now)
  if (method === "PUT") return store.update(resource, written)
  if (method !== "PATCH") return Result.fail(NOT_FOUND)
  return isStatus ? store.applyStatus(resource, written) : store.apply(resource, written, now)
}

/** Serves the store. Succeeds with the URL. */
export const serveApiServer = (store: ApiServerStore): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const host = yield* serve((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://server")
      const { method = "GET" } = request
      const target = targetOf(pathname)
      if (target === undefined) return refuse(response, NOT_FOUND)
      if (method !== "GET") {
        void bodyOf(request).then((body) =>
          answerWith(
            response,
            write(store, target, method, body, clock.currentTimeMillisUnsafe()),
            method === "POST" ? 201 : 200
          )
        )
        return
      }
      if (searchParams.get("watch") === "true") return watch(store, target, searchParams, response)
      if (target.name === undefined) return list(store, target, searchParams, response)
      const { name, namespace } = target
      const object = store.get(target.resource, { name, ...(namespace === undefined ? {} : { namespace }) })
      return object === undefined ? refuse(response, NOT_FOUND) : send(response, 200, object)
    })
    return `http://${host}`
  })

/** A kubeconfig for a server without authentication. */
export const kubeconfigOf = (server: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server, "insecure-skip-tls-verify": true } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    users: [{ name: "test", user: {} }]
  })
