/** Digests of both registered algorithms, and the tags that are named after digests. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { digestOf, hasDigest, isDigest, verified } from "../../src/oci/Digest.ts"
import { cosignTagsOf, fallbackTagOf } from "../../src/oci/Referrers.ts"
import { TAG_PATTERN } from "../../src/oci/Reference.ts"

const BYTES = Buffer.from("hello")
/** By `printf hello | sha512sum`. */
const SHA512 =
  "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"
const SHA256 = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

describe("digests", () => {
  it("the digest of bytes is sha256 unless another algorithm is named", () => {
    assert.deepStrictEqual([digestOf(BYTES), digestOf(BYTES, "sha512")], [SHA256, SHA512])
  })

  it.each([
    [SHA256, true],
    [SHA512, true],
    [SHA512.replace("sha512", "sha256"), false],
    [SHA256.replace("sha256", "sha512"), false],
    [SHA256.toUpperCase(), false],
    [`${SHA256}\n`, false],
    ["md5:5d41402abc4b2a76b9719d911017c592", false],
    ["", false]
  ])("whether %j is a digest: %s", (text, expected) => {
    assert.strictEqual(isDigest(text), expected)
  })

  it.effect("a stream is checked by the algorithm of its digest", () =>
    Effect.gen(function* () {
      const check = (digest: string) =>
        Stream.make(BYTES).pipe(
          verified({ digest, size: 5 }, (detail) => detail),
          Stream.runDrain
        )
      yield* check(SHA256)
      yield* check(SHA512)
      const other = digestOf(Buffer.from("other"), "sha512")
      assert.strictEqual(yield* Effect.flip(check(other)), `has bytes of ${SHA512}`)
      assert.isFalse(hasDigest(BYTES, other))
    })
  )

  it("the fallback tag of a sha512 digest has 64 of its digits, because a tag has at most 128 characters", () => {
    assert.strictEqual(fallbackTagOf(SHA256), SHA256.replace(":", "-"))
    assert.strictEqual(fallbackTagOf(SHA512), `sha512-${SHA512.slice(7, 7 + 64)}`)
    assert.match(fallbackTagOf(SHA512), TAG_PATTERN)
  })

  it("a sha512 digest has no tags of cosign, which knows only sha256", () => {
    assert.lengthOf(cosignTagsOf(SHA256), 3)
    assert.lengthOf(cosignTagsOf(SHA512), 0)
  })
})
