/** One reconcile: gather facts, let the domain decide, act. What is true is asked of the registries, not remembered. */
import { Clock, Context, Effect, Layer, Option, Result, Schema } from "effect"
import { CopyEngine, type CopyEngineError, type EngineSupport, type ImageKey } from "../copy/CopyEngine.ts"
import { type Access, accessOf } from "../credentials/access.ts"
import { type CredentialError, Credentials } from "../credentials/Credentials.ts"
import { type Copy, type CopyTask, isFinished } from "../domain/Copy.ts"
import { millisOf } from "../text/instant.ts"
import type { Image, ImageHead, ImageStatus } from "../domain/Image.ts"
import {
  awaitingIn,
  decide,
  type Decision,
  type Facts,
  isOnlyPutOff,
  type Look,
  nextCredentials,
  nextLook,
  type NextLook,
  sameStatus,
  setBack,
  stall,
  suspend,
  type Warning
} from "../domain/Plan.ts"
import type { Problem } from "../domain/Problem.ts"
import { retryAt } from "../domain/RetryAfter.ts"
import type { Selection } from "../domain/Selection.ts"
import type { ReadableImage, StoredImage } from "../domain/StoredImage.ts"
import { isExact } from "../domain/TagPattern.ts"
import { Turns } from "../domain/Turns.ts"
import { KubeClient, type KubeError } from "../kube/KubeClient.ts"
import { type ImageObject, Images } from "../kube/Resources.ts"
import { Metrics } from "../Metrics.ts"
import { RegistryLimits, RequestedFor } from "../registry/limits/RegistryLimits.ts"
import { RegistryClient, type RegistryNotice } from "../registry/RegistryClient.ts"
import * as CopyMeter from "./CopyMeter.ts"
import { type Answers, look as lookAtRegistries, type LookFailure, noAnswers, ofSource } from "./look.ts"

/** The registries could not be asked; what is wrong stands in the Image's status. It is to be tried again. */
export class LookError extends Schema.TaggedError<LookError>()("LookError", {
  reason: Schema.String,
  detail: Schema.String,
  /** When to ask again, where the registry asked to be left alone. */
  retryAfterMillis: Schema.optionalKey(Schema.Finite)
}) {
  override get message(): string {
    return this.detail
  }
}

export type ReconcileError = LookError | KubeError | CopyEngineError

export interface Reconciled {
  /** When to reconcile again, unless something changes before. */
  readonly next: NextLook
  /** What the API server answered when the status was written, if it was. */
  readonly written: Option.Option<ImageObject>
}

/** Who owns the fields of an Image's status. */
export const FIELD_MANAGER = "skopeo-operator"

export class Reconciler extends Context.Service<
  Reconciler,
  {
    /**
     * Brings one Image closer to what it asks for, and says when to look again. Fails when an API server, an engine or a
     * registry does not play along; its caller tries again later.
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

const isPutOff = ({ state }: Copy): boolean => state._tag === "Failed" && state.retryAfterMillis !== undefined

interface Answered {
  readonly uid: string
  readonly generation: number
  readonly answers: Answers
  /** Whether the look came to its end. */
  readonly finished: boolean
  /** Whether the source answered an earlier look, that came to its end. */
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
  const meter = yield* CopyMeter.make(engine, metrics)
  /** Images that a registry has put off. */
  const turns = new Turns()
  /** The last look at Images whose copies are under way, by name. Losing it costs one look. */
  const looks = new Map<string, { readonly uid: string; readonly look: Look; readonly warnings: Access["warnings"] }>()

  /** What registries answered looks that go on, or whose copies are under way, by name. */
  const answered = new Map<string, Answered>()

  const forget = (image: ImageKey): void => {
    looks.delete(nameOf(image))
    answered.delete(nameOf(image))
    turns.leave(image.namespace, image.name)
  }

  /** Writes the status if it differs, and only to the version of the Image that was read. */
  const writeStatus = (
    image: ImageHead,
    resourceVersion: string,
    status: ImageStatus
  ): Effect.Effect<Option.Option<ImageObject>, KubeError> => {
    if (sameStatus(image.status, status)) return Effect.succeedNone
    const { name, namespace, uid } = image
    return Effect.asSome(
      kube.applyStatus(Images, { metadata: { name, namespace, uid, resourceVersion }, status }, FIELD_MANAGER)
    )
  }

  const tlsVerifyOf = (selection: Selection) => ({
    source: selection.source.tlsVerify ?? credentials.tlsVerify.source,
    destination: selection.destination.tlsVerify ?? credentials.tlsVerify.destination
  })

  const reach = (image: Image, { destination, source, ...selection }: Selection) =>
    accessOf(credentials, {
      image,
      source: source.repository,
      destination: destination.repository,
      credentials: { source: source.credentials, destination: destination.credentials },
      tlsVerify: tlsVerifyOf({ destination, source, ...selection })
    })

  /** No credentials, no look: what there is to mend stands in the status, and is looked at again before long. */
  const withoutCredentials = Effect.fnUntraced(function* (image: Image, version: string, error: CredentialError) {
    const now = yield* Clock.currentTimeMillis
    const { message, problem, reason, stalled } = error
    const status = stalled ? stall(image, [problem], now) : setBack(image, { reason, message }, now)
    const written = yield* writeStatus(image, version, status)
    if (Option.isSome(written)) yield* Effect.logWarning(`${nameOf(image)}: ${message}`)
    return { next: nextCredentials(image, now), written }
  })

  /** What both registries told beside what they were asked. */
  const warningsOf = (selection: Selection): Effect.Effect<ReadonlyArray<Warning>> =>
    Effect.forEach([selection.source, selection.destination], ({ repository }) => registry.notices(repository)).pipe(
      Effect.map((notices) => notices.flat().map(warningOf))
    )

  /** A fresh look at both registries; a failure stands in the status before it is one. */
  const lookAt = Effect.fnUntraced(function* (
    image: Image,
    version: string,
    selection: Selection,
    { destination, source, warnings }: Access,
    copies: ReadonlyArray<Copy>
  ) {
    const { generation, uid } = image
    const now = yield* Clock.currentTimeMillis
    const { quota } = yield* limits.allowance(source)
    const facts = { image, selection, copies, now, asksFreely: quota?.counts === "Pulls" }
    const { answers, reused } = toGoOnWith(answered.get(nameOf(image)), facts) ?? {
      answers: noAnswers(),
      reused: false
    }
    const keep = (finished: boolean) => answered.set(nameOf(image), { uid, generation, answers, finished, reused })
    answered.delete(nameOf(image))
    return yield* lookAtRegistries({
      selection,
      generation: image.generation,
      subsets: image.status.subsets ?? [],
      wasComplete: wasComplete(image),
      readsManifests: engine.supports.manifests,
      bringsReferrers: engine.supports.referrers,
      answers,
      source,
      destination
    }).pipe(
      Effect.provideService(RegistryClient, registry),
      Effect.provideService(RegistryLimits, limits),
      Effect.provideService(RequestedFor, image.namespace),
      // Copies of what is followed are tried again without a look.
      Effect.tap(() =>
        Effect.sync(() => {
          if (selection.mode === "OneShot") keep(true)
        })
      ),
      Effect.catch((failure: LookFailure) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const told = [...warnings, ...(yield* warningsOf(selection))]
          yield* writeStatus(image, version, setBack(image, failure, now, told))
          yield* Effect.logWarning(`${nameOf(image)}: ${failure.message}`)
          const { message, reason, until } = failure
          if (until !== undefined) keep(false)
          return yield* new LookError({
            reason,
            detail: message,
            ...(until === undefined
              ? {}
              : { retryAfterMillis: retryAt(now, until - now, turns.take(image.namespace, image.name)) - now })
          })
        })
      )
    )
  })

  const start = (selection: Selection, image: Image, task: CopyTask) =>
    Effect.gen(function* () {
      if (!(yield* engine.start(task))) return
      const label = `${image.spec.source.name}:${image.spec.source.version}`
      meter.started(image, label)
      yield* metrics.copyStarted(label)
      yield* Effect.logInfo(
        `${nameOf(image)}: copying ${task.tag} (${task.digest}) to ${selection.destination.repository.registry}/${selection.destination.repository.path}`
      )
    })

  /** Starts what was decided. Answers with what the engine refused, as copies that have failed. */
  const startAll = Effect.fnUntraced(function* (selection: Selection, image: Image, tasks: ReadonlyArray<CopyTask>) {
    const started = yield* Effect.forEach(tasks, (task) =>
      start(selection, image, task).pipe(
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

  const record = (image: Image, copy: Copy) =>
    Effect.gen(function* () {
      meter.ended(copy)
      if (copy.state._tag === "Succeeded") {
        yield* metrics.copyFinished("succeeded")
        yield* Effect.logInfo(`${nameOf(image)}: copied ${copy.tag} (${copy.digest})`)
      } else if (copy.state._tag === "Present") {
        yield* metrics.copyFinished("succeeded")
        yield* Effect.logInfo(`${nameOf(image)}: ${copy.tag} is at the destination already (${copy.state.digest})`)
      } else if (copy.state._tag === "Failed") {
        yield* metrics.copyFinished("failed")
        yield* Effect.logWarning(`${nameOf(image)}: ${copy.tag} failed: ${copy.state.message}`)
      }
      yield* engine.release(copy)
    })

  /** Ends copies of an Image that no longer wants any, or that is another of the same name. */
  const clear = (copies: ReadonlyArray<Copy>) =>
    Effect.forEach(copies, (copy) => (isFinished(copy) ? engine.release(copy) : engine.cancel(copy)), { discard: true })

  /**
   * Does what was decided, but for starting copies. The status says what is under way before it is, and what has ended
   * before that is forgotten: an operator that starts after a crash between any two of these steps finds out the rest from
   * the registries.
   */
  const carryOut = Effect.fnUntraced(function* (image: Image, version: string, decision: Decision) {
    yield* Effect.forEach(decision.cancel, engine.cancel, { discard: true })
    const written = yield* writeStatus(image, version, decision.status)
    yield* Effect.forEach(decision.release, (copy) => record(image, copy), { discard: true })
    return written
  })

  const reconcile = Effect.fnUntraced(function* (stored: StoredImage): Effect.fn.Return<Reconciled, ReconcileError> {
    const now = yield* Clock.currentTimeMillis
    const version = stored.resourceVersion
    const copies = yield* engine.copies(stored)
    const problems = stored._tag === "Unreadable" ? stored.problems : unsupported(stored, engine.supports)
    if (stored._tag === "Unreadable" || problems.length > 0) {
      forget(stored)
      yield* clear(copies)
      const written = yield* writeStatus(stored, version, stall(stored, problems, now))
      return { next: { _tag: "Never", why: "Stalled" }, written }
    }
    const image: Image = stored
    const selection = stored.mirror
    const remembered = looks.get(nameOf(image))
    const kept = remembered?.uid === image.uid ? remembered : undefined
    if (image.spec.suspend) {
      const decision = suspend({ now, image, selection, copies, ...(kept === undefined ? {} : { look: kept.look }) })
      const written = yield* carryOut(image, version, decision)
      // To resume it is another spec, which is looked at anew.
      forget(image)
      if (kept === undefined || decision.look === undefined) meter.settled(image)
      else looks.set(nameOf(image), { ...kept, look: decision.look })
      return { next: decision.next, written }
    }

    const active = copies.filter((copy) => !isFinished(copy)).map(({ tag }) => tag)
    const underWay = new Set([...active, ...(kept === undefined ? [] : awaitingIn(kept.look))])
    const due = nextLook({ now, image, selection, hasLook: kept?.look.generation === image.generation, underWay })
    const isDue = due._tag === "At" && due.why !== "PutOff" && due.millis <= now
    if (!isDue && kept === undefined) {
      yield* clear(copies)
      return { next: due, written: Option.none() }
    }
    let current = kept
    if (isDue || current === undefined) {
      const reached = yield* Effect.result(reach(image, selection))
      if (Result.isFailure(reached)) return yield* withoutCredentials(image, version, reached.failure)
      const access = reached.success
      current = {
        uid: image.uid,
        look: yield* lookAt(image, version, selection, access, copies),
        warnings: access.warnings
      }
    }
    const { look, uid, warnings } = current
    const facts: Facts = {
      // A check may take longer than the pause after it.
      now: yield* Clock.currentTimeMillis,
      image,
      selection,
      look,
      looked: isDue,
      ...(answered.get(nameOf(image))?.reused === true ? { reused: true } : {}),
      copies,
      ...(copies.some(isPutOff) ? { turn: turns.take(image.namespace, image.name) } : {}),
      tlsVerify: tlsVerifyOf(selection),
      warnings: [...warnings, ...(yield* warningsOf(selection))]
    }
    const decision = decide(facts)
    const written = yield* carryOut(image, version, decision)
    if (decision.look === undefined) {
      forget(image)
      meter.settled(image)
    } else {
      looks.set(nameOf(image), { uid, look: decision.look, warnings })
      // A list of many thousand tags is not kept for what cannot be copied for other reasons.
      if (decision.start.length === 0 && !isOnlyPutOff(decision.status)) answered.delete(nameOf(image))
    }
    const refused = yield* startAll(selection, image, decision.start)
    if (refused.length === 0) return { next: decision.next, written }
    // What was refused is news of those tags alone: the status tells of it, and when it is tried again.
    const { next, status } = decide({ ...facts, copies: [...copies, ...refused] })
    yield* Effect.logInfo(`${nameOf(image)}: ${describeRefused(refused)}`)
    const versionNow = Option.match(written, {
      onNone: () => version,
      onSome: ({ metadata }) => metadata.resourceVersion ?? version
    })
    const writtenAgain = yield* writeStatus({ ...image, status: decision.status }, versionNow, status)
    return { next, written: Option.orElse(writtenAgain, () => written) }
  })

  return Reconciler.of({
    reconcile: (image) =>
      reconcile(image).pipe(
        // A registry that names a time is asked again then, not by a backoff that knows nothing of it.
        Effect.catchIf(
          (error) => error._tag === "LookError" && error.retryAfterMillis !== undefined,
          (error) =>
            Effect.map(Clock.currentTimeMillis, (now): Reconciled => {
              const millis = now + (error._tag === "LookError" ? (error.retryAfterMillis ?? 0) : 0)
              return { next: { _tag: "At", millis, why: "Retry" }, written: Option.none() }
            })
        ),
        Effect.tapError((error) =>
          // A failed look is logged already. A status is refused because the Image has changed or is gone, which is no failure.
          error._tag === "LookError" ||
          (error._tag === "KubeError" && (error.reason === "Conflict" || error.reason === "NotFound"))
            ? Effect.void
            : Effect.logWarning(`${nameOf(image)}: ${error.message}`)
        )
      ),
    removed: (key) =>
      Effect.suspend(() => {
        forget(key)
        meter.settled(key)
        return Effect.flatMap(engine.copies(key), clear)
      })
  })
})

/**
 * Begun anew, a look that a registry puts off might never come to an end, nor would copies, if all that the registry
 * allows went into looks. What the destination has is asked again: a tag that is never overwritten may have come there.
 * So is the source once a tag that is copied once is there: nobody looks later whether it has moved meanwhile; and
 * where only pulls are counted, for what costs none tells whether there are some again.
 */
const toGoOnWith = (
  known: Answered | undefined,
  facts: Pick<Facts, "image" | "selection" | "copies" | "now"> & { readonly asksFreely: boolean }
): Pick<Answered, "answers" | "reused"> | undefined => {
  const { asksFreely, copies, image, now, selection } = facts
  if (known?.uid !== image.uid || known.generation !== image.generation) return undefined
  if (!known.finished) return known
  const age = now - millisOf(image.status.lastCheckedAt)
  const isYoung = age >= 0 && age < selection.frequencyMillis
  const isLast = isExact(selection.pattern) && copies.some(({ state }) => state._tag === "Succeeded")
  return isOnlyPutOff(image.status) && isYoung && !isLast && !asksFreely
    ? { answers: ofSource(known.answers), reused: true }
    : undefined
}

/** One line, however many there are: the log is no place for hundreds of tags that wait for one Image. */
const describeRefused = ([first, ...others]: ReadonlyArray<Copy>): string => {
  const why = first?.state._tag === "Failed" ? first.state.message : ""
  return `${first?.tag ?? ""}${others.length === 0 ? "" : ` and ${others.length} more`} cannot be started yet: ${why}`
}

/** Whether every tag that the Image still asks for was at its destination when that was last looked at. */
const wasComplete = ({ generation, status }: Image): boolean => {
  const [done, total] = (status.tags ?? "").split("/")
  return done === total && total !== undefined && Number(total) > 0 && status.observedGeneration === generation
}

const warningOf = ({ _tag, message }: RegistryNotice): Warning =>
  _tag === "CredentialsForwarded"
    ? { type: "CredentialsForwarded", reason: "TokenServerElsewhere", message }
    : { type: "RegistryWarning", reason: "RegistrySays", message }

/** What an engine cannot do is as wrong as a slip in the Image: only a change of either helps. */
const unsupported = ({ mirror, spec }: ReadableImage, supports: EngineSupport): ReadonlyArray<Problem> =>
  mirror.platforms.length === 0 || supports.platforms
    ? []
    : [
        {
          field: "spec.platforms",
          value: spec.platforms,
          reason: "PlatformsUnsupported",
          message:
            "cannot be copied by this copy engine; leave it out, or use another engine (COPY_ENGINE, the chart's config.copyEngine)"
        }
      ]
