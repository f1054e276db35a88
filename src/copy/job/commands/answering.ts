import { Duration, Effect } from "effect"
import type { Repository } from "../../../oci/Reference.ts"
import { RegistryError } from "../../../registry/RegistryError.ts"
import { innermostCause } from "../../../text/Cause.ts"
import { oneLine } from "../../../text/line.ts"
import type { Event } from "../JobEvents.ts"

/** How long a command may wait for registries. Their requests together may take far longer, and the copy keeps its place. */
const REGISTRIES = Duration.minutes(2)

/** Ends the work of a command that waits too long for registries. */
export const inTime = <A, E, R>(
  repository: Repository,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | RegistryError, R> =>
  Effect.timeoutOrElse(work, {
    duration: REGISTRIES,
    orElse: () =>
      Effect.fail(
        RegistryError.of("Unreachable", repository, `no complete answer within ${Duration.format(REGISTRIES)}`)
      )
  })

/** The answer to a command in every case: an error and a defect become events too. */
export const answering = <E extends { readonly message: string }, R>(
  work: Effect.Effect<Event, E, R>,
  failed: (message: string, error: E | undefined) => Event
): Effect.Effect<Event, never, R> =>
  work.pipe(
    Effect.catch((error) => Effect.succeed(failed(error.message, error))),
    Effect.catchDefect((defect) => Effect.succeed(failed(oneLine(innermostCause(defect)), undefined)))
  )
