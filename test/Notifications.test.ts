/** The variables of notifications. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"
import { notificationsConfig } from "../src/Notifications.ts"
import { file } from "./support/commandLine.ts"

const KEY = Buffer.from("a secret of the receiver, 32 bytes")
const NOTIFY_URL = "https://receiver.corp/hooks/hunter2"

const read = (env: Readonly<Record<string, string>>) =>
  Effect.provide(notificationsConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const keyOf = (env: Readonly<Record<string, string>>) =>
  Effect.map(read({ NOTIFY_URL, ...env }), (found) =>
    Buffer.from(Redacted.value(Option.getOrThrow(Option.getOrThrow(found).secret))).toString()
  )

describe("the variables of notifications", () => {
  it.effect("without a URL there are no notifications, whatever the other variables say", () =>
    Effect.map(read({ NOTIFY_URL: "", NOTIFY_SECRET: "short" }), (found) => assert.isTrue(Option.isNone(found)))
  )

  it.effect("the secret is the text, base64 after whsec_, or the content of a file", () =>
    Effect.gen(function* () {
      const path = yield* file("secret", `${KEY.toString()}\n`)
      assert.strictEqual(yield* keyOf({ NOTIFY_SECRET: KEY.toString() }), KEY.toString())
      assert.strictEqual(yield* keyOf({ NOTIFY_SECRET: `whsec_${KEY.toString("base64")}` }), KEY.toString())
      assert.strictEqual(yield* keyOf({ NOTIFY_SECRET_FILE: path }), KEY.toString())
    })
  )

  it.effect("the source names the installation, unless a variable names another source", () =>
    Effect.gen(function* () {
      const sourceOf = (env: Readonly<Record<string, string>>) =>
        Effect.map(read({ NOTIFY_URL, ...env }), (found) => Option.getOrThrow(found).source)
      assert.strictEqual(yield* sourceOf({ INSTANCE_NAME: "mirror" }), "/skopeo-operator/mirror")
      assert.strictEqual(yield* sourceOf({ NOTIFY_SOURCE: "/clusters/prod" }), "/clusters/prod")
    })
  )

  it.effect.each([
    [{ NOTIFY_URL: "receiver/hunter2" }, "NOTIFY_URL: the value is not a URL"],
    [{ NOTIFY_URL: "ftp://receiver/hunter2" }, "NOTIFY_URL: the value is not a URL"],
    [{ NOTIFY_URL: "https://user:hunter2@receiver" }, 'NOTIFY_URL: the URL has a user or a password before "@"'],
    [{ NOTIFY_SECRET: "hunter2" }, "NOTIFY_SECRET: the secret has 7 bytes, and needs 24; make one with: openssl rand"],
    [{ NOTIFY_SECRET: "whsec_hunter2!" }, 'NOTIFY_SECRET: the text after "whsec_" is not base64'],
    [{ NOTIFY_SECRET_FILE: "/missing" }, 'NOTIFY_SECRET_FILE: "/missing" cannot be read'],
    [
      { NOTIFY_SECRET: KEY.toString(), NOTIFY_SECRET_FILE: "/missing" },
      "NOTIFY_SECRET and NOTIFY_SECRET_FILE are both set; leave one out"
    ],
    [{ NOTIFY_SOURCE: "the prod cluster" }, 'NOTIFY_SOURCE: "the prod cluster" is not a URI reference']
  ] as const)("a mistake in a variable of notifications is named without its secret: %o", ([env, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ NOTIFY_URL, ...env }))
      assert.include(error.message, message)
      assert.notInclude(error.message, "hunter2")
    })
  )
})
