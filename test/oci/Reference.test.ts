import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  formatReference,
  formatRepository,
  parseReference,
  parseRepository,
  type Reference,
  registryHost
} from "../../src/oci/Reference.ts"

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`

describe("a reference, by Docker's rules", () => {
  const NAMES: ReadonlyArray<
    readonly [text: string, registry: string, path: string, tag?: string | undefined, digest?: string]
  > = [
    ["nginx", "docker.io", "library/nginx"],
    ["library/nginx", "docker.io", "library/nginx"],
    ["tchoupinax/nginx/nginx-ingress", "docker.io", "tchoupinax/nginx/nginx-ingress"],
    ["docker.io/nginx", "docker.io", "library/nginx"],
    ["docker.io/argoproj/argocd", "docker.io", "argoproj/argocd"],
    ["index.docker.io/nginx", "docker.io", "library/nginx"],
    ["registry-1.docker.io/library/nginx", "docker.io", "library/nginx"],
    ["DOCKER.IO/nginx", "docker.io", "library/nginx"],
    ["quay.io/argoproj/argocd", "quay.io", "argoproj/argocd"],
    ["Quay.IO/argoproj/argocd", "quay.io", "argoproj/argocd"],
    ["ghcr.io/x", "ghcr.io", "x"],
    ["ghcr.io:443/x", "ghcr.io", "x"],
    ["index.docker.io:443/x/y", "docker.io", "x/y"],
    ["[::1]:443/x", "[::1]", "x"],
    ["registry:443/x", "registry:443", "x"],
    ["localhost/x", "localhost", "x"],
    ["localhost:5000/x", "localhost:5000", "x"],
    ["registry:5000/a/b", "registry:5000", "a/b"],
    ["registry.corp:65535/x", "registry.corp:65535", "x"],
    ["registry/a", "docker.io", "registry/a"],
    ["10.0.0.1:5000/x", "10.0.0.1:5000", "x"],
    ["[::1]/x", "[::1]", "x"],
    ["[::1]:5000/x", "[::1]:5000", "x"],
    ["[2001:DB8::1]:5000/x:1", "[2001:db8::1]:5000", "x", "1"],
    ["xn--n3h.com/x", "xn--n3h.com", "x"],
    ["a__b", "docker.io", "library/a__b"],
    ["f/a_b.c-d--e", "docker.io", "f/a_b.c-d--e"],
    ["1/2", "docker.io", "1/2"],
    ["nginx:1.27", "docker.io", "library/nginx", "1.27"],
    ["nginx:_A.b-C", "docker.io", "library/nginx", "_A.b-C"],
    ["localhost:5000/x:5000", "localhost:5000", "x", "5000"],
    [`nginx@${DIGEST}`, "docker.io", "library/nginx", undefined, DIGEST],
    [`quay.io/a/b:v1@${DIGEST}`, "quay.io", "a/b", "v1", DIGEST],
    [`nginx:${"t".repeat(128)}`, "docker.io", "library/nginx", "t".repeat(128)],
    [`quay.io/${"p".repeat(255)}`, "quay.io", "p".repeat(255)],
    [`docker.io/${"p".repeat(247)}`, "docker.io", `library/${"p".repeat(247)}`]
  ]

  for (const [text, registry, path, tag, digest] of NAMES) {
    it(`the reference ${text} is parsed by Docker's rules`, () => {
      const expected: Reference = {
        repository: { registry, path },
        ...(tag === undefined ? {} : { tag }),
        ...(digest === undefined ? {} : { digest })
      }
      assert.deepStrictEqual(parseReference(text), Result.succeed(expected))
      assert.deepStrictEqual(parseReference(formatReference(expected)), Result.succeed(expected), "format, then parse")
    })
  }

  const REGISTRY_ALONE = (registry: string) =>
    `names a registry without a repository; write both, such as ${registry}/app`
  const NO_NAME =
    "is not a repository name; between slashes a name has lower-case letters and digits, joined by single dots, one or two underscores, or dashes"
  const BAD_TAG = (tag: string) =>
    `has the tag ${tag}; a tag has at most 128 letters, digits, dots, dashes and underscores`
  const BAD_DIGEST = (digest: string) =>
    `has the digest ${digest}; a digest is sha256: and 64, or sha512: and 128, lower-case hexadecimal digits`
  const BAD_HOST = (host: string) => `names the registry ${host}; write a host, with a port if it needs one`
  const OTHER_TEXT = (host: string, standard: string) =>
    `names the registry ${host}, which is another text for ${standard}; write ${standard}`
  const SPACES = "is empty or has spaces around it; write a name such as quay.io/argoproj/argocd"

  it.each<readonly [text: string, message: string]>([
    ["", SPACES],
    [" nginx", SPACES],
    ["nginx\n", SPACES],
    ["https://quay.io/a", "starts with https://; remove https://, because a name starts with its registry"],
    ["docker://quay.io/a", "starts with docker://; remove docker://, because a name starts with its registry"],
    ["HTTPS://quay.io/a", "starts with HTTPS://; remove HTTPS://, because a name starts with its registry"],
    ["Nginx", "has upper-case letters; a repository is lower case, such as nginx"],
    ["quay.io/Argoproj/argocd", "has upper-case letters; a repository is lower case, such as quay.io/argoproj/argocd"],
    // Docker itself would connect to a host named Argoproj, which no user intends.
    ["Argoproj/argocd", "has upper-case letters; a repository is lower case, such as argoproj/argocd"],
    ["my image", NO_NAME],
    ["a___b", NO_NAME],
    ["a..b", NO_NAME],
    ["a._b", NO_NAME],
    [".a", NO_NAME],
    ["a.", NO_NAME],
    ["-a", NO_NAME],
    ["a-/b", NO_NAME],
    ["_a", NO_NAME],
    ["a//b", NO_NAME],
    ["a/", NO_NAME],
    ["/a", NO_NAME],
    ["quay.io/", REGISTRY_ALONE("quay.io")],
    ["quay.io", REGISTRY_ALONE("quay.io")],
    ["localhost", REGISTRY_ALONE("localhost")],
    ["localhost:5000", REGISTRY_ALONE("localhost:5000")],
    ["registry:5000/", REGISTRY_ALONE("registry:5000")],
    ["10.0.0.1:5000", REGISTRY_ALONE("10.0.0.1:5000")],
    ["[::1]", REGISTRY_ALONE("[::1]")],
    ["quay.io//a", NO_NAME],
    ["a$b", NO_NAME],
    ["a/;rm -rf", NO_NAME],
    ["ñginx", NO_NAME],
    ["[::1]:5000", REGISTRY_ALONE("[::1]:5000")],
    ["-quay.io/a", BAD_HOST("-quay.io")],
    ["quay..io/a", BAD_HOST("quay..io")],
    ["quay.io:/a", BAD_HOST("quay.io:")],
    ["quay.io:https/a", BAD_HOST("quay.io:https")],
    ["quay.io:65536/a", BAD_HOST("quay.io:65536")],
    ["::1/a", BAD_HOST("::1")],
    ["user:pass.word/a", BAD_HOST("user:pass.word")],
    ["1.2.3.4.5/a", BAD_HOST("1.2.3.4.5")],
    ["256.0.0.1/a", BAD_HOST("256.0.0.1")],
    ["[::1::1]/a", BAD_HOST("[::1::1]")],
    ["quay.io./a", BAD_HOST("quay.io.")],
    ["quay.io:0443/a", OTHER_TEXT("quay.io:0443", "quay.io")],
    ["quay.io:00443/a", OTHER_TEXT("quay.io:00443", "quay.io")],
    ["QUAY.io:0443/a", OTHER_TEXT("QUAY.io:0443", "quay.io")],
    ["registry-1.docker.io:0443/a", OTHER_TEXT("registry-1.docker.io:0443", "registry-1.docker.io")],
    ["corp:0443/a", OTHER_TEXT("corp:0443", "corp:443")],
    ["localhost:05000/a", OTHER_TEXT("localhost:05000", "localhost:5000")],
    ["registry.corp:05000/a", OTHER_TEXT("registry.corp:05000", "registry.corp:5000")],
    ["10.1/a", OTHER_TEXT("10.1", "10.0.0.1")],
    ["012.0.0.1/a", OTHER_TEXT("012.0.0.1", "10.0.0.1")],
    ["0x0a.1/a", OTHER_TEXT("0x0a.1", "10.0.0.1")],
    ["167772161:443/a", OTHER_TEXT("167772161:443", "10.0.0.1")],
    ["0xA000001:5000/a", OTHER_TEXT("0xA000001:5000", "10.0.0.1:5000")],
    ["[0:0:0:0:0:0:0:1]:5000/a", OTHER_TEXT("[0:0:0:0:0:0:0:1]:5000", "[::1]:5000")],
    ["[fd00:0::1]/a", OTHER_TEXT("[fd00:0::1]", "[fd00::1]")],
    ["[fd00::0001]/a", OTHER_TEXT("[fd00::0001]", "[fd00::1]")],
    ["[::ffff:a00:5]/a", OTHER_TEXT("[::ffff:a00:5]", "10.0.0.5")],
    ["[::FFFF:A9FE:A9FE]:5000/a", OTHER_TEXT("[::FFFF:A9FE:A9FE]:5000", "169.254.169.254:5000")],
    // A Kelvin sign, whose lower case is the letter k.
    ["doc\u212Aer.io/a", BAD_HOST("doc\u212Aer.io")],
    ["nginx:", BAD_TAG("")],
    ["nginx:.a", BAD_TAG(".a")],
    ["nginx:-a", BAD_TAG("-a")],
    ["nginx:a b", BAD_TAG("a b")],
    ["nginx:1:2", BAD_TAG("1:2")],
    [`nginx:${"t".repeat(129)}`, BAD_TAG("t".repeat(129))],
    ["nginx@", BAD_DIGEST("")],
    ["nginx@sha256:abc", BAD_DIGEST("sha256:abc")],
    [`nginx@${DIGEST.toUpperCase()}`, BAD_DIGEST(DIGEST.toUpperCase())],
    [`nginx@${DIGEST}0`, BAD_DIGEST(`${DIGEST}0`)],
    [`nginx@${DIGEST}@${DIGEST}`, BAD_DIGEST(`${DIGEST}@${DIGEST}`)],
    [`@${DIGEST}`, NO_NAME],
    [`quay.io/${"p".repeat(256)}`, "is 256 characters long; a repository has at most 255"],
    [`docker.io/${"p".repeat(248)}`, "is 256 characters long; a repository has at most 255"]
  ])("the reference %j is refused with the remedy", (text, message) => {
    assert.deepStrictEqual(parseReference(text), Result.fail(message))
  })

  it("the time to parse a reference grows linearly with its length", () => {
    for (const piece of ["a", "a-", "a.", "a_", "a/", "-", "_", "a__", "[:", ":", "A", "@"]) {
      const text = `${piece.repeat(100_000)}!`
      assert.isTrue(Result.isFailure(parseReference(text)), piece)
      assert.isTrue(Result.isFailure(parseReference(`quay.io/${text}`)), piece)
      assert.isTrue(Result.isFailure(parseReference(`${text}.io/a`)), piece)
    }
  })
})

describe("a repository", () => {
  it.each<readonly [name: string, defaultRegistry: string | undefined, formatted: string]>([
    ["nginx", undefined, "docker.io/library/nginx"],
    ["nginx", "registry.corp", "registry.corp/nginx"],
    ["team/nginx", "Registry.corp:5000", "registry.corp:5000/team/nginx"],
    ["nginx", "index.docker.io", "docker.io/library/nginx"],
    ["nginx", "localhost", "localhost/nginx"],
    ["quay.io/a/b", "registry.corp", "quay.io/a/b"],
    ["my.app", "registry.corp", "registry.corp/my.app"]
  ])("the repository %s with the default registry %s is %s", (name, defaultRegistry, formatted) => {
    assert.deepStrictEqual(
      Result.map(parseRepository(name, defaultRegistry), formatRepository),
      Result.succeed(formatted)
    )
  })

  it.each<readonly [name: string, defaultRegistry: string | undefined, message: string]>([
    ["nginx:1.27", undefined, "has the tag 1.27; write only the repository here, and 1.27 as the version"],
    [
      `nginx@${DIGEST}`,
      undefined,
      `has the digest ${DIGEST}; write only the repository here, and the digest as the version`
    ],
    [
      `nginx:1@${DIGEST}`,
      undefined,
      `has the digest ${DIGEST}; write only the repository here, and the digest as the version`
    ],
    [
      "nginx",
      "registry.corp/mirror",
      "names the registry registry.corp/mirror; write a host, with a port if it needs one"
    ],
    ["nginx", "", "names the registry ; write a host, with a port if it needs one"],
    // `mirror/nginx` would be pushed to Docker Hub.
    ["nginx", "mirror", "is meant for the registry mirror, which reads as a path; write it with a port, as mirror:443"]
  ])("the repository %s with the default registry %s is refused with the remedy", (name, defaultRegistry, message) => {
    assert.deepStrictEqual(parseRepository(name, defaultRegistry), Result.fail(message))
  })

  it("the registry host of docker.io is registry-1.docker.io", () => {
    assert.strictEqual(registryHost("docker.io"), "registry-1.docker.io")
    assert.strictEqual(registryHost("quay.io"), "quay.io")
  })
})

describe("any reference", () => {
  const matching = (pattern: RegExp) => Schema.String.check(Schema.isPattern(pattern))
  const Component = matching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/u)
  const Registry = Schema.Union([
    Schema.Literals(["localhost", "[::1]", "[fe80::1:2]:8443", "registry:443", "registry:5000", "docker.io"]),
    matching(/^[a-z0-9]{1,8}(\.[a-z]{2,5}){1,2}(:[5-9][0-9]{0,3})?$/u)
  ])
  const Generated = {
    registry: Registry,
    // Two components: on docker.io one alone is in `library/`.
    path: Schema.Tuple([Component, Component]),
    tag: Schema.UndefinedOr(matching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/u)),
    digest: Schema.UndefinedOr(matching(/^sha256:[0-9a-f]{64}$/u))
  }

  it.prop("a formatted reference is parsed to the same reference", Generated, ({ digest, path, registry, tag }) => {
    const reference: Reference = {
      repository: { registry, path: path.join("/") },
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest })
    }
    assert.deepStrictEqual(parseReference(formatReference(reference)), Result.succeed(reference))
  })

  it.prop(
    "a parsed reference formats to a text of the same reference, and no text throws",
    {
      text: Schema.Union([
        Schema.String,
        matching(/^[aA0.:@/_[\] -]{0,20}$/u),
        matching(/^(quay\.io\/|localhost:5000\/|[a-z]{1,5}\/)?[a-z]{1,5}(:[a-z0-9]{1,5})?$/u)
      ]),
      defaultRegistry: Schema.Union([Schema.Literals(["registry.corp", "mirror"]), Schema.String])
    },
    ({ defaultRegistry, text }) => {
      const parsed = parseReference(text, defaultRegistry)
      if (Result.isFailure(parsed)) {
        assert.isAbove(parsed.failure.length, 0)
        return
      }
      assert.deepStrictEqual(parseReference(formatReference(parsed.success)), parsed)
    },
    { arbitrary: { runs: 1_000 } }
  )
})
