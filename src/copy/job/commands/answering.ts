import { Effect } from "effect"
import { innermostCause } from "../../../text/Cause.ts"
import { oneLine } from "../../../text/line.ts"
import type { Event } from "../JobEvents.ts"

/** The answer to a command in every case: an error and a defect become events too. */
export const answering = <E extends { readonly message: string }, R>(
  work: Effect.Effect<Event, E, R>,
  failed: (message: string, error: E | undefined) => Event
): Effect.Effect<Event, never, R> =>
  work.pipe(
    Effect.catch((error) => Effect.succeed(failed(error.message, error))),
    Effect.catchDefect((defect) => Effect.succeed(failed(oneLine(innermostCause(defect)), undefined)))
  )
