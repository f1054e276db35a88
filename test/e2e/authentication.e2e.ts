/** Real registries with and without authentication: none, Basic and Bearer, with TLS of a trusted or an unknown authority. */
import { assert, describe } from "@effect/vitest"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Redacted, Result } from "effect"
import { digestOf } from "../../src/oci/Digest.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { parseProxy } from "../../src/http/Proxy.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { makeAuthority } from "../support/certificates.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { itWithPrograms } from "../support/programs.ts"
import { clientOnLoopback } from "../support/registryClient.ts"
import { directory, PASSWORD, ROBOT, run, startReal, succeeds } from "../support/realRegistries.ts"
import { startTokenServer } from "../support/TokenServer.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

type Auth = "none" | "Basic" | "Bearer"
type Tls = "a private authority" | "an unknown authority" | "none"

const AUTHORITY = makeAuthority()

/** A registry with this authentication. Its token server uses TLS if the registry does. */
const start = Effect.fnUntraced(function* (program: string, auth: Auth, tls: Tls) {
  const secure = tls === "none" ? {} : { tls: AUTHORITY }
  const tokens =
    auth === "Bearer" ? yield* startTokenServer({ username: "robot", password: PASSWORD, ...secure }) : undefined
  return yield* startReal(program, {
    ...(tokens === undefined ? {} : { auth: tokens }),
    ...(auth === "Basic" ? { auth: "password" as const } : {}),
    ...(tls === "none" ? {} : { tls: AUTHORITY.issue(["127.0.0.1"]) })
  })
})

const accessTo = (registry: string, path: string, auth: Auth, tls: Tls): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: tls === "a private authority",
  credential: auth === "none" ? Option.none() : Option.some(ROBOT)
})

const layers = withPlacement(clientOnLoopback({ certificates: [AUTHORITY.certificate] }))

const image = (source: string, sourceTls: Tls, destination: string, destinationTls: Tls): string => {
  const side = (name: string, tls: Tls) =>
    `{ name: ${name}/team/app, tlsVerify: ${tls === "a private authority"}${name === source ? ", version: v1" : ""} }`
  return [
    "apiVersion: skopeo.io/v1alpha1",
    "kind: Image",
    "metadata: { name: app }",
    "spec:",
    `  source: ${side(source, sourceTls)}`,
    `  destination: ${side(destination, destinationTls)}`
  ].join("\n")
}

/** Two registries, an image in the first, and a run of the command that copies it to the second. */
const world = Effect.fnUntraced(function* (from: string, to: string, auth: Auth, sourceTls: Tls, destinationTls: Tls) {
  const [source, destination] = [yield* start(from, auth, sourceTls), yield* start(to, auth, destinationTls)]
  const [seeds, home] = [yield* startRegistry(), yield* directory]
  const digest = pushSampleImage(seeds.store, "team/app", "v1", "seed", { layerSize: 200_000 })
  yield* copyImage({
    source: accessTo(seeds.host, "team/app", "none", "none"),
    digest,
    destination: accessTo(source.host, "team/app", auth, sourceTls),
    tag: "v1"
  })
  const images = join(home, "images.yaml")
  writeFileSync(images, image(source.host, sourceTls, destination.host, destinationTls))
  const bundle = join(home, "ca.pem")
  writeFileSync(bundle, AUTHORITY.certificate)
  const env = (password: string) => ({
    REGISTRY_CA_FILE: bundle,
    // An Image alone cannot cause that the operator's credential is sent to an unverified registry.
    DISABLE_SRC_TLS_VERIFICATION: String(sourceTls !== "a private authority"),
    DISABLE_DEST_TLS_VERIFICATION: String(destinationTls !== "a private authority"),
    ...(auth === "none"
      ? {}
      : {
          CREDS_SOURCE_USERNAME: "robot",
          CREDS_SOURCE_PASSWORD: password,
          CREDS_SOURCE_REGISTRIES: source.host,
          CREDS_DESTINATION_USERNAME: "robot",
          CREDS_DESTINATION_PASSWORD: password,
          CREDS_DESTINATION_REGISTRIES: destination.host
        })
  })
  return { source, destination, digest, home, args: ["src/main.ts", "sync", "-f", images], env }
})

describe("sync between real registries", () => {
  for (const [from, to] of [
    ["docker-registry", "registry"],
    ["registry", "docker-registry"]
  ] as const) {
    for (const auth of ["none", "Basic", "Bearer"] as const) {
      for (const [sourceTls, destinationTls] of [
        ["a private authority", "a private authority"],
        ["a private authority", "an unknown authority"],
        ["none", "a private authority"],
        ["none", "none"]
      ] as const) {
        itWithPrograms(
          [from, to],
          `goes from ${from} (TLS: ${sourceTls}) to ${to} (TLS: ${destinationTls}), authentication: ${auth}`,
          () =>
            Effect.gen(function* () {
              const { args, destination, digest, env, home } = yield* world(from, to, auth, sourceTls, destinationTls)
              const { output } = yield* succeeds(process.execPath, args, home, env(PASSWORD))
              assert.notInclude(output, PASSWORD)
              const arrived = accessTo(destination.host, "team/app", auth, destinationTls)
              const found = yield* (yield* RegistryClient).head(arrived, "v1")
              assert.strictEqual(Option.getOrThrow(found).digest, digest)
            }).pipe(Effect.provide(layers))
        )
      }
    }
  }

  for (const [program, auth] of [
    ["docker-registry", "Basic"],
    ["registry", "Basic"],
    ["docker-registry", "Bearer"],
    ["registry", "Bearer"]
  ] as const) {
    itWithPrograms([program], `sync reports a wrong and a missing password: ${program}, ${auth}`, () =>
      Effect.gen(function* () {
        const { args, env, home } = yield* world(program, program, auth, "a private authority", "a private authority")
        const wrong = yield* run(process.execPath, args, home, env("wrong-password"))
        assert.strictEqual(wrong.code, 1, wrong.output)
        assert.include(wrong.output, "AuthenticationFailed")
        assert.include(wrong.output, "the credentials for this registry were refused")
        assert.notInclude(wrong.output, "wrong-password")
        const { REGISTRY_CA_FILE } = env("")
        const none = yield* run(process.execPath, args, home, { REGISTRY_CA_FILE })
        assert.strictEqual(none.code, 1, none.output)
        assert.include(none.output, "no credentials for this registry are configured")
      }).pipe(Effect.provide(layers))
    )
  }
})

describe("a client of real registries with tokens", () => {
  for (const program of ["docker-registry", "registry"]) {
    itWithPrograms(
      [program],
      `the client mounts a blob from another repository with one token for both: ${program}`,
      () =>
        Effect.gen(function* () {
          const { host } = yield* start(program, "Bearer", "a private authority")
          const client = yield* RegistryClient
          const seeds = yield* startRegistry()
          const bytes = Buffer.from("a layer of its own")
          seeds.store.putBlob("team/app", bytes)
          const layer = { digest: digestOf(bytes), size: bytes.length }
          const sibling = accessTo(host, "team/app", "Bearer", "a private authority")
          const source = accessTo(seeds.host, "team/app", "none", "none")
          yield* client.copyBlob({ source, destination: sibling, blob: layer })
          const other = accessTo(host, "team/other", "Bearer", "a private authority")
          assert.isTrue(yield* client.mountBlob(other, layer, "team/app"))
        }).pipe(Effect.provide(layers))
    )
  }
})

describe("skopeo, as in a Job", () => {
  itWithPrograms(["skopeo", "registry"], "skopeo trusts the authority in a directory in addition to the system's", () =>
    Effect.gen(function* () {
      const { destination, digest, home, source } = yield* world(
        "registry",
        "registry",
        "none",
        "a private authority",
        "a private authority"
      )
      const authorities = join(home, "ca")
      mkdirSync(authorities)
      writeFileSync(join(authorities, "ca.crt"), AUTHORITY.certificate)
      const args = [
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        `docker://${source.host}/team/app@${digest}`,
        `docker://${destination.host}/team/app:v1`
      ]
      const refused = yield* run("skopeo", args, home)
      assert.notStrictEqual(refused.code, 0)
      assert.include(refused.output, "x509")
      yield* succeeds("skopeo", args, home, { SSL_CERT_DIR: `/etc/ssl/certs:/etc/pki/tls/certs:${authorities}` })
    }).pipe(Effect.provide(layers))
  )

  itWithPrograms(["skopeo", "registry"], "skopeo uses the proxy of its variables with the proxy's password", () =>
    Effect.gen(function* () {
      const tls = AUTHORITY.issue(["source.test", "mirror.test"])
      const [source, destination] = [yield* startReal("registry", { tls }), yield* startReal("registry", { tls })]
      const home = yield* directory
      const hosts: Readonly<Record<string, string>> = {
        "source.test:443": source.host,
        "mirror.test:443": destination.host
      }
      const proxy = yield* startProxy({ credential: "me:pass word", place: (target) => hosts[target] })
      const proxies = {
        https: Result.getOrThrow(parseProxy("HTTPS_PROXY", `http://me:pass%20word@${proxy.host}`)),
        noProxy: "elsewhere.test"
      }
      const seeds = yield* startRegistry()
      const digest = pushSampleImage(seeds.store, "team/app", "v1", "seed")
      const through = withPlacement(RegistryClientHttp.layer({ certificates: [AUTHORITY.certificate], proxies }))
      yield* copyImage({
        source: accessTo(seeds.host, "team/app", "none", "none"),
        digest,
        destination: accessTo("source.test", "team/app", "none", "a private authority"),
        tag: "v1"
      }).pipe(Effect.provide(through))
      const authorities = join(home, "ca")
      mkdirSync(authorities)
      writeFileSync(join(authorities, "ca.crt"), AUTHORITY.certificate)
      yield* succeeds(
        "skopeo",
        [
          "--insecure-policy",
          "copy",
          "--all",
          "--preserve-digests",
          `docker://source.test/team/app@${digest}`,
          "docker://mirror.test/team/app:v1"
        ],
        home,
        { SSL_CERT_DIR: authorities, HTTPS_PROXY: Redacted.value(proxies.https.url), NO_PROXY: proxies.noProxy }
      )
      const mirror = accessTo("mirror.test", "team/app", "none", "a private authority")
      const arrived = yield* Effect.flatMap(RegistryClient, (client) => client.head(mirror, "v1")).pipe(
        Effect.provide(through)
      )
      assert.strictEqual(Option.getOrThrow(arrived).digest, digest)
    })
  )
})
