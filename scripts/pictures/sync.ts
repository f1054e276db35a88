/** The terminal of `skopeo-operator sync`, of a run between two registries on loopback: its progress, and its end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer, Stdio } from "effect"
import { run } from "../../src/App.ts"
import { Ending } from "../../src/cli/Ending.ts"
import { LiveArea } from "../../src/cli/LiveArea.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { BLUE, GREEN, drawTerminal } from "./terminal.ts"

const COLUMNS = 100

const manifest = (source: string, destination: string) => `
apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: alpine }
spec:
  source: { name: ${source}/library/alpine, version: 3.22.x, tlsVerify: false }
  destination: { name: ${destination}/library/alpine, tlsVerify: false }
  tags: { latest: 3 }
---
apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: node-22 }
spec:
  mode: Recurrent
  source: { name: ${source}/library/node, version: 22-alpine, tlsVerify: false }
  destination: { name: ${destination}/library/node, tlsVerify: false }
`

const synced = Effect.gen(function* () {
  const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
  for (const tag of ["3.21.4", "3.22.0", "3.22.1", "3.22.2"]) {
    pushSampleImage(source.store, "library/alpine", tag, tag, { layerSize: 12_000_000 })
  }
  pushSampleImage(source.store, "library/node", "22-alpine", "node", { layerSize: 60_000_000 })
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const file = join(folder, "images.yaml")
  writeFileSync(file, manifest(source.host, destination.host))

  const frames: Array<ReadonlyArray<string>> = []
  const printed: Array<string> = []
  const log = (...parts: ReadonlyArray<unknown>) => void printed.push(...parts.join(" ").split("\n"))
  yield* Effect.provide(
    run,
    Layer.mergeAll(
      Stdio.layerTest({
        args: Effect.succeed(["sync", "-f", file]),
        stderrIsTerminal: Effect.succeed(true),
        stdoutIsTerminal: Effect.succeed(false)
      }),
      Layer.succeed(Console.Console, { ...globalThis.console, log, error: log }),
      Layer.succeed(LiveArea, {
        draw: (lines) => void frames.push(lines),
        print: () => {},
        size: () => ({ columns: COLUMNS, rows: 30 })
      }),
      Layer.succeed(Ending, Ending.make()),
      ConfigProvider.layer(ConfigProvider.fromEnv({ env: { COPIES_AT_ONCE: "2", COLUMNS: String(COLUMNS) } }))
    ).pipe(Layer.provideMerge(NodeServices.layer))
  )
  const shown = frames.filter((lines) => lines.length > 0)
  return { frame: shown[Math.floor(shown.length / 2)] ?? [], printed }
})

export const syncPicture = (): Promise<string> =>
  Effect.runPromise(
    Effect.map(Effect.scoped(synced), ({ frame, printed }) =>
      drawTerminal(
        "The output of skopeo-operator sync: the progress of two Images, and the result",
        ["$ skopeo-operator sync -f images.yaml", ...frame, "", ...printed],
        [
          [BLUE, (line) => frame.includes(line)],
          [GREEN, (line) => line.includes(" True ")]
        ]
      )
    )
  )
