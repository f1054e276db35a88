/**
 * Conditions by the rules kstatus reads: `Ready` always there; `Reconciling` and `Stalled` only while True, and never
 * both; each with the generation it speaks of; `lastTransitionTime` moves with the status alone.
 */
import type { Condition, ImageStatus } from "./Image.ts"
import type { Reason } from "./Reason.ts"
import { instant } from "../text/instant.ts"
import { oneLine, shorten } from "../text/line.ts"

/**
 * Conditions beside those of every Image: something works, but not as its owner may think.
 * - `CredentialsUnbound`: credentials that are bound to no registry were used
 * - `CredentialsWithheld`: credentials of the operator were not used, for the registry is not verified
 * - `CredentialsForwarded`: credentials go to a token server of another owner
 * - `RegistryWarning`: a registry's own words to its users
 */
export type WarningType = "CredentialsUnbound" | "CredentialsWithheld" | "CredentialsForwarded" | "RegistryWarning"

/** What is to be said of an Image, before times and generations are added. */
export interface Statement {
  readonly type: "Ready" | "Reconciling" | "Stalled" | WarningType
  readonly status: Condition["status"]
  readonly reason: Reason
  readonly message: string
}

const MESSAGE_MAXIMUM = 4_000

export const conditionsOf = (
  statements: ReadonlyArray<Statement>,
  previous: ImageStatus,
  generation: number,
  now: number
): ReadonlyArray<Condition> =>
  statements.map(({ message, ...statement }) => {
    const before = conditionOf(previous, statement.type)
    return {
      ...statement,
      message: shorten(oneLine(message), MESSAGE_MAXIMUM),
      observedGeneration: generation,
      lastTransitionTime:
        before !== undefined && before.status === statement.status ? before.lastTransitionTime : instant(now)
    }
  })

export const conditionOf = (status: ImageStatus, type: Statement["type"]): Condition | undefined =>
  status.conditions?.find((condition) => condition.type === type)
