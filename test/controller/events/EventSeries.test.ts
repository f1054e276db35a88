import { assert, describe, it } from "@effect/vitest"
import { EventSeries } from "../../../src/controller/events/EventSeries.ts"

const MINUTE = 60_000

describe("the series of Events", () => {
  it("equal reports within six minutes of each other are one series", () => {
    const series = new EventSeries()
    const counts = [0, 5, 10, 17].map((minute) => {
      const { count, first = -1 } = series.add("a", "note", minute * MINUTE) ?? {}
      return [first / MINUTE, count]
    })
    assert.deepStrictEqual(counts, [
      [0, 1],
      [0, 2],
      [0, 3],
      [17, 1]
    ])
  })

  it("another note, another Image or another reason is another series", () => {
    const series = new EventSeries()
    const add = (key: string, note: string) => series.add(key, note, 0)?.count
    assert.deepStrictEqual([add("a", "1"), add("a", "2"), add("b", "1"), add("a", "1")], [1, 1, 1, 2])
  })

  it("an Image has at most ten Events of a reason in six minutes, and their series go on", () => {
    const series = new EventSeries()
    const add = (index: number, minute: number) => series.add("a", String(index), minute * MINUTE)?.count
    assert.deepStrictEqual(
      Array.from({ length: 12 }, (_, index) => add(index, 0)),
      [...Array.from({ length: 10 }, () => 1), undefined, undefined]
    )
    assert.strictEqual(add(3, 1), 2)
    assert.strictEqual(add(11, 6), 1, "nine of the ten are over")
  })
})
