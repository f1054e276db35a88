/**
 * `npm run bench -- tags`: the real client lists a repository of thousands of tags, page by page, and a filter selects some.
 * The registry is another process that answers at once. Only this process is measured.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { formatTable } from "../../src/cli/table.ts"
import { parseExpression } from "../../src/domain/Expression.ts"
import { isExact, parseTagPattern } from "../../src/domain/TagPattern.ts"
import { judgeTags, type TagFilter } from "../../src/domain/TagFilter.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import { median } from "./copy/statistics.ts"

const SIZES = [1_000, 9_036, 90_360]
const PAGE = 1_000
const ROUNDS = 20

const registry = Effect.acquireRelease(
  Effect.callback<{ readonly host: string; readonly stop: () => void }>((resume) => {
    const server = fileURLToPath(new URL("tags/server.ts", import.meta.url))
    const child = fork(server, [String(PAGE), ...SIZES.map(String)])
    child.once("message", (host) =>
      resume(Effect.succeed({ host: typeof host === "string" ? host : "", stop: () => void child.kill() }))
    )
  }),
  ({ stop }) => Effect.sync(stop)
)

/** A typical filter: the newest versions of a release line without debug images, by expressions. */
const filter = Effect.gen(function* () {
  const pattern = yield* Effect.fromResult(parseTagPattern("x.x.x-alpine"))
  const exclude = yield* Effect.fromResult(parseExpression("[01]-alpine$"))
  if (isExact(pattern)) return yield* Effect.die("a pattern was expected")
  const chosen: TagFilter = {
    pattern,
    allowCandidateRelease: true,
    include: [],
    exclude: [exclude],
    latest: 50
  }
  return chosen
})

const MEGA = 1_000_000

export const tagsCommand = Command.make(
  "tags",
  {},
  Effect.fn(function* () {
    const { host } = yield* registry
    const client = yield* RegistryClient
    const chosen = yield* filter
    const rows: Array<ReadonlyArray<string>> = []
    for (const size of SIZES) {
      const repository = { registry: host, path: `node-${size}` }
      const round = Effect.gen(function* () {
        const [cpu, start] = [process.cpuUsage(), yield* Clock.currentTimeNanos]
        const tags = yield* client.tags({ repository, tlsVerify: false, credential: Option.none() })
        const listed = process.cpuUsage(cpu)
        const judged = judgeTags(chosen, tags)
        const { system, user } = process.cpuUsage(cpu)
        const end = yield* Clock.currentTimeNanos
        return {
          tags: judged.length,
          selected: judged.filter(({ verdict }) => verdict.selected).length,
          listing: (listed.user + listed.system) / 1_000,
          own: (user + system) / 1_000,
          wall: Number(end - start) / 1e6
        }
      })
      const first = yield* round
      const rounds = yield* Effect.forEach(Array.from({ length: ROUNDS }), () => round)
      const of = (pick: (one: typeof first) => number): string => median(rounds.map(pick)).toFixed(1)
      rows.push([
        String(first.tags),
        String(Math.ceil(size / PAGE)),
        String(first.selected),
        first.own.toFixed(1),
        of(({ listing }) => listing),
        of(({ own }) => own),
        of(({ wall }) => wall),
        (process.memoryUsage().heapUsed / MEGA).toFixed(0),
        (process.resourceUsage().maxRSS / 1_000).toFixed(0)
      ])
    }
    yield* Console.log(`milliseconds of this process's own CPU, median of ${ROUNDS}; memory in MB, the peak so far\n`)
    yield* Console.log(
      formatTable(
        ["TAGS", "PAGES", "SELECTED", "FIRST", "LISTING", "LISTING AND SELECTING", "WALL CLOCK", "HEAP", "PEAK RSS"],
        rows
      )
    )
  })
).pipe(Command.withDescription("Lists repositories of thousands of tags, and selects tags."))
