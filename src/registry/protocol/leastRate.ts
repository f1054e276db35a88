/** Ends a transfer that is too slow. Such a transfer would keep a copy's slots from other copies for days. */
import { Duration, Effect } from "effect"
import type { CopyBlobOptions } from "../RegistryClient.ts"
import { RegistryError, type Side } from "../RegistryError.ts"

/** A transfer of a blob that goes on. */
export interface Transfer {
  /** The bytes that were read from the source. */
  readonly passed: number
  /** Whether bytes are asked for. Before, requests may wait for the rate limit of a registry. */
  readonly isBegun: boolean
  /** Whether the transfer waits for the source. Otherwise it waits for the destination. */
  readonly isReading: boolean
}

/**
 * In each period a transfer moves at least so many bytes: 10 kB a second. The period is longer than a request may wait for a rate
 * limit: a blob in chunks has many requests.
 */
const PERIOD = Duration.minutes(10)
const LEAST_BYTES = 6_000_000

/** Fails with `Unreachable` of the slower side when a transfer has moved too few bytes in a period. Never succeeds. */
export const failWhenSlow = (
  transfer: Transfer,
  { blob, destination, source }: CopyBlobOptions
): Effect.Effect<never, RegistryError> =>
  Effect.gen(function* () {
    while (true) {
      const { isBegun, passed } = transfer
      yield* Effect.sleep(PERIOD)
      const moved = transfer.passed - passed
      // After the last byte a registry may need some time to store the blob.
      if (!isBegun || moved >= LEAST_BYTES || transfer.passed === blob.size) continue
      const side: Side = transfer.isReading ? "source" : "destination"
      const { repository } = side === "source" ? source : destination
      return yield* RegistryError.of(
        "Unreachable",
        repository,
        `moved ${moved} bytes of blob ${blob.digest} in ${Duration.format(PERIOD)}, and a copy needs ${LEAST_BYTES}; check the registry and the network`,
        { concerns: "Reference" }
      ).at(side)
    }
  })
