/**
 * The services of Node.js for commands. No command asks a question, so these leave the standard input closed until a command reads
 * it. (Effect's own services ask at each start whether the standard input is a terminal, which takes Node.js 4 ms.)
 */
import { NodeChildProcessSpawner, NodeFileSystem, NodePath, type NodeServices, NodeStdio } from "@effect/platform-node"
import { Effect, Layer, Stdio, Terminal } from "effect"

const stdio = Layer.effect(
  Stdio.Stdio,
  Effect.map(Stdio.Stdio, (stdio) => Stdio.make({ ...stdio, stdinIsTerminal: Effect.succeed(false) }))
).pipe(Layer.provide(NodeStdio.layer))

const unused = Effect.die(new Error("no command reads keys"))

const terminal = Layer.succeed(
  Terminal.Terminal,
  Terminal.make({
    columns: Effect.sync(() => process.stdout.columns ?? 0),
    rows: Effect.sync(() => process.stdout.rows ?? 0),
    size: unused,
    readInput: unused,
    readLine: unused,
    display: () => unused
  })
)

export const layer: Layer.Layer<NodeServices.NodeServices> = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, stdio, terminal))
)
