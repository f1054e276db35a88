import { assert, describe, it } from "@effect/vitest"
import { isObjectName } from "../../src/domain/objectName.ts"

describe("a name of an object", () => {
  it.each(["app", "a", "my-app.v1.2", "0", "a".repeat(253)])("an object can have the name %s", (name) =>
    assert.isTrue(isObjectName(name))
  )

  it.each(["", "App", "-app", "app-", "a..b", "../secrets", "a/b", "a\n", "a".repeat(254)])(
    "no object has the name %j",
    (name) => assert.isFalse(isObjectName(name))
  )
})
