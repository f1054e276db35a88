/** Helpers of tests of the client over HTTP: a user, the client over real sockets, assertions on errors. */
import { assert } from "@effect/vitest"
import { Effect, Option, Redacted, Result, type Scope } from "effect"
import type { Credential, RegistryClient, RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { RegistryError, RegistryErrorTag } from "../../src/registry/RegistryError.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { itOnSockets } from "./passTimeWhenIdle.ts"

export const PASSWORD = "hunter2-hunter2"
export const TOKEN = "token-of-the-realm"
export const USER: Credential = { username: "robot", password: Redacted.make(PASSWORD) }
export const BASIC = `Basic ${Buffer.from(`robot:${PASSWORD}`).toString("base64")}`

export const accessTo = (registry: string, credential?: Credential, tlsVerify = false): RepositoryAccess => ({
  repository: { registry, path: "team/app" },
  tlsVerify,
  credential: Option.fromUndefinedOr(credential)
})

/** A client that may send credentials to the servers of tests by plain HTTP. */
export const clientOnLoopback = (options: RegistryClientHttp.RegistryClientHttpOptions = {}) =>
  RegistryClientHttp.layer({ plainHttp: "127.0.0.0/8", ...options })

/** A test of the client over real sockets with its real timeouts. Time passes when the sockets are idle. */
export const live = (name: string, test: () => Effect.Effect<void, unknown, RegistryClient | Scope.Scope>): void =>
  // A thousand pages take a while on a busy machine.
  itOnSockets(name, () => Effect.provide(test(), clientOnLoopback()), 30_000)

/** Fails the test if an error has more than one line or has a secret. */
const assertFitForUsers = (error: RegistryError): void => {
  assert.notMatch(error.message, /[\r\n]/u)
  assert.isAtMost(error.message.length, 700)
  const shown = `${String(error)} ${error.message} ${JSON.stringify(error)} ${error.stack ?? ""}`
  for (const secret of [PASSWORD, TOKEN, BASIC.slice("Basic ".length)]) assert.notInclude(shown, secret)
}

/** The error of an effect that must fail with a reason and with texts in its message. */
export const failsWith = <A, R>(
  effect: Effect.Effect<A, RegistryError, R>,
  reason: RegistryErrorTag,
  ...words: ReadonlyArray<string>
) =>
  Effect.map(Effect.result(effect), (result) => {
    assert(Result.isFailure(result), "should have failed")
    const error = result.failure
    assertFitForUsers(error)
    assert.strictEqual(error.reason._tag, reason, error.message)
    for (const word of words) assert.include(error.message, word)
    return error
  })
