/** The variables for proxies, certificates and limits of registries, as the commands read them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { makeAuthority } from "../support/certificates.ts"
import { file, run } from "../support/commandLine.ts"
import { startProxy } from "../support/ConnectProxy.ts"

const IMAGES = `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: app }
spec:
  source: { name: registry.test/app, version: v1 }
  destination: { name: mirror.test:5000/app }
`

describe("skopeo-operator sync", () => {
  for (const lower of [false, true]) {
    it.live(
      `sync uses the proxy of ${lower ? "lower" : "upper"}-case variables, and trusts the authority in REGISTRY_CA_FILE`,
      () =>
        Effect.gen(function* () {
          const authority = makeAuthority()
          const tls = authority.issue(["registry.test", "mirror.test"])
          const [source, destination] = [yield* startRegistry({ tls }), yield* startRegistry({ tls })]
          const digest = pushSampleImage(source.store, "app", "v1", "seed")
          const hosts: Readonly<Record<string, string>> = {
            "registry.test:443": source.host,
            "mirror.test:5000": destination.host
          }
          const proxy = yield* startProxy({ credential: "me:hunter2", place: (target) => hosts[target] })
          const images = yield* file("images.yaml", IMAGES)
          const bundle = yield* file("ca.pem", authority.certificate)
          const address = `http://me:hunter2@${proxy.host}`
          const env = { REGISTRY_CA_FILE: bundle, [lower ? "https_proxy" : "HTTPS_PROXY"]: address }
          const { code, stderr, stdout } = yield* run(["sync", "-f", images], env)
          assert.strictEqual(code, 0, stderr)
          assert.strictEqual(destination.store.manifest("app", "v1")?.digest, digest)
          assert.includeMembers([...proxy.seen], ["CONNECT registry.test:443", "CONNECT mirror.test:5000"])
          assert.notInclude(stdout + stderr, "hunter2")
        })
    )
  }

  it.live("sync ends with 2 and one line for each invalid variable", () =>
    Effect.gen(function* () {
      const images = yield* file("images.yaml", IMAGES)
      const empty = yield* file("empty.pem", "nothing")
      for (const [env, words] of [
        [
          { REGISTRY_CA_FILE: "/nowhere/ca.pem" },
          /^skopeo-operator: REGISTRY_CA_FILE: "\/nowhere\/ca\.pem" cannot be read/u
        ],
        [{ REGISTRY_CA_FILE: empty }, /^skopeo-operator: REGISTRY_CA_FILE: .*: no certificate was found/u],
        [
          { REGISTRY_LIMITS: "quay.io=5" },
          /^skopeo-operator: REGISTRY_LIMITS: "5" for quay\.io is not a limit; write /u
        ],
        [
          { COPIES_AT_ONCE: "0" },
          /^skopeo-operator: COPIES_AT_ONCE: "0" is not a whole number from 1 to 10000; write such a number/u
        ],
        [
          { REGISTRY_TOKEN_SERVERS: "sso.example.net" },
          /^skopeo-operator: REGISTRY_TOKEN_SERVERS: "sso\.example\.net" is not a registry and its token server; write /u
        ],
        [{ HTTPS_PROXY: "socks5://me:hunter2@proxy:1080" }, /^skopeo-operator: HTTPS_PROXY: .* is not supported/u]
      ] as const) {
        const { code, stderr } = yield* run(["sync", "-f", images], env)
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, words)
        assert.lengthOf(stderr.trim().split("\n"), 1)
        assert.notInclude(stderr, "hunter2")
      }
    })
  )
})
