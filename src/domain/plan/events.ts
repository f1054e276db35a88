/**
 * The Events of an Image: one for each transition, computed from the stored status and the new status. A new process reads
 * the stored status, so a restart repeats no Event. Pure: a reconcile reports the Events after the status is written.
 */
import { oneLine, shortenBytes } from "../../text/line.ts"
import type { Copy } from "../Copy.ts"
import { type Condition, conditionOf, type FailedCopy, type ImageStatus } from "../Image.ts"
import type { Reason } from "../Reason.ts"
import { formatRepository } from "../../oci/Reference.ts"
import { arrivedDigest } from "./facts.ts"
import { unrecorded } from "./status.ts"

/** What the Events of one reason have in common. */
interface Kind extends Pick<ImageEvent, "type" | "action"> {
  /** When an Event is reported, for docs/notifications.md. */
  readonly when: string
}

/** Every Event of an Image, by its reason. */
export const EVENTS = {
  Copied: {
    type: "Normal",
    action: "Copy",
    when: "Copies have succeeded. One Event is for all copies that one reconcile records."
  },
  CopyFailed: {
    type: "Warning",
    action: "Copy",
    when: "Copies, or the checks of single tags, have failed for a reason that their tags did not have before. A retry that fails as before is no Event."
  },
  CheckFailed: {
    type: "Warning",
    action: "Check",
    when: "A check of the registries has failed for another reason than the check before, and is retried."
  },
  Stalled: {
    type: "Warning",
    action: "Reconcile",
    when: "The Image waits for a person: the condition Stalled has become True, or has another reason."
  },
  DestinationClaimed: {
    type: "Warning",
    action: "Reconcile",
    when: "An older Image has a tag that the Image asks for."
  },
  NotReady: {
    type: "Warning",
    action: "Check",
    when: "A check has succeeded, and the Image cannot be Ready: no tag matches, too few or too many tags match, or a tag cannot be copied as the Image asks."
  },
  Recovered: {
    type: "Normal",
    action: "Reconcile",
    when: "The last check has succeeded, and no tag has failed any more, after a failure. Copies may still be left."
  },
  Suspended: { type: "Normal", action: "Suspend", when: "A user has set spec.suspend while the operator ran." },
  Resumed: { type: "Normal", action: "Resume", when: "A user has removed spec.suspend while the operator ran." }
} as const satisfies Record<string, Kind>

/** The reason of an Event. The reason of a failure stands in the note, and is the cause. */
export type EventReason = keyof typeof EVENTS

/** A tag that an Event is about. */
export interface EventTag {
  readonly name: string
  /** The digest that the tag has or should have. Absent while the digest is unknown. */
  readonly digest?: string
}

/** A transition of an Image, as `kubectl describe` shows it. */
export interface ImageEvent {
  readonly type: "Normal" | "Warning"
  readonly reason: EventReason
  /** The action that the operator took. */
  readonly action: "Check" | "Copy" | "Reconcile" | "Resume" | "Suspend"
  /** At most 1,024 bytes, as the API server accepts. */
  readonly note: string
  /** The reason of the failure that the Event reports, as in conditions. */
  readonly cause?: string
  /** The tags that the Event is about, at most 50. */
  readonly tags?: ReadonlyArray<EventTag>
  /** The number of all tags that the Event is about. */
  readonly tagCount?: number
}

/** The most bytes of a note. The API server refuses a longer one. */
const NOTE_BYTES = 1_024

/** The most tags that a note names. */
const NAMED = 5

/** The most tags of an Event. */
const TAGS = 50

/** The facts of an Event besides its note. */
interface Facts {
  readonly cause?: string
  readonly tags?: ReadonlyArray<EventTag>
}

const eventOf = (reason: EventReason, note: string, { cause, tags }: Facts = {}): ImageEvent => ({
  type: EVENTS[reason].type,
  reason,
  action: EVENTS[reason].action,
  note: shortenBytes(oneLine(note), NOTE_BYTES),
  ...(cause === undefined ? {} : { cause }),
  ...(tags === undefined ? {} : { tags: tags.slice(0, TAGS), tagCount: tags.length })
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
  ...notReady(before, after),
  ...recovered(before, after)
]

/** The Event of a user who suspends or resumes an Image. The status of a suspended Image is not written. */
export const suspensionOf = (before: boolean, after: boolean): ReadonlyArray<ImageEvent> => {
  if (before === after) return []
  return [
    after
      ? eventOf("Suspended", "checks and new copies are suspended; running copies finish")
      : eventOf("Resumed", "checks and copies are resumed")
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
  return [
    eventOf("Copied", `copied ${count} to ${destination}: ${named(tags)}`, {
      tags: succeeded.map((copy) => ({ name: copy.tag, digest: arrivedDigest(copy) ?? copy.destinationDigest }))
    })
  ]
}

/** One Event for each reason. A retry that fails for the same reason is no transition, and neither is a busy destination. */
const copiesFailed = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const known = new Set((before.failures ?? []).map(({ reason, tag }) => `${reason} ${tag}`))
  const isNew = ({ reason, tag }: FailedCopy): boolean => reason !== "DestinationBusy" && !known.has(`${reason} ${tag}`)
  const byReason = Map.groupBy((after.failures ?? []).filter(isNew), ({ reason }) => reason)
  return [...byReason].map(([reason, failures]) => {
    const tags = named(failures.map(({ tag }) => tag))
    return eventOf("CopyFailed", `${tags}: ${reason}: ${failures[0]?.message ?? ""}`, {
      cause: reason,
      tags: failures.map(({ digest, tag }) => ({ name: tag, ...(digest === "" ? {} : { digest }) }))
    })
  })
}

const isTrue = (condition: Condition | undefined): boolean => condition?.status === "True"

/** A failure that a person has to correct is an Event of the condition Stalled. */
const checkFailed = ({ checkFailure: known }: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const { checkFailure } = after
  if (checkFailure === undefined || checkFailure.reason === known?.reason) return []
  if (isTrue(conditionOf(after, "Stalled"))) return []
  return [eventOf("CheckFailed", `${checkFailure.reason}: ${checkFailure.message}`, { cause: checkFailure.reason })]
}

const stalled = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const [was, is] = [conditionOf(before, "Stalled"), conditionOf(after, "Stalled")]
  if (is === undefined || is.reason === was?.reason || is.reason === "DestinationClaimed") return []
  return [eventOf("Stalled", `${is.reason}: ${is.message}`, { cause: is.reason })]
}

const claimed = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const [was, is] = [conditionOf(before, "Ready"), conditionOf(after, "Ready")]
  if (is?.reason !== "DestinationClaimed" || was?.reason === "DestinationClaimed") return []
  return [eventOf("DestinationClaimed", is.message)]
}

/** The reasons that a successful check gives for `Ready`. No failure of the status has these reasons, except that of a copy. */
const OBSERVED: ReadonlySet<string> = new Set<Reason>([
  "NoTagMatches",
  "TooFewTags",
  "TooManyTags",
  "PlatformMissing",
  "UnsupportedManifest"
])

const notReady = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> => {
  const [was, is] = [conditionOf(before, "Ready"), conditionOf(after, "Ready")]
  if (is?.status !== "False" || !OBSERVED.has(is.reason)) return []
  const isKnown = was?.status === "False" && was.reason === is.reason
  const isOfCopy = (after.failures ?? []).some(({ reason }) => reason === is.reason)
  return isKnown || isOfCopy ? [] : [eventOf("NotReady", `${is.reason}: ${is.message}`, { cause: is.reason })]
}

/** Whether the last check or a tag has failed, or the Image waits for a person. */
const isFailing = (status: ImageStatus): boolean =>
  status.checkFailure !== undefined || conditionOf(status, "Ready")?.status === "False"

const recovered = (before: ImageStatus, after: ImageStatus): ReadonlyArray<ImageEvent> =>
  isFailing(before) && !isFailing(after) ? [eventOf("Recovered", conditionOf(after, "Ready")?.message ?? "")] : []
