/**
 * What a reader that follows all objects of a kind asks the API server next: it lists them, then watches from there. Pure:
 * {@link step} is given what came in, and answers with the next state, what the reader's consumer is to know, and the next
 * request. The states are those of kube-rs's watcher, the rules those of client-go's reflector.
 */
import { Option } from "effect"
import type { KubeError, WatchEvent } from "./KubeClient.ts"

/** How far a reader is. */
export type Phase =
  /** No version is known to watch from. */
  | { readonly _tag: "Empty" }
  /** A list is read page by page. */
  | { readonly _tag: "InitPage" }
  /** A list is read from a watch that begins with it. */
  | { readonly _tag: "InitialWatch" }
  /** A watch from this version has been asked for, and has brought no event yet. `isFresh`: the version is that of a list. */
  | { readonly _tag: "InitListed"; readonly resourceVersion: string; readonly since: number; readonly isFresh: boolean }
  /** A watch brings events; this is the version of the last. */
  | { readonly _tag: "Watching"; readonly resourceVersion: string }

export interface State {
  readonly phase: Phase
  /** Whether lists are asked for as a stream: until the API server shows that it has none. */
  readonly isStreaming: boolean
  /** Failures in a row. Neither a list nor an event ends the row: a list may be followed by the 410 that it was made for. */
  readonly failures: number
  /** Since when no watch has failed. */
  readonly healthySince: Option.Option<number>
}

export const initialState: State = {
  phase: { _tag: "Empty" },
  isStreaming: true,
  failures: 0,
  healthySince: Option.none()
}

/** What comes in. After each of the last three the request is closed. */
export type Input<A> =
  | { readonly _tag: "Event"; readonly event: WatchEvent<A> }
  | {
      readonly _tag: "Page"
      readonly objects: ReadonlyArray<A>
      readonly resourceVersion: string
      readonly continue?: string
    }
  /** A pause is over; the first input of all. */
  | { readonly _tag: "Resumed" }
  /** Nothing has come for as long as {@link silenceOf} says. */
  | { readonly _tag: "Silent" }
  /** The API server has ended the watch, or its connection is dead. */
  | { readonly _tag: "Ended" }
  | { readonly _tag: "Failed"; readonly error: KubeError }

/** What the consumer is to know. From `Init` to `InitDone` a list comes, which replaces all that was known before. */
export type Output<A> =
  | { readonly _tag: "Init" | "InitDone" }
  | { readonly _tag: "InitApply" | "InitDelete" | "Apply" | "Delete"; readonly object: A }

/** What is to be done next. It is answered by inputs, the last of which leads to the next request. */
export type Request =
  | { readonly _tag: "List"; readonly continue?: string }
  /** Without a version: a list as a stream, and then a watch. */
  | { readonly _tag: "Watch"; readonly resourceVersion?: string; readonly timeoutSeconds: number }
  /** `attempt` counts the failures in a row, `error` is the last. */
  | { readonly _tag: "Pause"; readonly millis: number; readonly attempt: number; readonly error: string }

export interface Step<A> {
  readonly state: State
  readonly output: ReadonlyArray<Output<A>>
  /** Takes the place of the request that is open; absent while that goes on. */
  readonly request?: Request
}

/** When an input came in, and a number in [0, 1) that spreads the clients of one server. */
export interface Moment {
  readonly now: number
  readonly random: number
}

/** A server that is asked for less closes watches in time for its proxies, which are known to cut them off after 300 s. */
const WATCH_SECONDS = { shortest: 260, longest: 290 }
/** A server whose streams of lists are off or broken may take the request for one, and never say that the list is at its end. */
const INITIAL_SILENCE_MILLIS = 10_000
/** A watch that ends sooner without an event is a failure: otherwise it would be asked for in a tight loop. */
const SHORTEST_WATCH_MILLIS = 1_000
const BACKOFF = { baseMillis: 800, maximumMillis: 30_000, jitter: 0.2, healthyMillis: 120_000 }

/** For how many milliseconds nothing may come before that is an input; `undefined` for ever. */
export const silenceOf = ({ phase }: State): number | undefined =>
  phase._tag === "InitialWatch" ? INITIAL_SILENCE_MILLIS : undefined

/** What is done about an input. An input that the phase does not wait for changes nothing. */
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

/** Goes on from the version that is known, or lists. */
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

/** No version is asked for: such a list is as new as the API server's store, and not what one of its caches has. */
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
      // What the watch has missed is not known, unless its server was only busy.
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
      // A list that comes as a stream may be overtaken by changes of what has come already.
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
 * A version that is still good is kept: a list of everything is the dearest request there is. An answer to a list as a
 * stream that is no stream is followed by a list in pages, so that a server without such streams holds nothing up.
 */
const failed = <A>(state: State, error: KubeError, isVersionLost: boolean, at: Moment): Step<A> => {
  const { phase } = state
  if (phase._tag === "InitialWatch" && error.code !== 0 && error.code !== 429) {
    // These two say that the request is none; others that the server has no list for anybody, now.
    return listInPages({ ...state, isStreaming: error.code !== 400 && error.code !== 422 })
  }
  // Expected after an outage: the reader is behind already, and a list mends that. A version of a list does not expire at once.
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
  const isHealthy = Option.exists(state.healthySince, (since) => at.now - since >= BACKOFF.healthyMillis)
  const attempt = isHealthy ? 1 : state.failures + 1
  return {
    state: { ...state, phase, failures: attempt, healthySince: Option.none() },
    output: [],
    request: { _tag: "Pause", millis: Math.max(pauseAfter(attempt, at.random), until - at.now), attempt, error }
  }
}

/** The pause after so many failures in a row, in whole milliseconds. */
const pauseAfter = (failures: number, random: number): number =>
  Math.round(
    Math.min(BACKOFF.maximumMillis, BACKOFF.baseMillis * 2 ** Math.min(failures - 1, 30)) *
      (1 - BACKOFF.jitter + 2 * BACKOFF.jitter * random)
  )
