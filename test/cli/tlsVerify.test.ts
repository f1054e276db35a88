/** How a command reaches registries without TLS. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { file, run } from "../support/commandLine.ts"
import { itOnSockets } from "../support/passTimeWhenIdle.ts"

/** A registry by plain HTTP on this machine, and a file with an Image that copies from it to itself. */
const world = Effect.fnUntraced(function* (tlsVerify = "") {
  const { host, store } = yield* startRegistry()
  pushSampleImage(store, "app", "1.0.0", "app")
  const path = yield* file(
    "image.yaml",
    `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: ${host.replace("127.0.0.1", "localhost")}/app, version: 1.0.0${tlsVerify} }
  destination: { name: ${host}/copy${tlsVerify} }
`
  )
  return { host, path, isCopied: () => store.manifest("copy", "1.0.0") !== undefined }
})

describe("a registry without TLS", () => {
  const choices: ReadonlyArray<readonly [args: ReadonlyArray<string>, field: string, copied: boolean]> = [
    [[], "", true],
    [["--tls-verify=false"], "", true],
    [["--tls-verify"], "", false],
    [[], ", tlsVerify: true", false],
    [["--tls-verify=false"], ", tlsVerify: true", false],
    [["--tls-verify"], ", tlsVerify: false", true]
  ]
  for (const [args, field, copied] of choices) {
    itOnSockets(
      `on this machine sync needs no flag, and an Image that says tlsVerify comes before the flag: ${JSON.stringify(args)} ${field}`,
      () =>
        Effect.gen(function* () {
          const { isCopied, path } = yield* world(field)
          const { code } = yield* run(["sync", "-f", path, ...args])
          assert.strictEqual(code, copied ? 0 : 1)
          assert.strictEqual(isCopied(), copied)
        })
    )
  }

  it.live("on this machine a policy takes plain HTTP for the user's choice, and not for the Image's", () =>
    Effect.gen(function* () {
      const { isCopied, path } = yield* world()
      const policy = yield* file("policy.yaml", "rules:\n- { name: all, allow: [privateHosts] }\n")
      const { code, stderr, stdout } = yield* run(["sync", "-f", path, "--policy", policy])
      assert.strictEqual(code, 0, stderr + stdout)
      assert.isTrue(isCopied())
    })
  )

  it.live("on this machine tags needs no flag", () =>
    Effect.gen(function* () {
      const { host } = yield* world()
      assert.deepStrictEqual(yield* run(["tags", `${host}/app`]), { code: 0, stdout: "1.0.0\n", stderr: "" })
    })
  )
})
