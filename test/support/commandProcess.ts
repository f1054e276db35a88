/** The command line as a process, for tests of signals, of the environment, of the exit and of pipes. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { Deferred, Effect, type Scope } from "effect"
import { builtProgram } from "./builtProgram.ts"
import type { Ended } from "./commandLine.ts"

export const main = join(builtProgram, "main.cjs")

/** The timeout of tests that start processes, because a busy machine starts processes slowly. */
export const PROCESS_TIMEOUT = 30_000

/** The environment of each process. */
export const ENVIRONMENT: Readonly<Record<string, string>> = { PATH: process.env["PATH"] ?? "" }

export interface Running {
  readonly ended: Effect.Effect<Ended>
  readonly kill: (signal: NodeJS.Signals) => void
  /** Waits until standard error has a text. */
  readonly stderr: (text: string) => Effect.Effect<void>
}

/** Starts the program. Its process is killed after the test. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  program = main
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const ended = Deferred.makeUnsafe<Ended>()
      const child = spawn(process.execPath, [program, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...ENVIRONMENT, ...env }
      })
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
      const printed = new Set<() => void>()
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
        for (const check of printed) check()
      })
      child.on("close", (code) => Effect.runSync(Deferred.succeed(ended, { code, stdout, stderr })))
      return {
        ended: Deferred.await(ended),
        kill: (signal: NodeJS.Signals) => void child.kill(signal),
        stderr: (text: string) =>
          Effect.callback<void>((resume) => {
            const check = () => {
              if (stderr.includes(text)) resume(Effect.void)
            }
            printed.add(check)
            check()
            return Effect.sync(() => printed.delete(check))
          })
      }
    }),
    ({ kill }) => Effect.sync(() => kill("SIGKILL"))
  )

/** Runs the program to its end, in a process. */
export const runProcess = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  program: string = main
) => Effect.flatMap(start(args, env, program), ({ ended }) => ended)
