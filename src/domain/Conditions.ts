/**
 * Conditions by the rules kstatus reads: `Ready` always there; `Reconciling` and `Stalled` only while True, and never
 * both; each with the generation it speaks of; `lastTransitionTime` moves with the status alone.
 */
import type { Condition, ImageStatus } from "./Image.ts"
import { oneLine, shorten } from "./Problem.ts"

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
  readonly reason: string
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

/** Seconds are what Kubernetes keeps of a time. */
export const instant = (millis: number): string => new Date(millis).toISOString().replace(/\.[0-9]{3}Z$/u, "Z")

/** Milliseconds of a stored time; what cannot be read is long ago. */
export const millisOf = (text: string | undefined): number => {
  const millis = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(millis) ? 0 : millis
}
