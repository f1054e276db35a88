/** Users' regular expressions: their meaning, and their bounds, so that none can delay the operator. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type Expression, parseExpression } from "../../src/domain/Expression.ts"

const expression = (text: string): Expression => Result.getOrThrow(parseExpression(text))

const refusal = (text: string): string =>
  Result.match(parseExpression(text), { onFailure: String, onSuccess: () => "" })

describe("an expression", () => {
  it.each(["(", "[a", "a**", "(?=a)", "(?!a)", "(?<=a)b", "(a)\\1", "a{1001}"])(
    "the expression %j is refused with the remedy",
    (text) => assert.match(refusal(text), /^is not a regular expression \(.+\); write RE2's syntax/u)
  )

  it("an expression matches anywhere unless it is anchored", () => {
    assert.isTrue(expression("windows").matches("1.0-windows-amd64"))
    assert.isFalse(expression("^windows$").matches("1.0-windows-amd64"))
  })

  it.each([
    "-(alpine|slim|bookworm|bullseye|windowsservercore-ltsc2022)([0-9.]*)$",
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "^20[0-9]{2}-[0-9]{2}-[0-9]{2}-[a-f0-9]{7,40}$",
    "^[0-9a-f]{64}$",
    "(?i)RC",
    "[{100}]{2}",
    "\\Qa{9}{9}\\E",
    "\\pL{20}",
    "a".repeat(256),
    "(a|b)*".repeat(42)
  ])("the expression %j is accepted", (text) => assert.strictEqual(refusal(text), ""))
})

describe("an expression cannot hold up the operator:", () => {
  it("an expression takes no more steps than a tag has characters, where backtracking would never end", () => {
    const rows: ReadonlyArray<readonly [text: string, tag: string]> = [
      ["(a+)+$", `${"a".repeat(127)}!`],
      ["^(a|a?)+$", `${"a".repeat(126)}b`],
      ["(a*)*b", "a".repeat(128)],
      ["(?:a?){100}a{100}$", "a".repeat(99)],
      ["^(([a-z])+.)+[A-Z]([a-z])+$", "a".repeat(128)]
    ]
    for (const [text, tag] of rows) assert.isFalse(expression(text).matches(tag), text)
    assert.isFalse(expression("(a+)+$").matches(`${"a".repeat(10_000_000)}!`))
  })

  it.each([
    ["nested repeats", "((a{100}){100}){100}"],
    ["repeats that RE2 would take", "((a{10}){10}){10}"],
    ["one of many characters", `(${"abcdefghij".repeat(24)}){1000}`],
    ["many of one", "(?:a?){1000}".repeat(21)],
    ["many small ones", "\\pL{30}".repeat(32)],
    ["at least so many", "(abcdefgh){99,}"],
    ["in a group that is not closed", "(a{1000}{1000}"]
  ])("an expression with %s is refused before it is compiled", (_, text) => {
    assert.match(
      refusal(text),
      /^(repeats too much: .*; write \+ or \*, or smaller numbers$|is not a regular expression)/u
    )
  })

  it("a long expression is refused", () => {
    assert.strictEqual(refusal("a".repeat(257)), "is too long; write at most 256 characters")
    assert.strictEqual(refusal("(".repeat(1_000_000)), "is too long; write at most 256 characters")
  })
})
