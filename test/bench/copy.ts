/**
 * `npm run bench -- copy`: the same images from the same registry to registries of the same kind, by this program as an
 * operator that runs and as it is shipped, and by the tools that are on PATH, taking turns in one run. Every copy goes to a registry that is new, is
 * read back byte for byte, and is then asked for again with nothing to do.
 */
import { Console, DateTime, Effect, Option, type Scope } from "effect"
import { Command, Flag } from "effect/cli"
import { type HttpClient } from "effect/http"
import { execFileSync } from "node:child_process"
import { cpus } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { version } from "../../src/version.ts"
import { onPath } from "../support/programs.ts"
import { type Contender, imagesFor, perImage, perRepository, syncOf } from "./copy/contenders.ts"
import * as images from "./copy/images.ts"
import {
  BenchFailed,
  inSequence,
  measured,
  type ProgramCall,
  run,
  temporaryDirectory,
  type Usage
} from "./copy/measure.ts"
import * as measure from "./copy/measure.ts"
import { type BenchRegistry, startRegistry, trafficOf } from "./copy/registry.ts"
import { markdownTable, plainTable, type Result, type SidedTraffic, type Turn } from "./copy/report.ts"
import { bundleOperator, startOperator } from "./copy/running.ts"

interface Row {
  readonly name: string
  readonly repositories: () => ReadonlyArray<images.BenchRepository>
  readonly others: ReadonlyArray<Contender>
  /** Of several repositories the one that was second, whichever that was, has its requests counted. Default all. */
  readonly counts?: "Second"
  /** At most so many turns. */
  readonly turns?: number
}

const MIB = 1024 * 1024

const ROWS: ReadonlyArray<Row> = [
  { name: "multi", repositories: images.multi, others: perImage },
  { name: "big", repositories: () => images.ofSize("big", 512 * MIB), others: perImage },
  { name: "many", repositories: images.many, others: perRepository },
  { name: "mount", repositories: images.mount, others: perImage, counts: "Second" },
  // What it takes of memory does not grow with the image.
  { name: "64 MB", repositories: () => images.ofSize("small", 64 * MIB), others: [], turns: 3 },
  { name: "2 GB", repositories: () => images.ofSize("large", 2048 * MIB), others: [], turns: 3 }
]

type Services = RegistryClient | HttpClient.HttpClient | Scope.Scope

interface Prepared extends Omit<Row, "repositories"> {
  readonly repositories: ReadonlyArray<images.BenchRepository>
}

/** A version of this project. */
interface Own {
  /** The operator that runs, as a file for Node.js. */
  readonly operator: string
  /** What is added to its name in the table. */
  readonly suffix: string
  readonly sync: Contender
}

interface Place {
  readonly source: BenchRegistry
  /** The registries' program. */
  readonly registry: string
}

type Copying = (destination: BenchRegistry, again: boolean) => Effect.Effect<Usage, BenchFailed>

interface Ready {
  /** Seconds until the first connection; of an operator, that runs already, none. */
  readonly startUp: number | undefined
  readonly copy: Copying
}

const errandOf = (row: Prepared, { source }: Place, destination: BenchRegistry, again: boolean) => ({
  source: source.host,
  destination: destination.host,
  repositories: row.repositories,
  again
})

/** A tool is started for each copy. */
const tool = Effect.fnUntraced(function* (
  contender: Contender,
  row: Prepared,
  place: Place,
  isOwn: boolean
): Effect.fn.Return<Ready, BenchFailed, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const startUp = yield* measure.startUp((host): ProgramCall => {
    const errand = { source: host, destination: host, repositories: row.repositories, again: false, directory }
    return contender.calls(errand)[0] ?? { program: contender.program, args: [] }
  }, directory)
  const copy: Copying = (destination, again) =>
    Effect.forEach(contender.calls({ ...errandOf(row, place, destination, again), directory }), (call) =>
      measured(call, directory)
    ).pipe(
      Effect.map(inSequence),
      // An operator is started once, and so are its times.
      Effect.map((usage) => (isOwn ? { ...usage, seconds: usage.seconds - startUp } : usage))
    )
  return { startUp, copy }
})

/** An operator that has copied other images from the same registry to another one. */
const running = Effect.fnUntraced(function* (
  { operator }: Own,
  row: Prepared,
  place: Place
): Effect.fn.Return<Ready, BenchFailed, Services> {
  const carryOut = yield* startOperator(operator)
  const elsewhere = yield* startRegistry(place.registry)
  for (const repository of images.warmUp()) {
    const before = { ...row, repositories: [repository] }
    for (const again of [false, true]) yield* carryOut(imagesFor(errandOf(before, place, elsewhere, again)))
  }
  return {
    startUp: undefined,
    copy: (destination, again) => carryOut(imagesFor(errandOf(row, place, destination, again)))
  }
})

const requestsIn = ({ destination, source }: SidedTraffic): number => source.requests + destination.requests

/** One turn with one row: a cold copy, and once more with nothing to do. */
const turn = (
  ready: Effect.Effect<Ready, BenchFailed, Services>,
  row: Prepared,
  { registry, source }: Place
): Effect.Effect<Turn, BenchFailed, Exclude<Services, Scope.Scope>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { copy, startUp } = yield* ready
      const destination = yield* startRegistry(registry)
      const counted = Effect.fnUntraced(function* (again: boolean) {
        const usage = yield* copy(destination, again)
        const lines = { source: yield* source.newLines, destination: yield* destination.newLines }
        const about = row.counts === undefined ? [undefined] : row.repositories.map(({ path }) => path)
        const [traffic] = about
          .map((path): SidedTraffic => ({
            source: trafficOf(lines.source, path),
            destination: trafficOf(lines.destination, path)
          }))
          .toSorted((a, b) => requestsIn(a) - requestsIn(b))
        if (traffic === undefined) return yield* new BenchFailed({ detail: `${row.name} has no repository` })
        return { ...usage, traffic }
      })
      yield* source.newLines
      const cold = yield* counted(false)
      yield* Effect.forEach(row.repositories, (repository) =>
        Effect.mapError(
          images.verify(destination.access(repository.path), repository),
          (error) => new BenchFailed({ detail: `${row.name} is not what was copied: ${error.message}` })
        )
      )
      yield* destination.newLines
      const warm = yield* counted(true)
      return {
        startUp,
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
  options: { readonly runs: number; readonly registry: string; readonly own: ReadonlyArray<Own> }
): Effect.fn.Return<ReadonlyArray<Result>, BenchFailed, Services> {
  const prepared: Prepared = { ...row, repositories: row.repositories() }
  const source = yield* startRegistry(options.registry)
  yield* Effect.forEach([...prepared.repositories, ...images.warmUp()], (repository) =>
    Effect.mapError(
      images.push(source.access(repository.path), repository),
      (error) => new BenchFailed({ detail: error.message })
    )
  )
  const place = { source, ...options }
  const contenders = [
    ...options.own.flatMap((own) => [
      { name: `skopeo-operator${own.suffix}`, isOwn: true, ready: running(own, prepared, place) },
      { name: own.sync.name, isOwn: true, ready: tool(own.sync, prepared, place, true) }
    ]),
    ...row.others
      .filter(({ program }) => onPath(program))
      .map((contender) => ({
        name: contender.name,
        isOwn: false,
        ready: tool(contender, prepared, place, false)
      }))
  ]
  const turns = new Map<string, Array<Turn>>(contenders.map(({ name }) => [name, []]))
  const runs = Math.min(options.runs, row.turns ?? options.runs)
  // The first turn warms up caches on every side and does not count.
  for (let round = 0; round <= runs; round++) {
    for (const { name, ready } of rotated(contenders, round)) {
      const result = yield* turn(ready, prepared, place)
      if (round > 0) turns.get(name)?.push(result)
    }
    yield* Console.error(`${row.name}: ${round} of ${runs}`)
  }
  return contenders.map(({ isOwn, name }) => ({ row: row.name, tool: name, isOwn, turns: turns.get(name) ?? [] }))
}, Effect.scoped)

/** A checkout as a contender, once it is built. */
const ownOf = Effect.fnUntraced(function* (checkout: string, suffix: string) {
  execFileSync(process.execPath, [join(checkout, "scripts/build.ts")])
  const operator = yield* bundleOperator(checkout)
  return { operator, suffix, sync: syncOf(`skopeo-operator sync${suffix}`, checkout) }
})

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
    before: Flag.String("before").pipe(
      Flag.withDescription("The checkout of another version, with its dependencies, that takes turns too"),
      Flag.optional
    ),
    markdown: Flag.Boolean("markdown").pipe(
      Flag.withDescription("Print the table as the README has it"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ before, markdown, registry, rows, runs }) {
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
    const chosen = ROWS.filter(({ name }) => names.has(name))
    const own = [yield* ownOf(fileURLToPath(new URL("../../", import.meta.url)), "")]
    if (Option.isSome(before)) own.push(yield* ownOf(before.value, " (before)"))
    const results = (yield* Effect.forEach(chosen, (row) => resultsOf(row, { runs, registry, own }))).flat()
    yield* Console.log(markdown ? markdownTable(results) : plainTable(results))
    const date = DateTime.formatIsoDateUtc(yield* DateTime.now)
    yield* Console.log(
      `\n${date}; ${runs} turns each; ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? ""}; ${yield* versions}`
    )
  }, Effect.scoped)
).pipe(Command.withDescription("Copies images beside Skopeo, regctl, regsync and crane, taking turns."))
