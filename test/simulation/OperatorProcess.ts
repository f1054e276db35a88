/** One process of the operator, from its start to its end. A restarted process is another one. */
import { Deferred, Effect } from "effect"

/** `Kill` is SIGKILL: nothing more leaves the process. `Stop` is SIGTERM: the process ends its work and gives up its Lease. */
export type Ending = "Kill" | "Stop"

export class OperatorProcess {
  /** The unique name of the process, also in the election. */
  readonly identity: string
  isAlive = true
  readonly #ending = Deferred.makeUnsafe<Ending>()

  constructor(identity: string) {
    this.identity = identity
  }

  end(ending: Ending): void {
    if (ending === "Kill") this.isAlive = false
    Deferred.doneUnsafe(this.#ending, Effect.succeed(ending))
  }

  get ending(): Effect.Effect<Ending> {
    return Deferred.await(this.#ending)
  }
}
