/**
 * Decides the requests of a reader that follows all objects of a kind: lists, and then watches from the version of the list.
 * Pure: {@link step} takes an input, and gives the next state, the output for the reader's consumer, and the next request. The
 * states come from kube-rs's watcher, and the rules from client-go's reflector.
 */
import { Option } from "effect"
import { type Backoff, pauseAfter } from "../domain/backoff.ts"
import type { KubeError, WatchEvent } from "./KubeClient.ts"

/** The phase of a reader. */
export type Phase =
  /** The reader has no version from which to watch. */
  | { readonly _tag: "Empty" }
  /** The reader reads a list page by page. */
  | { readonly _tag: "InitPage" }
  /** The reader reads a list as the beginning of a watch. */
  | { readonly _tag: "InitialWatch" }
  /** The reader watches from this version, or pauses before. No event has come since. `isFresh`: a list gave the version. */
  | { readonly _tag: "InitListed"; readonly resourceVersion: string; readonly since: number; readonly isFresh: boolean }
  /** The reader gets events. This is the version of the last event. */
  | { readonly _tag: "Watching"; readonly resourceVersion: string }

export interface State {
  readonly phase: Phase
  /** Whether the reader requests lists as streams. False once the API server has shown that it has no such lists. */
  readonly isStreaming: boolean
  /** Failures in a row. A list or an event does not reset the count, because the next watch may be refused as too old again. */
  readonly failures: number
  /** The time since which no watch has failed. */
  readonly healthySince: Option.Option<number>
}

export const initialState: State = {
  phase: { _tag: "Empty" },
  isStreaming: true,
  failures: 0,
  healthySince: Option.none()
}

/** An input of a step. Each of the last three closes the request. */
export type Input<A> =
  | { readonly _tag: "Event"; readonly event: WatchEvent<A> }
  | {
      readonly _tag: "Page"
      readonly objects: ReadonlyArray<A>
      readonly resourceVersion: string
      readonly continue?: string
    }
  /** A pause is over. This is also the first input of a reader. */
  | { readonly _tag: "Resumed" }
  /** No event has come for the time that {@link silenceOf} gives. */
  | { readonly _tag: "Silent" }
  /** The API server has ended the watch, or its connection is dead. */
  | { readonly _tag: "Ended" }
  | { readonly _tag: "Failed"; readonly error: KubeError }

/** An output for the reader's consumer. The outputs from `Init` to `InitDone` are a list, which replaces all earlier objects. */
export type Output<A> =
  | { readonly _tag: "Init" | "InitDone" }
  | { readonly _tag: "InitApply" | "InitDelete" | "Apply" | "Delete"; readonly object: A }

/** The next request. Its results are inputs. The last of them gives the request that follows. */
export type Request =
  | { readonly _tag: "List"; readonly continue?: string }
  /** A watch without a version is a list as a stream, and then a watch. */
  | { readonly _tag: "Watch"; readonly resourceVersion?: string; readonly timeoutSeconds: number }
  /** `attempt` is the number of failures in a row. `error` is the last failure. */
  | { readonly _tag: "Pause"; readonly millis: number; readonly attempt: number; readonly error: string }

export interface Step<A> {
  readonly state: State
  readonly output: ReadonlyArray<Output<A>>
  /** Replaces the open request. Absent if the open request continues. */
  readonly request?: Request
}

/** The time of an input, and a random number in [0, 1), which spreads the requests of many clients. */
export interface Moment {
  readonly now: number
  readonly random: number
}

/** The requested duration of a watch. Some proxies cut off a watch after 300 s, so the API server has to end it before. */
const WATCH_SECONDS = { shortest: 260, longest: 290 }
/** The longest silence in a list as a stream. An API server without such lists may accept the request and never end the list. */
const INITIAL_SILENCE_MILLIS = 10_000
/** A watch that ends sooner without an event is a failure. Otherwise the reader would request watches in a tight loop. */
const SHORTEST_WATCH_MILLIS = 1_000
const BACKOFF: Backoff = { baseMillis: 800, maximumMillis: 30_000 }
/** Each pause is shorter or longer by up to this share, so that the clients of a restarted API server do not return together. */
const JITTER = 0.2
/** After this time without a failure the pauses start at the base again. */
const HEALTHY_MILLIS = 120_000

/** The milliseconds without an event after which `Silent` is an input. `undefined` for any time. */
export const silenceOf = ({ phase }: State): number | undefined =>
  phase._tag === "InitialWatch" ? INITIAL_SILENCE_MILLIS : undefined

/** One step of a reader. An input that does not belong to the phase changes nothing. */
export const step = <A>(state: State, input: Input<A>, at: Moment): Step<A> => {
  switch (input._tag) {
    case "Resumed":
      return resume(state, at)
    case "Page":
      return state.phase._tag === "InitPage" ? readPage(state, input, at) : { state, output: [] }
    case "Event":
      return readEvent(state, input.event, at)
    case "Silent":
      return state.phase._tag === "InitialWatch" ? listInPages({ ...state, isStreaming: false }) : { state, output: [] }
    case "Ended":
      return ended(state, at)
    case "Failed":
      return failed(state, input.error, input.error.code === 410, at)
  }
}

const versionOf = (phase: Phase): string | undefined => ("resourceVersion" in phase ? phase.resourceVersion : undefined)

/** Watches from the last version, or lists if there is none. */
const resume = <A>(state: State, at: Moment): Step<A> => {
  const resourceVersion = versionOf(state.phase)
  if (resourceVersion !== undefined) return watchFrom(state, resourceVersion, at)
  if (!state.isStreaming) return listInPages(state)
  return {
    state: { ...state, phase: { _tag: "InitialWatch" } },
    output: [{ _tag: "Init" }],
    request: { _tag: "Watch", timeoutSeconds: watchSeconds(at) }
  }
}

/** Lists without a version, so that the list is as new as etcd. A list with a version may come from an old cache. */
const listInPages = <A>(state: State): Step<A> => ({
  state: { ...state, phase: { _tag: "InitPage" } },
  output: [{ _tag: "Init" }],
  request: { _tag: "List" }
})

const watchFrom = <A>(state: State, resourceVersion: string, at: Moment, isFresh = false): Step<A> => ({
  state: {
    ...state,
    phase: { _tag: "InitListed", resourceVersion, since: at.now, isFresh },
    healthySince: Option.orElseSome(state.healthySince, () => at.now)
  },
  output: [],
  request: { _tag: "Watch", resourceVersion, timeoutSeconds: watchSeconds(at) }
})

const watchSeconds = ({ random }: Moment): number =>
  WATCH_SECONDS.shortest + Math.floor(random * (WATCH_SECONDS.longest - WATCH_SECONDS.shortest + 1))

const readPage = <A>(state: State, page: Extract<Input<A>, { _tag: "Page" }>, at: Moment): Step<A> => {
  const output = page.objects.map((object): Output<A> => ({ _tag: "InitApply", object }))
  if (page.continue !== undefined) return { state, output, request: { _tag: "List", continue: page.continue } }
  return { ...watchFrom(state, page.resourceVersion, at, true), output: [...output, { _tag: "InitDone" }] }
}

const readEvent = <A>(state: State, event: WatchEvent<A>, at: Moment): Step<A> => {
  const { phase } = state
  if (phase._tag === "Empty" || phase._tag === "InitPage") return { state, output: [] }
  switch (event.type) {
    case "ERROR":
      // After an error the watch may have missed events, unless the API server was only busy.
      return failed(state, event.error, event.error.code !== 429, at)
    case "BOOKMARK": {
      const { isInitialEnd = false, resourceVersion } = event
      if (phase._tag !== "InitialWatch")
        return { state: { ...state, phase: { ...phase, resourceVersion } }, output: [] }
      if (!isInitialEnd) return { state, output: [] }
      return {
        state: { ...state, phase: { _tag: "Watching", resourceVersion }, healthySince: Option.some(at.now) },
        output: [{ _tag: "InitDone" }]
      }
    }
    case "ADDED":
    case "MODIFIED":
    case "DELETED": {
      const { object, resourceVersion } = event
      const isGone = event.type === "DELETED"
      // While a list comes as a stream, objects that it has already brought may change.
      if (phase._tag === "InitialWatch") {
        return { state, output: [{ _tag: isGone ? "InitDelete" : "InitApply", object }] }
      }
      return {
        state: { ...state, phase: { _tag: "Watching", resourceVersion } },
        output: [{ _tag: isGone ? "Delete" : "Apply", object }]
      }
    }
  }
}

const ended = <A>(state: State, at: Moment): Step<A> => {
  const { phase } = state
  if (phase._tag === "InitialWatch") return listInPages(state)
  return phase._tag === "InitListed" && at.now - phase.since < SHORTEST_WATCH_MILLIS
    ? pause(state, phase, "the API server ended the watch at once", at)
    : resume(state, at)
}

/**
 * The step after a failure. A reader keeps a version that is still valid, because a list is the most expensive request. If the
 * API server refuses a list as a stream, the reader lists in pages at once.
 */
const failed = <A>(state: State, error: KubeError, isVersionLost: boolean, at: Moment): Step<A> => {
  const { phase } = state
  if (phase._tag === "InitialWatch" && error.code !== 0 && error.code !== 429) {
    // 400 and 422 mean that the API server has no such lists. Any other refusal may be temporary.
    return listInPages({ ...state, isStreaming: error.code !== 400 && error.code !== 422 })
  }
  // After an outage 410 is expected, and the reader lists at once. A 410 for the version of a new list is a fault of the API
  // server, and the reader pauses.
  if (error.code === 410 && phase._tag === "InitListed" && !phase.isFresh) {
    return resume({ ...state, phase: { _tag: "Empty" } }, at)
  }
  const resourceVersion = versionOf(phase)
  const next: Phase =
    resourceVersion === undefined || isVersionLost
      ? { _tag: "Empty" }
      : { _tag: "InitListed", resourceVersion, since: at.now, isFresh: false }
  return pause(state, next, error.message, at, error.until)
}

const pause = <A>(state: State, phase: Phase, error: string, at: Moment, until = at.now): Step<A> => {
  const isHealthy = Option.exists(state.healthySince, (since) => at.now - since >= HEALTHY_MILLIS)
  const attempt = isHealthy ? 1 : state.failures + 1
  return {
    state: { ...state, phase, failures: attempt, healthySince: Option.none() },
    output: [],
    request: {
      _tag: "Pause",
      millis: Math.max(jittered(pauseAfter(BACKOFF, attempt), at.random), until - at.now),
      attempt,
      error
    }
  }
}

/** A pause with jitter, in whole milliseconds. */
const jittered = (millis: number, random: number): number => Math.round(millis * (1 - JITTER + 2 * JITTER * random))
