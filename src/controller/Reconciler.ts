/** One reconcile: gather facts, let the domain decide, act. What is true is asked of the registries, not remembered. */
import { Clock, Context, Effect, Layer, Option, Result } from "effect"
import { CopyEngine, type CopyEngineError, type ImageKey } from "../copy/CopyEngine.ts"
import { type Access, accessOf } from "../credentials/access.ts"
import { Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyTask, isFinished } from "../domain/Copy.ts"
import { conditionOf, type Image, type ImageHeader, type ImageStatus } from "../domain/Image.ts"
import type { Mirror } from "../domain/Mirror.ts"
import { decide, type Decision } from "../domain/plan/decide.ts"
import {
  type Blocked,
  type CheckFailure,
  type Checked,
  type Gathered,
  type Observed,
  type Unobserved,
  waitingForOthers,
  type Warning
} from "../domain/plan/facts.ts"
import { isOnlyRateLimited } from "../domain/plan/failures.ts"
import { isCheckDue, nextCheck, type NextCheck } from "../domain/plan/schedule.ts"
import { sameStatus } from "../domain/plan/status.ts"
import { refusals } from "../domain/rules.ts"
import type { StoredImage } from "../domain/StoredImage.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../Metrics.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RegistryNotice } from "../registry/RegistryClient.ts"
import { millisOf } from "../text/instant.ts"
import * as CopyMeter from "./CopyMeter.ts"
import { type Answers, check as checkRegistries, noAnswers, ofSource } from "./look.ts"
import { WaitingList } from "./WaitingList.ts"

/** A reconcile that came to no decision, or could not carry it out. It is to be tried again. */
export type ReconcileError = KubeError | CopyEngineError

export interface Reconciled {
  /** When to reconcile again, unless something changes before. */
  readonly next: NextCheck
  /** What the API server answered when the status was written, if it was. */
  readonly written: Option.Option<ImageObject>
}

/** Who owns the fields of an Image's status. */
export const FIELD_MANAGER = "skopeo-operator"

export class Reconciler extends Context.Service<
  Reconciler,
  {
    /**
     * Brings one Image closer to what it asks for, and says when to check it again. Fails when the API server or the copy
     * engine does, and its caller tries again later; a registry that cannot be asked is a fact in the Image's status.
     */
    readonly reconcile: (image: StoredImage) => Effect.Effect<Reconciled, ReconcileError>
    /** Stops what is under way for an Image that is gone. Copied tags stay. */
    readonly removed: (key: ImageKey) => Effect.Effect<void, ReconcileError>
  }
>()("skopeo-operator/controller/Reconciler") {
  static readonly layer: Layer.Layer<
    Reconciler,
    never,
    KubeClient | RegistryClient | RegistryLimits | CopyEngine | Credentials | Metrics
  > = Layer.effect(
    Reconciler,
    Effect.suspend(() => make)
  )
}

const isDeferred = ({ state }: Copy): boolean => state._tag === "Failed" && state.until !== undefined

/** The last check of an Image whose copies are under way. Losing it costs one check. */
interface Remembered {
  readonly uid: string
  readonly observed: Observed
  readonly warnings: Access["warnings"]
}

interface Answered {
  readonly uid: string
  readonly generation: number
  readonly answers: Answers
  /** Whether the check came to its end. */
  readonly finished: boolean
  /** Whether the source's answers are those of an earlier check that came to its end. */
  readonly reused: boolean
}

const nameOf = (image: ImageKey): string => `${image.namespace}/${image.name}`

const make = Effect.gen(function* () {
  const kube = yield* KubeClient
  const registry = yield* RegistryClient
  const limits = yield* RegistryLimits
  const engine = yield* CopyEngine
  const credentials = yield* Credentials
  const metrics = yield* Metrics
  const meter = CopyMeter.make(engine, metrics)
  /** Images that a registry has deferred. */
  const waitingList = new WaitingList()
  /** By name of the Image. */
  const remembered = new Map<string, Remembered>()
  /** What registries answered checks that are to be resumed, or whose copies are under way, by name of the Image. */
  const answered = new Map<string, Answered>()

  const forget = (image: ImageKey): void => {
    remembered.delete(nameOf(image))
    answered.delete(nameOf(image))
    waitingList.leave(image.namespace, image.name)
  }

  /** Writes the status if it differs, and only to the version of the Image that was read. */
  const writeStatus = (
    image: ImageHeader,
    resourceVersion: string,
    status: ImageStatus
  ): Effect.Effect<Option.Option<ImageObject>, KubeError> => {
    if (sameStatus(image.status, status)) return Effect.succeedNone
    const { name, namespace, uid } = image
    return Effect.asSome(
      kube.applyStatus(Images, { metadata: { name, namespace, uid, resourceVersion }, status }, FIELD_MANAGER)
    )
  }

  const tlsVerifyOf = (mirror: Mirror) => ({
    source: mirror.source.tlsVerify ?? credentials.tlsVerify.source,
    destination: mirror.destination.tlsVerify ?? credentials.tlsVerify.destination
  })

  const reach = (image: Image, mirror: Mirror) => {
    const tlsVerify = tlsVerifyOf(mirror)
    return accessOf(credentials, {
      image,
      source: { ...mirror.source, tlsVerify: tlsVerify.source },
      destination: { ...mirror.destination, tlsVerify: tlsVerify.destination }
    })
  }

  /** Notices that both registries sent with their answers. */
  const noticesOf = (mirror: Mirror): Effect.Effect<ReadonlyArray<Warning>> =>
    Effect.forEach([mirror.source, mirror.destination], ({ repository }) => registry.notices(repository)).pipe(
      Effect.map((notices) => notices.flat().map(warningOf))
    )

  /** A fresh check of both registries. */
  const check = Effect.fnUntraced(function* (
    image: Image,
    mirror: Mirror,
    { destination, source }: Access,
    copies: ReadonlyArray<Copy>
  ) {
    const { generation, uid } = image
    const now = yield* Clock.currentTimeMillis
    const { quota } = yield* limits.allowance(source)
    const facts = { image, mirror, copies, now, asksFreely: quota?.counts === "Pulls" }
    const { answers, reused } = answersFor(answered.get(nameOf(image)), facts)
    const keep = (finished: boolean) =>
      Effect.sync(() => answered.set(nameOf(image), { uid, generation, answers, finished, reused }))
    answered.delete(nameOf(image))
    return yield* checkRegistries({
      mirror,
      generation,
      subsets: image.status.subsets ?? [],
      wasComplete: wasComplete(image),
      readsManifests: engine.supports.manifests,
      bringsReferrers: engine.supports.referrers,
      answers,
      source,
      destination
    }).pipe(
      Effect.map((observed) => ({ observed, reused })),
      Effect.provideService(RegistryClient, registry),
      Effect.provideService(RegistryLimits, limits),
      Effect.provideService(RequestedFor, image.namespace),
      // Copies of a Recurrent Image are tried again without a check.
      Effect.tap(() => (mirror.mode === "OneShot" ? keep(true) : Effect.void)),
      Effect.tapError(({ until }) => (until === undefined ? Effect.void : keep(false)))
    )
  })

  /** What is known of an Image, after a check if one is due. */
  const gather = Effect.fnUntraced(function* (
    image: Image,
    mirror: Mirror,
    copies: ReadonlyArray<Copy>
  ): Effect.fn.Return<Blocked | Unobserved | Checked> {
    const now = yield* Clock.currentTimeMillis
    const known = remembered.get(nameOf(image))
    const kept = known?.uid === image.uid ? known : undefined
    const positionIf = (isWaiting: boolean) =>
      isWaiting ? { position: waitingList.join(image.namespace, image.name) } : {}
    const checked = Effect.fnUntraced(function* (
      { observed, warnings }: Omit<Remembered, "uid">,
      how: Pick<Checked, "fresh" | "reused">
    ): Effect.fn.Return<Checked> {
      return {
        _tag: "Observed",
        mirror,
        copies,
        observed,
        ...how,
        ...positionIf(copies.some(isDeferred)),
        tlsVerify: tlsVerifyOf(mirror),
        warnings,
        notices: yield* noticesOf(mirror)
      }
    })
    const blocked = (failure: CheckFailure, more: Pick<Blocked, "warnings" | "notices">): Blocked => ({
      _tag: "Blocked",
      mirror,
      copies,
      failure,
      ...(kept === undefined ? {} : { observed: kept.observed }),
      ...positionIf(failure.until !== undefined),
      ...more
    })

    const active = copies.filter((copy) => !isFinished(copy)).map(({ tag }) => tag)
    const underWay = new Set([...active, ...(kept === undefined ? [] : waitingForOthers(kept.observed))])
    const isRemembered = kept?.observed.generation === image.generation
    const due = nextCheck({ now, image, mirror, remembered: isRemembered, underWay })
    if (!isCheckDue(due, now)) {
      return kept === undefined ? { _tag: "Unobserved", mirror, copies } : yield* checked(kept, { fresh: false })
    }
    const reached = yield* Effect.result(reach(image, mirror))
    if (Result.isFailure(reached)) {
      const { message, reason, stalled } = reached.failure
      if (image.status.checkFailure?.reason !== reason) yield* Effect.logWarning(`${nameOf(image)}: ${message}`)
      return blocked({ message, reason, stalled }, {})
    }
    const { warnings } = reached.success
    const made = yield* Effect.result(check(image, mirror, reached.success, copies))
    if (Result.isFailure(made)) {
      yield* Effect.logWarning(`${nameOf(image)}: ${made.failure.message}`)
      return blocked(made.failure, { warnings, notices: yield* noticesOf(mirror) })
    }
    const { observed, reused } = made.success
    return yield* checked({ observed, warnings }, { fresh: true, reused })
  })

  const start = (mirror: Mirror, image: Image, task: CopyTask) =>
    Effect.gen(function* () {
      if (!(yield* engine.start(task))) return
      const label = `${image.spec.source.name}:${image.spec.source.version}`
      meter.started(image, label)
      metrics.copyStarted(label)
      yield* Effect.logInfo(
        `${nameOf(image)}: copying ${task.tag} (${task.digest}) to ${mirror.destination.repository.registry}/${mirror.destination.repository.path}`
      )
    })

  /** Starts what was decided. Answers with what the engine refused, as copies that have failed. */
  const startAll = Effect.fnUntraced(function* (mirror: Mirror, image: Image, tasks: ReadonlyArray<CopyTask>) {
    const started = yield* Effect.forEach(tasks, (task) =>
      start(mirror, image, task).pipe(
        Effect.as(Option.none<Copy>()),
        Effect.catchTag("CopyRefused", ({ message, reason }) =>
          Effect.map(Clock.currentTimeMillis, (at) =>
            Option.some<Copy>({ ...task, id: `refused-${at}`, state: { _tag: "Failed", at, reason, message } })
          )
        )
      )
    )
    return started.flatMap((refused) => Option.toArray(refused))
  })

  const record = (image: ImageKey, copy: Copy) =>
    Effect.gen(function* () {
      meter.ended(copy)
      if (copy.state._tag === "Succeeded") {
        metrics.copyFinished("succeeded")
        yield* Effect.logInfo(`${nameOf(image)}: copied ${copy.tag} (${copy.digest})`)
      } else if (copy.state._tag === "Present") {
        metrics.copyFinished("succeeded")
        yield* Effect.logInfo(`${nameOf(image)}: ${copy.tag} is at the destination already (${copy.state.digest})`)
      } else if (copy.state._tag === "Failed") {
        metrics.copyFinished("failed")
        yield* Effect.logWarning(`${nameOf(image)}: ${copy.tag} failed: ${copy.state.message}`)
      }
      yield* engine.release(copy)
    })

  /**
   * Does what was decided, but for starting copies. The status says what is under way before it is, and what has ended
   * before that is forgotten: an operator that starts after a crash between any two of these steps finds out the rest from
   * the registries.
   */
  const carryOut = Effect.fnUntraced(function* (image: ImageHeader, version: string, decision: Decision) {
    yield* Effect.forEach(decision.cancel, engine.cancel, { discard: true })
    const written = yield* writeStatus(image, version, decision.status)
    yield* Effect.forEach(decision.release, (copy) => record(image, copy), { discard: true })
    return written
  })

  /** What is remembered until the next reconcile. */
  const remember = (image: ImageHeader, gathered: Gathered, decision: Decision): void => {
    // What registries have answered so far is kept for the next try.
    if (gathered._tag === "Blocked" || (gathered._tag === "Unobserved" && !gathered.mirror.suspend)) return
    const { observed } = decision
    // A suspended Image is resumed by another spec, which is checked anew.
    if (observed === undefined || (gathered._tag === "Observed" && gathered.mirror.suspend)) forget(image)
    if (observed === undefined) return meter.settled(image)
    const warnings = gathered._tag === "Observed" ? (gathered.warnings ?? []) : []
    remembered.set(nameOf(image), { uid: image.uid, observed, warnings })
    // A list of many thousand tags is not kept for what cannot be copied for other reasons.
    if (decision.start.length === 0 && !isOnlyRateLimited(decision.status)) answered.delete(nameOf(image))
  }

  const reconcile = Effect.fnUntraced(function* (image: StoredImage): Effect.fn.Return<Reconciled, ReconcileError> {
    const version = image.resourceVersion
    const copies = yield* engine.copies(image)
    const problems = image._tag === "Unreadable" ? image.problems : refusals(image.spec, { supports: engine.supports })
    const gathered: Gathered =
      image._tag === "Unreadable" || problems.length > 0
        ? { _tag: "Invalid", problems, copies }
        : yield* gather(image, image.mirror, copies)
    // A check may take longer than the pause after it.
    const now = yield* Clock.currentTimeMillis
    const decision = decide(image, gathered, now)
    const written = yield* carryOut(image, version, decision)
    remember(image, gathered, decision)
    if (image._tag === "Unreadable" || decision.start.length === 0) return { next: decision.next, written }
    const refused = yield* startAll(image.mirror, image, decision.start)
    if (refused.length === 0) return { next: decision.next, written }
    // A refusal concerns its own tag only: the status says so, and when that tag is tried again.
    const { next, status } = decide(image, { ...gathered, copies: [...copies, ...refused] }, now)
    yield* Effect.logInfo(`${nameOf(image)}: ${describeRefused(refused)}`)
    const versionNow = Option.match(written, {
      onNone: () => version,
      onSome: ({ metadata }) => metadata.resourceVersion ?? version
    })
    const { generation, name, namespace, notices, uid } = image
    const header = { namespace, name, uid, generation, notices, status: decision.status }
    const writtenAgain = yield* writeStatus(header, versionNow, status)
    return { next, written: Option.orElse(writtenAgain, () => written) }
  })

  return Reconciler.of({
    reconcile: (image) =>
      reconcile(image).pipe(
        Effect.tapError((error) =>
          // A status is refused because the Image has changed or is gone, which is no failure.
          error._tag === "KubeError" && (error.reason === "Conflict" || error.reason === "NotFound")
            ? Effect.void
            : Effect.logWarning(`${nameOf(image)}: ${error.message}`)
        )
      ),
    removed: Effect.fnUntraced(function* (key) {
      forget(key)
      meter.settled(key)
      const copies = yield* engine.copies(key)
      yield* Effect.forEach(copies, (copy) => (isFinished(copy) ? engine.release(copy) : engine.cancel(copy)), {
        discard: true
      })
    })
  })
})

/**
 * What a check takes over from the one before it. A check that was rate limited resumes; starting over could spend the
 * whole allowance on checks and leave none for copies. After a check that came to its end only the source's answers are
 * taken over, and not when a OneShot tag was just copied, since it is never checked again and must be current, nor when
 * the registry counts pulls only, since HEAD is free and shows when pulls are available.
 */
const answersFor = (
  known: Answered | undefined,
  facts: Pick<Checked, "mirror" | "copies"> & {
    readonly image: ImageHeader
    readonly now: number
    readonly asksFreely: boolean
  }
): Pick<Answered, "answers" | "reused"> => {
  const { asksFreely, copies, image, mirror, now } = facts
  const nothing = { answers: noAnswers(), reused: false }
  if (known?.uid !== image.uid || known.generation !== image.generation) return nothing
  if (!known.finished) return known
  const age = now - millisOf(image.status.lastCheckedAt)
  const isYoung = age >= 0 && age < mirror.frequencyMillis
  const isLast = mirror.tags._tag === "Exact" && copies.some(({ state }) => state._tag === "Succeeded")
  return isOnlyRateLimited(image.status) && isYoung && !isLast && !asksFreely
    ? { answers: ofSource(known.answers), reused: true }
    : nothing
}

/** One line, however many there are: the log is no place for hundreds of tags that wait for one Image. */
const describeRefused = ([first, ...others]: ReadonlyArray<Copy>): string => {
  const why = first?.state._tag === "Failed" ? first.state.message : ""
  return `${first?.tag ?? ""}${others.length === 0 ? "" : ` and ${others.length} more`} cannot be started yet: ${why}`
}

/** Whether the last check found every tag that the Image still asks for at its destination. */
const wasComplete = ({ generation, status }: Image): boolean => {
  const ready = conditionOf(status, "Ready")
  return ready?.status === "True" && ready.reason === "Copied" && ready.observedGeneration === generation
}

const warningOf = ({ _tag, message }: RegistryNotice): Warning =>
  _tag === "CredentialsForwarded"
    ? { type: "CredentialsForwarded", reason: "CredentialsForwardedToThirdParty", message }
    : { type: "RegistryWarning", reason: "RegistryNotice", message }
