/** An operator that runs: it has started, and has copied before, when it is told what to copy. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Effect, Schema, type Scope } from "effect"
import { build } from "esbuild"
import type { OwnImage } from "./contenders.ts"
import { shipped } from "../../../scripts/bundle/shipped.ts"
import { BenchFailed, temporaryDirectory, TIMEOUT, type Usage } from "./measure.ts"

const Answer = Schema.fromJsonString(
  Schema.Struct({ seconds: Schema.Finite, cpuSeconds: Schema.Finite, peakBytes: Schema.Finite })
)

/**
 * One file, as the container image has it: many would be read and held in memory one by one. `checkout` is this project's
 * directory, or that of another version.
 */
export const bundleOperator = (checkout: string): Effect.Effect<string, BenchFailed, Scope.Scope> =>
  Effect.flatMap(temporaryDirectory, (directory) => {
    const outfile = join(directory, "operator.cjs")
    return Effect.as(
      Effect.tryPromise({
        try: () =>
          build({
            entryPoints: [join(checkout, "test/bench/copy/operator.ts")],
            outfile,
            bundle: true,
            format: "cjs",
            platform: "node",
            minify: true,
            logLevel: "error"
          }),
        catch: (cause) => new BenchFailed({ detail: String(cause) })
      }),
      outfile
    )
  })

/** Copies what it is told to, one list of Images after another, until the scope closes. */
export const startOperator = (
  program: string
): Effect.Effect<(images: ReadonlyArray<OwnImage>) => Effect.Effect<Usage, BenchFailed>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...shipped("").slice(0, -1), program], { stdio: ["pipe", "pipe", "inherit"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return (images) =>
      Effect.tryPromise(async () => {
        child.stdin.write(`${JSON.stringify(images)}\n`)
        return (await lines.next()).value
      }).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Answer)),
        Effect.mapError((error) => new BenchFailed({ detail: `the operator ended: ${error.message}` })),
        Effect.timeoutOrElse({
          duration: TIMEOUT,
          orElse: () => Effect.fail(new BenchFailed({ detail: `the operator did not end within ${TIMEOUT}` }))
        })
      )
  })
