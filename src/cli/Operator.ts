/** `operator`: runs the operator in a cluster until a signal stops it. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { ImageStore } from "../controller/ImageStore.ts"
import { LeaderElection } from "../controller/LeaderElection.ts"
import { CommandFailure } from "./CommandFailure.ts"
import { FAILED } from "./exitCodes.ts"

/** The longest wait for the first list of all Images, as in controller-runtime. A cluster shows and repeats a failed start. */
const SYNC_TIMEOUT = "2 minutes"

const notListed = new CommandFailure({
  exitCode: FAILED,
  detail: `the Images could not be listed within ${SYNC_TIMEOUT}; the log has the API server's answers; check that the API server can be reached, that the CustomResourceDefinition of Images is installed, and that the operator may list and watch images.skopeo.io`
})

/** Takes part in the leader election as soon as all Images are listed. Fails if they cannot be listed in time. */
export const operate = Effect.gen(function* () {
  const { lead } = yield* LeaderElection
  const { synced } = yield* ImageStore
  yield* Effect.timeoutOrElse(synced, { duration: SYNC_TIMEOUT, orElse: () => Effect.fail(notListed) })
  yield* Effect.logInfo("all Images listed")
  return yield* lead
})

export const operatorCommand = Command.make("operator", {}, () => operate).pipe(
  Command.withDescription("Runs the operator: reconciles the Images of the cluster until it is stopped.")
)
