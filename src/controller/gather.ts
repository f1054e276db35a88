/**
 * Gathers the facts of a decision: the copies of an Image, the claims of older Images, the memory of its last check and, if a
 * check is due, its credentials and the answers of both registries. Gathering writes nothing, starts nothing and needs no cluster.
 */
import { Clock, Effect, Result } from "effect"
import type { EngineSupport } from "../copy/CopyEngine.ts"
import { reasonOf } from "../copy/reasonOf.ts"
import { type Access, accessOf, type AccessRequest, judgeImage, sidesOf } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { Policy } from "../credentials/Policy.ts"
import type { Copy } from "../domain/Copy.ts"
import { conditionOf, type ImageHeader } from "../domain/Image.ts"
import type { Mirror } from "../domain/Mirror.ts"
import {
  activeCopies,
  type CheckFailure,
  type Gathered,
  type Observed,
  overwritesTags,
  waitingForOthers,
  type Warning
} from "../domain/plan/facts.ts"
import { withClaims } from "../domain/plan/claims.ts"
import { isCheckDue, nextCheck } from "../domain/plan/schedule.ts"
import { refusals } from "../domain/rules.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RegistryNotice } from "../registry/RegistryClient.ts"
import { AnsweredClient } from "./check/AnsweredClient.ts"
import { check, type VersionNotFound } from "./check/check.ts"
import { sideOf } from "./check/Side.ts"
import type { RegistryError } from "../registry/RegistryError.ts"
import type { DestinationClaims } from "./DestinationClaims.ts"
import type { ImageMemory, LastCheck } from "./ImageMemory.ts"

/** The most time of a check. A registry that does not answer must not hold a worker for longer. */
const DEADLINE = "2 minutes"

export interface GatherOptions {
  /** The memory of Images. A command that decides once passes an empty memory. */
  readonly memory: ImageMemory
  /** The abilities of the copy engine. */
  readonly supports: EngineSupport
  /** Finds the tags of an Image that an older Image claims. */
  readonly claims: Pick<DestinationClaims["Service"], "against" | "companionOwner">
}

/** Gathers the facts of one Image. `copies` are the engine's copies for the Image's name. */
export type Gather = (image: StoredImage, copies: ReadonlyArray<Copy>) => Effect.Effect<Gathered>

export const make = Effect.fnUntraced(function* ({
  claims,
  memory,
  supports
}: GatherOptions): Effect.fn.Return<Gather, never, RegistryClient | RegistryLimits | Credentials | Policy> {
  const registry = yield* RegistryClient
  const limits = yield* RegistryLimits
  const services = { credentials: yield* Credentials, policy: yield* Policy }
  const startedAt = yield* Clock.currentTimeMillis

  /** The notices that both registries sent with their answers. */
  const noticesOf = ({ destination, source }: Mirror): Effect.Effect<ReadonlyArray<Warning>> =>
    Effect.map(
      Effect.forEach([source, destination], ({ repository }) => registry.notices(repository)),
      (notices) => notices.flat().map(warningOf)
    )

  /**
   * The client of a check. A check that a rate limit interrupted resumes with its answers: a new check could spend the whole
   * allowance and leave none for copies. If tags are never overwritten, the destination's tags are listed again. If the source
   * counts pulls only, HEADs are sent again: HEADs are free, and they show when pulls are available. HEADs are also sent again
   * for a version that is copied once: no later check would find that its tag has moved.
   */
  const clientFor = Effect.fnUntraced(function* (image: ImageHeader, mirror: Mirror, { source }: Access) {
    const interrupted = memory.takeInterrupted(image)
    if (interrupted === undefined) return new AnsweredClient(registry, memory.tagLists)
    if (!overwritesTags(mirror)) interrupted.forget(mirror.destination.repository, "tags")
    const { quota } = yield* limits.allowance(source)
    if (isCopiedOnce(mirror) || quota?.counts === "Pulls") interrupted.forget(mirror.source.repository, "heads")
    return interrupted
  })

  /** When the registry that is held longest allows the next request. */
  const heldUntil = ({ destination, source }: Access) =>
    Effect.map(Effect.forEach([source, destination], limits.allowance), (allowances) => {
      const times = allowances.flatMap(({ until }) => (until === undefined ? [] : [until]))
      return times.length === 0 ? undefined : Math.max(...times)
    })

  /** Asks both registries. The answers are kept if a rate limit or the deadline interrupts the check. */
  const checkNow = Effect.fnUntraced(function* (
    image: ImageHeader,
    mirror: Mirror,
    access: Access
  ): Effect.fn.Return<Observed, CheckFailure> {
    const answered = yield* clientFor(image, mirror, access)
    const keep = Effect.sync(() => memory.keepInterrupted(image, answered))
    const observed = yield* check({
      mirror,
      generation: image.generation,
      subsets: image.status.subsets ?? [],
      // The newest copy is the first.
      written: (tag) => image.status.history?.find((copy) => copy.tag === tag)?.digest,
      wasComplete: wasComplete(image),
      supports,
      source: sideOf("source", access.source, answered.client, limits),
      destination: sideOf("destination", access.destination, answered.client, limits)
    }).pipe(
      Effect.provideService(RequestedFor, image.namespace),
      Effect.mapError(checkFailureOf),
      Effect.tap(() => Effect.sync(() => answered.close())),
      Effect.tapError(({ until }) => (until === undefined ? Effect.sync(() => answered.close()) : keep)),
      Effect.raceFirst(
        Effect.delay(
          Effect.andThen(
            keep,
            Effect.flatMap(heldUntil(access), (until) => Effect.fail(overdue(answered, until)))
          ),
          DEADLINE
        )
      ),
      // A change of the Image ends the check, whose answers are then of no use.
      Effect.onInterrupt(() => Effect.sync(() => answered.close()))
    )
    yield* Effect.annotateCurrentSpan("tags", observed.tags.length)
    return observed
  })

  /**
   * Whether the last check failed without credentials that the policy grants now. Such a check is made again at once, and does
   * not wait for its next attempt.
   */
  const isGrantedNow = ({ status }: ImageHeader, sides: AccessRequest): Effect.Effect<boolean> =>
    status.checkFailure === undefined || conditionOf(status, "CredentialsWithheld")?.reason !== "NotGranted"
      ? Effect.succeed(false)
      : Effect.match(accessOf(services, sides), {
          onFailure: () => false,
          onSuccess: ({ warnings }) => !warnings.some(({ reason }) => reason === "NotGranted")
        })

  return Effect.fnUntraced(function* (image, copies): Effect.fn.Return<Gathered> {
    const problems = image._tag === "Unreadable" ? image.problems : refusals(image.spec, { supports })
    if (image._tag === "Unreadable" || problems.length > 0) return { _tag: "Invalid", problems, copies }
    const { mirror } = image
    const sides = { image, ...sidesOf(mirror, services.credentials) }
    const judgement = yield* judgeImage(services, sides)
    if (judgement._tag === "Refused") return { _tag: "Refused", mirror, copies, message: judgement.message }
    if (mirror.tags._tag === "Exact" && !mirror.suspend) {
      const owners = yield* claims.against(image, [mirror.tags.destinationTag])
      if (owners.size > 0) return { _tag: "Claimed", mirror, copies, claims: owners }
    }
    const claimOnCompanions = Effect.gen(function* () {
      const companionOwner = mirror.referrers ? yield* claims.companionOwner(image) : undefined
      return companionOwner === undefined ? {} : { companionOwner }
    })
    const claimsOn = Effect.fnUntraced(function* (tags: ReadonlyArray<string>) {
      return { claims: yield* claims.against(image, tags), ...(yield* claimOnCompanions) }
    })
    const now = yield* Clock.currentTimeMillis
    const known = memory.lastCheck(image)
    const gathered = { mirror, copies, startedAt }
    const positionIf = (isWaiting: boolean) => (isWaiting ? { position: memory.wait(image) } : {})
    const observed = (last: LastCheck, fresh: boolean): Effect.Effect<Gathered> =>
      Effect.gen(function* () {
        const tags = last.observed.tags.map(({ tag }) => tag)
        return {
          _tag: "Observed",
          ...gathered,
          ...last,
          fresh,
          ...(fresh && known !== undefined ? { before: known.observed } : {}),
          tlsVerify: { source: sides.source.tlsVerify, destination: sides.destination.tlsVerify },
          notices: yield* noticesOf(mirror),
          ...(yield* claimsOn(tags)),
          ...positionIf(copies.some(isDeferred))
        }
      })
    /** Without a new result of a check the operator knows only the tags of the last result and those that copies write. */
    const claimsOnKnown = claimsOn([
      ...activeCopies(copies).map(({ tag }) => tag),
      ...(known?.observed.tags ?? []).map(({ tag }) => tag)
    ])

    const due = nextCheck({
      now,
      startedAt,
      image,
      mirror,
      remembered: known?.observed.generation === image.generation,
      underWay: new Set([
        ...activeCopies(copies).map(({ tag }) => tag),
        // A tag does not wait for a companion tag that another Image owns.
        ...(known === undefined ? [] : waitingForOthers(withClaims(known.observed, yield* claimOnCompanions)))
      ])
    })
    if (!isCheckDue(due, now) && !(yield* isGrantedNow(image, sides))) {
      // The result of a check of an earlier spec does not say which copies the current spec needs. A suspended Image needs no
      // copies.
      const isOfSpec = known?.observed.generation === image.generation || mirror.suspend
      return known !== undefined && isOfSpec
        ? yield* observed(known, false)
        : { _tag: "Unobserved", ...gathered, ...(yield* claimsOnKnown) }
    }
    const blocked = {
      _tag: "Blocked",
      ...gathered,
      ...(known === undefined ? {} : { observed: known.observed })
    } as const
    const access = yield* Effect.result(accessOf(services, sides))
    if (Result.isFailure(access)) {
      // The policy may have changed since the judgement.
      if (access.failure._tag === "PolicyRefused")
        return { _tag: "Refused", mirror, copies, message: access.failure.message }
      const { message, reason, stalled } = access.failure
      return { ...blocked, failure: { message, reason, stalled }, ...(yield* claimsOnKnown) }
    }
    const { warnings } = access.success
    const checked = yield* checkNow(image, mirror, access.success).pipe(
      Effect.withSpan(
        "check",
        { attributes: { source: image.source, destination: image.destination, reason: due.why } },
        { captureStackTrace: false }
      ),
      Effect.result
    )
    if (Result.isSuccess(checked)) return yield* observed({ observed: checked.success, warnings }, true)
    return {
      ...blocked,
      failure: checked.failure,
      warnings,
      ...(yield* claimsOnKnown),
      notices: yield* noticesOf(mirror),
      ...positionIf(checked.failure.until !== undefined)
    }
  })
})

/** The failure of a check that took too long. `until`: when a registry's rate limit allows the next request. */
const overdue = ({ waitsFor = "the registries" }: AnsweredClient, until: number | undefined): CheckFailure => {
  const message = `the check took longer than 2 minutes and waited for ${waitsFor}; the next attempt goes on from there`
  return until === undefined
    ? { reason: "Unreachable", message, stalled: false }
    : { reason: "RateLimited", message, stalled: false, until }
}

const isDeferred = ({ state }: Copy): boolean => state._tag === "Failed" && state.until !== undefined

const isCopiedOnce = ({ mode, tags }: Mirror): boolean => mode !== "Recurrent" && tags._tag === "Exact"

/** Whether the destination had every selected tag at the last check of the Image's current spec. */
const wasComplete = ({ generation, status }: ImageHeader): boolean => {
  const ready = conditionOf(status, "Ready")
  return ready?.status === "True" && ready.reason === "Copied" && ready.observedGeneration === generation
}

const checkFailureOf = (error: RegistryError | VersionNotFound): CheckFailure => {
  const { message } = error
  if (error._tag === "VersionNotFound") return { reason: "SourceNotFound", message, stalled: false }
  const { until } = error
  return { reason: reasonOf(error), message, stalled: false, ...(until === undefined ? {} : { until }) }
}

const warningOf = ({ message }: RegistryNotice): Warning => ({
  type: "RegistryWarning",
  reason: "RegistryNotice",
  message
})
