/** Says the innermost of nested errors in one line. The outer errors only say that something failed. */
export const innermostCause = (error: unknown): string => {
  let innermost = error
  for (let depth = 0; depth < 10; depth++) {
    const next = nested(innermost)
    if (next === undefined) break
    innermost = next
  }
  if (!(innermost instanceof Error)) return String(innermost)
  const code = "code" in innermost && typeof innermost.code === "string" ? innermost.code : ""
  return innermost.message.includes(code) ? innermost.message : `${code} ${innermost.message}`
}

const nested = (error: unknown): object | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  for (const key of ["cause", "reason"]) {
    const value: unknown = Reflect.get(error, key)
    if (typeof value === "object" && value !== null) return value
  }
  // Node tries every address of a host and wraps the errors of all of them.
  const errors: unknown = Reflect.get(error, "errors")
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  return typeof first === "object" && first !== null ? first : undefined
}
