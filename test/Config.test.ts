import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { operatorConfig } from "../src/Config.ts"

const leaderElection = (env: Readonly<Record<string, string>>) =>
  Effect.map(operatorConfig, (config) => config.leaderElection).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )

describe("the variables of leader election", () => {
  it.effect("it is on unless it is switched off, by a Lease of the instance's name", () =>
    Effect.gen(function* () {
      const namespace = Option.none()
      assert.deepStrictEqual(yield* leaderElection({}), { enabled: true, namespace, name: "skopeo-operator.skopeo.io" })
      assert.deepStrictEqual(yield* leaderElection({ INSTANCE_NAME: "blue", LEADER_ELECTION: "false" }), {
        enabled: false,
        namespace,
        name: "blue.skopeo.io"
      })
    })
  )

  it.effect("they name another Lease in another namespace", () =>
    Effect.gen(function* () {
      const variables = { LEADER_ELECTION_NAME: "mirrors", LEADER_ELECTION_NAMESPACE: "leases" }
      const named = { enabled: true, namespace: Option.some("leases"), name: "mirrors" }
      assert.deepStrictEqual(yield* leaderElection(variables), named)
    })
  )

  for (const [env, said] of [
    [{ INSTANCE_NAME: "My_Mirror" }, '"My_Mirror.skopeo.io" cannot name a Lease'],
    [{ LEADER_ELECTION_NAME: "a/b\n" }, '"a/b" cannot name a Lease'],
    [{ LEADER_ELECTION_NAME: "a".repeat(254) }, "cannot name a Lease"]
  ] as const) {
    it.effect(`a name that no Lease can have is refused: ${JSON.stringify(env).slice(0, 60)}`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(leaderElection(env))
        assert.include(message, "LEADER_ELECTION_NAME")
        assert.include(message, said)
        // Where there is no Lease, its name is nothing to refuse.
        assert.isFalse((yield* leaderElection({ ...env, LEADER_ELECTION: "false" })).enabled)
      })
    )
  }
})
