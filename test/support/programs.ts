/** Tests that need real programs. The name of a skipped test has the program that is not on PATH. */
import { it } from "@effect/vitest"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import type { Effect, Scope } from "effect"

export const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** A live test with real programs. If one is missing, the test is skipped and its name has the reason. */
export const itWithPrograms = <E>(
  programs: ReadonlyArray<string>,
  name: string,
  test: () => Effect.Effect<void, E, Scope.Scope>,
  timeout = 60_000
): void => {
  const missing = programs.filter((program) => !onPath(program))
  const title = missing.length === 0 ? name : `${name} (skipped: ${missing.join(", ")} not on PATH)`
  it.live.skipIf(missing.length > 0)(title, test, timeout)
}
