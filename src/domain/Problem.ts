/** A user's mistake: the field, the value, the reason and the remedy. */

import { oneLine, shorten } from "../text/line.ts"
import type { CredentialReason, SpecReason } from "./Reason.ts"

/** Why an Image is refused, or a credential that it asks for cannot be used. */
export type ProblemReason = SpecReason | CredentialReason

/** One mistake in what a user wrote. {@link formatProblem} makes a line of it. */
export interface Mistake {
  /** Dotted path from the object's root, such as `spec.source.version`; or a flag, such as `--latest`. */
  readonly field: string
  /** The value of the field. `undefined` if the field is missing. */
  readonly value: unknown
  /** The mistake and the remedy, read after the field and the value. */
  readonly message: string
}

/** One mistake in an Image. */
export interface Problem extends Mistake {
  readonly reason: ProblemReason
}

const SHOWN = 120
const MESSAGE_SHOWN = 600

/**
 * Formats a mistake as one line: field, value, remedy. The line stays one bounded line whatever the user wrote.
 *
 * @example
 * ```ts
 * formatProblem({ field: "spec.mode", value: "Once", message: "is no mode; write OneShot" })
 * // 'spec.mode: "Once" is no mode; write OneShot'
 * ```
 */
export const formatProblem = (problem: Mistake): string =>
  `${oneLine(shorten(problem.field, SHOWN))}: ${formatRemark(problem)}`

/** Formats a mistake without its field: value, remedy. */
export const formatRemark = ({ message, value }: Omit<Mistake, "field">): string =>
  oneLine([...(value === undefined ? [] : [shorten(jsonOf(value), SHOWN)]), shorten(message, MESSAGE_SHOWN)].join(" "))

const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // YAML can hold values that JSON cannot, such as a mapping that contains itself.
    return String(value)
  }
}
