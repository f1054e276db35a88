/** Label selectors as the API server reads them: `team=a,tier!=test,env in (prod, stage),!paused`. Pure. */
import { Result } from "effect"

/** One requirement for the labels of an object. */
export interface Requirement {
  readonly key: string
  /** `None`: the label has none of the values, or the object does not have the label. */
  readonly is: "Any" | "None" | "Present" | "Absent"
  readonly values: ReadonlyArray<string>
}

const NAME = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
const KEY = `(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?${NAME}`
const VALUE = `(?:${NAME})?`
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`, "u")
const EQUALITY = new RegExp(`^(${KEY})\\s*(=|==|!=)\\s*(${VALUE})$`, "u")
const EXISTENCE = new RegExp(`^(!?)\\s*(${KEY})$`, "u")
const IS_VALUE = new RegExp(`^${VALUE}$`, "u")
/** The commas between requirements, not those in a set of values. */
const COMMA = /,(?![^()]*\))/u

/** Parses a selector to its requirements. The failure is a message for users. */
export const parseLabelSelector = (text: string): Result.Result<ReadonlyArray<Requirement>, string> =>
  Result.all(text.split(COMMA).map((term) => parseTerm(term.trim())))

const parseTerm = (term: string): Result.Result<Requirement, string> => {
  const [, setKey, operator, list] = SET.exec(term) ?? []
  if (setKey !== undefined && list !== undefined) {
    const values = list.split(",").map((value) => value.trim())
    const wrong = values.find((value) => !IS_VALUE.test(value))
    if (wrong !== undefined) return Result.fail(`${JSON.stringify(wrong)} cannot be the value of a label`)
    return Result.succeed({ key: setKey, is: operator === "in" ? "Any" : "None", values })
  }
  const [, key, sign, value] = EQUALITY.exec(term) ?? []
  if (key !== undefined && value !== undefined) {
    return Result.succeed({ key, is: sign === "!=" ? "None" : "Any", values: [value] })
  }
  const [, not, name] = EXISTENCE.exec(term) ?? []
  if (name !== undefined) return Result.succeed({ key: name, is: not === "!" ? "Absent" : "Present", values: [] })
  return Result.fail(
    `${JSON.stringify(term)} must be one of key=value, key!=value, key in (a, b), key notin (a, b), key and !key`
  )
}

/** Whether labels meet all requirements. */
export const matchesLabels = (
  requirements: ReadonlyArray<Requirement>,
  labels: Readonly<Record<string, unknown>>
): boolean =>
  requirements.every(({ is, key, values }) => {
    const value = labels[key]
    const isAny = values.some((one) => one === value)
    switch (is) {
      case "Any":
        return isAny
      case "None":
        return !isAny
      case "Present":
        return value !== undefined
      case "Absent":
        return value === undefined
    }
  })
