/** The credentials that may be sent to a registry without verified TLS. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { accessOf, type CredentialUse, whyWithheld } from "../../src/credentials/access.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { endpoint } from "../support/endpoints.ts"
import { makePolicyFile } from "../support/policyFile.ts"

describe("a credential", () => {
  const use: CredentialUse = {
    owner: "Operator",
    side: "source",
    registry: "registry.test",
    tlsVerify: false,
    operatorVerifies: true,
    policyAllows: false
  }

  it.each<readonly [what: string, outcome: "sent" | "withheld", use: Partial<CredentialUse>]>([
    ["of the operator, for a registry that is verified", "sent", { tlsVerify: true }],
    ["of the operator, for a registry that an Image alone does not verify", "withheld", {}],
    ["of the operator, for a registry that the operator does not verify either", "sent", { operatorVerifies: false }],
    [
      "of the operator, for a registry that the Image alone verifies",
      "sent",
      { operatorVerifies: false, tlsVerify: true }
    ],
    ["of the Image, for a registry that is verified", "sent", { owner: "Image", tlsVerify: true }],
    ["of the Image, for a registry that the Image alone does not verify", "sent", { owner: "Image" }],
    ["of the machine's user, for a registry that a file does not verify", "sent", { owner: "User" }]
  ])("the credential %s, is %s", (_, outcome, more) => {
    assert.strictEqual(whyWithheld({ ...use, ...more }) === undefined ? "sent" : "withheld", outcome)
  })

  it("the reason of a withheld credential names the field and the remedy", () => {
    assert.strictEqual(
      whyWithheld(use),
      "the operator's credentials for registry.test are not sent, because spec.source.tlsVerify is false; give the Image its own Secret (spec.source.credentials.secretRef), or trust the registry's CA (REGISTRY_CA_FILE) and remove tlsVerify, or set DISABLE_SRC_TLS_VERIFICATION to true, or allow unverifiedCredentials in a policy"
    )
    assert.match(
      whyWithheld({ ...use, side: "destination" }) ?? "",
      /spec\.destination.*DISABLE_DEST_TLS_VERIFICATION/u
    )
  })
})

describe("a login of the user of a command", () => {
  const login = { username: "me", password: Redacted.make("hunter2") }
  const credentials = Credentials.layer(
    Effect.succeed([() => Effect.succeedSome({ credential: login, owner: "User" as const })])
  )
  const copy = {
    image: { namespace: "team" },
    source: endpoint("source.test", "app", { credentials: { _tag: "Secret", name: "pull" } }),
    destination: endpoint("dest.test", "app")
  }

  it.effect("a policy grants a login like a credential of the operator, also to an Image that names a Secret", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* accessOf({ credentials: yield* Credentials, policy: yield* Policy }, copy)
      assert.isTrue(Option.isSome(destination.credential))
      assert.isTrue(Option.isNone(source.credential))
      assert.include(source.withheld, "the rule writers of the policy does not grant them")
    }).pipe(
      Effect.provide(
        Layer.merge(credentials, makePolicyFile("rules: [{ name: writers, operatorCredentials: [destination] }]").layer)
      )
    )
  )
})

describe("the two sides of a copy", () => {
  const password = Redacted.make("hunter2")
  const credentials = Credentials.layer(
    Effect.all([
      ConfiguredCredentials.make({
        source: Option.some({ username: "reader", password, registries: ["source.test"] }),
        destination: Option.some({ username: "writer", password, registries: [] })
      })
    ]),
    { tlsVerify: { source: true, destination: false } }
  )

  it.effect("the two sides follow the operator's configuration of each side", () =>
    Effect.gen(function* () {
      const { destination, source, warnings } = yield* accessOf(
        { credentials: yield* Credentials, policy: yield* Policy },
        {
          image: { namespace: "team" },
          source: endpoint("source.test", "app", { tlsVerify: false }),
          destination: endpoint("dest.test", "app", { tlsVerify: false })
        }
      )
      assert.isTrue(Option.isNone(source.credential))
      assert.include(source.withheld, "spec.source.tlsVerify is false")
      assert.strictEqual(Option.getOrThrow(destination.credential).username, "writer")
      assert.notProperty(destination, "withheld")
      assert.deepStrictEqual(
        warnings.map(({ reason, type }) => `${type} ${reason}`),
        ["CredentialsWithheld NotVerified", "CredentialsUnbound CredentialsNotBound"]
      )
      assert.notInclude(JSON.stringify(warnings), "hunter2")
    }).pipe(Effect.provide(Layer.merge(credentials, Policy.layerNone)))
  )
})
