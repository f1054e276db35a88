/** Programs that tests start and end. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { Effect, type Scope } from "effect"

/** A program that runs until the scope closes. It is ready when a line of its output matches. */
export const background = (
  program: string,
  args: ReadonlyArray<string>,
  ready: RegExp
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const child = spawn(program, [...args], { stdio: ["ignore", "pipe", "pipe"] })
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          if (ready.test(line)) resume(Effect.succeed(child))
        })
      }
      child.on("exit", (code) => resume(Effect.die(new Error(`${program} ended with ${code}`))))
    }).pipe(Effect.timeout("30 seconds"), Effect.orDie),
    (child) => Effect.sync(() => child.kill("SIGTERM"))
  ).pipe(Effect.asVoid)
