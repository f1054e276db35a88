/** kubectl runs its plugin. No cluster is needed. */
import { chmodSync } from "node:fs"
import { dirname } from "node:path"
import { spawnSync } from "node:child_process"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { file } from "../support/commandLine.ts"
import { itWithPrograms } from "../support/programs.ts"

const launcher = new URL("../../dist/bundle/kubectl-image.cjs", import.meta.url).pathname

describe("kubectl", () => {
  itWithPrograms(["kubectl"], "kubectl image runs the program kubectl-image on PATH", () =>
    Effect.gen(function* () {
      const plugin = yield* file("kubectl-image", `#!/bin/sh\nexec "${process.execPath}" "${launcher}" "$@"\n`)
      chmodSync(plugin, 0o755)
      const PATH = `${dirname(plugin)}:${process.env["PATH"] ?? ""}`
      const { status, stdout } = spawnSync("kubectl", ["image", "get", "--help"], { env: { PATH }, encoding: "utf8" })
      assert.strictEqual(status, 0)
      assert.include(stdout, "kubectl image get [flags] [NAME...]")
    })
  )
})
