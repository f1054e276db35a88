import { assert, describe, it } from "@effect/vitest"
import { trafficOf } from "./copy/registry.ts"
import { HEADER, linesOf, markdownTable, type Result, type Run } from "./copy/report.ts"

const run = (cold: number, requests = 24): Run => ({
  startUp: 0.2,
  cold,
  warm: 0.01,
  cpuSeconds: 0.5,
  peakBytes: 100e6,
  coldTraffic: { source: { requests: 13, blobBytes: 44e6 }, destination: { requests, blobBytes: 0 } },
  warmTraffic: { source: { requests: 1, blobBytes: 0 }, destination: { requests: 1, blobBytes: 0 } }
})

const result = (tool: string, runs: ReadonlyArray<Run>, isOwn = false, row = "multi"): Result => ({
  row,
  tool,
  isOwn,
  runs
})

const results = [
  result("ours", [run(1), run(1)], true),
  result("slow", [run(4), run(4)]),
  result("fast", [run(2, 36), run(2, 37)]),
  result("fastest of another row", [run(0.1), run(0.1)], false, "big")
]

describe("the bench's table", () => {
  it("the table compares this program with the fastest other tool of the same row", () => {
    const [ours, slow] = linesOf(results)
    assert.strictEqual(ours?.[HEADER.indexOf("of the fastest")], "0.50 (0.50 to 0.50)")
    assert.strictEqual(slow?.[HEADER.indexOf("of the fastest")], "")
  })

  it("the table shows the requests to each side, and a range if the runs differed", () => {
    const column = HEADER.indexOf("requests cold")
    assert.deepStrictEqual(
      linesOf(results).map((line) => line[column]),
      ["13 + 24", "13 + 24", "13 + 36–37", "13 + 24"]
    )
  })

  it("the table has no start time of a running operator", () => {
    const running = result("ours", [{ ...run(1), startUp: undefined }], true)
    assert.strictEqual(linesOf([running])[0]?.[HEADER.indexOf("start s")], "")
  })

  it("the table has no ratio without other tools", () => {
    assert.strictEqual(linesOf([result("ours", [run(1)], true)])[0]?.[HEADER.indexOf("of the fastest")], "")
  })

  it("the table is aligned in Markdown", () => {
    const widths = new Set(
      markdownTable(results)
        .split("\n")
        .map((line) => line.length)
    )
    assert.strictEqual(widths.size, 1)
  })
})

describe("an access log", () => {
  const line = (request: string, bytes: number) =>
    `127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "${request} HTTP/1.1" 200 ${bytes} "" "crane"`
  const lines = [
    line("GET /v2/a/manifests/1.0.0", 500),
    line("GET /v2/a/blobs/sha256:12", 1_000),
    line("HEAD /v2/b/blobs/sha256:12", 7),
    'time="2026-01-01T00:00:00Z" level=error msg="not a request"'
  ]

  it("an access log gives the requests and the bytes of read blobs", () => {
    assert.deepStrictEqual(trafficOf(lines), { requests: 3, blobBytes: 1_000 })
  })

  it("an access log gives the requests of one repository", () => {
    assert.deepStrictEqual(trafficOf(lines, "b"), { requests: 1, blobBytes: 0 })
  })
})
