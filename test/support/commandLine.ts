/** The command line in this process, with real files and captured output. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer, type Scope, Stdio, Stream } from "effect"
import * as App from "../../src/App.ts"
import { Ending } from "../../src/cli/Ending.ts"
import { LiveArea } from "../../src/cli/LiveArea.ts"

/** The output of a run of the program, and the exit code of its process. The code is null after a signal. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs the program to its end. The environment has only the given variables. Both outputs are files, or standard error is a
 * terminal whose text `terminal` gets.
 */
export const run = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  stdin = "",
  terminal?: (text: string) => void
): Effect.Effect<Ended> =>
  Effect.suspend(() => {
    let stdout = ""
    let stderr = ""
    const lineOf = (parts: ReadonlyArray<unknown>) => `${parts.join(" ")}\n`
    const captured: Console.Console = {
      ...globalThis.console,
      log: (...parts: ReadonlyArray<unknown>) => void (stdout += lineOf(parts)),
      error: (...parts: ReadonlyArray<unknown>) => void (stderr += lineOf(parts))
    }
    const write = (text: string) => {
      stderr += text
      terminal?.(text)
    }
    const area = LiveArea.make({ write, columns: () => 80, rows: () => 24 })
    const ending = Ending.make()
    return App.run.pipe(
      Effect.provide(
        Layer.mergeAll(
          Stdio.layerTest({
            args: Effect.succeed(args),
            stdin: Stream.make(new TextEncoder().encode(stdin)),
            stderrIsTerminal: Effect.succeed(terminal !== undefined)
          }),
          Layer.succeed(Console.Console, captured),
          Layer.succeed(LiveArea, area),
          Layer.succeed(Ending, ending),
          ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
        ).pipe(Layer.provideMerge(NodeServices.layer))
      ),
      Effect.exit,
      Effect.map((exit) => ({ code: ending.codeOf(exit, "SIGINT"), stdout, stderr }))
    )
  })

/** A file that is deleted after the test. */
export const file = (name: string, text: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(directory({ [name]: text }), (path) => join(path, name))

/** A directory with files, by their paths in it, that is deleted after the test. */
export const directory = (
  files: Readonly<Record<string, string | Uint8Array>>
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    ),
    (path) => {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(path, name)), { recursive: true })
        writeFileSync(join(path, name), text)
      }
      return path
    }
  )
