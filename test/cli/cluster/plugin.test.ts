/** The plugin of kubectl: the program under the name kubectl-image. */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { main, PROCESS_TIMEOUT, runProcess } from "../../support/commandProcess.ts"
import { addImage, served } from "./apiServer.ts"

/** A link to the program, as npm and an installation without npm make. */
const link = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => {
    const path = join(directory, "kubectl-image")
    symlinkSync(main, path)
    return path
  }
)

describe("kubectl image", { timeout: PROCESS_TIMEOUT }, () => {
  it.live("the plugin shows the Images of the cluster that the kubeconfig names", () =>
    Effect.gen(function* () {
      const { config, store } = yield* served()
      addImage(store, { name: "nginx" })
      const { code, stderr, stdout } = yield* runProcess(["get", "-o", "name"], { KUBECONFIG: config }, yield* link)
      assert.deepStrictEqual([code, stdout], [0, "image.skopeo.io/nginx\n"], stderr)
    })
  )

  it.live(
    "the help and the failures of the plugin say kubectl image, and the plugin has no command of the operator",
    () =>
      Effect.gen(function* () {
        const launcher = yield* link
        const { code, stdout } = yield* runProcess(["reconcile", "--help"], {}, launcher)
        assert.strictEqual(code, 0)
        assert.include(stdout, "kubectl image reconcile [flags]")
        assert.include(stdout, "kubectl image reconcile nginx -n team-a")
        const { stdout: commands } = yield* runProcess(["--help"], {}, launcher)
        for (const command of ["get", "events", "suspend", "resume", "reconcile", "tags"]) {
          assert.match(commands, new RegExp(`^ +${command} `, "mu"))
        }
        assert.notMatch(commands, /^ +operator /mu)
      })
  )
})
