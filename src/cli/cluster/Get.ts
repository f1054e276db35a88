/** `get`: shows the Images of a cluster. */
import { Clock, Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { conditionOf } from "../../domain/Image.ts"
import { nextCheck } from "../../domain/plan/schedule.ts"
import { readStoredImage, type StoredImage } from "../../domain/StoredImage.ts"
import { formatAge } from "../../text/age.ts"
import { millisOf } from "../../text/instant.ts"
import { boundedLine } from "../../text/line.ts"
import { formatTable, outputWidth } from "../table.ts"
import { failIf } from "./changes.ts"
import { type ClusterImage, documentOf, nameOf } from "./ClusterImage.ts"
import { accessFlags, selectionFlags } from "./clusterFlags.ts"
import { printObjects } from "./documents.ts"
import { chosenImages, describeNothing, selectionOf } from "./selection.ts"
import { textIn } from "./specText.ts"

const output = Flag.Literals("output", ["text", "wide", "json", "yaml", "name"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("A table, a table with more columns and the failed tags, the objects, or their names"),
  Flag.withDefault("text" as const)
)

export const getCommand = Command.make(
  "get",
  { ...selectionFlags, output, ...accessFlags },
  Effect.fn(function* ({ output, ...input }) {
    const selection = yield* selectionOf(input)
    const { images, missing } = yield* chosenImages(selection)
    if (output === "name") yield* Effect.forEach(images, (image) => Console.log(nameOf(image)), { discard: true })
    else if (output === "json" || output === "yaml") {
      yield* printObjects(output, images.map(documentOf), selection._tag === "Named" && selection.names.length === 1)
    } else if (images.length > 0) {
      const now = yield* Clock.currentTimeMillis
      const width = yield* outputWidth
      const hasNamespaces = selection._tag === "Scope" && selection.scope.namespace === undefined
      yield* Console.log(tableOf(images, { isWide: output === "wide", hasNamespaces, now, width }))
      // A user who names Images wants to know why they are not ready.
      const failures = output === "wide" || selection._tag === "Named" ? failuresOf(images, hasNamespaces, now) : []
      if (failures.length > 0) {
        yield* Console.log(`\n${formatTable(failureHeader(hasNamespaces), failures, width)}`)
      }
    } else if (selection._tag === "Scope") yield* Console.error(describeNothing(selection))
    yield* Effect.forEach(missing, (line) => Console.error(boundedLine(line)), { discard: true })
    yield* failIf(missing.length > 0)
  })
).pipe(
  Command.withDescription("Shows the Images of a cluster."),
  Command.withExamples(({ commandPath }) => [
    { command: `${commandPath.join(" ")} -A`, description: "All Images of the cluster" },
    {
      command: `${commandPath.join(" ")} nginx -n team-a -o wide`,
      description: "One Image, with its destination, its next check and its failed tags"
    }
  ])
)

interface TableOptions {
  readonly isWide: boolean
  readonly hasNamespaces: boolean
  readonly now: number
  readonly width: number
}

/** The columns of `kubectl get images`. The wide ones come last, so that the longest text is at the end. */
const tableOf = (images: ReadonlyArray<ClusterImage>, { hasNamespaces, isWide, now, width }: TableOptions): string =>
  formatTable(
    [
      ...(hasNamespaces ? ["NAMESPACE"] : []),
      ...["NAME", "SOURCE", "VERSION", "MODE", "TAGS", "READY", "STATUS", "AGE"],
      ...(isWide ? ["SUSPENDED", "DESTINATION", "CHECKED", "NEXT CHECK", "MESSAGE"] : [])
    ],
    images.map((object) => {
      const image = readStoredImage(object)
      const spec = (...path: ReadonlyArray<string>) => textIn(object.spec, ...path)
      const ready = conditionOf(image.status, "Ready")
      const { lastCheckedAt } = image.status
      return [
        ...(hasNamespaces ? [image.namespace] : []),
        ...[image.name, spec("source", "name"), spec("source", "version"), spec("mode")],
        ...[image.status.tags ?? "", ready?.status ?? "", ready?.reason ?? "", formatAge(now - image.createdAt)],
        ...(isWide
          ? [
              spec("suspend"),
              spec("destination", "name"),
              lastCheckedAt === undefined ? "" : formatAge(now - millisOf(lastCheckedAt)),
              nextOf(image, now),
              ready?.message ?? ""
            ]
          : [])
      ]
    }),
    width
  )

/** When the Image is checked next, by the operator's own rules and the status. */
const nextOf = (image: StoredImage, now: number): string => {
  if (image._tag === "Unreadable") return "never: stalled"
  const next = nextCheck({ now, image, mirror: image.mirror, remembered: true, underWay: new Set() })
  if (next._tag === "Never") return `never: ${NEVER[next.why]}`
  return next.millis <= now ? "now" : `in ${formatAge(next.millis - now)}`
}

const NEVER = { Suspended: "suspended", Stalled: "stalled", Done: "done", AwaitingCopies: "copying" } as const

const failureHeader = (hasNamespaces: boolean): ReadonlyArray<string> => [
  ...(hasNamespaces ? ["NAMESPACE"] : []),
  ...["NAME", "FAILED TAG", "ATTEMPTS", "RETRY", "REASON", "MESSAGE"]
]

/** A row for each failed tag that a status has, at most 20 for each Image. */
const failuresOf = (
  images: ReadonlyArray<ClusterImage>,
  hasNamespaces: boolean,
  now: number
): ReadonlyArray<ReadonlyArray<string>> =>
  images
    .map((object) => readStoredImage(object))
    .flatMap(({ name, namespace, status }) =>
      (status.failures ?? []).map(({ attempts, message, nextAttemptAt, reason, tag }) => {
        const wait = millisOf(nextAttemptAt) - now
        return [
          ...(hasNamespaces ? [namespace] : []),
          ...[name, tag, String(attempts), wait <= 0 ? "now" : `in ${formatAge(wait)}`, reason, message]
        ]
      })
    )
