/** Reads the answers of an API server: an object, a list, the lines of a watch, or a refusal. Every text is bounded. */
import { Clock, Effect, Option, Schema, Stream } from "effect"
import { Ndjson } from "effect/encoding"
import type { HttpClientResponse } from "effect/http"
import { boundedLine } from "../text/line.ts"
import { retryAfterMillis } from "../text/retryAfter.ts"
import { KubeError, type ListPage, type WatchEvent } from "./KubeClient.ts"
import * as ListText from "./ListText.ts"
import type { KubeObject, Resource } from "./Resource.ts"

type Response = HttpClientResponse.HttpClientResponse

/** The name and the errors of one request. */
export interface Operation {
  /** The request for messages, such as `get images node`. */
  readonly name: string
  /** The error of a request without an answer, or with a broken answer. */
  readonly unreachable: (cause: unknown) => KubeError
}

/** The most bytes of one object. etcd accepts 1.5 MiB by default, and JSON may need six bytes for one. */
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
/** The annotation of the bookmark that ends the list at the beginning of a watch. */
const INITIAL_END = "k8s.io/initial-events-end"
const BookmarkObject = Schema.toCodecGoJson(
  Schema.Struct({
    metadata: Schema.Struct({
      resourceVersion: Schema.String,
      annotations: Schema.optionalKey(Schema.Struct({ [INITIAL_END]: Schema.optionalKey(Schema.String) }))
    })
  })
)

const tooLarge = ({ unreachable }: Operation) => unreachable(`the answer has more than ${MAX_BYTES} bytes`)

/** Reads the text of an answer. If the text is too long, the connection is closed. */
export const textOf = (operation: Operation, response: Response): Effect.Effect<string, KubeError> =>
  response.stream.pipe(
    Stream.mapError(operation.unreachable),
    Stream.limitBytes(MAX_BYTES, () => Stream.fail(tooLarge(operation))),
    Stream.decodeText,
    Stream.mkString
  )

/** The most characters of a refusal. Policies write refusals too, and the operator copies them to logs and to the status of Images. */
const MAX_REFUSAL = 2_000

/** A text of the server, fit to show. */
const shown = (text: string): string => boundedLine(text, MAX_REFUSAL)

/** The longest pause that a server can cause, in milliseconds. */
const LONGEST_PAUSE = 30_000

/** The end of the pause that a busy server asks for. */
const untilOf = ({ headers, status }: Response, now: number): number | undefined => {
  const pause = status === 429 || status === 503 ? retryAfterMillis(headers["retry-after"], now) : undefined
  return pause === undefined ? undefined : now + Math.min(pause, LONGEST_PAUSE)
}

/** The API server's refusal of a request. */
export const refusalOf = Effect.fnUntraced(function* (operation: Operation, response: Response) {
  const text = yield* Effect.orElseSucceed(textOf(operation, response), () => "")
  const refusal = Option.getOrUndefined(Schema.decodeUnknownOption(Schema.fromJsonString(Refusal))(text))
  const until = untilOf(response, yield* Clock.currentTimeMillis)
  return new KubeError({
    operation: operation.name,
    code: response.status,
    reason: shown(refusal?.reason ?? `Status${response.status}`),
    detail: shown(refusal?.message ?? `the API server answered ${response.status}`),
    ...(until === undefined ? {} : { until })
  })
})

/** A decoder of the JSON that Go writes. */
const decoderOf = <A>({ unreachable }: Operation, schema: Schema.Codec<A, unknown>) => {
  const decodeText = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecGoJson(schema)))
  return (text: string): Effect.Effect<A, KubeError> =>
    Effect.mapError(decodeText(text), (cause) => unreachable(`the answer cannot be parsed: ${cause.message}`))
}

/** Reads one object. */
export const readObject = <A>(
  operation: Operation,
  schema: Schema.Codec<A, unknown>
): ((response: Response) => Effect.Effect<A, KubeError>) => {
  const decode = decoderOf(operation, schema)
  return (response) => Effect.flatMap(textOf(operation, response), decode)
}

/** Reads a list. Items are decoded one by one while the list arrives. */
export const readList = <A extends KubeObject>(
  operation: Operation,
  resource: Resource<A>
): ((response: Response) => Effect.Effect<ListPage<A>, KubeError>) => {
  const decodeItem = decoderOf(operation, resource.schema)
  const decodeHead = decoderOf(operation, ListHead)
  return Effect.fnUntraced(function* (response) {
    const items: Array<A> = []
    const { rest } = yield* response.stream.pipe(
      Stream.mapError(operation.unreachable),
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
    const { continue: next = "", resourceVersion = "" } = (yield* decodeHead(rest)).metadata
    return { items, resourceVersion, ...(next === "" ? {} : { continue: next }) }
  })
}

/** Reads the lines of a watch. */
export const readWatch = <A extends KubeObject>(
  { name, unreachable }: Operation,
  resource: Resource<A>,
  bytes: Stream.Stream<Uint8Array, KubeError>
): Stream.Stream<WatchEvent<A>, KubeError> => {
  const decodeObject = Schema.decodeUnknownEffect(Schema.toCodecGoJson(resource.schema))
  const decodeBookmark = Schema.decodeUnknownEffect(BookmarkObject)
  const decodeRefusal = Schema.decodeUnknownEffect(Refusal)
  return bytes.pipe(
    Stream.pipeThroughChannel(Ndjson.decodeSchema(WatchLine)({ ignoreEmptyLines: true, maxLineBytes: MAX_BYTES })),
    Stream.mapError((error) => (error instanceof KubeError ? error : unreachable(error))),
    Stream.mapEffect(
      Effect.fnUntraced(function* ({ object: line, type }): Effect.fn.Return<WatchEvent<A>, KubeError> {
        if (type === "ERROR") {
          const refusal = yield* Effect.mapError(decodeRefusal(line), unreachable)
          const { code = 0, message: detail = "", reason = "Unknown" } = refusal
          return { type, error: new KubeError({ operation: name, code, reason: shown(reason), detail: shown(detail) }) }
        }
        if (type === "BOOKMARK") {
          const { annotations, resourceVersion } = (yield* Effect.mapError(decodeBookmark(line), unreachable)).metadata
          return { type, resourceVersion, ...(annotations?.[INITIAL_END] === "true" ? { isInitialEnd: true } : {}) }
        }
        const object = yield* Effect.mapError(decodeObject(line), unreachable)
        return {
          type: type === "ADDED" || type === "DELETED" ? type : "MODIFIED",
          object,
          resourceVersion: object.metadata.resourceVersion ?? ""
        }
      })
    )
  )
}
