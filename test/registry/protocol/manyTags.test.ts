/** A repository with as many tags as Docker Hub's `node`, which are listed page by page and selected. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import type { Expression } from "../../../src/domain/Expression.ts"
import { isExact, type ListedVersion, parseTagPattern } from "../../../src/domain/TagPattern.ts"
import { judgeTags, selectTags } from "../../../src/domain/TagFilter.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../../src/registry/RegistryClientHttp.ts"
import { scripted } from "../../support/ScriptedServer.ts"
import { manyTags, tagRegistry } from "../../support/tagListing.ts"

const TAGS = 9_036

const listing = Effect.fnUntraced(function* (size: number, pageSize: number) {
  const registry = yield* scripted(tagRegistry([size], pageSize))
  const client = yield* RegistryClient
  const repository = { registry: registry.host, path: `node-${size}` }
  const tags = yield* client.tags({ repository, tlsVerify: false, credential: Option.none() })
  return { tags, seen: registry.seen }
}, Effect.provide(RegistryClientHttp.layer()))

const patternOf = (version: string): ListedVersion => {
  const pattern = Result.getOrThrow(parseTagPattern(version))
  if (isExact(pattern)) throw new Error("a pattern was expected")
  return pattern
}

describe("9,036 tags", () => {
  it.live("9,036 tags are listed once each, in the registry's order, with ten requests", () =>
    Effect.gen(function* () {
      const { seen, tags } = yield* listing(TAGS, 1_000)
      assert.deepStrictEqual(tags, manyTags(TAGS))
      assert.strictEqual(new Set(tags).size, TAGS)
      assert.lengthOf(
        seen.filter(({ url }) => url.startsWith(`/v2/node-${TAGS}/tags/list`)),
        10
      )
      const chosen = selectTags(
        {
          pattern: patternOf("4.x.x-alpine"),
          allowCandidateRelease: false,
          include: [],
          exclude: [],
          latest: 3
        },
        tags
      )
      assert.deepStrictEqual(chosen, ["4.10.1-alpine", "4.10.2-alpine", "4.10.3-alpine"])
    })
  )

  it.live("9,036 tags are listed in the small pages of some registries too", () =>
    Effect.gen(function* () {
      const { seen, tags } = yield* listing(TAGS, 100)
      assert.deepStrictEqual(tags, manyTags(TAGS))
      assert.isAtMost(seen.length, Math.ceil(TAGS / 100) + 3)
    })
  )

  it("each of many tags is judged once", () => {
    for (const size of [1_000, 2_000, 4_000, TAGS]) {
      const tags = manyTags(size)
      let matched = 0
      const counting: Expression = {
        text: "counts",
        matches: () => {
          matched += 1
          return false
        }
      }
      const judged = judgeTags(
        {
          pattern: patternOf("x.x.x-alpine"),
          allowCandidateRelease: false,
          include: [],
          exclude: [counting]
        },
        tags
      )
      assert.lengthOf(judged, size)
      assert.strictEqual(
        matched,
        tags.filter((tag) => tag.endsWith("-alpine")).length,
        "only those of the pattern, once"
      )
    }
  })
})
