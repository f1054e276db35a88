import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result, Struct } from "effect"
import { decodeImage } from "../../src/domain/ImageDecoder.ts"
import { type Explanation, isReason, REASONS, REASONS_BY_ORIGIN } from "../../src/domain/Reason.ts"

const SOURCES = new URL("../../src/", import.meta.url)

/** The text of every source file except the table itself. */
const sources = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && file !== "domain/Reason.ts")
  .map((file) => readFileSync(new URL(file, SOURCES), "utf8"))
  .join("\n")

// The type `Reason` ensures that every reason of a condition is in the table.
describe("the table of reasons", () => {
  it.each(Struct.keys(REASONS))("the reason %s has a use, a meaning and a remedy", (reason) => {
    assert.include(sources, `"${reason}"`, "no file gives this reason")
    const { meaning, remedy }: Explanation = REASONS[reason]
    for (const sentence of [meaning, remedy]) assert.match(sentence, /^(?:[A-Z]|spec\.).*[A-Za-z0-9)]\.$/u)
    assert.match(reason, /^[A-Z][A-Za-z]*$/u, "Kubernetes wants CamelCase")
  })

  it("every reason has one origin, so that docs/troubleshooting.md explains each reason once", () => {
    assert.sameMembers(
      REASONS_BY_ORIGIN.flatMap(([, reasons]) => Object.keys(reasons)),
      Object.keys(REASONS)
    )
  })

  it("the table of reasons has its own reasons and no others", () => {
    assert.isTrue(isReason("RateLimited"))
    assert.isFalse(isReason("ImagePullBackOff"))
    assert.isFalse(isReason("toString"))
  })
})

describe("a status that another release has written", () => {
  it("a status of another release keeps its failed copies, and an unknown reason is decoded as CopyFailed", () => {
    const failure = (tag: string, reason: string) => ({
      tag,
      digest: "sha256:a",
      copy: "1",
      attempts: 3,
      nextAttemptAt: "2026-11-24T12:00:00Z",
      reason,
      message: "as before"
    })
    const { status } = Result.getOrThrow(
      decodeImage({
        metadata: { name: "app" },
        spec: { source: { name: "quay.io/app", version: "1" }, destination: { name: "registry.corp/app" } },
        status: { failures: [failure("1", "ImagePullBackOff"), failure("2", "Unreachable")] }
      })
    )
    const expected: ReadonlyArray<unknown> = [failure("1", "CopyFailed"), failure("2", "Unreachable")]
    assert.deepStrictEqual<ReadonlyArray<unknown> | undefined>(status.failures, expected)
  })
})
