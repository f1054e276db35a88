import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { Effect, Option, Redacted } from "effect"
import { type ConfiguredCredential, Credentials } from "../../src/registry/Credentials.ts"
import { accessTo, withoutSecrets } from "../../src/registry/RepositoryAccess.ts"

const configured = (username: string, ...registries: ReadonlyArray<string>): Option.Option<ConfiguredCredential> =>
  Option.some({ username, password: Redacted.make(`password-of-${username}`), registries })

const userOf = (found: { readonly credential: Option.Option<{ readonly username: string }> }): string | undefined =>
  Option.getOrUndefined(found.credential)?.username

const both = Credentials.layer({
  source: configured("reader", "source.test", "docker.io"),
  destination: configured("writer", "dest.test:5000")
})

describe("Credentials", () => {
  it.effect("go only to the registries they are bound to", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      assert.strictEqual(userOf(credentials.find("source", "source.test")), "reader")
      assert.strictEqual(userOf(credentials.find("source", "docker.io")), "reader")
      assert.strictEqual(userOf(credentials.find("destination", "dest.test:5000")), "writer")
      for (const other of ["evil.test", "source.test.evil.test", "source.test:5000", "dest.test", ""]) {
        assert.strictEqual(userOf(credentials.find("source", other)), undefined)
        assert.strictEqual(userOf(credentials.find("destination", other)), undefined)
      }
    }).pipe(Effect.provide(both))
  )

  it.effect("never stand in for the other side's", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      assert.strictEqual(userOf(credentials.find("destination", "source.test")), undefined)
      assert.strictEqual(userOf(credentials.find("source", "dest.test:5000")), undefined)
    }).pipe(Effect.provide(both))
  )

  it.effect("of one side leave the other anonymous", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      assert.strictEqual(userOf(credentials.find("source", "one.test")), undefined)
      assert.strictEqual(userOf(credentials.find("destination", "one.test")), "writer")
    }).pipe(Effect.provide(Credentials.layer({ source: Option.none(), destination: configured("writer", "one.test") })))
  )

  it.effect("bound to no registry go anywhere, and say what to set", () =>
    Effect.gen(function* () {
      const found = (yield* Credentials).find("destination", "any.test")
      assert.strictEqual(userOf(found), "writer")
      assert.include(found.unbound, "CREDS_DESTINATION_REGISTRIES")
      assert.include(found.unbound, "any.test")
      assert.notInclude(found.unbound, "password-of-writer")
    }).pipe(Effect.provide(Credentials.layer({ source: Option.none(), destination: configured("writer") })))
  )

  it.effect("that are bound say nothing", () =>
    Effect.gen(function* () {
      assert.notProperty((yield* Credentials).find("source", "source.test"), "unbound")
    }).pipe(Effect.provide(both))
  )

  it.effect("are none for the anonymous", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      assert.strictEqual(userOf(credentials.find("source", "source.test")), undefined)
      assert.strictEqual(userOf(credentials.find("destination", "source.test")), undefined)
    }).pipe(Effect.provide(Credentials.layerAnonymous))
  )

  it.effect("show no password when they are printed", () =>
    Effect.gen(function* () {
      const found = (yield* Credentials).find("source", "source.test")
      assert.notInclude(JSON.stringify(found), "password-of")
      assert.notInclude(inspect(found, { depth: 10 }), "password-of")
    }).pipe(Effect.provide(both))
  )
})

describe("withoutSecrets", () => {
  it.effect("takes the password out of others' words, plain and as sent", () =>
    Effect.gen(function* () {
      const repository = { registry: "source.test", path: "app" }
      const access = accessTo(yield* Credentials, "source", repository, true)
      const sent = Buffer.from("reader:password-of-reader").toString("base64")
      const text = withoutSecrets(`reader said password-of-reader and Basic ${sent}`, access)
      assert.strictEqual(text, "reader said <redacted> and Basic <redacted>")
      const anonymous = accessTo(yield* Credentials, "destination", repository, true)
      assert.strictEqual(withoutSecrets("nothing to hide", anonymous), "nothing to hide")
    }).pipe(Effect.provide(both))
  )

  it("takes an identity token out, too", () => {
    const credential = { username: "", password: Redacted.make(""), identityToken: Redacted.make("refresh-1") }
    const repository = { registry: "source.test", path: "app" }
    const access = { repository, tlsVerify: true, credential: Option.some(credential) }
    assert.strictEqual(withoutSecrets("refresh-1 has expired", access), "<redacted> has expired")
  })
})
