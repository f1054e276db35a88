/**
 * Finds the credential for a repository in Docker's `config.json`, in `auth.json` of the containers tools, and in
 * Secrets of the same format. Pure.
 */
import { Option, Redacted, Result, Schema } from "effect"
import { canonicalRegistry, type Repository } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"

const Text = Schema.optional(Schema.NullOr(Schema.String))

/** The fields of `auths.<key>` that are read. Tools write further fields. */
const Entry = Schema.Struct({ auth: Text, username: Text, password: Text, identitytoken: Text })
type Entry = typeof Entry.Type

const Config = Schema.Struct({
  auths: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.NullOr(Entry)))),
  credHelpers: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  credsStore: Text
})
export type DockerConfig = typeof Config.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Config))

/** Parses a file. The failure says the mistake without any text of the file, which may be a password. */
export const parseDockerConfig = (text: string): Result.Result<DockerConfig, string> =>
  Result.fromOption(
    decode(text),
    () => 'is no Docker configuration; it is JSON such as {"auths":{"HOST":{"auth":"…"}}}'
  )

/** The scope of a key or annotation: a registry, and a path if the scope is only a part of the registry. */
interface Scope {
  readonly registry: string
  readonly path: string
}

/**
 * Parses a key. Keys are hosts, and for the containers tools also hosts with paths. Docker's keys used to be URLs with
 * the path of an API, `/v1/` or `/v2/`, and Docker Hub's key still is. Any other path of a URL is a part of the registry.
 */
export const scopeOf = (key: string): Scope => {
  const [host = "", ...rest] = key.replace(/^https?:\/\//iu, "").split("/")
  const registry = canonicalRegistry(host)
  const path = rest.filter((part) => part !== "").join("/")
  return { registry, path: /^v[12]$/u.test(path) ? "" : path }
}

/** Whether a scope includes a repository: by whole components of the path, or by the whole registry. */
const covers = (scope: Scope, repository: Repository): boolean =>
  scope.registry === repository.registry && (scope.path === "" || `${repository.path}/`.startsWith(`${scope.path}/`))

/** Whether the scope of a key or annotation includes a repository. */
export const isFor = (key: string, repository: Repository): boolean => covers(scopeOf(key), repository)

/** Whether a key is one of Docker Desktop's own tokens, which it stores among the credentials. */
const isOfDesktop = (key: string): boolean => /\/(?:access|refresh)-token\/?$/u.test(key)

/** The credential of the longest key whose scope includes a repository. The failure says the mistake in the entry. */
export const credentialIn = (
  config: DockerConfig,
  repository: Repository
): Result.Result<Option.Option<Credential>, string> => {
  const matching = Object.entries(config.auths ?? {})
    .map(([key, entry]) => ({ key, entry, scope: scopeOf(key) }))
    .filter(({ key, scope }) => !isOfDesktop(key) && covers(scope, repository))
    // Of two keys with the same scope the shorter wins, which is the newer format.
    .sort((a, b) => b.scope.path.length - a.scope.path.length || a.key.length - b.key.length)
  for (const { entry, key } of matching) {
    const credential = credentialOf(entry ?? {})
    if (Result.isFailure(credential)) return Result.fail(`has for ${key} ${credential.failure}`)
    if (Option.isSome(credential.success)) return credential
  }
  return Result.succeed(Option.none())
}

/** `auth` wins over `username` and `password`. An empty entry only says that a helper has the credential. */
const credentialOf = (entry: Entry): Result.Result<Option.Option<Credential>, string> => {
  const token = entry.identitytoken ?? ""
  const withToken = (username: string, password: string): Credential => ({
    ...tokenAware(username, Redacted.make(password)),
    ...(token === "" ? {} : { identityToken: Redacted.make(token) })
  })
  if ((entry.auth ?? "") !== "") {
    const decoded = Buffer.from(entry.auth ?? "", "base64")
      .toString("utf8")
      .replace(/\0+$/u, "")
    const colon = decoded.indexOf(":")
    if (colon < 0) return Result.fail("an auth that is not the base64 of user:password")
    return Result.succeed(Option.some(withToken(decoded.slice(0, colon), decoded.slice(colon + 1))))
  }
  const { password, username } = entry
  if ((username ?? "") === "" && token === "") return Result.succeed(Option.none())
  return Result.succeed(Option.some(withToken(username ?? "", password ?? "")))
}

/** The user name with which Docker and its helpers mark that the password is an identity token. */
const TOKEN_USER = "<token>"

export const tokenAware = (username: string, secret: Redacted.Redacted): Credential =>
  username === TOKEN_USER
    ? { username, password: Redacted.make(""), identityToken: secret }
    : { username, password: secret }

/** The helper in `credHelpers` of the longest key whose scope includes a repository. */
export const helperFor = (config: DockerConfig, repository: Repository): string | undefined => {
  const matching = Object.entries(config.credHelpers ?? {})
    .map(([key, helper]) => ({ helper, scope: scopeOf(key) }))
    .filter(({ scope }) => covers(scope, repository))
    .sort((a, b) => b.scope.path.length - a.scope.path.length)
  return matching[0]?.helper
}
