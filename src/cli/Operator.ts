/** `operator`: runs the operator in a cluster until a signal stops it. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { ImageStore } from "../controller/ImageStore.ts"
import { LeaderElection } from "../controller/LeaderElection.ts"

export const operatorCommand = Command.make(
  "operator",
  {},
  Effect.fn(function* () {
    const { lead } = yield* LeaderElection
    yield* (yield* ImageStore).synced
    yield* Effect.logInfo("all Images listed")
    return yield* lead
  })
).pipe(Command.withDescription("Runs the operator: reconciles the Images of the cluster until it is stopped."))
