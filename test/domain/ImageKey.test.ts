import { assert, describe, it } from "@effect/vitest"
import { keyOf, parse } from "../../src/domain/ImageKey.ts"

describe("the key of an Image", () => {
  it("the key of an Image is its namespace and name, and is read back", () => {
    assert.strictEqual(keyOf({ namespace: "team-a", name: "app.v1" }), "team-a/app.v1")
    assert.deepStrictEqual(parse("team-a/app.v1"), { namespace: "team-a", name: "app.v1" })
  })
})
