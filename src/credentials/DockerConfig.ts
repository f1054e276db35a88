/**
 * Docker's `config.json`, containers' `auth.json` and the Secrets made of them: which credential they have for a
 * repository. Pure.
 */
import { Option, Redacted, Result, Schema } from "effect"
import { DEFAULT_REGISTRY, formatRepository, type Repository } from "../oci/Reference.ts"
import type { Credential } from "../registry/RegistryClient.ts"

const Text = Schema.optional(Schema.NullOr(Schema.String))

/** `auths.<key>`; tools write more into it than is read here. */
const Entry = Schema.Struct({ auth: Text, username: Text, password: Text, identitytoken: Text })
type Entry = typeof Entry.Type

const Config = Schema.Struct({
  auths: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.NullOr(Entry)))),
  credHelpers: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  credsStore: Text
})
export type DockerConfig = typeof Config.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Config))

/** What a file says; fails with what is wrong with it, and none of its words, for they may be a password. */
export const parseDockerConfig = (text: string): Result.Result<DockerConfig, string> =>
  Result.fromOption(
    decode(text),
    () => 'is no Docker configuration; it is JSON such as {"auths":{"HOST":{"auth":"…"}}}'
  )

/** What a key or an annotation calls a registry, with the path of the repositories it is for, if it is for some. */
interface Scope {
  readonly registry: string
  readonly path: string
}

const HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"])

/**
 * Keys are hosts, or with containers' tools hosts and paths; Docker's own were URLs once, with the path of an API, and
 * Docker Hub's is one still.
 */
export const scopeOf = (key: string): Scope => {
  const isUrl = /^https?:\/\//iu.test(key)
  const [host = "", ...rest] = key.replace(/^https?:\/\//iu, "").split("/")
  const registry = HUB.has(host.toLowerCase()) ? DEFAULT_REGISTRY : host.toLowerCase()
  const path = rest.filter((part) => part !== "").join("/")
  return { registry, path: isUrl || /^v[12]$/u.test(path) ? "" : path }
}

/** Whether a scope has a repository in it: whole components of its path, or all of its registry. */
const covers = (scope: Scope, repository: Repository): boolean =>
  scope.registry === repository.registry && (scope.path === "" || `${repository.path}/`.startsWith(`${scope.path}/`))

/** Whether what a key or an annotation names, a registry or a part of it, has a repository in it. */
export const isFor = (key: string, repository: Repository): boolean => covers(scopeOf(key), repository)

/** Docker Desktop keeps tokens of its own among the credentials. */
const isOfDesktop = (key: string): boolean => /\/(?:access|refresh)-token\/?$/u.test(key)

/** The credential of the longest key that covers a repository; fails with what is wrong with that entry. */
export const credentialIn = (
  config: DockerConfig,
  repository: Repository
): Result.Result<Option.Option<Credential>, string> => {
  const matching = Object.entries(config.auths ?? {})
    .map(([key, entry]) => ({ key, entry, scope: scopeOf(key) }))
    .filter(({ key, scope }) => !isOfDesktop(key) && covers(scope, repository))
    // Of two keys for the same, the plain one: it is the newer way to write them.
    .sort((a, b) => b.scope.path.length - a.scope.path.length || a.key.length - b.key.length)
  for (const { entry, key } of matching) {
    const credential = credentialOf(entry ?? {})
    if (Result.isFailure(credential)) return Result.fail(`has for ${key} ${credential.failure}`)
    if (Option.isSome(credential.success)) return credential
  }
  return Result.succeed(Option.none())
}

/** `auth` comes before the two fields it is made of; an empty entry only says that a helper has the credential. */
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

/** What Docker and its helpers call a user whose password is an identity token. */
const TOKEN_USER = "<token>"

export const tokenAware = (username: string, secret: Redacted.Redacted): Credential =>
  username === TOKEN_USER
    ? { username, password: Redacted.make(""), identityToken: secret }
    : { username, password: secret }

/** The program to ask for a registry's credential: its own, by `credHelpers`. */
export const helperFor = (config: DockerConfig, registry: string): string | undefined =>
  Object.entries(config.credHelpers ?? {}).find(([key]) => scopeOf(key).registry === registry)?.[1]

/** What the keys are for, in words for a message. */
export const scopesIn = (config: DockerConfig): ReadonlyArray<string> => [
  ...new Set(
    Object.keys(config.auths ?? {})
      .map(scopeOf)
      .map(({ path, registry }) => (path === "" ? registry : formatRepository({ registry, path })))
  )
]
