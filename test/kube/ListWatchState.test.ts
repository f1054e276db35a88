/** The steps of a list and watch as a table: a state and an input give the next state, outputs, and a request. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { KubeError } from "../../src/kube/KubeClient.ts"
import {
  type Input,
  initialState,
  type Output,
  type Phase,
  type Request,
  silenceOf,
  type State,
  step
} from "../../src/kube/ListWatchState.ts"

const NOW = 1_000_000
const AT = { now: NOW, random: 0.5 }

const failure = (code: number, until?: number) =>
  new KubeError({ operation: "watch", code, reason: "R", detail: `${code}`, ...(until === undefined ? {} : { until }) })

const EMPTY: Phase = { _tag: "Empty" }
const PAGE: Phase = { _tag: "InitPage" }
const STREAM: Phase = { _tag: "InitialWatch" }
const listed = (resourceVersion: string, since = NOW): Phase => ({
  _tag: "InitListed",
  resourceVersion,
  since,
  isFresh: false
})
/** A watch from the version of a new list. */
const justListed = (resourceVersion: string): Phase => ({
  _tag: "InitListed",
  resourceVersion,
  since: NOW,
  isFresh: true
})
const watching = (resourceVersion: string): Phase => ({ _tag: "Watching", resourceVersion })

const at = (phase: Phase, more: Partial<State> = {}): State => ({ ...initialState, phase, ...more })

const added = (object: string, resourceVersion: string): Input<string> => ({
  _tag: "Event",
  event: { type: "ADDED", object, resourceVersion }
})
const modified = (object: string, resourceVersion: string): Input<string> => ({
  _tag: "Event",
  event: { type: "MODIFIED", object, resourceVersion }
})
const deleted = (object: string, resourceVersion: string): Input<string> => ({
  _tag: "Event",
  event: { type: "DELETED", object, resourceVersion }
})
const bookmark = (resourceVersion: string, isInitialEnd = false): Input<string> => ({
  _tag: "Event",
  event: { type: "BOOKMARK", resourceVersion, isInitialEnd }
})
const errorLine = (code: number): Input<string> => ({ _tag: "Event", event: { type: "ERROR", error: failure(code) } })
const page = (objects: ReadonlyArray<string>, resourceVersion: string, next?: string): Input<string> => ({
  _tag: "Page",
  objects,
  resourceVersion,
  ...(next === undefined ? {} : { continue: next })
})
const failed = (code: number, until?: number): Input<string> => ({ _tag: "Failed", error: failure(code, until) })
const RESUMED: Input<string> = { _tag: "Resumed" }
const ENDED: Input<string> = { _tag: "Ended" }
const SILENT: Input<string> = { _tag: "Silent" }

const list: Request = { _tag: "List" }
const stream: Request = { _tag: "Watch", timeoutSeconds: 275 }
const watch = (resourceVersion: string): Request => ({ _tag: "Watch", resourceVersion, timeoutSeconds: 275 })

const says = (output: Output<string>): string => ("object" in output ? `${output._tag} ${output.object}` : output._tag)

interface Row {
  readonly title: string
  readonly state: State
  readonly input: Input<string>
  readonly phase: Phase
  readonly output?: ReadonlyArray<string>
  readonly request?: Request | { readonly pause: number; readonly attempt?: number }
  /** Of the next state. Default: as before. */
  readonly isStreaming?: boolean
}

const rows: ReadonlyArray<Row> = [
  {
    title: "the first request is a list as a stream",
    state: initialState,
    input: RESUMED,
    phase: STREAM,
    output: ["Init"],
    request: stream
  },
  {
    title: "an object of the stream belongs to the list",
    state: at(STREAM),
    input: added("a", "5"),
    phase: STREAM,
    output: ["InitApply a"]
  },
  {
    title: "an object that changes before the list in the stream ends belongs to the list",
    state: at(STREAM),
    input: modified("a", "5"),
    phase: STREAM,
    output: ["InitApply a"]
  },
  {
    title: "an object that is deleted before the list in the stream ends is not in the list",
    state: at(STREAM),
    input: deleted("a", "6"),
    phase: STREAM,
    output: ["InitDelete a"]
  },
  {
    title: "a plain bookmark does not end the list in the stream",
    state: at(STREAM),
    input: bookmark("6"),
    phase: STREAM
  },
  {
    title: "the bookmark with the annotation ends the list, and the stream continues as a watch",
    state: at(STREAM),
    input: bookmark("7", true),
    phase: watching("7"),
    output: ["InitDone"]
  },
  {
    title: "after a silent stream this list and all later lists are in pages",
    state: at(STREAM),
    input: SILENT,
    phase: PAGE,
    output: ["Init"],
    request: list,
    isStreaming: false
  },
  ...[400, 422].map((code) => ({
    title: `after a stream that is refused as invalid (${code}) this list and all later lists are in pages`,
    state: at(STREAM),
    input: failed(code),
    phase: PAGE,
    output: ["Init"],
    request: list,
    isStreaming: false
  })),
  ...[401, 403, 404, 410, 500, 503, 504].map((code) => ({
    title: `after a stream that is refused with ${code} this list is in pages`,
    state: at(STREAM),
    input: failed(code),
    phase: PAGE,
    output: ["Init"],
    request: list
  })),
  {
    title: "after a stream that ends with an error this list is in pages",
    state: at(STREAM),
    input: errorLine(500),
    phase: PAGE,
    output: ["Init"],
    request: list
  },
  {
    title: "after a stream that ends before its list this list is in pages",
    state: at(STREAM),
    input: ENDED,
    phase: PAGE,
    output: ["Init"],
    request: list
  },
  ...[0, 429].map((code) => ({
    title: `a stream is requested again after a server that is busy or does not answer (${code})`,
    state: at(STREAM),
    input: failed(code),
    phase: EMPTY,
    request: { pause: 800 }
  })),
  {
    title: "after a pause a server without streams gets a request for a page",
    state: at(EMPTY, { isStreaming: false }),
    input: RESUMED,
    phase: PAGE,
    output: ["Init"],
    request: list
  },
  {
    title: "a page with a token leads to a request for the next page",
    state: at(PAGE),
    input: page(["a", "b"], "7", "p2"),
    phase: PAGE,
    output: ["InitApply a", "InitApply b"],
    request: { _tag: "List", continue: "p2" }
  },
  {
    title: "the last page ends the list, and a watch from its version follows",
    state: at(PAGE),
    input: page(["c"], "7"),
    phase: justListed("7"),
    output: ["InitApply c", "InitDone"],
    request: watch("7")
  },
  ...[0, 410, 429, 500].map((code) => ({
    title: `a list starts over after a page that is refused with ${code}`,
    state: at(PAGE),
    input: failed(code),
    phase: EMPTY,
    request: { pause: 800 }
  })),
  {
    title: "an event is an output, and its version is the one from which the next watch continues",
    state: at(listed("7")),
    input: added("a", "8"),
    phase: watching("8"),
    output: ["Apply a"]
  },
  {
    title: "a later event of a watch moves the version too",
    state: at(watching("8")),
    input: deleted("a", "9"),
    phase: watching("9"),
    output: ["Delete a"]
  },
  {
    title: "a bookmark before any event moves the version and is no output",
    state: at(listed("7", NOW - 5)),
    input: bookmark("9"),
    phase: listed("9", NOW - 5)
  },
  {
    title: "a bookmark after events moves the version and is no output",
    state: at(watching("8")),
    input: bookmark("9"),
    phase: watching("9")
  },
  {
    title: "a watch that ends after an event is requested again at once, from the last version",
    state: at(watching("9")),
    input: ENDED,
    phase: listed("9"),
    request: watch("9")
  },
  {
    title: "a watch without events that ends after a second is requested again at once",
    state: at(listed("9", NOW - 1_000)),
    input: ENDED,
    phase: listed("9"),
    request: watch("9")
  },
  {
    title: "a watch without events that ends within a second has failed",
    state: at(listed("9", NOW - 999)),
    input: ENDED,
    phase: listed("9", NOW - 999),
    request: { pause: 800 }
  },
  {
    title: "a silent watch continues",
    state: at(watching("9")),
    input: SILENT,
    phase: watching("9")
  },
  ...[0, 401, 403, 404, 429, 500, 503, 504].flatMap((code) =>
    [watching("9"), listed("9")].map((phase) => ({
      title: `a watch that fails with ${code} is requested again after a pause, from the last version (${phase._tag})`,
      state: at(phase),
      input: failed(code),
      phase: listed("9"),
      request: { pause: 800 }
    }))
  ),
  {
    title: "after the pause the watch is requested from the last version",
    state: at(listed("9")),
    input: RESUMED,
    phase: listed("9"),
    request: watch("9")
  },
  {
    title: "a new list follows at once on an expired version, whatever the number of failures",
    state: at(listed("9"), { failures: 9 }),
    input: failed(410),
    phase: STREAM,
    output: ["Init"],
    request: stream
  },
  {
    title: "a pause follows if the version of a new list has expired, because the server is at fault",
    state: at(justListed("9"), { failures: 9 }),
    input: failed(410),
    phase: EMPTY,
    request: { pause: 30_000, attempt: 10 }
  },
  ...[410, 500, 0].map((code) => ({
    title: `a watch that ends with an error (${code}) loses its version, because it may have missed events`,
    state: at(watching("9")),
    input: errorLine(code),
    phase: EMPTY,
    request: { pause: 800 }
  })),
  {
    title: "a watch that ends because the server is busy keeps its version",
    state: at(watching("9")),
    input: errorLine(429),
    phase: listed("9"),
    request: { pause: 800 }
  },
  {
    title: "the second failure in a row has twice the pause",
    state: at(listed("9"), { failures: 1 }),
    input: failed(0),
    phase: listed("9"),
    request: { pause: 1_600, attempt: 2 }
  },
  {
    title: "no pause is longer than 30 seconds",
    state: at(listed("9"), { failures: 10_000 }),
    input: failed(0),
    phase: listed("9"),
    request: { pause: 30_000, attempt: 10_001 }
  },
  {
    title: "an event does not end a row of failures",
    state: at(watching("9"), { failures: 4, healthySince: Option.some(NOW - 119_999) }),
    input: failed(0),
    phase: listed("9"),
    request: { pause: 12_800, attempt: 5 }
  },
  {
    title: "two minutes without a failure end a row of failures",
    state: at(watching("9"), { failures: 4, healthySince: Option.some(NOW - 120_000) }),
    input: failed(0),
    phase: listed("9"),
    request: { pause: 800, attempt: 1 }
  },
  {
    title: "the pause is longer if the server asks for a longer pause",
    state: at(listed("9")),
    input: failed(429, NOW + 20_000),
    phase: listed("9"),
    request: { pause: 20_000 }
  },
  {
    title: "the pause is not shorter if the server asks for a shorter pause",
    state: at(listed("9")),
    input: failed(429, NOW + 100),
    phase: listed("9"),
    request: { pause: 800 }
  },
  {
    title: "a page changes nothing in a watch",
    state: at(watching("9")),
    input: page(["a"], "7"),
    phase: watching("9")
  },
  { title: "an event changes nothing in a list in pages", state: at(PAGE), input: added("a", "7"), phase: PAGE }
]

describe("a step of a list or a watch", () => {
  for (const { input, isStreaming, output = [], phase, request, state, title } of rows) {
    it(title, () => {
      const next = step(state, input, AT)
      assert.deepStrictEqual(next.state.phase, phase)
      assert.deepStrictEqual(next.output.map(says), output)
      assert.strictEqual(next.state.isStreaming, isStreaming ?? state.isStreaming)
      if (request === undefined || "_tag" in request) assert.deepStrictEqual(next.request, request)
      else {
        assert(next.request?._tag === "Pause")
        assert.strictEqual(next.request.millis, request.pause)
        assert.strictEqual(next.request.attempt, request.attempt ?? 1)
        assert.strictEqual(next.state.failures, next.request.attempt)
        assert.deepStrictEqual(next.state.healthySince, Option.none())
      }
    })
  }

  it("pauses are whole milliseconds, 80 to 120 % of the nominal pause", () => {
    for (let failures = 0; failures < 8; failures++) {
      for (const random of [0, 0.123_456, 0.999_999]) {
        const { request } = step(at(listed("9"), { failures }), failed(0), { now: NOW, random })
        assert(request?._tag === "Pause")
        const nominal = Math.min(30_000, 800 * 2 ** failures)
        assert.isTrue(Number.isInteger(request.millis))
        assert.isTrue(request.millis >= nominal * 0.8 - 1 && request.millis <= nominal * 1.2 + 1)
      }
    }
  })

  it("the requested duration of a watch is 260 to 290 whole seconds", () => {
    const seconds = [0, 0.5, 0.999_999].map((random) => {
      const { request } = step(initialState, RESUMED, { now: NOW, random })
      assert(request?._tag === "Watch")
      return request.timeoutSeconds
    })
    assert.deepStrictEqual(seconds, [260, 275, 290])
  })

  it("a list as a stream may be silent for ten seconds, and a watch for any time", () => {
    assert.strictEqual(silenceOf(at(STREAM)), 10_000)
    assert.isUndefined(silenceOf(at(listed("9"))))
    assert.isUndefined(silenceOf(at(watching("9"))))
  })

  it("a reader counts as healthy from the request of its watch, or from the end of the list in a stream", () => {
    const since = (state: State, input: Input<string>) => step(state, input, AT).state.healthySince
    assert.deepStrictEqual(since(at(listed("9")), RESUMED), Option.some(NOW))
    assert.deepStrictEqual(since(at(PAGE), page([], "7")), Option.some(NOW))
    assert.deepStrictEqual(since(at(STREAM), bookmark("7", true)), Option.some(NOW))
    // A watch after a watch that ended without a failure keeps the earlier time.
    const earlier = Option.some(NOW - 60_000)
    assert.deepStrictEqual(since(at(watching("9"), { healthySince: earlier }), ENDED), earlier)
    assert.deepStrictEqual(since(at(EMPTY), RESUMED), Option.none())
  })
})
