/** Runs a bundle that copies between two registries of this process, and records the code that V8 compiled. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { shipped } from "./shipped.ts"

const record = fileURLToPath(new URL("record.cjs", import.meta.url))

/** An environment without the user's own configuration. */
const run = (node: string, args: ReadonlyArray<string>, home: string) =>
  Effect.callback<void, Error>((resume) => {
    const child = spawn(node, args, { env: { HOME: home }, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const add = (text: Buffer) => (output += text.toString())
    child.stdout.on("data", add)
    child.stderr.on("data", add)
    child.once("close", (code) =>
      resume(code === 0 ? Effect.void : Effect.fail(new Error(`${args.join(" ")} ended with ${code}:\n${output}`)))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(Effect.timeout("2 minutes"))

const image = (name: string, source: string, version: string, destination: string, mode: string) => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name },
  spec: {
    mode,
    source: { name: source, version, tlsVerify: false },
    destination: { name: destination, tlsVerify: false }
  }
})

/**
 * Records the compiled code of the bundle in a directory. V8 accepts compiled code only from the same Node.js with the same
 * flags: by default this Node.js with the flags of the container image.
 */
export const warm = (
  directory: string,
  { flags, node }: { readonly node: string; readonly flags: ReadonlyArray<string> } = {
    node: process.execPath,
    flags: shipped(directory).slice(0, -1)
  }
): Promise<void> =>
  Effect.gen(function* () {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-warm-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const source = yield* startRegistry()
    const destination = yield* startRegistry()
    for (const tag of ["1.0.0", "1.0.1"]) pushSampleImage(source.store, "app", tag, tag)
    const images = [
      image("pattern", `${source.host}/app`, "1.0.x", `${destination.host}/app`, "OneShot"),
      // The blobs of this image are mounted from the other repository.
      image("sibling", `${source.host}/app`, "1.0.0", `${destination.host}/sibling`, "OneShot"),
      image("moving", `${source.host}/app`, "1.0.1", `${destination.host}/moving`, "Recurrent")
    ]
    const file = join(home, "images.yaml")
    // JSON is valid YAML.
    writeFileSync(file, images.map((manifest) => JSON.stringify(manifest)).join("\n---\n"))
    const sync = run(node, [...flags, record, directory, "sync", "-f", file], home)
    yield* sync
    // The second run has nothing to copy.
    yield* sync
  }).pipe(Effect.scoped, Effect.runPromise)
