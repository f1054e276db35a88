/** A user's mistake: where it is, what stands there, why it cannot work, and what to write instead. */

import { oneLine, shorten } from "../text/line.ts"
import type { CredentialReason, SpecReason } from "./Reason.ts"

/** Why an Image is refused, or a credential that it asks for cannot be used. */
export type ProblemReason = SpecReason | CredentialReason

/** One mistake in what a user wrote. {@link formatProblem} makes a line of it. */
export interface Mistake {
  /** Dotted path from the object's root, such as `spec.source.version`; or a flag, such as `--latest`. */
  readonly field: string
  /** What stands there; `undefined` if nothing does. */
  readonly value: unknown
  /** What is wrong and what to write instead, to be read after field and value. */
  readonly message: string
}

/** One mistake in an Image. */
export interface Problem extends Mistake {
  readonly reason: ProblemReason
}

const SHOWN = 120
const MESSAGE_SHOWN = 600

/** One line: field, value, remedy. Whatever a user wrote into any of them, it stays one line and ends. */
export const formatProblem = (problem: Mistake): string => {
  const value = problem.value === undefined ? "" : ` ${shorten(jsonOf(problem.value), SHOWN)}`
  return oneLine(`${shorten(problem.field, SHOWN)}:${value} ${shorten(problem.message, MESSAGE_SHOWN)}`)
}

const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // YAML can hold what JSON cannot, such as a mapping that contains itself.
    return String(value)
  }
}
