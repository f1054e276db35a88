/**
 * `npm run bench -- copy`: copies the same images from one registry to registries of the same kind, with this program as a
 * running operator, with the program as shipped, and with the tools on PATH, one after the other. Each copy goes to a new registry, is
 * read back byte for byte, and is then made again without work.
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
import { markdownTable, plainTable, type Result, type SidedTraffic, type Run } from "./copy/report.ts"
import { distant } from "./copy/distant.ts"
import { bundleOperator, startOperator } from "./copy/running.ts"

interface Row {
  readonly name: string
  readonly repositories: () => ReadonlyArray<images.BenchRepository>
  readonly others: ReadonlyArray<Contender>
  /** `Second` counts the requests of the repository that was copied second. Default: those of all repositories. */
  readonly counts?: "Second"
  /** An earlier process of the tool copies all but the last repository. Only the copy of the last one is measured. */
  readonly earlier?: true
  /** The milliseconds by which each byte to and from the registries is late, each way. Default none. */
  readonly delay?: number
  /** The most runs of this row. */
  readonly runs?: number
}

const MIB = 1024 * 1024

const ROWS: ReadonlyArray<Row> = [
  { name: "multi", repositories: images.multi, others: perImage },
  { name: "big", repositories: () => images.ofSize("big", 512 * MIB), others: perImage },
  { name: "many", repositories: images.many, others: perRepository },
  { name: "mount", repositories: images.mount, others: perImage, counts: "Second" },
  // Skopeo keeps a cache of where blobs are, as this program does.
  { name: "mount later", repositories: images.mount, others: perImage, counts: "Second", earlier: true },
  { name: "multi 25 ms", repositories: images.multi, others: perImage, delay: 25, runs: 3 },
  { name: "many 25 ms", repositories: images.many, others: perRepository, delay: 25, runs: 3 },
  // The memory does not grow with the image.
  { name: "64 MB", repositories: () => images.ofSize("small", 64 * MIB), others: [], runs: 3 },
  { name: "2 GB", repositories: () => images.ofSize("large", 2048 * MIB), others: [], runs: 3 }
]

type Services = RegistryClient | HttpClient.HttpClient | Scope.Scope

interface Prepared extends Omit<Row, "repositories"> {
  readonly repositories: ReadonlyArray<images.BenchRepository>
}

/** A version of this project. */
interface Own {
  /** The running operator, as a file for Node.js. */
  readonly operator: string
  /** The suffix of its name in the table. */
  readonly suffix: string
  readonly sync: Contender
}

interface Place {
  readonly source: BenchRegistry
  /** The program of the registries. */
  readonly registry: string
}

type Copying = (
  destination: BenchRegistry,
  again: boolean,
  repositories?: ReadonlyArray<images.BenchRepository>
) => Effect.Effect<Usage, BenchFailed>

interface Ready {
  /** Seconds until the first connection. Absent for an operator, which runs already. */
  readonly startUp: number | undefined
  readonly copy: Copying
}

const errandOf = (
  row: Prepared,
  { source }: Place,
  destination: BenchRegistry,
  again: boolean,
  repositories = row.earlier === true ? row.repositories.slice(-1) : row.repositories
) => ({ source: source.host, destination: destination.host, repositories, again })

/** A tool is started for each copy, and its start counts. */
const tool = Effect.fnUntraced(function* (
  contender: Contender,
  row: Prepared,
  place: Place
): Effect.fn.Return<Ready, BenchFailed, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const startUp = yield* measure.startUp((host): ProgramCall => {
    const request = { source: host, destination: host, repositories: row.repositories, again: false, directory }
    return contender.calls(request)[0] ?? { program: contender.program, args: [] }
  }, directory)
  const copy: Copying = (destination, again, repositories) =>
    Effect.forEach(contender.calls({ ...errandOf(row, place, destination, again, repositories), directory }), (call) =>
      measured(call, directory)
    ).pipe(Effect.map(inSequence))
  return { startUp, copy }
})

/** A running operator that has copied other images from the same registry to another registry. */
const running = Effect.fnUntraced(function* (
  { operator }: Own,
  row: Prepared,
  place: Place
): Effect.fn.Return<Ready, BenchFailed, Services> {
  const carryOut = yield* startOperator(operator)
  const elsewhere = yield* startRegistry(place.registry)
  for (const repository of images.warmUp()) {
    for (const again of [false, true]) {
      yield* carryOut(imagesFor(errandOf(row, place, elsewhere, again, [repository])))
    }
  }
  return {
    startUp: undefined,
    copy: (destination, again, repositories) =>
      carryOut(imagesFor(errandOf(row, place, destination, again, repositories)))
  }
})

const requestsIn = ({ destination, source }: SidedTraffic): number => source.requests + destination.requests

/** One run of one row: a cold copy, and then a copy without work. */
const runOnce = (
  ready: Effect.Effect<Ready, BenchFailed, Services>,
  row: Prepared,
  { registry, source }: Place
): Effect.Effect<Run, BenchFailed, Exclude<Services, Scope.Scope>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { copy, startUp } = yield* ready
      const destination = yield* distant(yield* startRegistry(registry), row.delay)
      const counted = Effect.fnUntraced(function* (again: boolean) {
        const usage = yield* copy(destination, again)
        const lines = { source: yield* source.newLines, destination: yield* destination.newLines }
        const copied = row.earlier === true ? row.repositories.slice(-1) : row.repositories
        const about = row.counts === undefined ? [undefined] : copied.map(({ path }) => path)
        const [traffic] = about
          .map((path): SidedTraffic => ({
            source: trafficOf(lines.source, path),
            destination: trafficOf(lines.destination, path)
          }))
          .toSorted((a, b) => requestsIn(a) - requestsIn(b))
        if (traffic === undefined) return yield* new BenchFailed({ detail: `${row.name} has no repository` })
        return { ...usage, traffic }
      })
      if (row.earlier === true) {
        yield* copy(destination, false, row.repositories.slice(0, -1))
        yield* destination.newLines
      }
      yield* source.newLines
      const cold = yield* counted(false)
      yield* Effect.forEach(row.repositories, (repository) =>
        Effect.mapError(
          images.verify(destination.access(repository.path), repository),
          (error) => new BenchFailed({ detail: `${row.name} differs at the destination: ${error.message}` })
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

/** The contenders with another one first in each run. */
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
  const place = { source: yield* distant(source, row.delay), ...options }
  const contenders = [
    ...options.own.flatMap((own) => [
      { name: `skopeo-operator${own.suffix}`, isOwn: true, ready: running(own, prepared, place) },
      { name: own.sync.name, isOwn: true, ready: tool(own.sync, prepared, place) }
    ]),
    ...row.others
      .filter(({ program }) => onPath(program))
      .map((contender) => ({
        name: contender.name,
        isOwn: false,
        ready: tool(contender, prepared, place)
      }))
  ]
  const measured = new Map<string, Array<Run>>(contenders.map(({ name }) => [name, []]))
  const runs = Math.min(options.runs, row.runs ?? options.runs)
  // The first run warms up all caches and does not count.
  for (let round = 0; round <= runs; round++) {
    for (const { name, ready } of rotated(contenders, round)) {
      const result = yield* runOnce(ready, prepared, place)
      if (round > 0) measured.get(name)?.push(result)
    }
    yield* Console.error(`${row.name}: ${round} of ${runs}`)
  }
  return contenders.map(({ isOwn, name }) => ({ row: row.name, tool: name, isOwn, runs: measured.get(name) ?? [] }))
}, Effect.scoped)

/** Builds a checkout, and gives it as a contender. */
const ownOf = Effect.fnUntraced(function* (checkout: string, suffix: string) {
  execFileSync(process.execPath, [join(checkout, "scripts/build.ts")])
  const operator = yield* bundleOperator(checkout)
  return { operator, suffix, sync: syncOf(`skopeo-operator sync${suffix}`, checkout) }
})

/** The versions of the programs, as they report them. */
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
    runs: Flag.Int("runs").pipe(Flag.withDescription("The number of runs"), Flag.withDefault(10)),
    rows: Flag.String("rows").pipe(
      Flag.withDescription(`Rows, separated by commas: ${ROWS.map(({ name }) => name).join(",")}`),
      Flag.withDefault(ROWS.map(({ name }) => name).join(","))
    ),
    registry: Flag.String("registry").pipe(
      Flag.withDescription("The program of the registries: registry (distribution 3) or docker-registry (2.8)"),
      Flag.withDefault("registry")
    ),
    before: Flag.String("before").pipe(
      Flag.withDescription("The checkout of another version, with its dependencies, to compare with"),
      Flag.optional
    ),
    markdown: Flag.Boolean("markdown").pipe(
      Flag.withDescription("Prints the table for docs/performance.md"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ before, markdown, registry, rows, runs }) {
    const names = new Set(rows.split(","))
    const unknown = [...names].filter((name) => !ROWS.some((row) => row.name === name))
    if (unknown.length > 0)
      return yield* new BenchFailed({
        detail: `--rows: "${unknown.join(",")}" is not a row; write some of ${ROWS.map(({ name }) => name).join(",")}`
      })
    const needed = [registry, "time"].filter((program) => !onPath(program))
    if (needed.length > 0) {
      return yield* new BenchFailed({
        detail: `the bench needs ${needed.join(" and ")} on PATH; install distribution and GNU time`
      })
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
      `\n${date}; ${runs} runs each; ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? ""}; ${yield* versions}`
    )
  }, Effect.scoped)
).pipe(Command.withDescription("Compares copies with Skopeo, regctl, regsync and crane."))
