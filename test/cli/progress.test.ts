/** The progress of copies on terminals and elsewhere. */
import { assert, describe, it } from "@effect/vitest"
import { LiveArea } from "../../src/cli/LiveArea.ts"
import { advance, barLines, NO_PROGRESS, plainLines, type Progress, type Sample } from "../../src/cli/progress.ts"
import type { Copy } from "../../src/domain/Copy.ts"
import { copyOf } from "../support/copies.ts"

const MB = 1_000_000

const running = (id: string, done: number, total: number, sent = done): Copy =>
  copyOf(id, { _tag: "Running", progress: { done, total, sent } })
const waiting = (id: string): Copy => copyOf(id, { _tag: "Waiting", reason: "waits" })
const done = (id: string, total: number): Copy =>
  copyOf(id, { _tag: "Succeeded", at: 0, progress: { done: total, total, sent: total } })

/** An Image with copied tags of selected ones, such as `12/14`. */
const sample = (name: string, tags: string | undefined, ...copies: ReadonlyArray<Copy>): Sample => {
  const [copied = 0, selected = 0] = (tags ?? "").split("/").map(Number)
  return { name, tags: tags === undefined ? undefined : { selected, copied, failed: 0 }, copies }
}

/** The progress after these samples, one per second. */
const after = (...series: ReadonlyArray<ReadonlyArray<Sample>>): Progress =>
  series.reduce((progress, samples, second) => advance(progress, samples, second * 1_000), NO_PROGRESS)

const wide = { columns: 200, rows: 40 }

describe("the lines of a terminal", () => {
  it.each<readonly [what: string, progress: Progress, lines: ReadonlyArray<string>]>([
    ["no lines before a copy runs", after([sample("team/app", undefined)]), []],
    ["no lines after all copies have ended", after([sample("team/app", "1/1", done("a", 5))]), []],
    [
      "a copy without progress",
      after([sample("team/app", undefined, copyOf("a", { _tag: "Running" }))]),
      ["team/app    ────────────────────────────────────────"]
    ],
    [
      "a copy, with the rate of the bytes that were sent",
      after(
        [sample("team/app", "0/1", running("a", 10 * MB, 80 * MB))],
        [sample("team/app", "0/1", running("a", 40 * MB, 80 * MB, 30 * MB))]
      ),
      ["team/app  0/1  ━━━━━━━━━━━━━━━━━━━━────────────────────  40.0 of 80.0 MB  20.0 MB/s  0:02"]
    ],
    [
      "the bytes of released copies",
      after(
        [sample("team/app", "0/2", running("a", 20 * MB, 60 * MB), waiting("b"))],
        [sample("team/app", "1/2", running("b", 0, 20 * MB))]
      ),
      ["team/app  1/2  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────  60.0 of 80.0 MB  0 B/s"]
    ],
    [
      "an estimate of the bytes of the copies that wait, and of the time that is left",
      after(
        [sample("team/app", "0/4", running("a", 0, 40 * MB), running("b", 0, 20 * MB), waiting("c"))],
        [sample("team/app", "0/4", running("a", 20 * MB, 40 * MB), running("b", 10 * MB, 20 * MB), waiting("c"))]
      ),
      [
        "team/app  0/4  ━━━━━━━━━━──────────────────────────────  30.0 of ~120.0 MB  30.0 MB/s  ~0:03",
        "… 2 copies wait"
      ]
    ],
    [
      "the bytes of a shared blob once",
      after([
        sample(
          "team/app",
          "0/2",
          running("a", 30 * MB, 60 * MB),
          copyOf("b", {
            _tag: "Running",
            progress: { done: 40 * MB, total: 60 * MB, sent: 10 * MB, shared: { done: 30 * MB, total: 40 * MB } }
          })
        )
      ]),
      ["team/app  0/2  ━━━━━━━━━━━━━━━━━━━━────────────────────  40.0 of 80.0 MB  0 B/s"]
    ],
    [
      "one line for each Image, in columns",
      after([
        sample("team/app", "9/12", running("a", 512, 1_024)),
        sample("team/another", "0/1", running("b", 1_500 * MB, 2_000 * MB), waiting("c")),
        sample("team/third", "1/2", waiting("d"))
      ]),
      [
        "team/app      9/12  ━━━━━━━─────────────────────────────────  0.5 of ~3.1 kB  0 B/s",
        "team/another  0/1   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────   1.5 of 2.0 GB  0 B/s",
        "… 3 copies wait"
      ]
    ]
  ])("the lines of a terminal show %s", (_, progress, lines) => {
    assert.deepStrictEqual(barLines(progress, wide), lines)
  })

  it.each<readonly [columns: number, line: string]>([
    [120, "team/a-name-of-an-image  59/60  ━━━━━━━━━━━━━━━━━━━━────────────────────  50.0 of 100.0 MB  0 B/s"],
    [80, "team/a-name-of-an-image  59/60  ━━━━━━━━━━━───────────  50.0 of 100.0 MB  0 B/s"],
    [60, "team/a-name-of-an…  59/60  50.0 of 100.0 MB  0 B/s"],
    [50, "team/a-name-of…  59/60  50.0 of 100.0 MB  0 B/s"],
    [40, "team/a-name…  59/60  50.0 of 100.0 MB"],
    [30, "team/a-name…  59/60  50.0 of…"],
    [5, "tea…"],
    [1, ""]
  ])("the lines of a terminal fit into %i columns", (columns, line) => {
    const progress = after([sample("team/a-name-of-an-image", "59/60", running("a", 50 * MB, 100 * MB))])
    const [shown = ""] = barLines(progress, { columns, rows: 24 })
    assert.strictEqual(shown, line)
    assert.isBelow(shown.length, Math.max(columns, 2))
  })

  it("the lines leave room for other lines of the terminal", () => {
    const progress = after(
      [
        Array.from({ length: 30 }, (_, index) => sample(`team/${index}`, "0/2", running("a", 1, 2), waiting("b")))
      ].flat()
    )
    assert.lengthOf(barLines(progress, wide), 11)
    assert.strictEqual(barLines(progress, wide).at(-1), "… 20 more Images are copied, 30 copies wait")
    assert.lengthOf(barLines(progress, { columns: 200, rows: 4 }), 3)
    assert.lengthOf(barLines(progress, { columns: 200, rows: 1 }), 2)
  })
})

describe("the lines of a log", () => {
  it("the lines of a log show the progress and the rate of copies that still run, and of no other copies", () => {
    const first = after([sample("team/app", "0/3", running("a", 10 * MB, 50 * MB), waiting("b"), running("c", 1, 2))])
    assert.deepStrictEqual(plainLines(NO_PROGRESS, first), [])
    const second = advance(
      first,
      [sample("team/app", "1/3", running("a", 40 * MB, 50 * MB, 35 * MB), running("b", 1, 2), done("c", 2))],
      10_000
    )
    assert.deepStrictEqual(plainLines(first, second), ["team/app: a: 40.0 of 50.0 MB, 2.5 MB/s"])
  })
})

describe("the live area", () => {
  /** The lines of a terminal of a width after all writes, and the writes. */
  const terminal = (columns: () => number) => {
    const written: Array<string> = []
    const area = LiveArea.make({ write: (text) => written.push(text), columns, rows: () => 24 })
    return { area, written }
  }

  it("the live area is redrawn below the printed lines, and leaves no lines", () => {
    const { area, written } = terminal(() => 80)
    area.print("started")
    area.draw(["one", "two"])
    area.draw(["one", "two"])
    area.print("a log line")
    area.draw(["three"])
    area.draw([])
    area.draw([])
    area.print("done")
    assert.deepStrictEqual(written, [
      "started\n",
      "one\ntwo\n",
      "\u001B[2A\r\u001B[Ja log line\none\ntwo\n",
      "\u001B[2A\r\u001B[Jthree\n",
      "\u001B[1A\r\u001B[J",
      "done\n"
    ])
  })

  it("the live area is erased after a narrower window has broken its lines", () => {
    let columns = 20
    const { area, written } = terminal(() => columns)
    area.draw(["x".repeat(19), "y"])
    columns = 10
    area.draw([])
    assert.strictEqual(written.at(-1), "\u001B[3A\r\u001B[J")
  })
})
