#!/usr/bin/env node
/** The process: its services, and its end. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Exit, Layer } from "effect"
import { basename } from "node:path"
import { run, runPlugin } from "./App.ts"
import { Ending } from "./cli/Ending.ts"
import { endProcess, watchOutput } from "./cli/endProcess.ts"
import { endStoppedProcess } from "./cli/endStoppedProcess.ts"
import type { StopSignal } from "./cli/exitCodes.ts"
import { LiveArea } from "./cli/LiveArea.ts"
import * as ProcessServices from "./cli/ProcessServices.ts"

const standardError = LiveArea.make({
  write: (text) => void process.stderr.write(text),
  // A terminal without a size reports 0.
  columns: () => process.stderr.columns || 80,
  rows: () => process.stderr.rows || 24
})

/** The signal that stopped the process. */
let signal: StopSignal = "SIGINT"
process.once("SIGTERM", () => {
  if (signal === "SIGINT") signal = "SIGTERM"
})
// A closed terminal ends the command as SIGTERM does, which runMain handles.
process.once("SIGHUP", () => {
  signal = "SIGHUP"
  process.emit("SIGTERM")
})

watchOutput()

const ending = Ending.make()

/** kubectl finds its plugin by the name of the file, which may also be a link to this program. */
const isPlugin = basename(process.argv[1] ?? "").split(".")[0] === "kubectl-image"

const program = isPlugin ? runPlugin : run

program.pipe(
  Effect.provide(
    Layer.mergeAll(ProcessServices.layer, Layer.succeed(LiveArea, standardError), Layer.succeed(Ending, ending))
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit) => {
      const code = ending.codeOf(exit, signal)
      if (Exit.hasInterrupts(exit)) endStoppedProcess(code)
      else endProcess(code)
    }
  })
)
