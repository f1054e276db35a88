/**
 * The Events of an Image: one for each transition, computed from the stored status and the new status. A new process reads
 * the stored status, so a restart repeats no Event. Pure: a reconcile reports the Events after the status is written.
 */
import { oneLine, shortenBytes } from "../../text/line.ts"
import type { Copy } from "../Copy.ts"
import { type Condition, conditionOf, type FailedCopy, type ImageStatus } from "../Image.ts"
import { formatRepository } from "../../oci/Reference.ts"
import { unrecorded } from "./status.ts"

/** The reason of an Event, and the action that the operator took. */
const ACTIONS = {
  Copied: "Copy",
  CopyFailed: "Copy",
  CheckFailed: "Check",
  Stalled: "Reconcile",
  DestinationClaimed: "Reconcile",
  Recovered: "Reconcile",
  Suspended: "Suspend",
  Resumed: "Resume"
} as const

/** The reason of an Event. The reason of a failure stands in the note. */
export type EventReason = keyof typeof ACTIONS

/** A transition of an Image, as `kubectl describe` shows it. */
export interface ImageEvent {
  readonly type: "Normal" | "Warning"
  readonly reason: EventReason
  readonly action: (typeof ACTIONS)[EventReason]
  /** At most 1,024 bytes, as the API server accepts. */
  readonly note: string
}

/** The most bytes of a note. The API server refuses a longer one. */
const NOTE_BYTES = 1_024

/** The most tags that a note names. */
const NAMED = 5

const eventOf = (type: ImageEvent["type"], reason: EventReason, note: string): ImageEvent => ({
  type,
  reason,
  action: ACTIONS[reason],
  note: shortenBytes(oneLine(note), NOTE_BYTES)
})

/**
 * The Events of a status that was written. `ended` are the copies whose outcome the status has, and `before` is the status
 * that the API server had.
 */
export const eventsOf = (
  before: ImageStatus,
  after: ImageStatus,
  ended: ReadonlyArray<Copy>
): ReadonlyArray<ImageEvent> => [
  ...copied(before, ended),
  ...copiesFailed(before, after),
  ...checkFailed(before, after),
  ...stalled(before, after),
  ...claimed(before, after),
  ...recovered(before, after)
]

/** The Event of a user who suspends or resumes an Image. The status of a suspended Image is not written. */
export const suspensionOf = (before: boolean, after: boolean): ReadonlyArray<ImageEvent> => {
  if (before === after) return []
  return [
    after
      ? eventOf("Normal", "Suspended", "checks and new copies are suspended; running copies finish")
      : eventOf("Normal", "Resumed", "checks and copies are resumed")
  ]
}

const named = (tags: ReadonlyArray<string>): string =>
  tags.slice(0, NAMED).join(", ") + (tags.length > NAMED ? ` and ${tags.length - NAMED} more` : "")

/** One Event for all copies of a reconcile. */
const copied = (before: ImageStatus, ended: ReadonlyArray<Copy>): ReadonlyArray<ImageEvent> => {
  const succeeded = unrecorded(before, ended)
  const [first] = succeeded
  if (first === undefined) return []
  const tags = succeeded.map(({ tag }) => tag)
  const count = tags.length === 1 ? "1 tag" : `${tags.length} tags`
  const destination = formatRepository(first.destination.repository)
  return [eventOf("Normal", "Copied", `copied ${count} to ${destination}: ${named(tags)}`)]
}

/** One Event for each reason. A retry that fails for the same reason is no transition, and neither is a busy destination. */
const copiesFailed = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const known = new Set((before.failures ?? []).map(({ reason, tag }) => `${reason} ${tag}`))
  const isNew = ({ reason, tag }: FailedCopy): boolean => reason !== "DestinationBusy" && !known.has(`${reason} ${tag}`)
  const byReason = Map.groupBy((after.failures ?? []).filter(isNew), ({ reason }) => reason)
  return [...byReason].map(([reason, failures]) => {
    const tags = named(failures.map(({ tag }) => tag))
    return eventOf("Warning", "CopyFailed", `${tags}: ${reason}: ${failures[0]?.message ?? ""}`)
  })
}

const isTrue = (condition: Condition | undefined): boolean => condition?.status === "True"

/** A failure that a person has to correct is an Event of the condition Stalled. */
const checkFailed = ({ checkFailure: known }: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const { checkFailure } = after
  if (checkFailure === undefined || checkFailure.reason === known?.reason) return []
  if (isTrue(conditionOf(after, "Stalled"))) return []
  return [eventOf("Warning", "CheckFailed", `${checkFailure.reason}: ${checkFailure.message}`)]
}

const stalled = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const [was, is] = [conditionOf(before, "Stalled"), conditionOf(after, "Stalled")]
  if (is === undefined || is.reason === was?.reason || is.reason === "DestinationClaimed") return []
  return [eventOf("Warning", "Stalled", `${is.reason}: ${is.message}`)]
}

const claimed = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const [was, is] = [conditionOf(before, "Ready"), conditionOf(after, "Ready")]
  if (is?.reason !== "DestinationClaimed" || was?.reason === "DestinationClaimed") return []
  return [eventOf("Warning", "DestinationClaimed", is.message)]
}

/** Whether the last check or a tag has failed, or the Image waits for a person. */
const isFailing = (status: ImageStatus): boolean =>
  status.checkFailure !== undefined || conditionOf(status, "Ready")?.status === "False"

const recovered = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> =>
  isFailing(before) && !isFailing(after)
    ? [eventOf("Normal", "Recovered", conditionOf(after, "Ready")?.message ?? "")]
    : []
