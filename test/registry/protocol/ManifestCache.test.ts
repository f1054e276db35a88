import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { ManifestCache } from "../../../src/registry/protocol/ManifestCache.ts"

const access = { repository: { registry: "evil.test", path: "app" }, tlsVerify: true, credential: Option.none() }
const digestOf = (index: number): string => `sha256:${String(index).padStart(64, "0")}`
const put = (cache: ManifestCache, index: number, size: number) =>
  cache.set(access, { bytes: new Uint8Array(size), digest: digestOf(index), mediaType: "a/b", size })

describe("the cache of manifests", () => {
  it("the cache of manifests bounds what small manifests take, with all that is kept of each", () => {
    const cache = new ManifestCache()
    for (let index = 0; index < 20_000; index++) put(cache, index, 4)
    assert.isUndefined(cache.get(access, digestOf(0)))
    assert.isDefined(cache.get(access, digestOf(19_999)))
    const kept = Array.from({ length: 20_000 }, (_, index) => cache.get(access, digestOf(index)))
    assert.isAtMost(kept.filter((manifest) => manifest !== undefined).length, (8 * 1024 * 1024) / 500)
  })

  it("the cache of manifests has room for two of the largest manifests", () => {
    const cache = new ManifestCache()
    for (const index of [1, 2, 3]) put(cache, index, 4_000_000)
    assert.deepStrictEqual(
      [1, 2, 3].map((index) => cache.get(access, digestOf(index)) !== undefined),
      [false, true, true]
    )
  })
})
