/** `events`: shows the Events of Images in a cluster. */
import { Clock, Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { GROUP, KIND } from "../../domain/Image.ts"
import type { ListScope } from "../../kube/KubeClient.ts"
import { Metadata, type Resource, typeFields } from "../../kube/Resource.ts"
import { Events } from "../../kube/Resources.ts"
import { formatAge } from "../../text/age.ts"
import { millisOf } from "../../text/instant.ts"
import { boundedLine } from "../../text/line.ts"
import { formatTable, outputWidth } from "../table.ts"
import { failIf } from "./changes.ts"
import { accessFlags, selectionFlags } from "./clusterFlags.ts"
import { printObjects } from "./documents.ts"
import { failureOf } from "./refusals.ts"
import { chosenImages, listAll, type Selection, selectionOf } from "./selection.ts"

const Time = Schema.optionalKey(Schema.NullOr(Schema.String))

const ImageEvent = Schema.Struct({
  ...typeFields,
  metadata: Metadata,
  involvedObject: Schema.Struct({
    apiVersion: Schema.optionalKey(Schema.String),
    kind: Schema.optionalKey(Schema.String),
    namespace: Schema.optionalKey(Schema.String),
    name: Schema.optionalKey(Schema.String),
    uid: Schema.optionalKey(Schema.String)
  }),
  type: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String),
  action: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  eventTime: Time,
  firstTimestamp: Time,
  lastTimestamp: Time,
  count: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  series: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ count: Schema.optionalKey(Schema.Int), lastObservedTime: Time }))
  )
})
type ImageEvent = typeof ImageEvent.Type

/** Events with all fields that a person reads. An API server selects the Events of a kind only in the core group. */
const ImageEvents: Resource<ImageEvent> = { ...Events, schema: ImageEvent }

const output = Flag.Literals("output", ["text", "json", "yaml"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("A table, or the objects"),
  Flag.withDefault("text" as const)
)

export const eventsCommand = Command.make(
  "events",
  { ...selectionFlags, output, ...accessFlags },
  Effect.fn(function* ({ output, ...input }) {
    const selection = yield* selectionOf(input)
    const isChosen = yield* choiceOf(selection)
    const listed = yield* Effect.mapError(listAll(ImageEvents, eventScopeOf(selection)), failureOf)
    const events = listed
      .filter((event) => isOfImage(event) && isChosen(event))
      .sort((one, other) => lastOf(one) - lastOf(other))
    const missing = yield* withoutTrace(selection, events)
    if (output !== "text") {
      yield* printObjects(
        output,
        events.map((event) => ({ ...event, apiVersion: "v1", kind: Events.kind })),
        false
      )
    } else if (events.length > 0) {
      const [now, width] = [yield* Clock.currentTimeMillis, yield* outputWidth]
      yield* Console.log(tableOf(events, { hasNamespaces: namespaceOf(selection) === undefined, now, width }))
    } else if (missing.length === 0) {
      yield* Console.error("no Events of these Images; an API server drops an Event after an hour by default")
    }
    yield* Effect.forEach(missing, (line) => Console.error(boundedLine(line)), { discard: true })
    yield* failIf(missing.length > 0)
  })
).pipe(
  Command.withDescription("Shows the Events of Images in a cluster, the oldest first."),
  Command.withExamples(({ commandPath }) => [
    { command: `${commandPath.join(" ")} nginx -n team-a`, description: "What has happened to one Image" },
    { command: `${commandPath.join(" ")} -A`, description: "What has happened to all Images of the cluster" }
  ])
)

const namespaceOf = (selection: Selection): string | undefined =>
  selection._tag === "Named" ? selection.namespace : selection.scope.namespace

/** The Events of all Images in the namespace of a selection, or of the only one that it names. */
const eventScopeOf = (selection: Selection): ListScope => {
  const namespace = namespaceOf(selection)
  const [name, ...others] = selection._tag === "Named" ? selection.names : []
  const fields = [
    `involvedObject.kind=${KIND}`,
    ...(name === undefined || others.length > 0 ? [] : [`involvedObject.name=${name}`])
  ]
  return { ...(namespace === undefined ? {} : { namespace }), fieldSelector: fields.join(",") }
}

/** Which Events a selection chooses. An Event has no labels of its Image, so a selector chooses Images first. */
const choiceOf = Effect.fnUntraced(function* (selection: Selection) {
  if (selection._tag === "Named") {
    const names = new Set<unknown>(selection.names)
    return ({ involvedObject }: ImageEvent) => names.has(involvedObject.name)
  }
  if (selection.scope.labelSelector === undefined) return () => true
  const { images } = yield* chosenImages(selection)
  const uids = new Set<unknown>(images.map(({ metadata }) => metadata.uid))
  return ({ involvedObject }: ImageEvent) => uids.has(involvedObject.uid)
})

/** A sentence for each name that has neither an Event nor an Image. A deleted Image may still have Events. */
const withoutTrace = Effect.fnUntraced(function* (selection: Selection, events: ReadonlyArray<ImageEvent>) {
  if (selection._tag !== "Named") return []
  const seen = new Set(events.map(({ involvedObject }) => involvedObject.name))
  const names = selection.names.filter((name) => !seen.has(name))
  return names.length === 0 ? [] : (yield* chosenImages({ ...selection, names })).missing
})

/** Other groups have a kind Image too. */
const isOfImage = ({ involvedObject: { apiVersion = "", kind } }: ImageEvent): boolean =>
  kind === KIND && apiVersion.startsWith(`${GROUP}/`)

/** The time of the last report, in milliseconds since the epoch. */
const lastOf = ({ eventTime, firstTimestamp, lastTimestamp, metadata, series }: ImageEvent): number =>
  millisOf(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? firstTimestamp ?? metadata.creationTimestamp)

const firstOf = ({ eventTime, firstTimestamp, metadata }: ImageEvent): number =>
  millisOf(eventTime ?? firstTimestamp ?? metadata.creationTimestamp)

const countOf = ({ count, series }: ImageEvent): number => series?.count ?? count ?? 1

interface TableOptions {
  readonly hasNamespaces: boolean
  readonly now: number
  readonly width: number
}

const tableOf = (events: ReadonlyArray<ImageEvent>, { hasNamespaces, now, width }: TableOptions): string =>
  formatTable(
    [...(hasNamespaces ? ["NAMESPACE"] : []), ...["LAST SEEN", "TYPE", "REASON", "IMAGE", "COUNT", "MESSAGE"]],
    events.map((event) => {
      const { involvedObject, message = "", reason = "", type = "" } = event
      const age = formatAge(now - lastOf(event))
      const count = countOf(event)
      return [
        ...(hasNamespaces ? [involvedObject.namespace ?? ""] : []),
        // As in kubectl: a series has the age of its beginning too.
        ...[count > 1 ? `${age} (over ${formatAge(now - firstOf(event))})` : age, type, reason],
        ...[involvedObject.name ?? "", String(count), message]
      ]
    }),
    width
  )
