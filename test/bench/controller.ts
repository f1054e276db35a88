/**
 * `npm run bench -- controller`: the controller on a real API server, beside loops that send the same requests without an
 * operator. Each row is a file in `controller/`.
 */
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { Cause, Console, DateTime, Effect, Exit } from "effect"
import { Command, Flag } from "effect/cli"
import { version } from "../../src/version.ts"
import { burst } from "./controller/burst.ts"
import { missingFor } from "./controller/environment.ts"
import { footprint } from "./controller/footprint.ts"
import { inSync } from "./controller/inSync.ts"
import { late } from "./controller/late.ts"
import { oneShot } from "./controller/oneShot.ts"
import { type RowResult, tableOf } from "./controller/report.ts"
import type { BenchRun, Row } from "./controller/Row.ts"
import { scrape } from "./controller/scrape.ts"
import { spread } from "./controller/spread.ts"
import { BenchFailed } from "./copy/measure.ts"

const ROWS: ReadonlyArray<Row> = [oneShot, burst, inSync, late, footprint, scrape, spread]

const NAMES = ROWS.map(({ name }) => name).join(",")

/** The most time of a row. */
const ROW_TIMEOUT = "20 minutes"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** The program as in the container image. */
const build = Effect.sync(() => {
  execFileSync(process.execPath, [`${root}scripts/build.ts`])
  return `${root}dist/image`
})

/** A row that fails does not keep the bench from measuring the others. */
const resultOf = Effect.fnUntraced(function* (row: Row, run: BenchRun) {
  yield* Console.error(`${row.name} …`)
  const exit = yield* row.measure(run).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: ROW_TIMEOUT,
      orElse: () => Effect.fail(new BenchFailed({ detail: `no result within ${ROW_TIMEOUT}` }))
    }),
    Effect.exit
  )
  if (Exit.isSuccess(exit)) return { _tag: "Measured", row: row.name, figures: exit.value } satisfies RowResult
  if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
  const error = Cause.squash(exit.cause)
  const why = error instanceof Error ? error.message : String(error)
  yield* Console.error(`${row.name} failed: ${why}`)
  return { _tag: "Failed", row: row.name, why } satisfies RowResult
})

export const controllerCommand = Command.make(
  "controller",
  {
    only: Flag.String("only").pipe(
      Flag.withDescription(`The only rows to measure, separated by commas: ${NAMES}`),
      Flag.withDefault(NAMES)
    ),
    large: Flag.Boolean("large").pipe(
      Flag.withDescription("Measures 10,000 new Images too, which takes minutes"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ large, only }) {
    const names = only.split(",")
    const unknown = names.filter((name) => !ROWS.some((row) => row.name === name))
    if (unknown.length > 0) {
      return yield* new BenchFailed({ detail: `--only: "${unknown.join(",")}" is not a row; write some of ${NAMES}` })
    }
    const rows = ROWS.filter(({ name }) => names.includes(name))
    const missing = missingFor(rows.map(({ needs }) => needs))
    if (missing !== "") return yield* new BenchFailed({ detail: missing })
    const run: BenchRun = {
      name: `bench-${randomUUID().slice(0, 8)}`,
      large,
      bundle: yield* Effect.cached(build)
    }
    const results = yield* Effect.forEach(rows, (row) => resultOf(row, run))
    yield* Console.log(tableOf(results))
    const date = DateTime.formatIsoDateUtc(yield* DateTime.now)
    yield* Console.log(
      `\n${date}; ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? ""}; skopeo-operator ${version} on Node ${process.versions.node}`
    )
    const failed = results.filter(({ _tag }) => _tag === "Failed").map(({ row }) => row)
    if (failed.length > 0) return yield* new BenchFailed({ detail: `no figures of ${failed.join(", ")}; see above` })
  })
).pipe(Command.withDescription("Measures the controller on a real API server, beside loops without an operator."))
