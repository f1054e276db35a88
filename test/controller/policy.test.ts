/** A policy over the whole operator: refused Images, withheld credentials, and changes of the policy while Images exist. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Controller } from "../../src/controller/Controller.ts"
import * as KubeImageEvents from "../../src/controller/events/KubeImageEvents.ts"
import { CopyEngine } from "../../src/copy/CopyEngine.ts"
import * as CloudIdentity from "../../src/credentials/CloudIdentity.ts"
import * as ConfiguredCredentials from "../../src/credentials/ConfiguredCredentials.ts"
import { CredentialProvider } from "../../src/credentials/CredentialProvider.ts"
import { Credentials, type TlsVerify } from "../../src/credentials/Credentials.ts"
import * as ImageSecrets from "../../src/credentials/ImageSecrets.ts"
import { conditionOf, type Image } from "../../src/domain/Image.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import { ReportedEvents, Secrets } from "../../src/kube/Resources.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../src/registry/RegistryError.ts"
import { makeEngineWorld, passSeconds, reconciles } from "../support/engineWorld.ts"
import * as Faults from "../support/Faults.ts"
import { makePolicyFile } from "../support/policyFile.ts"
import { applyImage, conditionText, makeRegistries, operatorLayer, readImage } from "../support/world.ts"

const ALL = "rules: [{ name: all, operatorCredentials: [source, destination], allow: [unboundCredentials] }]"
const NONE = "rules: []"

const TAGS = ["v1.0.0", "v1.0.1", "v1.0.2"]
const pattern = { source: { name: "source.test/app", version: "v1.0.x" }, destination: { name: "dest.test/m/app" } }
const exact = { source: { name: "source.test/app", version: "v1.0.0" }, destination: { name: "dest.test/m/app" } }

const conditionsIn = (image: Image): ReadonlyArray<string> =>
  (image.status.conditions ?? []).map(({ reason, status, type }) => `${type}=${status} ${reason}`)
const REFUSED = ["Ready=False PolicyRefused", "Stalled=True PolicyRefused"]
const messageOf = (image: Image, type: string): string => conditionOf(image.status, type)?.message ?? ""

describe("an Image that the policy does not accept", () => {
  for (const engine of ["direct", "job"] as const) {
    it.effect(
      `a refused Image asks no registry, and copies within ten seconds of a policy that accepts it: engine ${engine}`,
      () => {
        const file = makePolicyFile(NONE)
        const world = makeEngineWorld(engine, { policy: file.layer })
        for (const tag of TAGS) world.push(tag)
        return Effect.gen(function* () {
          yield* (yield* Controller).synced
          yield* applyImage("app", pattern)
          yield* TestClock.adjust("1 hour")
          const refused = yield* readImage("app")
          assert.deepStrictEqual(conditionsIn(refused), REFUSED)
          assert.strictEqual(refused.status.observedGeneration, refused.generation)
          assert.include(messageOf(refused, "Stalled"), "ask the administrator of the operator to add a rule")
          assert.deepStrictEqual(world.requests, [])
          assert.isAtMost(yield* reconciles, 3)

          file.write(ALL)
          yield* passSeconds(20)
          assert.deepStrictEqual(conditionsIn(yield* readImage("app")), ["Ready=True Copied"])
          assert.deepStrictEqual(world.destination.tags("m/app"), TAGS)
        }).pipe(Effect.provide(world.layer))
      }
    )

    it.effect(
      `the running and waiting copies of an Image end when the policy no longer accepts the Image: engine ${engine}`,
      () => {
        const file = makePolicyFile(ALL)
        const world = makeEngineWorld(engine, { policy: file.layer, total: 1 })
        for (const tag of TAGS) world.push(tag)
        world.behaviour.takes = () => 60_000
        return Effect.gen(function* () {
          const { copies } = yield* CopyEngine
          const ofImage = copies({ namespace: "team", name: "app" })
          yield* (yield* Controller).synced
          yield* applyImage("app", pattern)
          yield* passSeconds(70)
          assert.lengthOf(yield* ofImage, 2, "one copy has ended")
          file.write(NONE)
          yield* passSeconds(20)
          assert.deepStrictEqual(yield* ofImage, [])
          const refused = yield* readImage("app")
          assert.deepStrictEqual(conditionsIn(refused), REFUSED)
          assert.lengthOf(refused.status.history ?? [], 1)
          assert.notProperty(refused.status, "plan")
          yield* TestClock.adjust("1 hour")
          assert.lengthOf(world.destination.tags("m/app") ?? [], 1)

          file.write(ALL)
          yield* passSeconds(200)
          assert.deepStrictEqual(world.destination.tags("m/app"), TAGS)
        }).pipe(Effect.provide(world.layer))
      }
    )
  }

  it.effect("a copied Image is refused too, and is Ready again after a policy that accepts it", () => {
    const file = makePolicyFile(ALL)
    const world = makeEngineWorld("direct", { policy: file.layer })
    world.push("v1.0.0")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", exact)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(conditionsIn(yield* readImage("app")), ["Ready=True Copied"])
      file.write(NONE)
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(conditionsIn(yield* readImage("app")), REFUSED)
      file.write(ALL)
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(conditionsIn(yield* readImage("app")), ["Ready=True Copied"])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a change of the policy asks no registry for Images that it still accepts", () => {
    const file = makePolicyFile(ALL)
    const world = makeEngineWorld("direct", { policy: file.layer })
    world.push("v1.0.0")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { ...exact, mode: "Recurrent", frequency: "1d" })
      yield* TestClock.adjust("1 second")
      const [before, times] = [yield* readImage("app"), yield* reconciles]
      world.requests.length = 0
      file.write(`${ALL}\n`)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* reconciles) - times, 1)
      assert.deepStrictEqual(world.requests, [])
      assert.deepStrictEqual(yield* readImage("app"), before)
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a check that runs when the policy changes ends, so that the copies of the Image end too", () => {
    const file = makePolicyFile(ALL)
    const world = makeEngineWorld("direct", { policy: file.layer })
    for (const tag of TAGS) world.push(tag)
    world.behaviour.takes = () => 300_000
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", { ...pattern, mode: "Recurrent", frequency: "1m" })
      yield* passSeconds(10)
      // From now on a check takes longer than a minute.
      world.behaviour.latency = 70_000
      yield* passSeconds(60)
      assert.isTrue(world.requests.length > 0)
      file.write(NONE)
      yield* passSeconds(15)
      assert.deepStrictEqual(conditionsIn(yield* readImage("app")), REFUSED)
      assert.deepStrictEqual(yield* (yield* CopyEngine).copies({ namespace: "team", name: "app" }), [])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a suspended Image keeps its status, and its running copies end", () => {
    const file = makePolicyFile(ALL)
    const world = makeEngineWorld("direct", { policy: file.layer })
    for (const tag of TAGS) world.push(tag)
    world.behaviour.takes = () => 60_000
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", pattern)
      yield* passSeconds(5)
      yield* applyImage("app", { ...pattern, suspend: true })
      yield* passSeconds(5)
      const before = yield* readImage("app")
      file.write(NONE)
      yield* passSeconds(120)
      assert.deepStrictEqual(world.destination.tags("m/app") ?? [], [])
      assert.deepStrictEqual((yield* readImage("app")).status.conditions, before.status.conditions)
      yield* applyImage("app", pattern)
      yield* passSeconds(5)
      assert.deepStrictEqual(conditionsIn(yield* readImage("app")), REFUSED)
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("the refusal is one Event, which names the rule", () => {
    const registries = makeRegistries()
    pushSampleImage(registries.source, "app", "v1.0.0", "a")
    const file = makePolicyFile("rules: [{ name: elsewhere, sources: [quay.io] }]")
    const layer = operatorLayer(registries, { policy: file.layer, events: KubeImageEvents.layer({ instance: "test" }) })
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("app", exact)
      yield* TestClock.adjust("1 hour")
      const { items } = yield* (yield* KubeClient).list(ReportedEvents, { namespace: "team" })
      assert.deepStrictEqual(
        items.map(({ reason }) => reason),
        ["Stalled"]
      )
      assert.match(JSON.stringify(items), /PolicyRefused: .*the nearest rule is elsewhere: its sources \(quay\.io\)/u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a refused Image claims no tag, and claims the tag when the policy accepts the Image", () => {
    const registries = makeRegistries()
    for (const repository of ["app", "evil"]) pushSampleImage(registries.source, repository, "v1.0.0", repository)
    const file = makePolicyFile("rules: [{ name: team, sources: [source.test/app] }]")
    return Effect.gen(function* () {
      yield* (yield* Controller).synced
      yield* applyImage("old", { ...exact, source: { name: "source.test/evil", version: "v1.0.0" } })
      yield* TestClock.adjust("10 seconds")
      yield* applyImage("young", exact)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(conditionsIn(yield* readImage("old")), REFUSED)
      assert.deepStrictEqual(conditionsIn(yield* readImage("young")), ["Ready=True Copied"])
      file.write(ALL)
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(conditionsIn(yield* readImage("old")), ["Ready=True Copied"])
      assert.strictEqual(conditionText(yield* readImage("young"), "Stalled"), "True DestinationClaimed")
    }).pipe(Effect.provide(operatorLayer(registries, { policy: file.layer })))
  })
})

const secretOf = (name: string) => ({
  metadata: { namespace: "team", name, annotations: { "skopeo.io/registry": "source.test,dest.test" } },
  type: "kubernetes.io/basic-auth",
  data: { username: Buffer.from("own").toString("base64"), password: Buffer.from("own").toString("base64") }
})

/** The operator with credentials for both sides, and the users whose credentials each registry has got. */
const makeCredentialWorld = (
  policy: string,
  {
    registries: bound = ["source.test", "dest.test"],
    tlsVerify = { source: true, destination: true }
  }: {
    readonly registries?: ReadonlyArray<string>
    readonly tlsVerify?: TlsVerify
  } = {}
) => {
  const registries = makeRegistries()
  pushSampleImage(registries.source, "app", "v1.0.0", "a")
  /** The users whom the registries refuse. */
  const fails = new Set<string>()
  const userOf = ({ credential }: RepositoryAccess): string =>
    Option.match(credential, { onNone: () => "anonymous", onSome: ({ username }) => username })
  const refusing = {
    before: (access: RepositoryAccess) =>
      fails.has(userOf(access))
        ? Effect.fail(RegistryError.of("AuthenticationFailed", access.repository, "the test says so"))
        : Effect.void
  }
  const client = Faults.of(RegistryClient, [
    { method: "head", ...refusing },
    { method: "manifest", ...refusing }
  ])
  const credential = (username: string) =>
    Option.some({ username, password: Redacted.make("hunter2"), registries: bound })
  const identity = Layer.succeed(CredentialProvider, {
    credential: () => Effect.succeed({ username: "AWS", password: Redacted.make("token") })
  })
  const credentials = Credentials.layer(
    Effect.all([
      ImageSecrets.make(),
      CloudIdentity.make,
      ConfiguredCredentials.make({ source: credential("reader"), destination: credential("writer") })
    ]),
    { tlsVerify }
  ).pipe(Layer.provide(identity))
  const file = makePolicyFile(policy)
  const layer = operatorLayer({ layer: client.layer(registries.layer) }, { policy: file.layer, credentials })
  /** The users at each registry, by `host: user`. */
  const users = (): ReadonlyArray<string> => {
    const found = client.calls.flatMap((call) => {
      if (call.method === "notices") return []
      const accesses: ReadonlyArray<RepositoryAccess> =
        call.method === "copyBlob" ? [call.args[0].source, call.args[0].destination] : [call.args[0]]
      return accesses.map((access) => `${access.repository.registry}: ${userOf(access)}`)
    })
    return [...new Set(found)].sort()
  }
  return { fails, file, layer, registries, users }
}

describe("the operator's credentials under a policy", () => {
  const copyOnce = Effect.fnUntraced(function* (spec: Parameters<typeof applyImage>[1]) {
    yield* (yield* Controller).synced
    yield* (yield* KubeClient).apply(Secrets, secretOf("own"), "test")
    yield* applyImage("app", spec)
    yield* TestClock.adjust("1 second")
    return yield* readImage("app")
  })

  it.effect(
    "credentials that the rule does not grant are not used, and a condition names the rule and the remedy",
    () => {
      const { layer, users } = makeCredentialWorld("rules: [{ name: readers, operatorCredentials: [source] }]")
      return Effect.gen(function* () {
        const image = yield* copyOnce(exact)
        assert.deepStrictEqual(users(), ["dest.test: anonymous", "source.test: reader"])
        assert.deepStrictEqual(conditionsIn(image), ["Ready=True Copied", "CredentialsWithheld=True NotGranted"])
        assert.strictEqual(
          messageOf(image, "CredentialsWithheld"),
          "the operator's destination credentials are not used, because the rule readers of the policy does not grant them; ask the administrator of the operator to add destination to operatorCredentials of the rule, or give the Image its own Secret (spec.destination.credentials.secretRef)"
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "a check that failed without credentials is made again within ten seconds of a policy that grants them",
    () => {
      const { fails, file, layer, users } = makeCredentialWorld(
        "rules: [{ name: team, operatorCredentials: [destination] }]"
      )
      fails.add("anonymous")
      return Effect.gen(function* () {
        yield* copyOnce(exact)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(conditionsIn(yield* readImage("app")), [
          "Ready=False AuthenticationFailed",
          "Reconciling=True ProgressingWithRetry",
          "CredentialsWithheld=True NotGranted"
        ])
        file.write("rules: [{ name: team, operatorCredentials: [source, destination] }]")
        yield* TestClock.adjust("11 seconds")
        assert.deepStrictEqual(conditionsIn(yield* readImage("app")), ["Ready=True Copied"])
        assert.deepStrictEqual(users(), ["dest.test: writer", "source.test: anonymous", "source.test: reader"])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("an Image's own Secret is used whatever the rule grants", () => {
    const { layer, users } = makeCredentialWorld("rules: [{ name: none }]")
    const own = { credentials: { secretRef: { name: "own" } } }
    return Effect.gen(function* () {
      const image = yield* copyOnce({
        source: { ...exact.source, ...own },
        destination: { ...exact.destination, ...own }
      })
      assert.deepStrictEqual(users(), ["dest.test: own", "source.test: own"])
      assert.deepStrictEqual(conditionsIn(image), ["Ready=True Copied"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("an Image without a credential of the operator has no warning about it", () => {
    const { layer, users } = makeCredentialWorld("rules: [{ name: none }]", { registries: ["other.test"] })
    return Effect.gen(function* () {
      assert.deepStrictEqual(conditionsIn(yield* copyOnce(exact)), ["Ready=True Copied"])
      assert.deepStrictEqual(users(), ["dest.test: anonymous", "source.test: anonymous"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("credentials that are bound to no registry need the permission of the rule too", () => {
    const granted = "operatorCredentials: [source, destination]"
    const strict = makeCredentialWorld(`rules: [{ name: team, ${granted} }]`, { registries: [] })
    const lax = makeCredentialWorld(`rules: [{ name: team, ${granted}, allow: [unboundCredentials] }]`, {
      registries: []
    })
    return Effect.gen(function* () {
      const withheld = yield* Effect.provide(copyOnce(exact), strict.layer)
      assert.deepStrictEqual(strict.users(), ["dest.test: anonymous", "source.test: anonymous"])
      assert.deepStrictEqual(conditionsIn(withheld), ["Ready=True Copied", "CredentialsWithheld=True NotGranted"])
      assert.include(
        messageOf(withheld, "CredentialsWithheld"),
        "set CREDS_SOURCE_REGISTRIES, or to add unboundCredentials"
      )
      const used = yield* Effect.provide(copyOnce(exact), lax.layer)
      assert.deepStrictEqual(lax.users(), ["dest.test: writer", "source.test: reader"])
      assert.deepStrictEqual(conditionsIn(used), ["Ready=True Copied", "CredentialsUnbound=True CredentialsNotBound"])
    })
  })

  it.effect("the cloud identity needs a grant of its own, and without the grant the Image is refused", () => {
    const { file, layer, users } = makeCredentialWorld(
      "rules: [{ name: team, operatorCredentials: [source, destination] }]"
    )
    return Effect.gen(function* () {
      const refused = yield* copyOnce({ ...exact, source: { ...exact.source, useAwsIRSA: true } })
      assert.deepStrictEqual(conditionsIn(refused), REFUSED)
      assert.include(
        messageOf(refused, "Ready"),
        "add cloudIdentity to operatorCredentials of the rule team, or remove spec.source.useAwsIRSA"
      )
      assert.deepStrictEqual(users(), [])
      file.write("rules: [{ name: team, operatorCredentials: [cloudIdentity] }]")
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(users(), ["dest.test: anonymous", "source.test: AWS"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "an Image that disables the verification needs a permission, and the operator's own configuration needs none",
    () => {
      const policy = "rules: [{ name: team, operatorCredentials: [source, destination] }]"
      const unverified = { ...exact, destination: { ...exact.destination, tlsVerify: false } }
      const [strict, lax] = [
        makeCredentialWorld(policy),
        makeCredentialWorld(policy, { tlsVerify: { source: true, destination: false } })
      ]
      return Effect.gen(function* () {
        const refused = yield* Effect.provide(copyOnce(unverified), strict.layer)
        assert.deepStrictEqual(conditionsIn(refused), REFUSED)
        assert.include(messageOf(refused, "Ready"), "it does not allow spec.destination.tlsVerify: false")
        for (const spec of [unverified, exact]) {
          assert.deepStrictEqual(conditionsIn(yield* Effect.provide(copyOnce(spec), lax.layer)), ["Ready=True Copied"])
        }
      })
    }
  )

  it.effect("a permission to disable the verification does not send the operator's credentials unverified", () => {
    const { layer, users } = makeCredentialWorld(
      "rules: [{ name: team, operatorCredentials: [source, destination], allow: [unverifiedTls] }]"
    )
    return Effect.gen(function* () {
      const image = yield* copyOnce({ ...exact, source: { ...exact.source, tlsVerify: false } })
      assert.deepStrictEqual(users(), ["dest.test: writer", "source.test: anonymous"])
      assert.deepStrictEqual(conditionsIn(image), ["Ready=True Copied", "CredentialsWithheld=True NotVerified"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a rule with a permission of its own sends the operator's credentials unverified", () => {
    const { layer, users } = makeCredentialWorld(
      "rules: [{ name: team, operatorCredentials: [source], allow: [unverifiedTls, unverifiedCredentials] }]"
    )
    return Effect.gen(function* () {
      yield* copyOnce({ ...exact, source: { ...exact.source, tlsVerify: false } })
      assert.deepStrictEqual(users(), ["dest.test: anonymous", "source.test: reader"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a private address and localhost are refused before any connection, however they are written", () => {
    const { layer, users } = makeCredentialWorld("rules: [{ name: team }]")
    return Effect.gen(function* () {
      for (const host of [
        "10.1.2.3",
        "127.0.0.1:5000",
        "localhost:5000",
        "a.localhost:80",
        "[::1]:5000",
        "169.254.169.254"
      ]) {
        const image = yield* copyOnce({ ...exact, source: { name: `${host}/app`, version: "v1.0.0" } })
        assert.deepStrictEqual(conditionsIn(image), REFUSED, host)
        assert.include(messageOf(image, "Ready"), `it does not allow the private host ${host}`)
      }
      assert.deepStrictEqual(users(), [])
    }).pipe(Effect.provide(layer))
  })
})
