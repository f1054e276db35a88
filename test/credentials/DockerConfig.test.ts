import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted, Result } from "effect"
import { credentialIn, helperFor, parseDockerConfig } from "../../src/credentials/DockerConfig.ts"
import { parseRepository } from "../../src/oci/Reference.ts"

const base64 = (text: string): string => Buffer.from(text).toString("base64")
const auth = (user: string) => ({ auth: base64(`${user}:secret-${user}`) })

const configOf = (config: object) => Result.getOrThrow(parseDockerConfig(JSON.stringify(config)))

const repositoryOf = (name: string) => Result.getOrThrow(parseRepository(name))

/** The credential for a repository as `user secret [token]`. Empty if there is none. */
const found = (config: object, name: string): string => {
  const credential = Result.getOrThrow(credentialIn(configOf(config), repositoryOf(name)))
  return Option.match(credential, {
    onNone: () => "",
    onSome: ({ identityToken, password, username }) =>
      [
        username,
        Redacted.value(password),
        ...(identityToken === undefined ? [] : [Redacted.value(identityToken)])
      ].join(" ")
  })
}

describe("keys of a Docker configuration", () => {
  const hub = "docker.io/library/nginx"
  it.each<readonly [key: string, name: string, matches: boolean]>([
    ["quay.io", "quay.io/team/app", true],
    ["QUAY.io", "quay.io/team/app", true],
    ["https://quay.io", "quay.io/team/app", true],
    ["http://quay.io/", "quay.io/team/app", true],
    ["https://quay.io/v1/", "quay.io/team/app", true],
    ["https://quay.io/v2/", "quay.io/team/app", true],
    ["quay.io/v1/", "quay.io/team/app", true],
    ["quay.io:443", "quay.io/team/app", true],
    ["quay.io:8443", "quay.io/team/app", false],
    ["https://quay.io/team", "quay.io/team/app", true],
    ["https://quay.io/other/team", "quay.io/team/app", false],
    ["https://quay.io/v2/team", "quay.io/team/app", false],
    ["quay.io.evil.test", "quay.io/team/app", false],
    ["evil.test/quay.io", "quay.io/team/app", false],
    ["io", "quay.io/team/app", false],
    ["", "quay.io/team/app", false],
    ["127.0.0.1:5000", "127.0.0.1:5000/app", true],
    ["127.0.0.1:5000", "127.0.0.1:5001/app", false],
    ["quay.io/team", "quay.io/team/app", true],
    ["quay.io/team/", "quay.io/team/app", true],
    ["quay.io/team/app", "quay.io/team/app", true],
    ["quay.io/team", "quay.io/teamwork/app", false],
    ["quay.io/team/app", "quay.io/team/application", false],
    ["quay.io/team/app", "quay.io/team", false],
    ["https://index.docker.io/v1/", hub, true],
    ["index.docker.io", hub, true],
    ["docker.io", hub, true],
    ["registry-1.docker.io", hub, true],
    ["docker.io/library", hub, true],
    ["docker.io/corp", hub, false],
    ["https://index.docker.io/v1/access-token", hub, false],
    ["https://index.docker.io/v1/refresh-token", hub, false]
  ])("whether the key %j covers %s is %s", (key, name, matches) => {
    assert.strictEqual(found({ auths: { [key]: auth("me") } }, name), matches ? "me secret-me" : "")
  })

  it("the longest key wins, whatever the order", () => {
    const keys = ["quay.io", "quay.io/team/app", "quay.io/team"]
    for (const order of [keys, keys.toReversed()]) {
      const config = { auths: Object.fromEntries(order.map((key) => [key, auth(key)])) }
      assert.strictEqual(found(config, "quay.io/team/app"), "quay.io/team/app secret-quay.io/team/app")
      assert.strictEqual(found(config, "quay.io/team/other"), "quay.io/team secret-quay.io/team")
      assert.strictEqual(found(config, "quay.io/other"), "quay.io secret-quay.io")
    }
  })

  it("an entry that only says that a helper has the credential is skipped", () => {
    assert.strictEqual(
      found({ auths: { "quay.io/team": {}, "quay.io": auth("me") } }, "quay.io/team/app"),
      "me secret-me"
    )
  })
})

describe("an entry of a Docker configuration", () => {
  it.each<readonly [what: string, entry: object | null, expected: string]>([
    ["an auth", { auth: base64("me:secret") }, "me secret"],
    ["an auth whose password has colons", { auth: base64("me:a:b:c") }, "me a:b:c"],
    ["an auth padded with zeros, as old Dockers wrote", { auth: base64("me:secret\0\0") }, "me secret"],
    ["a user name and password", { username: "me", password: "secret" }, "me secret"],
    ["all three, as kubectl writes", { username: "other", password: "x", auth: base64("me:secret") }, "me secret"],
    ["an identity token", { auth: base64("00000000-0000:"), identitytoken: "refresh" }, "00000000-0000  refresh"],
    ["an identity token alone", { identitytoken: "refresh" }, "  refresh"],
    ["a user <token>", { auth: base64("<token>:refresh") }, "<token>  refresh"],
    ["nothing", {}, ""],
    ["null", null, ""],
    ["empty texts", { auth: "", username: "", password: "" }, ""],
    ["more than is read", { auth: base64("me:secret"), email: "me@corp.test", registrytoken: 1 }, "me secret"]
  ])("an entry with %s is parsed", (_, entry, expected) => {
    assert.strictEqual(found({ auths: { "quay.io": entry } }, "quay.io/app"), expected)
  })

  it("a broken entry is named without its text", () => {
    const config = configOf({ auths: { "quay.io": { auth: base64("hunter2") } } })
    const failure = Result.getOrThrow(Result.flip(credentialIn(config, { registry: "quay.io", path: "app" })))
    assert.strictEqual(failure, "has for quay.io an auth that is not the base64 of user:password")
    // Entries of other registries do not matter.
    assert.isTrue(Result.isSuccess(credentialIn(config, { registry: "ghcr.io", path: "app" })))
  })
})

describe("a text that is no Docker configuration", () => {
  it.each(["", "hunter2", "[]", '"hunter2"', '{"auths":["hunter2"]}', '{"auths":{"quay.io":"hunter2"}}', '{"auths":'])(
    "%j fails without a word of it",
    (text) => {
      const failure = Result.getOrThrow(Result.flip(parseDockerConfig(text)))
      assert.include(failure, "is no Docker configuration")
      assert.notInclude(failure, "hunter2")
    }
  )

  it.each([
    {},
    { auths: null },
    { auths: {}, HttpHeaders: {}, credsStore: "the configuration %j is accepted and has no credential" }
  ])("is not %j", (config) => {
    assert.strictEqual(found(config, "quay.io/app"), "")
  })
})

describe("a helper", () => {
  it("helperFor gives the helper of its registry only", () => {
    const config = configOf({
      credHelpers: { "1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login", "index.docker.io": "pass" }
    })
    assert.strictEqual(helperFor(config, repositoryOf("1.dkr.ecr.eu-west-1.amazonaws.com/team/app")), "ecr-login")
    assert.strictEqual(helperFor(config, repositoryOf("docker.io/team/app")), "pass")
    assert.strictEqual(helperFor(config, repositoryOf("quay.io/team/app")), undefined)
  })

  it("helperFor gives the helper of a key with a path for the repositories below the path only", () => {
    const config = configOf({
      credHelpers: { "quay.io": "all", "https://quay.io/team": "team", "ghcr.io/team": "team" }
    })
    assert.strictEqual(helperFor(config, repositoryOf("quay.io/team/app")), "team")
    assert.strictEqual(helperFor(config, repositoryOf("quay.io/other/app")), "all")
    assert.strictEqual(helperFor(config, repositoryOf("ghcr.io/other/app")), undefined)
  })
})
