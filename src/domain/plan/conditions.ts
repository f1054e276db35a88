/**
 * The conditions of an Image. Each condition has a table of rules, and the first rule with a statement decides. The
 * conditions follow kstatus: `Ready` is always present, `Reconciling` and `Stalled` are present only while True and
 * never together, each has its `observedGeneration`, and `lastTransitionTime` changes only with the status of the
 * condition.
 */
import { instant, millisOf } from "../../text/instant.ts"
import { boundedLine } from "../../text/line.ts"
import type { Copy } from "../Copy.ts"
import { type Condition, conditionOf, type FailedCopy, type ImageHeader, type ImageStatus } from "../Image.ts"
import type { Mirror } from "../Mirror.ts"
import { isReason, type Reason } from "../Reason.ts"
import { describeMisfit, describeNoMatch } from "../TagFilter.ts"
import { describeClaims, isClaimed } from "./claims.ts"
import type { CheckFailure, Observed, ObservedTag, Warning, WarningType } from "./facts.ts"
import { isBusy, readyUntil } from "./failures.ts"

/** A condition before times and generations are added. */
export interface Statement {
  readonly type: "Ready" | "Reconciling" | "Stalled" | WarningType
  readonly status: Condition["status"]
  readonly reason: Reason
  readonly message: string
}

/** The input of the rules: an Image, its last check, and the decisions for its tags. */
export interface Facts {
  readonly now: number
  readonly image: ImageHeader
  readonly mirror: Mirror
  readonly observed: Observed
  /** The selected tags that are not at the destination yet. */
  readonly remaining: ReadonlyArray<ObservedTag>
  /** The copies that continue. */
  readonly active: ReadonlyArray<Copy>
  /** Whether copies continue or start. */
  readonly copying: boolean
  readonly failures: ReadonlyArray<FailedCopy>
  /** The failure of the last check, until the next check is made. */
  readonly checkFailure?: Pick<CheckFailure, "reason" | "message" | "stalled">
}

/** Gives the statement of a condition. `undefined` leaves the statement to the next rule. */
export type Rule = (facts: Facts) => Statement | undefined

const ready = (status: Condition["status"], reason: Reason, message: string): Statement => ({
  type: "Ready",
  status,
  reason,
  message
})

const reconciling = (reason: Reason, message: string): Statement => ({
  type: "Reconciling",
  status: "True",
  reason,
  message
})

/**
 * A Ready Image stays Ready for a while, with the words of its last good check: a registry that is away for a moment changes
 * nothing at the destination. `Reconciling` says the cause.
 */
const checkFailedLately: Rule = ({ checkFailure, failures, image, mirror, now }) => {
  const before = conditionOf(image.status, "Ready")
  if (checkFailure === undefined || before === undefined || failures.some((failure) => !isBusy(failure)))
    return undefined
  const until = readyUntil(image, mirror, checkFailure)
  const reason = isReason(before.reason) ? before.reason : "Copied"
  return until !== undefined && now < until ? ready("True", reason, before.message) : undefined
}

const checkFailed: Rule = ({ checkFailure }) =>
  checkFailure && ready("False", checkFailure.reason, checkFailure.message)

const tooFewOrTooManyTags: Rule = (facts) => {
  const { mirror, observed } = facts
  const { misfit } = observed
  if (misfit === undefined || mirror.tags._tag === "Exact") return undefined
  const message = describeMisfit(misfit, mirror.tags.filter, listingIn(facts))
  return ready("False", misfit._tag === "TooFew" ? "TooFewTags" : "TooManyTags", message + noticesOf(facts))
}

const noTagMatches: Rule = (facts) => {
  const { mirror, observed } = facts
  if (observed.tags.length > 0 || mirror.tags._tag === "Exact") return undefined
  const message = describeNoMatch(mirror.tags.filter.pattern, listingIn(facts), observed.nearest ?? [])
  return ready("False", "NoTagMatches", message + noticesOf(facts))
}

const copied: Rule = (facts) =>
  facts.remaining.length === 0 ? ready("True", "Copied", countIn(facts) + noticesOf(facts)) : undefined

/**
 * A claimed tag waits for a person, so the claim is stated before failures, which time may end, and while other tags are
 * copied.
 */
const destinationClaimed: Rule = (facts) => {
  const claimed = facts.observed.tags.filter(isClaimed)
  if (claimed.length === 0) return undefined
  const words = `${describeClaims(claimed, named)} in ${facts.mirror.destination.name}`
  return ready("False", "DestinationClaimed", `${countIn(facts)}; ${words}${noticesOf(facts)}`)
}

/** The newest failure has the latest next attempt. A tag that another Image's copy is writing has not failed. */
const copyFailed: Rule = (facts) => {
  const [newest] = facts.failures
    .filter((failure) => !isBusy(failure))
    .sort((a, b) => millisOf(b.nextAttemptAt) - millisOf(a.nextAttemptAt))
  if (newest === undefined) return undefined
  const message = `${countIn(facts)}; ${newest.tag} failed: ${newest.message}`
  return ready("False", newest.reason, message + alsoFailed(facts, newest.tag) + noticesOf(facts))
}

/** Applies only when no copy is under way. Until then the statement is about the other tags. */
const cannotBeCopied: Rule = (facts) => {
  const { copying, remaining } = facts
  const impossible = remaining.find(({ problem }) => problem !== undefined)
  if (impossible?.problem === undefined || copying) return undefined
  const { message, reason } = impossible.problem
  const words = `${countIn(facts)}; ${impossible.tag}: ${message}`
  return ready("False", reason, words + alsoFailed(facts, impossible.tag) + noticesOf(facts))
}

/** A copy that has been begun, and does not run: it goes on by itself once a person has mended what the message names. */
const copyObstructed: Rule = (facts) => {
  const { obstructed } = waitIn(facts)
  if (obstructed === undefined) return undefined
  const { obstacle, tag, words } = obstructed
  return whileCopying(facts, obstacle, [`${tag} waits: ${words}`], "False")
}

const destinationBusy: Rule = (facts) =>
  isOnlyBusy(facts) ? whileCopying(facts, "DestinationBusy", busyIn(facts)) : undefined

const rateLimited: Rule = (facts) => {
  const { message, rateLimited } = waitIn(facts)
  return rateLimited ? whileCopying(facts, "RateLimited", [...message, ...busyIn(facts)]) : undefined
}

const copying: Rule = (facts) => whileCopying(facts, "Copying", busyIn(facts))

/** An Image that was Ready stays Ready while new tags are copied. */
const whileCopying = (
  facts: Facts,
  reason: Reason,
  waits: ReadonlyArray<string>,
  otherwise: "Unknown" | "False" = "Unknown"
): Statement => {
  const { generation, status } = facts.image
  const before = conditionOf(status, "Ready")
  const stays = before?.status === "True" && before.observedGeneration === generation
  return ready(stays ? "True" : otherwise, reason, [countIn(facts), ...waits].join("; ") + noticesOf(facts))
}

/** The rules of `Ready`. The last rule always gives a statement. */
export const READY_RULES: ReadonlyArray<Rule> = [
  checkFailedLately,
  checkFailed,
  tooFewOrTooManyTags,
  noTagMatches,
  copied,
  destinationClaimed,
  copyFailed,
  cannotBeCopied,
  copyObstructed,
  destinationBusy,
  rateLimited,
  copying
]

const checkIsRetried: Rule = ({ checkFailure }) =>
  checkFailure && reconciling("ProgressingWithRetry", checkFailure.message)

const tagsWaitForOthersCopies: Rule = (facts) =>
  isOnlyBusy(facts) ? reconciling("DestinationBusy", remainingIn(facts)) : undefined

const tagsAreCopied: Rule = (facts) => {
  const { obstructed, rateLimited } = waitIn(facts)
  return facts.copying && !rateLimited && obstructed === undefined
    ? reconciling("Copying", remainingIn(facts))
    : undefined
}

const tagsAreRetried: Rule = (facts) => reconciling("ProgressingWithRetry", remainingIn(facts))

/** The rules of `Reconciling`. They are used only while a tag remains or a check will be retried. */
export const RECONCILING_RULES: ReadonlyArray<Rule> = [
  checkIsRetried,
  tagsWaitForOthersCopies,
  tagsAreCopied,
  tagsAreRetried
]

/** The statement of the first rule in a table that gives one. */
const first = (rules: ReadonlyArray<Rule>, facts: Facts): ReadonlyArray<Statement> => {
  for (const rule of rules) {
    const statement = rule(facts)
    if (statement !== undefined) return [statement]
  }
  return []
}

/** The statements about an invalid spec, or about a credential that a person must repair. */
export const stalled = (reason: Reason, message: string): ReadonlyArray<Statement> => [
  ready("False", reason, message),
  { type: "Stalled", status: "True", reason, message }
]

/** All statements except the warnings. */
export const statementsOf = (facts: Facts): ReadonlyArray<Statement> => {
  const { checkFailure, remaining } = facts
  if (checkFailure?.stalled === true) return stalled(checkFailure.reason, checkFailure.message)
  const statements = first(READY_RULES, facts)
  if (checkFailure !== undefined) return [...statements, ...first(RECONCILING_RULES, facts)]
  // With one unclaimed tag there is work to do at each check. With none the operator waits for a person.
  const { tags } = facts.observed
  const isStalled = tags.length > 0 && tags.every(isClaimed)
  if (isStalled) return statements.flatMap(({ message, reason }) => stalled(reason, message))
  return remaining.every(isClaimed) ? statements : [...statements, ...first(RECONCILING_RULES, facts)]
}

/** One statement for each type of warning. */
export const statementsOfWarnings = (warnings: ReadonlyArray<Warning>): ReadonlyArray<Statement> => {
  const byType = new Map<WarningType, Statement>()
  for (const { message, reason, type } of warnings) {
    const before = byType.get(type)?.message
    const together = before === undefined ? message : `${before}; ${message}`
    byType.set(type, { type, status: "True", reason, message: together })
  }
  return [...byType.values()]
}

const WARNINGS_OF_REGISTRIES: ReadonlyArray<WarningType> = ["RegistryWarning"]
const WARNINGS_OF_CREDENTIALS: ReadonlyArray<WarningType> = ["CredentialsUnbound", "CredentialsWithheld"]

/**
 * The warnings that stay when a check fails. A registry that does not answer does not clear its warnings. If the
 * credentials are unavailable (`warnings` is absent), the warnings about them stay too.
 */
export const standingWarnings = (
  { generation, status }: ImageHeader,
  warnings: ReadonlyArray<Warning> | undefined,
  notices: ReadonlyArray<Warning>
): ReadonlyArray<Condition> => {
  const current = new Set([...(warnings ?? []), ...notices].map(({ type }) => type))
  return [...WARNINGS_OF_REGISTRIES, ...(warnings === undefined ? WARNINGS_OF_CREDENTIALS : [])].flatMap((type) => {
    const standing = current.has(type) ? undefined : conditionOf(status, type)
    return standing === undefined ? [] : [{ ...standing, observedGeneration: generation }]
  })
}

/** Makes conditions of statements. A condition whose status has not changed keeps its `lastTransitionTime`. */
export const conditionsOf = (
  statements: ReadonlyArray<Statement>,
  before: ImageStatus,
  generation: number,
  now: number
): ReadonlyArray<Condition> =>
  statements.map(({ message, ...statement }) => {
    const previous = conditionOf(before, statement.type)
    return {
      ...statement,
      message: boundedLine(message),
      observedGeneration: generation,
      lastTransitionTime: previous?.status === statement.status ? previous.lastTransitionTime : instant(now)
    }
  })

const NAMED = 5

/** The first few tags of a list by name, and the number of the others. */
const named = (tags: ReadonlyArray<ObservedTag>): string =>
  tags
    .slice(0, NAMED)
    .map(({ tag }) => tag)
    .join(", ") + (tags.length > NAMED ? ` and ${tags.length - NAMED} more` : "")

/** The most characters of the failed tags that a message names after the first one. */
const ALSO_FAILED = 1_000

/**
 * The failed tags besides the one whose failure a message tells, by reason: a check or a copy failed for a tag, or the tag cannot
 * be copied as the Image asks. The failures that a status keeps are bounded, and so are the characters of the names.
 */
const alsoFailed = ({ failures, remaining }: Facts, told: string): string => {
  const reasons = new Map<string, Reason>()
  for (const tag of remaining) {
    if (tag.problem !== undefined && !isClaimed(tag)) reasons.set(tag.tag, tag.problem.reason)
  }
  for (const failure of failures) {
    if (!isBusy(failure)) reasons.set(failure.tag, isReason(failure.reason) ? failure.reason : "CopyFailed")
  }
  reasons.delete(told)
  if (reasons.size === 0) return ""
  let [left, names] = [ALSO_FAILED, 0]
  const groups: Array<string> = []
  for (const [reason, entries] of Map.groupBy(reasons, ([, one]) => one)) {
    const shown: Array<string> = []
    for (const [tag] of entries) {
      left -= tag.length + 2
      if (left < 0) break
      shown.push(tag)
    }
    names += shown.length
    if (shown.length > 0) groups.push(`${shown.join(", ")} (${reason})`)
  }
  const others = reasons.size - names
  return `; also failed: ${groups.join(", ")}${others === 0 ? "" : ` and ${others} more`}`
}

const listingIn = ({ mirror, observed }: Facts) => ({ repository: mirror.source.name, size: observed.listed ?? 0 })

const countIn = ({ observed, remaining }: Facts): string => {
  const total = observed.tags.length
  return `${total - remaining.length} of ${total} ${total === 1 ? "tag is" : "tags are"} copied`
}

/** Describes how many tags are copied, which tags remain, and why copies wait. */
const remainingIn = (facts: Facts): string =>
  [
    `${countIn(facts)}; remaining: ${named(facts.remaining.filter((tag) => !isClaimed(tag)))}`,
    ...waitIn(facts).message,
    ...busyIn(facts)
  ].join("; ")

interface Wait {
  readonly message: ReadonlyArray<string>
  /** Whether all copies wait for a registry's rate limit. */
  readonly rateLimited: boolean
  /** The first copy that waits for something that a person may have to mend. */
  readonly obstructed: { readonly tag: string; readonly obstacle: Reason; readonly words: string } | undefined
}

/** Why copies wait. */
const waitIn = ({ active }: Facts): Wait => {
  const waits = active.flatMap(({ state }) => (state._tag === "Waiting" ? [state] : []))
  const limited = waits.filter((wait) => wait.limited === true)
  const [wait] = [...waits.filter(({ obstacle }) => obstacle !== undefined), ...limited, ...waits]
  return {
    message: wait === undefined ? [] : [wait.reason],
    rateLimited: limited.length > 0 && limited.length === active.length,
    obstructed: obstructedIn(active)
  }
}

const obstructedIn = (active: ReadonlyArray<Copy>): Wait["obstructed"] => {
  for (const { state, tag } of active) {
    if (state._tag === "Waiting" && state.obstacle !== undefined) {
      return { tag, obstacle: state.obstacle, words: state.reason }
    }
  }
  return undefined
}

/** Describes the tags that other Images' copies are writing. */
const busyIn = ({ failures }: Facts): ReadonlyArray<string> => {
  const [busy, ...others] = failures.filter(isBusy)
  if (busy === undefined) return []
  return [`${busy.tag}${others.length === 0 ? " waits" : ` and ${others.length} more wait`}: ${busy.message}`]
}

const isOnlyBusy = ({ copying, failures }: Facts): boolean => !copying && failures.some(isBusy)

/**
 * Deprecated values that the operator still accepts, and requests of an Image that the copy engine does not support.
 */
const noticesOf = ({ image, observed }: Facts): string => {
  const left = observed.tags.filter(({ referrersUnsupported }) => referrersUnsupported === true)
  const notices =
    left.length === 0
      ? image.notices
      : [
          ...image.notices,
          `OCI referrers of ${named(left)} are not copied: Skopeo Jobs copy cosign tags only; set COPY_ENGINE=direct to copy OCI referrers`
        ]
  return notices.map((notice) => `; ${notice}`).join("")
}
