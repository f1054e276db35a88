/** `operator`: runs the operator in a cluster until a signal stops it. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { Controller } from "../controller/Controller.ts"

export const operatorCommand = Command.make(
  "operator",
  {},
  Effect.fn(function* () {
    const controller = yield* Controller
    yield* Effect.raceFirst(controller.synced, controller.running)
    yield* Effect.logInfo("all Images listed")
    return yield* controller.running
  })
).pipe(Command.withDescription("Runs the operator: reconciles the Images of the cluster until it is stopped."))
