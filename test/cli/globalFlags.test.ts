/** The flags of every command, as users write them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { version } from "../../src/version.ts"
import { run } from "../support/commandLine.ts"

describe("the flag -v", () => {
  it.live.each<readonly [given: string]>([
    ["sync -v -f images.yaml"],
    ["-v sync -f images.yaml"],
    ["sync -f images.yaml -v"],
    ["tags -v quay.io/team/app 1.x"],
    ["operator -v"],
    ["-v"]
  ])("the flag -v is a usage error and not the version: %s", ([given]) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(given.split(" "))
      assert.strictEqual(code, 2)
      assert.include(stderr, "Unrecognized flag: -v")
      assert.notInclude(stdout, version)
    })
  )
})

describe("the flag --version", () => {
  it.live.each<readonly [given: string]>([["--version"], ["sync --version"]])(
    "the flag --version prints the version: %s",
    ([given]) =>
      Effect.gen(function* () {
        const ended = yield* run(given.split(" "))
        assert.deepStrictEqual(ended, { code: 0, stdout: `skopeo-operator v${version}\n`, stderr: "" })
      })
  )
})
