/** Reads of blobs that are resumed where they stopped. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { digestOf } from "../../../src/oci/Digest.ts"
import { type OpenBlob, ResumableSource, skip } from "../../../src/registry/protocol/ResumableSource.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import { accessOf } from "../../support/handler.ts"

/** Brings all chunks in one buffer, as a socket that is read into reused memory. */
async function* inOneBuffer(...pieces: ReadonlyArray<string>): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(16)
  for (const piece of pieces) {
    const size = buffer.write(piece)
    yield buffer.subarray(0, size)
    buffer.fill("#")
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

const CASES: ReadonlyArray<readonly [number, ReadonlyArray<string>]> = [
  [0, ["abcd", "efgh", "ijkl"]],
  [2, ["cd", "efgh", "ijkl"]],
  [4, ["efgh", "ijkl"]],
  [7, ["h", "ijkl"]],
  [12, []]
]

describe("skip", () => {
  for (const [offset, expected] of CASES) {
    it(`skip leaves out the first ${offset} bytes`, async () => {
      const found: Array<string> = []
      for await (const piece of skip(inOneBuffer("abcd", "efgh", "ijkl"), offset)) found.push(text(piece))
      assert.deepStrictEqual(found, [...expected])
    })
  }

  it("skip copies the rest of a cut chunk, because the chunk's buffer is reused", async () => {
    const kept: Array<Uint8Array> = []
    for await (const piece of skip(inOneBuffer("abcd", "efgh"), 2)) kept.push(piece)
    assert.strictEqual(text(kept[0] ?? Buffer.of()), "cd")
  })
})

const BYTES = Buffer.from("the bytes of a layer")
const BLOB = { digest: digestOf(BYTES), size: BYTES.length }
const access = accessOf("registry.test")
const broken = RegistryError.of("Unreachable", access.repository, "GET broke off")

/** A part of a blob. The read breaks off or ends after it. */
const partOf = (bytes: Uint8Array, end: "breaks off" | "ends", onDiscard: () => void = () => {}): OpenBlob => ({
  bytes: {
    async *[Symbol.asyncIterator]() {
      yield bytes
      if (end === "breaks off") throw new Error("broke off")
    }
  },
  discard: onDiscard,
  brokenBy: () => broken,
  whyDamaged: "somewhere"
})

/** The result of a read whose attempts bring these parts, the offsets of the attempts, and the reported bytes. */
const outcomeOf = Effect.fnUntraced(function* (...parts: ReadonlyArray<OpenBlob | RegistryError>) {
  const offsets: Array<number> = []
  const told: Array<number> = []
  const source = yield* ResumableSource.open({
    access,
    blob: BLOB,
    open: (offset) =>
      Effect.suspend(() => {
        const part = parts[Math.min(offsets.length, parts.length - 1)]
        offsets.push(offset)
        return part instanceof RegistryError || part === undefined ? Effect.fail(part ?? broken) : Effect.succeed(part)
      }),
    resumeDelay: 0,
    onBytes: (bytes) => told.push(bytes)
  })
  const read = Effect.tryPromise(async () => {
    const chunks: Array<Uint8Array> = []
    for await (const chunk of source.bytes()) chunks.push(Uint8Array.from(chunk))
    return Buffer.concat(chunks).toString()
  })
  const fiber = yield* Effect.forkChild(Effect.result(read))
  // An attempt runs in another fiber, which needs some iterations of the event loop.
  while (fiber.pollUnsafe() === undefined) {
    yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
    yield* TestClock.adjust("1 second")
  }
  return { offsets, told, source, result: yield* Fiber.join(fiber) }
})

describe("ResumableSource", () => {
  it.effect("a broken read is resumed where it stopped, up to three times", () =>
    Effect.gen(function* () {
      const { offsets, result, told } = yield* outcomeOf(
        partOf(BYTES.subarray(0, 5), "breaks off"),
        partOf(BYTES.subarray(5, 7), "breaks off"),
        partOf(BYTES.subarray(7, 8), "breaks off"),
        partOf(BYTES.subarray(8), "ends")
      )
      assert.deepStrictEqual(Result.getOrThrow(result), BYTES.toString())
      assert.deepStrictEqual(
        [offsets, told],
        [
          [0, 5, 7, 8],
          [5, 2, 1, BYTES.length - 8]
        ]
      )
    })
  )

  it.effect("a read that breaks off after three resumptions fails with the last break", () =>
    Effect.gen(function* () {
      const { offsets, result, source } = yield* outcomeOf(partOf(BYTES.subarray(0, 1), "breaks off"))
      assert.isTrue(Result.isFailure(result))
      assert.deepStrictEqual([source.failure, offsets], [broken, [0, 1, 2, 3]])
    })
  )

  it.effect("a read fails with the registry's error if it cannot be resumed", () =>
    Effect.gen(function* () {
      const refusal = RegistryError.of("NotFound", access.repository, "gone")
      const { source } = yield* outcomeOf(partOf(BYTES.subarray(0, 1), "breaks off"), refusal)
      assert.strictEqual(source.failure, refusal)
    })
  )

  it.effect("a read ends once it has all bytes, whatever Content-Length says", () =>
    Effect.gen(function* () {
      const { offsets, result } = yield* outcomeOf(partOf(BYTES, "breaks off"))
      assert.deepStrictEqual([Result.getOrThrow(result), offsets], [BYTES.toString(), [0]])
    })
  )

  for (const [what, bytes, words] of [
    ["fewer bytes", BYTES.subarray(1), `has ${BYTES.length - 1} bytes instead of ${BYTES.length}`],
    ["more bytes", Buffer.concat([BYTES, BYTES]), `has more bytes than its ${BYTES.length}`],
    ["other bytes", Buffer.alloc(BYTES.length), "has bytes of sha256:"]
  ] as const) {
    it.effect(`a damaged blob fails: ${what}`, () =>
      Effect.gen(function* () {
        const { source } = yield* outcomeOf(partOf(bytes, "ends"))
        assert.strictEqual(source.failure?.reason._tag, "DigestMismatch")
        assert.include(source.failure?.detail, `blob ${BLOB.digest} ${words}`)
      })
    )
  }

  it.effect("retract subtracts the reported bytes", () =>
    Effect.gen(function* () {
      const { source, told } = yield* outcomeOf(partOf(BYTES, "ends"))
      source.retract()
      assert.strictEqual(
        told.reduce((sum, bytes) => sum + bytes, 0),
        0
      )
    })
  )

  it.effect("the end of the scope closes the connection", () =>
    Effect.gen(function* () {
      let discarded = 0
      const part = partOf(BYTES, "ends", () => (discarded += 1))
      yield* Effect.scoped(
        ResumableSource.open({ access, blob: BLOB, open: () => Effect.succeed(part), resumeDelay: 0 })
      )
      assert.strictEqual(discarded, 1)
    })
  )
})
