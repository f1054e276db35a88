/** The Kubernetes API over HTTP: one pool of kept connections, every call bounded in time. */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import { Ndjson } from "effect/encoding"
import { HttpBody, HttpClient, type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../text/Cause.ts"
import { KubeAccess } from "./KubeAccess.ts"
import { KubeClient, KubeError, type ListScope, type ObjectName, type WatchEvent, type Written } from "./KubeClient.ts"
import * as ListText from "./ListText.ts"
import { apiVersionOf, type KubeObject, type Resource } from "./Resource.ts"

const CALL_TIMEOUT = "30 seconds"
const LIST_TIMEOUT = "2 minutes"
/** The server ends a watch after this; a silence a little longer means that the connection is dead. */
const WATCH_SECONDS = 290
const WATCH_SILENCE = "320 seconds"
const RETRIES = 4
/** The most text that is held: one object. etcd takes 1.5 MiB of one by default, and JSON may write a byte of it as six. */
const MAX_BYTES = 16 * 1024 * 1024

const Refusal = Schema.toCodecGoJson(
  Schema.Struct({
    code: Schema.optionalKey(Schema.Int),
    reason: Schema.optionalKey(Schema.String),
    message: Schema.optionalKey(Schema.String)
  })
)

/** A list without its items. */
const ListHead = Schema.Struct({
  metadata: Schema.Struct({
    resourceVersion: Schema.optionalKey(Schema.String),
    continue: Schema.optionalKey(Schema.String)
  })
})

const WatchLine = Schema.Struct({ type: Schema.String, object: Schema.Unknown })
const BookmarkObject = Schema.toCodecGoJson(
  Schema.Struct({ metadata: Schema.Struct({ resourceVersion: Schema.String }) })
)

const pathOf = (
  resource: Resource<KubeObject>,
  name: { readonly namespace?: string; readonly name?: string }
): string =>
  [
    resource.group === "" ? `/api/${resource.version}` : `/apis/${apiVersionOf(resource)}`,
    ...(name.namespace === undefined ? [] : ["namespaces", encodeURIComponent(name.namespace)]),
    resource.plural,
    ...(name.name === undefined ? [] : [encodeURIComponent(name.name)])
  ].join("/")

const make = Effect.gen(function* () {
  const access = yield* KubeAccess
  const http = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequestEffect((request) =>
      Effect.map(
        access.authorization,
        Option.match({
          onNone: () => request,
          onSome: (value) => HttpClientRequest.setHeader(request, "authorization", Redacted.value(value))
        })
      )
    ),
    HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(access.server), HttpClientRequest.acceptJson)
    )
  )

  const unreachable = (operation: string, cause: unknown) =>
    new KubeError({ operation, code: 0, reason: "Unreachable", detail: describe(cause, access.server) })

  /** A decoder of the JSON that Go writes. */
  const decoderOf = <A>(operation: string, schema: Schema.Codec<A, unknown>) => {
    const decodeText = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecGoJson(schema)))
    return (text: string) =>
      decodeText(text).pipe(
        Effect.mapError((cause) => unreachable(operation, `the answer cannot be read: ${cause.message}`))
      )
  }

  const tooLarge = (operation: string) => unreachable(operation, `the answer has more than ${MAX_BYTES} bytes`)

  /** The text of an answer. The rest of one with too many bytes is not read: its connection is closed. */
  const textOf = (operation: string, response: HttpClientResponse.HttpClientResponse) =>
    response.stream.pipe(
      Stream.mapError((cause) => unreachable(operation, cause)),
      Stream.limitBytes(MAX_BYTES, () => Stream.fail(tooLarge(operation))),
      Stream.decodeText,
      Stream.mkString
    )

  const refusal = (operation: string, response: HttpClientResponse.HttpClientResponse) =>
    textOf(operation, response).pipe(
      Effect.orElseSucceed(() => ""),
      Effect.map((text) => {
        const parsed = Option.getOrElse(Schema.decodeUnknownOption(Schema.fromJsonString(Refusal))(text), () => ({
          reason: undefined,
          message: undefined
        }))
        return new KubeError({
          operation,
          code: response.status,
          reason: parsed.reason ?? `Status${response.status}`,
          detail: parsed.message ?? `the API server answered ${response.status}`
        })
      }),
      Effect.flatMap(Effect.fail)
    )

  const send = (operation: string, request: HttpClientRequest.HttpClientRequest) =>
    http.execute(request).pipe(
      Effect.mapError((cause: HttpClientError.HttpClientError) => unreachable(operation, cause)),
      Effect.flatMap((response) => (response.status < 300 ? Effect.succeed(response) : refusal(operation, response)))
    )

  /** One whole exchange, tried again where the server asks for that or never took the request in. */
  const exchange = <A>(
    operation: string,
    request: HttpClientRequest.HttpClientRequest,
    read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, KubeError>,
    timeout: typeof CALL_TIMEOUT | typeof LIST_TIMEOUT = CALL_TIMEOUT
  ) =>
    send(operation, request).pipe(
      Effect.flatMap(read),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(unreachable(operation, `no answer within ${timeout}`))
      }),
      Effect.retry({
        while: (error) => error.code === 429 || error.code === 503 || error.code === 504,
        times: RETRIES,
        schedule: Schedule.exponential("500 millis").pipe(Schedule.jittered)
      })
    )

  /** An exchange that is answered with one object. */
  const call = <A>(
    operation: string,
    request: HttpClientRequest.HttpClientRequest,
    schema: Schema.Codec<A, unknown>
  ) => {
    const decodeObject = decoderOf(operation, schema)
    return exchange(operation, request, (response) => Effect.flatMap(textOf(operation, response), decodeObject))
  }

  /** An exchange that is answered with a list, whose items are decoded one by one while it comes in. */
  const callList = <A extends KubeObject>(
    operation: string,
    request: HttpClientRequest.HttpClientRequest,
    resource: Resource<A>
  ) => {
    const decodeItem = decoderOf(operation, resource.schema)
    const decodeHead = decoderOf(operation, ListHead)
    const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
      const items: Array<A> = []
      const { rest } = yield* response.stream.pipe(
        Stream.mapError((cause) => unreachable(operation, cause)),
        Stream.decodeText,
        Stream.runFoldEffect(
          () => ListText.empty,
          Effect.fnUntraced(function* (before, piece) {
            const { items: texts, text } = ListText.read(before, piece)
            for (const item of texts) items.push(yield* decodeItem(item))
            if (text.item.length + text.rest.length > MAX_BYTES) return yield* tooLarge(operation)
            return text
          })
        )
      )
      return { items, ...(yield* decodeHead(rest)).metadata }
    })
    return exchange(operation, request, read, LIST_TIMEOUT)
  }

  const written = (resource: Resource<KubeObject>, object: Written<KubeObject>, contentType: string) =>
    HttpBody.text(JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object }), contentType)

  const applyAt = <A extends KubeObject>(
    operation: string,
    resource: Resource<A>,
    path: string,
    object: Written<A>,
    fieldManager: string
  ) =>
    call(
      operation,
      HttpClientRequest.patch(path, {
        urlParams: { fieldManager, force: true, fieldValidation: "Strict" },
        body: written(resource, object, "application/apply-patch+yaml")
      }),
      resource.schema
    ).pipe(
      // The server calls another uid an invalid change of a field; to a caller another object has taken the name.
      Effect.mapError((error) =>
        error.code === 422 && object.metadata.uid !== undefined && error.detail.includes("metadata.uid: Invalid value")
          ? new KubeError({ operation, code: 409, reason: "Conflict", detail: error.detail })
          : error
      )
    )

  const scopeParams = (scope: ListScope): Readonly<Record<string, string>> =>
    scope.labelSelector === undefined ? {} : { labelSelector: scope.labelSelector }

  const namespaceOf = ({ metadata }: Written<KubeObject>): Pick<ObjectName, "namespace"> =>
    metadata.namespace === undefined ? {} : { namespace: metadata.namespace }

  const nameOf = (object: Written<KubeObject>): ObjectName => ({
    name: object.metadata.name,
    ...namespaceOf(object)
  })

  return KubeClient.of({
    get: (resource, name) =>
      call(`get ${resource.plural} ${name.name}`, HttpClientRequest.get(pathOf(resource, name)), resource.schema).pipe(
        Effect.map(Option.some),
        Effect.catchIf(
          (error) => error.code === 404,
          () => Effect.succeedNone
        )
      ),

    list: (resource, scope) =>
      callList(
        `list ${resource.plural}`,
        HttpClientRequest.get(pathOf(resource, scope), {
          urlParams: {
            ...scopeParams(scope),
            ...(scope.limit === undefined ? {} : { limit: String(scope.limit) }),
            ...(scope.continue === undefined ? {} : { continue: scope.continue })
          }
        }),
        resource
      ).pipe(
        Effect.map(({ continue: next = "", items, resourceVersion = "" }) => ({
          items,
          resourceVersion,
          ...(next === "" ? {} : { continue: next })
        }))
      ),

    watch: (resource, scope) => {
      const operation = `watch ${resource.plural}`
      const decodeObject = Schema.decodeUnknownEffect(Schema.toCodecGoJson(resource.schema))
      const decodeBookmark = Schema.decodeUnknownEffect(BookmarkObject)
      const unreadable = (cause: unknown) => unreachable(operation, cause)
      return Stream.unwrap(
        send(
          operation,
          HttpClientRequest.get(pathOf(resource, scope), {
            urlParams: {
              ...scopeParams(scope),
              watch: "true",
              allowWatchBookmarks: "true",
              timeoutSeconds: String(WATCH_SECONDS),
              resourceVersion: scope.resourceVersion
            }
          })
        ).pipe(
          Effect.timeoutOrElse({
            duration: CALL_TIMEOUT,
            orElse: () => Effect.fail(unreachable(operation, `no answer within ${CALL_TIMEOUT}`))
          }),
          Effect.map((response) => response.stream)
        )
      ).pipe(
        Stream.timeoutOrElse({
          duration: WATCH_SILENCE,
          orElse: () => Stream.fail(unreachable(operation, `silent for ${WATCH_SILENCE}`))
        }),
        Stream.pipeThroughChannel(Ndjson.decodeSchema(WatchLine)({ ignoreEmptyLines: true, maxLineBytes: MAX_BYTES })),
        Stream.mapError((error) => (error instanceof KubeError ? error : unreadable(error))),
        Stream.mapEffect(
          Effect.fnUntraced(function* (line) {
            if (line.type === "ERROR") {
              const {
                code = 0,
                message = "",
                reason = "Unknown"
              } = yield* Schema.decodeUnknownEffect(Refusal)(line.object).pipe(Effect.mapError(unreadable))
              return yield* new KubeError({ operation, code, reason, detail: message })
            }
            if (line.type === "BOOKMARK") {
              const { metadata } = yield* decodeBookmark(line.object).pipe(Effect.mapError(unreadable))
              return { type: "BOOKMARK", resourceVersion: metadata.resourceVersion } as const
            }
            const object = yield* decodeObject(line.object).pipe(Effect.mapError(unreadable))
            return {
              type: line.type === "ADDED" || line.type === "DELETED" ? line.type : "MODIFIED",
              object,
              resourceVersion: object.metadata.resourceVersion ?? ""
            } satisfies WatchEvent<typeof object>
          })
        )
      )
    },

    create: (resource, object) =>
      call(
        `create ${resource.plural} ${object.metadata.name}`,
        HttpClientRequest.post(pathOf(resource, namespaceOf(object)), {
          urlParams: { fieldValidation: "Strict" },
          body: written(resource, object, "application/json")
        }),
        resource.schema
      ),

    apply: (resource, object, fieldManager) =>
      applyAt(
        `apply ${resource.plural} ${object.metadata.name}`,
        resource,
        pathOf(resource, nameOf(object)),
        object,
        fieldManager
      ),

    applyStatus: (resource, object, fieldManager) =>
      applyAt(
        `apply status of ${resource.plural} ${object.metadata.name}`,
        resource,
        `${pathOf(resource, nameOf(object))}/status`,
        object,
        fieldManager
      ),

    delete: (resource, name, options = {}) => {
      const operation = `delete ${resource.plural} ${name.name}`
      return exchange(
        operation,
        HttpClientRequest.delete(pathOf(resource, name), {
          body: HttpBody.text(
            JSON.stringify({
              apiVersion: "v1",
              kind: "DeleteOptions",
              // batch/v1 would orphan a Job's pods without a policy, and a cancelled copy would go on pushing.
              propagationPolicy: "Background",
              ...(options.uid === undefined ? {} : { preconditions: { uid: options.uid } })
            }),
            "application/json"
          )
        }),
        (response) => textOf(operation, response)
      ).pipe(
        Effect.asVoid,
        Effect.catchIf(
          (error) => error.code === 404,
          () => Effect.void
        )
      )
    }
  })
})

const describe = (cause: unknown, server: string): string =>
  `${server}: ${typeof cause === "string" ? cause : innermostCause(cause)}`

/** With an HttpClient of the caller's. */
export const layerNoClient: Layer.Layer<KubeClient, never, KubeAccess | HttpClient.HttpClient> = Layer.effect(
  KubeClient,
  make
)

/** With a pool of its own that trusts the cluster's CA. Proxy variables do not apply to the API server. */
export const layer: Layer.Layer<KubeClient, never, KubeAccess> = layerNoClient.pipe(
  Layer.provide(NodeHttpClient.layerUndiciNoDispatcher),
  Layer.provide(
    Layer.unwrap(
      Effect.map(KubeAccess, ({ tls }) =>
        NodeHttpClient.layerDispatcherOptions({
          connections: 32,
          connect: { ...tls, timeout: 10_000, keepAlive: true }
        })
      )
    )
  )
)
