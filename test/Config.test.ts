/** The variables that say which Images an operator follows. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { operatorConfig } from "../src/Config.ts"
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
  [{ WATCH_NAMESPACES: "team-a,team-b,team-a" }, "WATCH_NAMESPACES: team-a is there twice; name it once"],
  [
    { WATCH_NAMESPACES: Array.from({ length: 65 }, (_, index) => `team-${index}`).join(",") },
    "WATCH_NAMESPACES: 65 namespaces are more than 64; leave it empty to watch all, and choose by WATCH_LABEL_SELECTOR"
  ],
  [
    { WATCH_LABEL_SELECTOR: "team=a,env in prod" },
    'WATCH_LABEL_SELECTOR: "env in prod" is none of key=value, key!=value, key in (a, b), key notin (a, b), key and !key'
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
