/** `npm run simulate`: many runs, and for each failed run a command that prints its story. */
import { parseArgs } from "node:util"
import { isMutant, MUTANTS, type Mutant } from "./mutants.ts"
import { isOracle, ORACLES, type OracleName } from "./oracles/names.ts"
import { type Engine, type Fault, FAULTS, type Size } from "./Shape.ts"
import { type Run, simulate } from "./simulate.ts"

const USAGE = `npm run simulate -- [options]
  --seeds 1..200      the worlds; one number is one world
  --engine both       direct, job or both
  --size small        small or large
  --faults a,b        allows only these kinds of faults, or none: ${FAULTS.join(", ")}
  --only ORACLE       fails only if this oracle is violated: ${Object.keys(ORACLES).join(", ")}
  --mutant NAME       an operator with a fault: ${Object.keys(MUTANTS).join(", ")}
  --story             prints the story; --log adds the operator's log`

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1..200" },
    engine: { type: "string", default: "both" },
    size: { type: "string", default: "small" },
    faults: { type: "string" },
    only: { type: "string" },
    mutant: { type: "string" },
    story: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const refuse = (what: string): never => {
  console.error(`${what}\n${USAGE}`)
  process.exit(2)
}

/** Parses one of some choices. */
const oneOf = <A extends string>(option: string, text: string, choices: ReadonlyArray<A>): A =>
  choices.find((choice) => choice === text) ?? refuse(`--${option} ${text} must be one of ${choices.join(", ")}`)

if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const [first = Number.NaN, last = first] = values.seeds.split("..").map(Number)
if (!(first <= last)) refuse(`--seeds ${values.seeds} is neither a number nor a range such as 1..200`)
const engine = oneOf("engine", values.engine, ["direct", "job", "both"])
const engines: ReadonlyArray<Engine> = engine === "both" ? ["direct", "job"] : [engine]
const size: Size = oneOf("size", values.size, ["small", "large"])
const allowed =
  values.faults === undefined
    ? undefined
    : new Set(values.faults === "none" ? [] : values.faults.split(",").map((name) => oneOf("faults", name, FAULTS)))
const { only } = values
if (only !== undefined && !isOracle(only)) refuse(`--only ${only} is not an oracle`)
const mutantOf = (name: string): Mutant => (isMutant(name) ? MUTANTS[name] : refuse(`--mutant ${name} is not a mutant`))
const mutant = values.mutant === undefined ? undefined : mutantOf(values.mutant)

const runOf = (seed: number, engine: Engine, faults: ReadonlySet<Fault> | undefined): Promise<Run> =>
  simulate({ seed, engine, size, faults, isFull: values.log, ...(mutant === undefined ? {} : { parts: mutant.parts }) })

const isFailure = (oracle: OracleName): boolean => only === undefined || oracle === only

/** The fewest kinds of faults with which the same oracle is still violated. */
const shrink = async ({ shape }: Run, oracle: OracleName): Promise<ReadonlySet<Fault>> => {
  let faults = shape.faults
  for (const fault of shape.faults) {
    const fewer = new Set([...faults].filter((other) => other !== fault))
    const { violations } = await runOf(shape.seed, shape.engine, fewer)
    if (violations.some((violation) => violation.oracle === oracle)) faults = fewer
  }
  return faults
}

/** The most failures that are printed in full. */
const TOLD = 5

const tell = async (run: Run): Promise<void> => {
  const { engine, seed } = run.shape
  const failures = run.violations.filter(({ oracle }) => isFailure(oracle))
  console.log(`\nseed ${seed}, engine ${engine}`)
  for (const { at, detail, oracle } of failures) console.log(`  ${oracle} at ${at / 1_000} s: ${detail}`)
  const [failure] = failures
  if (failure === undefined) return
  const faults = [...(await shrink(run, failure.oracle))].join(",") || "none"
  const others = values.mutant === undefined ? "" : ` --mutant ${values.mutant}`
  console.log(
    `  npm run simulate -- --seeds ${seed} --engine ${engine} --size ${size} --faults ${faults}${others} --story`
  )
}

const tally = new Map<OracleName, Array<string>>()
let runs = 0
let failed = 0
const begun = process.hrtime.bigint()
for (let seed = first; seed <= last; seed += 1) {
  for (const engine of engines) {
    const run = await runOf(seed, engine, allowed)
    runs += 1
    if (values.story) console.log(run.story.join("\n"))
    for (const oracle of new Set(run.violations.map((violation) => violation.oracle))) {
      tally.set(oracle, [...(tally.get(oracle) ?? []), `${seed} ${engine}`])
    }
    if (!run.violations.some(({ oracle }) => isFailure(oracle))) continue
    failed += 1
    if (failed <= TOLD) await tell(run)
  }
}
const elapsed = Number(process.hrtime.bigint() - begun) / 1e9
const { system, user } = process.cpuUsage()
const cpu = (user + system) / 1e6
console.log(`\n${runs} runs in ${elapsed.toFixed(1)} s, ${failed} failed; ${cpu.toFixed(1)} s of CPU`)
for (const [oracle, found] of tally) {
  console.log(
    `  ${oracle}: ${found.length} runs, such as ${found.slice(0, 4).join(", ")}: violated: ${ORACLES[oracle]}`
  )
}
process.exitCode = failed > 0 ? 1 : 0
