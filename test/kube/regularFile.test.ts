/** Files of this program that two writers replace at the same time. */
import { assert, describe, it } from "@effect/vitest"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, Result } from "effect"
import { join } from "node:path"
import { replaceFile } from "../../src/kube/regularFile.ts"

describe("a file that is replaced", () => {
  it.effect("a writer leaves the draft of another writer, which began after this one, in its place", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const [file, draft] = [join(directory, "file"), join(directory, "draft")]
      const other = FileSystem.FileSystem.of({
        ...fs,
        writeFileString: (path, text, options) =>
          Effect.andThen(fs.writeFileString(draft, "other"), fs.writeFileString(path, text, options))
      })
      const result = yield* Effect.result(
        Effect.provideService(replaceFile(file, "own", draft), FileSystem.FileSystem, other)
      )
      assert.isTrue(Result.isFailure(result))
      assert.strictEqual(yield* fs.readFileString(draft), "other")
      assert.isFalse(yield* fs.exists(file))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
