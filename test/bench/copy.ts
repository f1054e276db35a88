/**
 * `npm run bench -- copy`: the same images from the same registry to registries of the same kind, by this program as it
 * is shipped and by the tools that are on PATH, taking turns in one run. Every copy goes to a registry that is new, is
 * read back byte for byte, and is then asked for again with nothing to do.
 */
import { Console, DateTime, Effect, type Scope } from "effect"
import { Command, Flag } from "effect/cli"
import { type HttpClient } from "effect/http"
import { execFileSync } from "node:child_process"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { version } from "../../src/version.ts"
import { onPath } from "../support/programs.ts"
import { type Contender, own, perImage, perRepository } from "./copy/contenders.ts"
import * as images from "./copy/images.ts"
import {
  BenchFailed,
  inSequence,
  measured,
  type ProgramCall,
  run,
  startUp,
  temporaryDirectory
} from "./copy/measure.ts"
import { type BenchRegistry, startRegistry } from "./copy/registry.ts"
import { markdownTable, plainTable, type Result, type Turn } from "./copy/report.ts"

interface Row {
  readonly name: string
  readonly repositories: () => ReadonlyArray<images.BenchRepository>
  readonly others: ReadonlyArray<Contender>
  /** The repositories whose requests are counted. Default all. */
  readonly counted?: string
  /** At most so many turns. */
  readonly turns?: number
}

const MIB = 1024 * 1024

const ROWS: ReadonlyArray<Row> = [
  { name: "multi", repositories: images.multi, others: perImage },
  { name: "big", repositories: () => images.ofSize("big", 512 * MIB), others: perImage },
  { name: "many", repositories: images.many, others: perRepository },
  // The second of two repositories, when the first is there already.
  { name: "mount", repositories: images.mount, others: perImage, counted: "mount/b/" },
  // What it takes of memory does not grow with the image.
  { name: "64 MB", repositories: () => images.ofSize("small", 64 * MIB), others: [], turns: 3 },
  { name: "2 GB", repositories: () => images.ofSize("large", 2048 * MIB), others: [], turns: 3 }
]

type Services = RegistryClient | HttpClient.HttpClient | Scope.Scope

interface Prepared extends Omit<Row, "repositories"> {
  readonly repositories: ReadonlyArray<images.BenchRepository>
}

/** One tool's turn with one row: its start, a cold copy, and once more with nothing to do. */
const turn = (
  contender: Contender,
  row: Prepared,
  source: BenchRegistry,
  registry: string
): Effect.Effect<Turn, BenchFailed, Exclude<Services, Scope.Scope>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const errand = { directory, repositories: row.repositories }
      const started = yield* startUp((host): ProgramCall => {
        const [first] = contender.calls({ ...errand, source: host, destination: host, again: false })
        return first ?? { program: contender.program, args: [] }
      }, directory)
      const destination = yield* startRegistry(registry)
      const copy = Effect.fnUntraced(function* (again: boolean) {
        const calls = contender.calls({ ...errand, source: source.host, destination: destination.host, again })
        const usages = yield* Effect.forEach(calls, (call) => measured(call, directory))
        const { seconds, ...rest } = inSequence(usages)
        return {
          ...rest,
          // A tool is started for each copy, an operator once.
          seconds: contender === own ? seconds - started : seconds,
          traffic: { source: yield* source.traffic(row.counted), destination: yield* destination.traffic(row.counted) }
        }
      })
      yield* source.traffic()
      const cold = yield* copy(false)
      yield* Effect.forEach(row.repositories, (repository) =>
        Effect.mapError(
          images.verify(destination.access(repository.path), repository),
          (error) => new BenchFailed({ detail: `${contender.name} has not copied ${row.name}: ${error.message}` })
        )
      )
      yield* destination.traffic()
      const warm = yield* copy(true)
      return {
        startUp: started,
        cold: cold.seconds,
        warm: warm.seconds,
        cpuSeconds: cold.cpuSeconds,
        peakBytes: cold.peakBytes,
        coldTraffic: cold.traffic,
        warmTraffic: warm.traffic
      }
    })
  )

/** Whose turn it is first changes from turn to turn. */
const rotated = <A>(all: ReadonlyArray<A>, by: number): ReadonlyArray<A> => [
  ...all.slice(by % all.length),
  ...all.slice(0, by % all.length)
]

const resultsOf = Effect.fnUntraced(function* (
  row: Row,
  options: { readonly runs: number; readonly registry: string }
): Effect.fn.Return<ReadonlyArray<Result>, BenchFailed, Services> {
  const prepared: Prepared = { ...row, repositories: row.repositories() }
  const source = yield* startRegistry(options.registry)
  yield* Effect.forEach(prepared.repositories, (repository) =>
    Effect.mapError(
      images.push(source.access(repository.path), repository),
      (error) => new BenchFailed({ detail: error.message })
    )
  )
  const contenders = [own, ...row.others.filter(({ program }) => onPath(program))]
  const turns = new Map<string, Array<Turn>>(contenders.map(({ name }) => [name, []]))
  const runs = Math.min(options.runs, row.turns ?? options.runs)
  // The first turn warms up caches on every side and does not count.
  for (let round = 0; round <= runs; round++) {
    for (const contender of rotated(contenders, round)) {
      const result = yield* turn(contender, prepared, source, options.registry)
      if (round > 0) turns.get(contender.name)?.push(result)
    }
    yield* Console.error(`${row.name}: ${round} of ${runs}`)
  }
  return contenders.map(({ name }) => ({
    row: row.name,
    tool: name,
    isOwn: name === own.name,
    turns: turns.get(name) ?? []
  }))
}, Effect.scoped)

/** What is run, as each program itself says. */
const versions = Effect.gen(function* () {
  const home = yield* temporaryDirectory
  const asked: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["skopeo", ["--version"]],
    ["regctl", ["version"]],
    ["regsync", ["version"]],
    ["crane", ["version"]]
  ]
  const others = yield* Effect.forEach(
    asked.filter(([program]) => onPath(program)),
    ([program, args]) =>
      Effect.map(
        run({ program, args }, home),
        (text) => `${program} ${/v?([0-9]+\.[0-9]+\.[0-9]+)/u.exec(text)?.[1] ?? "?"}`
      )
  )
  return [`skopeo-operator ${version} on Node ${process.versions.node}`, ...others].join(", ")
})

export const copyCommand = Command.make(
  "copy",
  {
    runs: Flag.Int("runs").pipe(Flag.withDescription("Turns that count"), Flag.withDefault(10)),
    rows: Flag.String("rows").pipe(
      Flag.withDescription(`Some of ${ROWS.map(({ name }) => name).join(",")}`),
      Flag.withDefault(ROWS.map(({ name }) => name).join(","))
    ),
    registry: Flag.String("registry").pipe(
      Flag.withDescription("The registry's program: registry (distribution 3) or docker-registry (2.8)"),
      Flag.withDefault("registry")
    ),
    markdown: Flag.Boolean("markdown").pipe(
      Flag.withDescription("Print the table as the README has it"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ markdown, registry, rows, runs }) {
    const names = new Set(rows.split(","))
    const unknown = [...names].filter((name) => !ROWS.some((row) => row.name === name))
    if (unknown.length > 0) return yield* new BenchFailed({ detail: `--rows: there is no ${unknown.join(", ")}` })
    const needed = [registry, "time"].filter((program) => !onPath(program))
    if (needed.length > 0) {
      return yield* new BenchFailed({ detail: `bench needs ${needed.join(" and ")} on PATH: distribution, GNU time` })
    }
    for (const program of ["skopeo", "regctl", "regsync", "crane"]) {
      if (!onPath(program)) yield* Console.log(`${program} is not on PATH and is left out`)
    }
    execFileSync(process.execPath, [fileURLToPath(new URL("../../scripts/build.ts", import.meta.url))])
    const chosen = ROWS.filter(({ name }) => names.has(name))
    const results = (yield* Effect.forEach(chosen, (row) => resultsOf(row, { runs, registry }))).flat()
    yield* Console.log(markdown ? markdownTable(results) : plainTable(results))
    const date = DateTime.formatIsoDateUtc(yield* DateTime.now)
    yield* Console.log(
      `\n${date}; ${runs} turns each; ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? ""}; ${yield* versions}`
    )
  }, Effect.scoped)
).pipe(Command.withDescription("Copies images beside Skopeo, regctl, regsync and crane, taking turns."))
