/** The spans of attempts at copies by Jobs: a span for the copy from its preparation on, and a child span for its Job. */
import { Clock, Effect, Exit, HashMap, Option, type Scope, type Tracer } from "effect"
import type { CopyState, CopyTask } from "../../domain/Copy.ts"
import { spanOf } from "../attributes.ts"
import { outcomeOf, uidOf } from "./Job.ts"
import type { Board } from "./board/Board.ts"
import type { OwnJob, Slot } from "./board/Slot.ts"

export interface JobSpans {
  /** Remembers the span of the reconcile that requests a copy. The spans of the copy's attempts are children of this span. */
  readonly requested: (task: CopyTask, requester: Tracer.Span | undefined) => void
  /** Begins the span of an attempt that is prepared. */
  readonly begin: (id: string, name: string, task: CopyTask) => void
  /** Begins and ends spans after a step of the board. `now` is in milliseconds since the epoch. */
  readonly follow: (board: Board, now: number) => void
  /** Makes the spans of work for a slot children of the span of the slot's attempt, if it has one. */
  readonly below: (name: string) => <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The spans of a slot's attempt that have not ended. */
interface Trace {
  readonly id: string
  readonly copy: Tracer.Span
  job: Tracer.Span | undefined
}

/** The end of an attempt, and the end of its span. */
interface Ended {
  readonly outcome: string
  readonly exit: Exit.Exit<unknown, unknown>
}

/** The copy was cancelled, or its Job was deleted. */
const GONE: Ended = { outcome: "Gone", exit: Exit.interrupt() }
/** The process ends before the copy. */
const LEFT: Ended = { outcome: "Running", exit: Exit.void }

/** How the attempt of a slot has ended. `undefined` while it continues. */
const endOf = (id: string, { attempt, job }: Slot): Ended | undefined => {
  if (attempt?.id === id) {
    // It begins again, with another preparation.
    if (attempt._tag === "Waiting") return { outcome: attempt._tag, exit: Exit.void }
    return attempt._tag === "Ended" ? endAs(attempt.state) : undefined
  }
  if (job?.id !== id) return GONE
  return job._tag === "Finished" ? endAs(job.state) : undefined
}

const endAs = (state: CopyState): Ended => ({
  outcome: state._tag,
  exit: state._tag === "Failed" ? Exit.fail(state.message) : Exit.void
})

/** How a Job ended; `undefined` while it is there and active. */
const endOfJob = (id: string, job: OwnJob | undefined): Ended | undefined => {
  if (job?.id !== id) return GONE
  const outcome = outcomeOf(job.job)
  switch (outcome._tag) {
    case "Active":
      return undefined
    case "Complete":
      return { outcome: outcome._tag, exit: Exit.void }
    case "Failed":
      return { outcome: outcome._tag, exit: Exit.fail(outcome.reason) }
  }
}

const end = (span: Tracer.Span | undefined, ended: Ended | undefined, now: bigint): void => {
  if (span?.status._tag !== "Started" || ended === undefined) return
  span.attribute("outcome", ended.outcome)
  span.end(now, ended.exit)
}

/** The Job of another process has no spans. They ended with that process. */
export const make = Effect.gen(function* (): Effect.fn.Return<JobSpans, never, Scope.Scope> {
  // Spans follow in the same step of the event loop that changes the board.
  const run = Effect.runSyncWith(yield* Effect.context())
  /** By the name of the slot. */
  const traces = new Map<string, Trace>()
  /** The board keeps the task of a request until its last attempt has ended. */
  const requesters = new WeakMap<CopyTask, Tracer.Span>()

  yield* Effect.addFinalizer(() =>
    Effect.map(Clock.currentTimeNanos, (now) => {
      for (const { copy, job } of traces.values()) for (const span of [job, copy]) end(span, LEFT, now)
    })
  )

  return {
    requested: (task, requester) => {
      if (requester !== undefined) requesters.set(task, requester)
    },

    begin: (id, name, task) => {
      if (traces.get(name)?.id === id) return
      const copy = run(Effect.makeSpan("copy", spanOf(task, id, requesters.get(task))))
      traces.set(name, { id, copy, job: undefined })
    },

    follow: (board, now) => {
      const nanos = BigInt(Math.round(now)) * 1_000_000n
      for (const [name, trace] of traces) {
        const slot = Option.getOrElse(HashMap.get(board.slots, name), (): Slot => ({}))
        const { copy, id } = trace
        if (slot.job?.id === id) {
          const attributes = { job: `${board.namespace}/${name}`, uid: uidOf(slot.job.job) }
          trace.job ??= run(Effect.makeSpan("Job", { parent: copy, attributes }))
        }
        end(trace.job, endOfJob(id, slot.job), nanos)
        const ended = endOf(id, slot)
        if (ended === undefined) continue
        end(copy, ended, nanos)
        traces.delete(name)
      }
    },

    below: (name) => (work) => {
      const trace = traces.get(name)
      return trace === undefined ? work : Effect.withParentSpan(work, trace.copy)
    }
  }
})
