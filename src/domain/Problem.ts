/** A user's mistake: where it is, what stands there, why it cannot work, and what to write instead. */

/** Reasons of the `Stalled` condition: nothing but a changed Image helps. */
export type ProblemReason =
  | "InvalidSpec"
  | "InvalidReference"
  | "InvalidPattern"
  | "InvalidFrequency"
  | "InvalidDestinationVersion"
  | "AwsIdentityUnsupported"

export interface Problem {
  /** Dotted path from the object's root, such as `spec.source.version`. */
  readonly field: string
  /** What stands there; `undefined` if nothing does. */
  readonly value: unknown
  readonly reason: ProblemReason
  /** What is wrong and what to write instead, to be read after field and value. */
  readonly message: string
}

const VALUE_SHOWN = 120

/** One line: field, value, remedy. Line breaks in a value cannot break it. */
export const formatProblem = (problem: Problem): string => {
  const value = problem.value === undefined ? "" : ` ${shorten(JSON.stringify(problem.value) ?? "")}`
  return `${problem.field}:${value} ${problem.message}`
}

const shorten = (text: string): string => (text.length <= VALUE_SHOWN ? text : `${text.slice(0, VALUE_SHOWN)}…`)
