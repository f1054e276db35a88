import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { Effect, Layer, Option, Redacted } from "effect"
import { accessOf } from "../../src/credentials/access.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { CredentialError, Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { CONFIGURED, type RegistrySide } from "../../src/domain/Credential.ts"
import type { Credential } from "../../src/registry/RegistryClient.ts"
import { identity, withoutSecrets } from "../../src/registry/RepositoryAccess.ts"
import { endpoint } from "../support/endpoints.ts"

const configured = (
  username: string,
  ...registries: ReadonlyArray<string>
): Option.Option<ConfiguredCredentials.ConfiguredCredential> =>
  Option.some({ username, password: Redacted.make(`password-of-${username}`), registries })

const layerOf = (configured: ConfiguredCredentials.ConfiguredCredentials) =>
  Credentials.layer(Effect.all([ConfiguredCredentials.make(configured)]))

const find = Effect.fnUntraced(function* (side: RegistrySide, registry: string, path = "app") {
  const credentials = yield* Credentials
  return yield* credentials.find({
    side,
    repository: { registry, path },
    namespace: "team",
    choice: CONFIGURED
  })
})

const userOf = (side: RegistrySide, registry: string) =>
  Effect.map(find(side, registry), (found) => Option.getOrUndefined(found)?.credential.username)

const both = layerOf({
  source: configured("reader", "source.test", "docker.io"),
  destination: configured("writer", "dest.test:5000")
})

describe("configured credentials", () => {
  it.effect("a configured credential goes only to the registries that it is bound to", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* userOf("source", "source.test"), "reader")
      assert.strictEqual(yield* userOf("source", "docker.io"), "reader")
      assert.strictEqual(yield* userOf("destination", "dest.test:5000"), "writer")
      for (const other of ["evil.test", "source.test.evil.test", "source.test:5000", "dest.test", ""]) {
        assert.strictEqual(yield* userOf("source", other), undefined)
        assert.strictEqual(yield* userOf("destination", other), undefined)
      }
    }).pipe(Effect.provide(both))
  )

  it.effect("a configured credential goes only to the part of a registry that it is bound to", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isSome(yield* find("source", "ghcr.test", "team/app")))
      for (const path of ["other/app", "teams/app", "app"]) {
        assert.isTrue(Option.isNone(yield* find("source", "ghcr.test", path)))
      }
    }).pipe(Effect.provide(layerOf({ source: configured("reader", "ghcr.test/team"), destination: Option.none() })))
  )

  it.effect("a configured credential is never used for the other side", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* userOf("destination", "source.test"), undefined)
      assert.strictEqual(yield* userOf("source", "dest.test:5000"), undefined)
    }).pipe(Effect.provide(both))
  )

  it.effect("a configured credential of one side leaves the other side anonymous", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* userOf("source", "one.test"), undefined)
      assert.strictEqual(yield* userOf("destination", "one.test"), "writer")
    }).pipe(Effect.provide(layerOf({ source: Option.none(), destination: configured("writer", "one.test") })))
  )

  it.effect(
    "a configured credential without registries goes to any registry, with a warning that names the variable",
    () =>
      Effect.gen(function* () {
        const found = Option.getOrThrow(yield* find("destination", "any.test"))
        assert.strictEqual(found.credential.username, "writer")
        assert.include(found.unbound, "CREDS_DESTINATION_REGISTRIES")
        assert.include(found.unbound, "any.test")
        assert.notInclude(found.unbound, "password-of-writer")
      }).pipe(Effect.provide(layerOf({ source: Option.none(), destination: configured("writer") })))
  )

  it.effect("a configured credential with registries has no warning", () =>
    Effect.gen(function* () {
      assert.notProperty(Option.getOrThrow(yield* find("source", "source.test")), "unbound")
    }).pipe(Effect.provide(both))
  )

  it.effect("there is no credential without configuration", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* userOf("source", "source.test"), undefined)
      assert.strictEqual(yield* userOf("destination", "source.test"), undefined)
    }).pipe(Effect.provide(Credentials.layerAnonymous))
  )

  it.effect("a configured credential does not print its password", () =>
    Effect.gen(function* () {
      const found = yield* find("source", "source.test")
      assert.notInclude(JSON.stringify(found), "password-of")
      assert.notInclude(inspect(found, { depth: 10 }), "password-of")
    }).pipe(Effect.provide(both))
  )
})

describe("places that credentials come from", () => {
  const place = (username: string, registry: string) =>
    ConfiguredCredentials.make({ source: configured(username, registry), destination: Option.none() })

  it.effect("the sources of credentials are asked in order, and the first credential wins", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* userOf("source", "a.test"), "first")
      assert.strictEqual(yield* userOf("source", "b.test"), "third")
    }).pipe(
      Effect.provide(
        Credentials.layer(Effect.all([place("first", "a.test"), place("second", "a.test"), place("third", "b.test")]))
      )
    )
  )

  it.effect("a failed source is final, and no other credential is used", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(find("source", "a.test"))
      assert.strictEqual(error.message, 'REGISTRY_AUTH_FILE: "/auth.json" is broken')
    }).pipe(
      Effect.provide(
        Credentials.layer(
          Effect.all([
            Effect.succeed(() =>
              Effect.fail(
                new CredentialError({
                  reason: "AuthFileInvalid",
                  field: "REGISTRY_AUTH_FILE",
                  value: "/auth.json",
                  detail: "is broken",
                  stalled: false
                })
              )
            ),
            place("second", "a.test")
          ])
        )
      )
    )
  )
})

describe("withoutSecrets", () => {
  const repository = { registry: "source.test", path: "app" }

  it.effect("withoutSecrets redacts the password, plain and encoded", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* accessOf(
        { credentials: yield* Credentials, policy: yield* Policy },
        {
          image: { namespace: "team" },
          source: endpoint("source.test", "app"),
          destination: endpoint("source.test", "app")
        }
      )
      const sent = Buffer.from("reader:password-of-reader").toString("base64")
      const text = withoutSecrets(`reader said password-of-reader and Basic ${sent}`, source)
      assert.strictEqual(text, "reader said <redacted> and Basic <redacted>")
      assert.strictEqual(withoutSecrets("nothing to hide", destination), "nothing to hide")
    }).pipe(Effect.provide(Layer.merge(both, Policy.layerNone)))
  )

  it("withoutSecrets redacts an identity token", () => {
    const credential = { username: "", password: Redacted.make(""), identityToken: Redacted.make("refresh-1") }
    const access = { repository, tlsVerify: true, credential: Option.some(credential) }
    assert.strictEqual(withoutSecrets("refresh-1 has expired", access), "<redacted> has expired")
  })
})

describe("the identity of a credential", () => {
  const of = (username: string, password: string, more: Partial<Credential> = {}) =>
    identity({ credential: Option.some({ username, password: Redacted.make(password), ...more }) })

  it("the identity of a credential is equal for equal credentials, and differs for another user, password or token", () => {
    assert.strictEqual(of("a", "b"), of("a", "b"))
    const token = { identityToken: Redacted.make("t") }
    const all = [
      of("a", "b"),
      of("a", "c"),
      of("b", "b"),
      of("a", "b", token),
      of("ab", ""),
      identity({ credential: Option.none() })
    ]
    assert.strictEqual(new Set(all).size, all.length)
  })

  it("the identity of a credential does not show the secret", () => {
    assert.match(of("a", "password"), /^[0-9a-f]+$/u)
  })
})
