/** The command line as its users run it: a real process and real files. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Deferred, Effect, Layer, type Scope } from "effect"
import { Command } from "effect/cli"
import { vi } from "vitest"
import { describeFailure, exitCodeOf } from "../../src/cli/report.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"

/** A machine that is busy starts processes slowly. */
vi.setConfig({ testTimeout: 30_000 })

export const main = new URL("../../src/main.ts", import.meta.url).pathname

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly ended: Effect.Effect<Ended>
  readonly kill: (signal: NodeJS.Signals) => void
}

/** The command line with these arguments, as a process that is gone with the test. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const ended = Deferred.makeUnsafe<Ended>()
      const child = spawn(process.execPath, [main, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: process.env["PATH"] ?? "", ...env }
      })
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
      child.on("close", (code) => Effect.runSync(Deferred.succeed(ended, { code, stdout, stderr })))
      return { ended: Deferred.await(ended), kill: (signal: NodeJS.Signals) => void child.kill(signal) }
    }),
    ({ kill }) => Effect.sync(() => kill("SIGKILL"))
  )

/** How it ends. */
export const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(start(args, env), ({ ended }) => ended)

/** A file that is gone with the test. */
export const file = (name: string, text: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    ),
    (directory) => {
      writeFileSync(join(directory, name), text)
      return join(directory, name)
    }
  )

/**
 * A command as {@link run} runs it, but in this process, as far as it needs no more than registries: for tables of many
 * rows. What it prints and the code it ends with are the process's.
 */
export const runHere = <Name extends string, Input, E>(
  command: Command.Command<Name, Input, unknown, E, RegistryClient | Credentials | NodeServices.NodeServices>,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Ended> =>
  Effect.suspend(() => {
    let stdout = ""
    let stderr = ""
    const captured: Console.Console = {
      ...globalThis.console,
      log: (...parts: ReadonlyArray<unknown>) => void (stdout += `${parts.join(" ")}\n`),
      error: (...parts: ReadonlyArray<unknown>) => void (stderr += `${parts.join(" ")}\n`)
    }
    return Command.runWith(command, { version: "0" })(args).pipe(
      Effect.tapCause((cause) => {
        const text = describeFailure(cause)
        return text === "" ? Effect.void : Effect.sync(() => (stderr += `skopeo-operator: ${text}\n`))
      }),
      Effect.provide(
        Layer.mergeAll(
          NodeServices.layer,
          RegistryClientHttp.layer(),
          Credentials.layerAnonymous,
          ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
          Layer.succeed(Console.Console, captured)
        )
      ),
      Effect.exit,
      Effect.map((exit) => ({ code: exitCodeOf(exit), stdout, stderr }))
    )
  })
