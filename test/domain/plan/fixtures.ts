/** Inputs of decisions, which set only the fields that a test is about. */
import { Result } from "effect"
import type { Copy, CopyState } from "../../../src/domain/Copy.ts"
import type { Condition, FailedCopy, Image, ImageStatus } from "../../../src/domain/Image.ts"
import { decodeImage } from "../../../src/domain/ImageDecoder.ts"
import { type Mirror, parseMirror } from "../../../src/domain/Mirror.ts"
import { decide, type Decision } from "../../../src/domain/plan/decide.ts"
import type { Blocked, Checked, CheckFailure, Observed, ObservedTag, Warning } from "../../../src/domain/plan/facts.ts"
import type { Reason } from "../../../src/domain/Reason.ts"
import { endpoint } from "../../support/endpoints.ts"

export const NOW = Date.parse("2026-11-24T12:00:00Z")
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

/** `instant(NOW + millis)`, independent of the code under test. */
export const at = (millis: number): string => `${new Date(NOW + millis).toISOString().slice(0, 19)}Z`

/** A digest that a reader can distinguish from others. */
export const digest = (letter: string): string => `sha256:${letter.repeat(64)}`
export const [A, B, C] = [digest("a"), digest("b"), digest("c")]

/** The uid of the Image. The jitter of its pauses, which depends on the uid, is nearly 0. */
export const UID = "uid-29893"

export interface Written {
  readonly mode?: string
  readonly version?: string
  readonly frequency?: string
  readonly suspend?: boolean
  readonly source?: string
  readonly uid?: string
  readonly generation?: number
  readonly requestedAt?: string
  readonly status?: ImageStatus
}

export const imageOf = (written: Written = {}): Image => {
  const { generation = 1, mode = "OneShot", source = "quay.io/team/app", status = {}, uid = UID } = written
  const { frequency = "1h", requestedAt = "", suspend = false, version = "1.27" } = written
  return Result.getOrThrow(
    decodeImage({
      metadata: {
        namespace: "team-a",
        name: "app",
        uid,
        generation,
        annotations: { "skopeo.io/requestedAt": requestedAt }
      },
      spec: { mode, frequency, suspend, source: { name: source, version }, destination: { name: "registry.corp/app" } },
      status
    })
  )
}

export const mirrorOf = (image: Image): Mirror => Result.getOrThrow(parseMirror(image.spec))

/** `observedTag("1.27", A, B)`: the source has A, the destination B. */
export const observedTag = (tag: string, desired?: string, actual?: string): ObservedTag => ({
  tag,
  exists: actual !== undefined,
  ...(desired === undefined ? {} : { desired }),
  ...(actual === undefined ? {} : { actual })
})

/** A tag of a OneShot pattern that the destination has. A check requests no digest for it. */
export const existing = (tag: string): ObservedTag => ({ tag, exists: true })

/** A tag for which a registry answered with an error. */
export const unread = (tag: string, reason: Reason = "InvalidAnswer"): ObservedTag => ({
  tag,
  exists: false,
  problem: { reason, message: `GET answered 412 for ${tag}` }
})

export const observedOf = (tags: ReadonlyArray<ObservedTag>, more: Partial<Observed> = {}): Observed => ({
  generation: 1,
  tags,
  ...more
})

export const RUNNING: CopyState = { _tag: "Running" }
export const SUCCEEDED: CopyState = { _tag: "Succeeded", at: NOW - 5 * SECOND }
export const failed = (reason: Reason = "Unreachable", message = "no answer"): CopyState => ({
  _tag: "Failed",
  at: NOW - 5 * SECOND,
  reason,
  message
})

export const copyOf = (tag: string, digest: string, state: CopyState, more: Partial<Copy> = {}): Copy => ({
  image: { namespace: "team-a", name: "app", uid: UID },
  generation: 1,
  source: endpoint("quay.io", "team/app"),
  digest,
  platforms: [],
  destinationDigest: digest,
  referrers: false,
  destination: endpoint("registry.corp", "app"),
  tag,
  onlyIfMissing: true,
  id: `${tag}-1`,
  state,
  ...more
})

export const failureOf = (tag: string, more: Partial<FailedCopy> = {}): FailedCopy => ({
  tag,
  digest: A,
  copy: `${tag}-0`,
  attempts: 1,
  nextAttemptAt: at(10 * SECOND),
  reason: "Unreachable",
  message: "no answer",
  ...more
})

export const condition = (type: string, status: Condition["status"], more: Partial<Condition> = {}): Condition => ({
  type,
  status,
  reason: "Before",
  message: "as before",
  observedGeneration: 1,
  lastTransitionTime: at(-HOUR),
  ...more
})

/** The status of an Image that was checked before and is in sync. */
export const READY: ImageStatus = {
  observedGeneration: 1,
  conditions: [condition("Ready", "True", { reason: "Copied" })],
  tags: "1/1",
  lastCheckedAt: at(-MINUTE)
}

/** The status of an Image whose copies are under way. */
export const COPYING: ImageStatus = {
  conditions: [condition("Ready", "Unknown", { reason: "Copying" }), condition("Reconciling", "True")],
  tags: "0/1",
  lastCheckedAt: at(-MINUTE)
}

/** An Image after a check, and the time of the check. */
export interface Situation extends Omit<Checked, "_tag"> {
  readonly image: Image
  readonly now: number
}

export const situationOf = (
  image: Image,
  tags: ReadonlyArray<ObservedTag>,
  copies: ReadonlyArray<Copy> = [],
  more: Partial<Situation> = {}
): Situation => ({
  now: NOW,
  image,
  mirror: mirrorOf(image),
  observed: observedOf(tags, { generation: image.generation }),
  fresh: true,
  copies,
  tlsVerify: { source: true, destination: true },
  ...more
})

export const decisionOf = ({ image, now, ...checked }: Situation): Decision =>
  decide(image, { _tag: "Observed", ...checked }, now)

/** `Ready=Unknown Copying` for each condition, in order. */
export const conditionsIn = (status: ImageStatus): ReadonlyArray<string> =>
  (status.conditions ?? []).map(({ reason, status: value, type }) => `${type}=${value} ${reason}`)

/** The started copies, such as `1.27@a`. */
export const startedIn = (decision: Decision): ReadonlyArray<string> =>
  decision.start.map(({ digest, tag }) => `${tag}@${digest.slice(7, 8)}`)

/** The next check, such as `Retry +10s` or `Never Done`. */
export const nextIn = (next: Decision["next"]): string =>
  next._tag === "Never"
    ? `Never ${next.why}`
    : `${next.why} ${next.millis < NOW ? "" : "+"}${(next.millis - NOW) / SECOND}s`

export const EXACT: Written = { mode: "OneShot", version: "1.27" }
export const PINNED: Written = { mode: "OneShot", version: `1.27@${A}` }
export const PATTERN: Written = { mode: "OneShot", version: "1.x" }
export const RANGE: Written = { mode: "OneShot", version: "^1.0.0" }
export const RECURRENT: Written = { mode: "Recurrent", version: "1.27" }
export const RECURRENT_PATTERN: Written = { mode: "Recurrent", version: "1.x" }

export const COPYING_CONDITIONS = ["Ready=Unknown Copying", "Reconciling=True Copying"]
export const COPIED = ["Ready=True Copied"]
export const UNBOUND: Warning = { type: "CredentialsUnbound", reason: "CredentialsNotBound", message: "bind them" }

/** The decision after a failed check. */
export const blockedOf = (
  image: Image,
  failure: Partial<CheckFailure> = {},
  { now = NOW, ...more }: Partial<Omit<Blocked, "_tag" | "failure">> & { readonly now?: number } = {}
): Decision =>
  decide(
    image,
    {
      _tag: "Blocked",
      mirror: mirrorOf(image),
      copies: [],
      failure: { reason: "Unreachable", message: "quay.io does not answer", stalled: false, ...failure },
      ...more
    },
    now
  )
