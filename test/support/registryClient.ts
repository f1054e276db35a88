/** What tests of the client over HTTP have in common: a user, layers that wait long or not, errors fit for users. */
import { assert, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result, type Scope } from "effect"
import type {
  Credential,
  RegistryClient,
  RegistryError,
  RegistryErrorKind,
  RepositoryAccess
} from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"

export const PASSWORD = "hunter2-hunter2"
export const TOKEN = "token-of-the-realm"
export const USER: Credential = { username: "robot", password: Redacted.make(PASSWORD) }
export const BASIC = `Basic ${Buffer.from(`robot:${PASSWORD}`).toString("base64")}`

export const accessTo = (registry: string, credential?: Credential, tlsVerify = false): RepositoryAccess => ({
  repository: { registry, path: "team/app" },
  tlsVerify,
  credential: Option.fromUndefinedOr(credential)
})

/** Long enough for any answer that comes. */
export const patient = RegistryClientHttp.layer({ retryDelay: 0, timeout: "20 seconds", idleTimeout: "20 seconds" })
/** For answers that never come. */
export const hasty = RegistryClientHttp.layer({ retryDelay: 0, timeout: "25 millis", idleTimeout: "25 millis" })

/** For bytes that stand still after an answer that came in its own time. */
export const impatient = RegistryClientHttp.layer({ retryDelay: 0, timeout: "20 seconds", idleTimeout: "25 millis" })

type Requirements = RegistryClient | Scope.Scope

export const live = (name: string, test: () => Effect.Effect<void, unknown, Requirements>, layer = patient) =>
  // A thousand pages take a while where the machine is busy.
  it.live(name, () => Effect.provide(test(), layer), 30_000)

/** Fails the test if an error has more than one line or tells a secret. */
const assertFitForUsers = (error: RegistryError): void => {
  assert.notMatch(error.message, /[\r\n]/u)
  assert.isAtMost(error.message.length, 700)
  const shown = `${String(error)} ${error.message} ${JSON.stringify(error)} ${error.stack ?? ""}`
  for (const secret of [PASSWORD, TOKEN, BASIC.slice("Basic ".length)]) assert.notInclude(shown, secret)
}

/** The error of an effect that must fail, of this kind, with these words in its message. */
export const failsWith = <A, R>(
  effect: Effect.Effect<A, RegistryError, R>,
  kind: RegistryErrorKind,
  ...words: ReadonlyArray<string>
) =>
  Effect.map(Effect.result(effect), (result) => {
    assert(Result.isFailure(result), "should have failed")
    const error = result.failure
    assertFitForUsers(error)
    assert.strictEqual(error.kind, kind, error.message)
    for (const word of words) assert.include(error.message, word)
    return error
  })
