/** Credentials in the files of real tools: sync reads the file of `skopeo login`, and Skopeo reads the file of a Job. */
import { assert, describe } from "@effect/vitest"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { jobOf, secretOf, skopeoArguments } from "../../src/copy/job/JobManifest.ts"
import type { CopyTask } from "../../src/domain/Copy.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import type { RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itWithPrograms } from "../support/programs.ts"
import { clientOnLoopback } from "../support/registryClient.ts"
import { directory, PASSWORD, ROBOT, run, startReal, succeeds } from "../support/realRegistries.ts"
import { endpoint } from "../support/endpoints.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

const accessTo = (registry: string): RepositoryAccess => ({
  repository: { registry, path: "team/app" },
  tlsVerify: false,
  credential: Option.some(ROBOT)
})

/** Two registries with a password, and an image in the first. */
const world = Effect.gen(function* () {
  const [source, destination] = [
    yield* startReal("registry", { auth: "password" }),
    yield* startReal("docker-registry", { auth: "password" })
  ]
  const seeds = yield* startRegistry()
  const digest = pushSampleImage(seeds.store, "team/app", "v1", "seed")
  const seed = { ...accessTo(seeds.host), credential: Option.none() }
  yield* copyImage({ source: seed, digest, destination: accessTo(source.host), tag: "v1" })
  return { source, destination, digest, home: yield* directory }
})

const layers = withPlacement(clientOnLoopback())

describe("credentials of real tools", () => {
  itWithPrograms(["skopeo", "registry", "docker-registry"], "sync uses the logins of skopeo login", () =>
    Effect.gen(function* () {
      const { destination, home, source } = yield* world
      const runtime = join(home, "runtime")
      mkdirSync(join(runtime, "containers"), { recursive: true })
      const env = { XDG_RUNTIME_DIR: runtime }
      const images = join(home, "images.yaml")
      writeFileSync(
        images,
        `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${source.host}/team/app, version: v1, tlsVerify: false }
  destination: { name: ${destination.host}/team/app, tlsVerify: false }
`
      )
      const sync = ["src/main.ts", "sync", "-f", images]
      assert.strictEqual((yield* run(process.execPath, sync, home, env)).code, 1)
      for (const { host } of [source, destination]) {
        const login = ["login", "--tls-verify=false", "-u", "robot", "-p", PASSWORD, host]
        yield* succeeds("skopeo", login, home, env)
      }
      const { output } = yield* succeeds(process.execPath, sync, home, env)
      assert.notInclude(output, PASSWORD)
      const named = { REGISTRY_AUTH_FILE: join(runtime, "containers", "auth.json") }
      yield* succeeds(
        process.execPath,
        ["src/main.ts", "tags", `${destination.host}/team/app`, "v1", "--tls-verify=false"],
        home,
        {
          ...named
        }
      )
    }).pipe(Effect.provide(layers))
  )

  itWithPrograms(["skopeo", "registry", "docker-registry"], "skopeo uses the credentials of a Job", () =>
    Effect.gen(function* () {
      const { destination, digest, home, source } = yield* world
      const task: CopyTask = {
        image: { namespace: "team", name: "app", uid: "uid" },
        generation: 1,
        source: endpoint(source.host, "team/app", { tlsVerify: false }),
        digest,
        platforms: [],
        destinationDigest: digest,
        referrers: false,
        destination: endpoint(destination.host, "team/app", { tlsVerify: false }),
        tag: "v1",
        onlyIfMissing: false
      }
      const access = { source: accessTo(source.host), destination: accessTo(destination.host) }
      const job = jobOf(task, access, { namespace: "jobs", image: "skopeo", instance: "e2e" }, "0badcafe")
      assert.notInclude(JSON.stringify(job), PASSWORD)
      const { data = {} } = Option.getOrThrow(secretOf({ ...job, metadata: { ...job.metadata, uid: "uid" } }, access))
      for (const [file, content] of Object.entries(data)) {
        writeFileSync(join(home, file), Buffer.from(content, "base64"))
      }
      // The arguments of the Job with other paths of files.
      const args = skopeoArguments(task, { source: true, destination: true }).map((argument) =>
        argument.endsWith(".json") ? join(home, argument.split("/").at(-1) ?? "") : argument
      )
      yield* succeeds("skopeo", ["--insecure-policy", ...args], home)
    }).pipe(Effect.provide(layers))
  )
})
