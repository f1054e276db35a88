/**
 * The copy engine with Kubernetes Jobs that run Skopeo. The board decides, and JobCommands carries its commands out. The engine
 * passes events to the board and commands from it, and wakes the board in time.
 */
import { Clock, Deferred, Effect, Exit, Fiber, Latch, Layer, Option, PubSub, Scope, Stream } from "effect"
import type { Credentials } from "../../credentials/Credentials.ts"
import type { Policy } from "../../credentials/Policy.ts"
import type { CopyTask } from "../../domain/Copy.ts"
import { type ImageKey, keyOf } from "../../domain/ImageKey.ts"
import type { KubeClient } from "../../kube/KubeClient.ts"
import { listWatch, listWatchAs, type OnRequest } from "../../kube/ListWatch.ts"
import { Refusals } from "../../kube/Refusals.ts"
import { Jobs, Pods } from "../../kube/Resources.ts"
import type { RegistryLimits } from "../../registry/limits/RegistryLimits.ts"
import type { RegistryClient } from "../../registry/RegistryClient.ts"
import { logStarted, requestingSpan } from "../attributes.ts"
import { CopyEngine, CopyEngineError, CopyRefused } from "../CopyEngine.ts"
import { CopyLimits } from "../CopyLimits.ts"
import { describeJob, type JobOptions, selectorOf, uidOf } from "./Job.ts"
import { emptyBoard } from "./board/Board.ts"
import { answerTo, copiesOf } from "./board/queries.ts"
import { step } from "./board/step.ts"
import * as JobCommands from "./JobCommands.ts"
import { type Command, Event } from "./JobEvents.ts"
import { settingsOf } from "./JobManifest.ts"
import { obstacleOf, podOf } from "./JobPod.ts"
import * as JobSpans from "./JobSpans.ts"
import { DEFAULT_TEMPLATE } from "./JobTemplate.ts"

/** How long a reconcile waits for the first lists of Jobs and pods before it fails. */
const SYNC_TIMEOUT = "2 minutes"

const make = Effect.fnUntraced(function* (options: JobOptions) {
  const commands = yield* JobCommands.make(options)
  const limits = yield* CopyLimits
  const { namespace } = options
  const scope = yield* Effect.scope
  // Jobs are found before the controller subscribes. The replay gives a late subscriber their Images.
  const changes = yield* PubSub.unbounded<ImageKey>({ replay: 1_000 })
  const jobsListed = yield* Deferred.make<void>()
  const podsListed = yield* Deferred.make<void>()
  const woken = yield* Latch.make()
  const spans = yield* JobSpans.make
  /** The scopes of attempts. A scope holds the attempt's preparation and its reserved pulls. */
  const kept = new Map<string, Scope.Closeable>()
  const { startSeconds } = options.template ?? DEFAULT_TEMPLATE
  let board = emptyBoard({ limits, namespace, settings: settingsOf(options), startMillis: startSeconds * 1_000 })

  /** Passes an event to the board. The caller carries out all the returned commands. */
  const advance = (event: Event, now: number): ReadonlyArray<Command> => {
    const next = step(board, event, now)
    const isEarlier = next.board.wakeAt !== undefined && next.board.wakeAt !== board.wakeAt
    board = next.board
    spans.follow(board, now)
    if (isEarlier) woken.openUnsafe()
    return next.commands
  }

  const dispatch = (event: Event): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.forEach(advance(event, now), carryOut, { discard: true }))
    )

  /** Begins a command, without waiting for its answer. */
  const carryOut = (command: Command): Effect.Effect<void> => {
    switch (command._tag) {
      case "Announce":
        return Effect.asVoid(PubSub.publish(changes, command.image))
      case "Settle":
        return settle(command.id)
      case "Prepare":
        return prepare(command)
      case "Create":
      case "Check":
      case "MakeSecret":
      case "Delete":
      case "Inspect":
      case "CheckPods":
      case "Tidy":
        return Effect.asVoid(Effect.forkIn(answer(command), scope))
    }
  }

  const prepare = Effect.fnUntraced(function* (command: Extract<Command, { readonly _tag: "Prepare" }>) {
    const { id, name, task } = command
    const own = yield* Scope.fork(scope)
    kept.set(id, own)
    spans.begin(id, name, task)
    yield* Effect.forkIn(answer(command, own), own)
  })

  /** Carries out a command, passes its answer to the board, and gives the answer. */
  const answer = Effect.fnUntraced(function* (
    command: JobCommands.Answered,
    own: Scope.Scope | undefined = "id" in command ? kept.get(command.id) : undefined
  ) {
    const event = yield* commands
      .answer(command)
      .pipe(
        Scope.provide(own ?? scope),
        spans.below(command.name),
        Effect.annotateLogs({ job: `${namespace}/${command.name}` })
      )
    yield* report(event)
    yield* dispatch(event)
    return event
  })

  /** Logs failures that are retried and that no copy shows. */
  const report = (event: Event): Effect.Effect<void> => {
    const messages = {
      NotChecked: "Job not looked up",
      NotDeleted: "Job not deleted",
      NotTidied: "finished Job not tidied up",
      PodsNotChecked: "pods of a Job not looked up"
    }
    return event._tag === "NotChecked" ||
      event._tag === "NotDeleted" ||
      event._tag === "NotTidied" ||
      event._tag === "PodsNotChecked"
      ? Effect.logWarning(messages[event._tag]).pipe(
          Effect.annotateLogs({ job: `${namespace}/${event.name}`, error: event.message })
        )
      : Effect.void
  }

  /** Closes the scope of an attempt in another fiber. The caller may be the preparation, which the scope ends. */
  const settle = (id: string) =>
    Effect.suspend(() => {
      const own = kept.get(id)
      kept.delete(id)
      return own === undefined ? Effect.void : Effect.asVoid(Effect.forkIn(Scope.close(own, Exit.void), scope))
    })

  /** Sends a `Tick` whenever the board has something due. */
  const keepTime = Effect.gen(function* () {
    while (true) {
      woken.closeUnsafe()
      const now = yield* Clock.currentTimeMillis
      const { wakeAt } = board
      if (wakeAt === undefined) yield* woken.await
      else if (wakeAt > now) yield* Effect.raceFirst(Effect.sleep(wakeAt - now), woken.await)
      else yield* dispatch(Event.Tick())
    }
  })

  const refusals = new Refusals()
  const isRefused = yield* Latch.make()
  const onRequest = (plural: string): OnRequest => {
    const observe = refusals.of(plural)
    return (failure) => {
      observe(failure)
      if (Option.isNone(refusals.lasting)) isRefused.closeUnsafe()
      else isRefused.openUnsafe()
    }
  }

  const ofInstance = { namespace, labelSelector: selectorOf(options.instance) }
  const followJobs = listWatch(Jobs, ofInstance, onRequest(Jobs.plural)).pipe(
    Stream.runForEach((event) => {
      switch (event._tag) {
        case "Replaced":
          return Effect.andThen(
            dispatch(Event.Relisted({ jobs: event.objects })),
            Deferred.succeed(jobsListed, undefined)
          )
        case "Applied":
          return dispatch(Event.Seen({ job: event.object }))
        case "Deleted":
          return dispatch(Event.Gone({ name: event.object.metadata.name, uid: uidOf(event.object) }))
      }
    })
  )

  const followPods = listWatchAs(Pods, ofInstance, podOf, onRequest(Pods.plural)).pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Replaced") {
        const pods = event.objects.filter((pod) => pod !== undefined)
        return Effect.andThen(dispatch(Event.PodsRelisted({ pods })), Deferred.succeed(podsListed, undefined))
      }
      const pod = event.object
      if (pod === undefined) return Effect.void
      return dispatch(
        event._tag === "Applied" ? Event.PodSeen({ pod }) : Event.PodGone({ name: pod.job.name, uid: pod.uid })
      )
    })
  )

  // Without one of these loops copies would stand still. The end of `changes` reports that.
  for (const loop of [followJobs, followPods, keepTime]) {
    yield* Effect.forkScoped(Effect.ensuring(loop, PubSub.shutdown(changes)))
  }

  /** No Job is created before the pods are known: a pod that outlives its Job may write the tag. */
  const listed = Effect.andThen(Deferred.await(jobsListed), Deferred.await(podsListed))
  const ready = Effect.raceFirst(listed, isRefused.await).pipe(
    Effect.timeoutOrElse({
      duration: SYNC_TIMEOUT,
      orElse: () =>
        Effect.fail(
          new CopyEngineError({
            reason: "JobsUnknown",
            detail: `the Jobs in namespace ${namespace} and their pods could not be listed within ${SYNC_TIMEOUT}`
          })
        )
    })
  )

  /** Starts a copy, or makes the missing Secret of its Job. Gives the answer of the board and the result for the Secret. */
  const begin = (task: CopyTask) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const found = answerTo(board, task)
        const todo = advance(Event.Start({ task }), now)
        const secret = todo.find((command) => command._tag === "MakeSecret")
        const others = todo.filter((command) => command !== secret)
        yield* Effect.forEach(others, carryOut, { discard: true })
        if (secret === undefined) return { found, event: undefined }
        return { found, event: yield* restore(Fiber.join(yield* Effect.forkIn(answer(secret), scope))) }
      })
    )

  return CopyEngine.of({
    supports: { platforms: true, referrers: false, manifests: false },

    start: Effect.fn("JobEngine.start")(function* (task) {
      yield* ready
      const forbidden = refusals.lasting
      if (Option.isSome(forbidden)) {
        const { message } = obstacleOf("JobsForbidden", forbidden.value)
        return yield* new CopyRefused({ reason: "JobsForbidden", detail: message })
      }
      spans.requested(task, yield* requestingSpan)
      const { event, found } = yield* begin(task)
      if (found._tag === "Busy") {
        const { image } = found.other
        return yield* new CopyRefused({
          reason: "DestinationBusy",
          detail: `${describeJob(namespace, found.other)} runs for Image ${keyOf(image)}`
        })
      }
      if (event?._tag === "SecretNotMade") {
        return yield* new CopyRefused({ reason: "SecretNotCreated", detail: event.message })
      }
      if (found._tag !== "Started") return false
      yield* logStarted(task)
      return true
    }),

    copies: Effect.fn("JobEngine.copies")((image) => Effect.map(ready, () => copiesOf(board, image))),

    cancel: Effect.fn("JobEngine.cancel")((copy) => dispatch(Event.Cancel({ copy }))),

    release: Effect.fn("JobEngine.release")((copy) => dispatch(Event.Release({ copy }))),

    changes: Stream.fromPubSub(changes),

    unavailable: Effect.sync(() => refusals.lasting),

    prune: Effect.fn("JobEngine.prune")((image, uid) => dispatch(Event.Prune({ image, uid })))
  })
})

/**
 * The engine. It watches its own Jobs in one namespace from its creation on.
 *
 * @example
 * ```ts
 * JobEngine.layer({
 *   namespace: "skopeo-operator-jobs",
 *   image: "quay.io/containers/skopeo:v1.16.1",
 *   instance: "skopeo-operator"
 * })
 * ```
 */
export const layer = (
  options: JobOptions
): Layer.Layer<CopyEngine, never, KubeClient | RegistryClient | RegistryLimits | Credentials | Policy | CopyLimits> =>
  Layer.effect(CopyEngine, make(options))
