/** The quota that a registry reports in its `ratelimit-…` headers. */
import type { HttpHead } from "../../http/Http.ts"

/**
 * Docker Hub counts GETs of manifests (pulls) and nothing else. It reports the quota in answers to HEADs of manifests
 * too.
 */
export type RequestKind = "Pull" | "Head" | "Other"

export interface Quota {
  readonly limit: number
  readonly remaining: number
  /** The window of the limit, in milliseconds. */
  readonly windowMillis?: number
  readonly counts: "Pulls" | "Requests"
  /** The owner of the quota as Docker Hub names it: a user or an address. */
  readonly source?: string
  /** When one request may be sent to see whether an exhausted quota has been renewed, in milliseconds since the epoch. */
  readonly askAgainAt: number
}

/** The pause between requests that see whether an exhausted quota has been renewed. Docker Hub does not report the time. */
export const RECHECK = 15 * 60_000
const SHORTEST = 1_000
const LONGEST = 6 * 3_600_000

/** The quota after an answer, given the quota before. */
export const quotaAfter = (
  asked: RequestKind,
  head: HttpHead,
  before: Quota | undefined,
  now: number
): Quota | undefined => {
  const { headers, status } = head
  const remaining = numberOf(headers["ratelimit-remaining"])
  if (remaining === undefined) {
    // An answer about a manifest without these headers means that there is no limit, or no longer one. Other answers
    // never have these headers.
    const isLifted = status < 400 && (before?.counts === "Pulls" ? asked !== "Other" : (before?.remaining ?? 1) <= 0)
    return isLifted ? undefined : before
  }
  const limit = Math.max(remaining, numberOf(headers["ratelimit-limit"]) ?? before?.limit ?? 0)
  const window = /;\s*w=([0-9]{1,9})/u.exec(`${headers["ratelimit-limit"]} ${headers["ratelimit-remaining"]}`)?.[1]
  const source = headers["docker-ratelimit-source"]
  return {
    limit,
    remaining,
    ...(window === undefined ? {} : { windowMillis: Number(window) * 1_000 }),
    counts: source === undefined ? "Requests" : "Pulls",
    ...(source === undefined ? {} : { source }),
    askAgainAt: remaining > 0 ? 0 : askAgainAt(headers, before, Number(window ?? RECHECK) * 1_000, now)
  }
}

const askAgainAt = (headers: HttpHead["headers"], before: Quota | undefined, window: number, now: number): number => {
  const reset = numberOf(headers["ratelimit-reset"])
  if (reset !== undefined) {
    // Seconds from now, or seconds since 1970, as GitLab writes them.
    const millis = reset > 1_000_000_000 ? reset * 1_000 - now : reset * 1_000
    return now + Math.min(LONGEST, Math.max(SHORTEST, millis))
  }
  // The time stays the same, because queued requests already wait for it.
  if (before !== undefined && before.remaining <= 0 && before.askAgainAt > now) return before.askAgainAt
  return now + Math.min(RECHECK, Math.max(SHORTEST, window))
}

/** Parses the number in front of a header: `100;w=21600` is 100. */
const numberOf = (header: string | undefined): number | undefined => {
  const digits = /^\s*([0-9]{1,15})/u.exec(header ?? "")?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export const isCounted = (quota: Quota, asked: RequestKind): boolean => quota.counts === "Requests" || asked === "Pull"

/** Whether the quota belongs to a user. It then counts the requests of Jobs too. An address's quota does not. */
export const isOfUser = ({ source }: Quota): boolean => source !== undefined && !ADDRESS.test(source)
const ADDRESS = /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*)(?:\/[0-9]+)?$/iu

/** `3 of 100 pulls in 6h are left`. */
export const describeQuota = (quota: Quota, remaining: number): string => {
  const window = quota.windowMillis === undefined ? "" : ` in ${formatWait(quota.windowMillis)}`
  return `${Math.max(0, remaining)} of ${quota.limit} ${quota.counts.toLowerCase()}${window} are left`
}

/** Formats milliseconds as `6h` or `1m30s`. */
const formatWait = (millis: number): string => {
  const seconds = Math.ceil(millis / 1_000)
  const parts = [
    [Math.floor(seconds / 3_600), "h"],
    [Math.floor((seconds % 3_600) / 60), "m"],
    [seconds % 60, "s"]
  ] as const
  return parts.flatMap(([amount, unit]) => (amount === 0 ? [] : [`${amount}${unit}`])).join("") || "0s"
}
