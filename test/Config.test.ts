/** The environment variables of the operator. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { metricsConfig, operatorConfig, registryConfig } from "../src/Config.ts"
import type { ListScope } from "../src/kube/KubeClient.ts"

const scopesOf = (environment: Readonly<Record<string, string>>) =>
  Effect.map(operatorConfig, ({ scopes }) => scopes).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...environment } })))
  )

const rows: ReadonlyArray<{
  readonly title: string
  readonly environment: Readonly<Record<string, string>>
  readonly scopes: ReadonlyArray<ListScope>
}> = [
  { title: "all Images are followed where nothing is said", environment: {}, scopes: [{}] },
  {
    title: "an empty variable says nothing",
    environment: { WATCH_NAMESPACES: "", WATCH_LABEL_SELECTOR: "" },
    scopes: [{}]
  },
  {
    title: "each namespace is a scope",
    environment: { WATCH_NAMESPACES: "team-a, team-b" },
    scopes: [{ namespace: "team-a" }, { namespace: "team-b" }]
  },
  {
    title: "labels hold in all namespaces",
    environment: { WATCH_LABEL_SELECTOR: "env in (prod, stage),!paused" },
    scopes: [{ labelSelector: "env in (prod, stage),!paused" }]
  },
  {
    title: "labels hold in each namespace",
    environment: { WATCH_NAMESPACES: "team-a,team-b", WATCH_LABEL_SELECTOR: "mirror=true" },
    scopes: [
      { namespace: "team-a", labelSelector: "mirror=true" },
      { namespace: "team-b", labelSelector: "mirror=true" }
    ]
  }
]

const refusals: ReadonlyArray<readonly [environment: Readonly<Record<string, string>>, message: string]> = [
  [
    { WATCH_NAMESPACES: "team-a,Team_B" },
    'WATCH_NAMESPACES: "Team_B" is not the name of a namespace; give names such as team-a,team-b'
  ],
  [
    { WATCH_NAMESPACES: "team-a," },
    'WATCH_NAMESPACES: "" is not the name of a namespace; give names such as team-a,team-b'
  ],
  [
    { WATCH_NAMESPACES: "x".repeat(1_000) },
    `WATCH_NAMESPACES: "${"x".repeat(79)}…" is not the name of a namespace; give names such as team-a,team-b`
  ],
  [{ WATCH_NAMESPACES: "team-a,team-b,team-a" }, 'WATCH_NAMESPACES: "team-a" is named twice; name the namespace once'],
  [
    { WATCH_NAMESPACES: Array.from({ length: 65 }, (_, index) => `team-${index}`).join(",") },
    "WATCH_NAMESPACES: 65 namespaces are more than 64; leave WATCH_NAMESPACES empty to watch all namespaces, and select Images by WATCH_LABEL_SELECTOR"
  ],
  [
    { WATCH_LABEL_SELECTOR: "team=a,env in prod" },
    'WATCH_LABEL_SELECTOR: "env in prod" must be one of key=value, key!=value, key in (a, b), key notin (a, b), key and !key'
  ]
]

describe("the Images that an operator follows", () => {
  for (const { environment, scopes, title } of rows) {
    it.effect(title, () => Effect.map(scopesOf(environment), (followed) => assert.deepStrictEqual(followed, scopes)))
  }

  for (const [environment, message] of refusals) {
    it.effect(`are not guessed: ${message}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(scopesOf(environment))
        assert.include(error.message, message)
      })
    )
  }
})

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

describe("the metrics", () => {
  it.effect("single Images have series unless METRICS_PER_IMAGE is false", () =>
    Effect.gen(function* () {
      const metricsOf = (env: Readonly<Record<string, string>>) =>
        Effect.provide(metricsConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      assert.deepStrictEqual(yield* metricsOf({}), { perImage: true })
      assert.deepStrictEqual(yield* metricsOf({ METRICS_PER_IMAGE: "false" }), { perImage: false })
    })
  )
})

describe("a mistake in a variable names the variable, the value and the remedy", () => {
  it.effect.each<readonly [environment: Readonly<Record<string, string>>, message: string]>([
    [
      { METRICS_PORT: "99999" },
      'METRICS_PORT: "99999" is not a whole number from 1 to 65535; write such a number, or leave the variable empty for 8080'
    ],
    [
      { JOB_DELETION_DELAY_SECONDS: "-5" },
      'JOB_DELETION_DELAY_SECONDS: "-5" is not a whole number from 0 to 86400; write such a number, or leave the variable empty for 10'
    ],
    [{ LEADER_ELECTION: "maybe" }, 'LEADER_ELECTION: "maybe" is neither true nor false; write true or false'],
    [{ COPY_ENGINE: "job" }, 'COPY_ENGINE: "job" must be one of skopeo-job, direct']
  ])("%j", ([environment, message]) =>
    Effect.map(Effect.flip(scopesOf(environment)), (error) => assert.strictEqual(error.cause.message, message))
  )
})

const registries = (env: Readonly<Record<string, string>>) =>
  registryConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))

describe("the hosts that get credentials", () => {
  it.effect("without a variable no host gets credentials by plain HTTP, and no token server of another owner", () =>
    Effect.gen(function* () {
      const { plainHttp, tokenServers } = yield* registries({ REGISTRY_PLAIN_HTTP: "", REGISTRY_TOKEN_SERVERS: "" })
      assert.strictEqual(plainHttp, "")
      assert.strictEqual(tokenServers.size, 0)
    })
  )

  it.effect("REGISTRY_PLAIN_HTTP and REGISTRY_TOKEN_SERVERS name the hosts", () =>
    Effect.gen(function* () {
      const { plainHttp, tokenServers } = yield* registries({
        REGISTRY_PLAIN_HTTP: "registry.corp:5000,.internal",
        REGISTRY_TOKEN_SERVERS: "registry.corp=sso.example.net"
      })
      assert.strictEqual(plainHttp, "registry.corp:5000,.internal")
      assert.deepStrictEqual([...tokenServers], [["registry.corp", new Set(["sso.example.net"])]])
    })
  )

  for (const [variable, value, message] of [
    [
      "REGISTRY_PLAIN_HTTP",
      "http://registry.corp:5000",
      '"http://registry.corp:5000" is not a host; write hosts without https://'
    ],
    ["REGISTRY_PLAIN_HTTP", "registry.corp,registry.corp/team", '"registry.corp/team" is not a host'],
    ["REGISTRY_PRIVATE_HOSTS", "10.1.0.0/33", '"10.1.0.0/33" is not a host'],
    ["REGISTRY_PRIVATE_HOSTS", "tokens corp", '"tokens corp" is not a host'],
    ["REGISTRY_TOKEN_SERVERS", "registry.corp:05000=sso.example.net", "which is another text for registry.corp:5000"],
    ["REGISTRY_LIMITS", "10.1=5/s", "which is another text for 10.0.0.1"]
  ] as const) {
    it.effect(`${variable}: an entry without an effect, ${value}, is a mistake that names the remedy`, () =>
      Effect.map(Effect.flip(registries({ [variable]: value })), (error) => {
        assert.include(error.message, `${variable}: `)
        assert.include(error.message, message)
      })
    )
  }

  it.effect("each form of a host is accepted", () =>
    Effect.gen(function* () {
      const hosts =
        "*,corp,.internal,*.corp,Registry_1.corp:5000, 10.0.0.1,10.0.0.1:80,10.1.0.0/16,[::1]:5000,fd00::1,fd00::/8"
      assert.strictEqual((yield* registries({ REGISTRY_PRIVATE_HOSTS: hosts })).privateHosts, hosts)
    })
  )

  it.effect("a token server without its registry is a mistake that names the remedy", () =>
    Effect.map(Effect.flip(registries({ REGISTRY_TOKEN_SERVERS: "sso.example.net" })), ({ message }) => {
      assert.include(message, 'REGISTRY_TOKEN_SERVERS: "sso.example.net" is not a registry and its token server')
      assert.include(message, "write REGISTRY=TOKENSERVER")
    })
  )
})
