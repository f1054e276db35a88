/** The differences between registries: each row has the registry's answers and the expected result. */
import type { IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import { Effect, Option, Redacted, Stream } from "effect"
import type { Repository } from "../../src/oci/Reference.ts"
import { digestOf } from "../../src/oci/Digest.ts"
import { OCI_INDEX } from "../../src/oci/Manifest.ts"
import type { Credential, RegistryClient, RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import type { RegistryError, RegistryErrorTag } from "../../src/registry/RegistryError.ts"

/** A request that a registry or its token server received. */
export interface Asked {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
  readonly form: URLSearchParams
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON unless it is a string. */
  readonly body?: unknown
}

/** Reads a request to the server with the name `host`. */
export const readAsked = async (request: IncomingMessage, host: string): Promise<Asked> => {
  const { pathname, searchParams, host: withoutDefaultPort } = new URL(request.url ?? "", `https://${host}`)
  return {
    method: request.method ?? "",
    host: withoutDefaultPort,
    path: pathname,
    query: searchParams,
    authorization: request.headers.authorization,
    form: new URLSearchParams(await text(request))
  }
}

/** A reply as it is sent. */
export const encodeReply = ({ body = "", headers = {}, status = 200 }: Reply) =>
  typeof body === "string"
    ? { status, headers, text: body }
    : { status, headers: { "content-type": "application/json", ...headers }, text: JSON.stringify(body) }

type Client = RegistryClient["Service"]

export interface Row {
  readonly registry: string
  readonly difference: string
  readonly repository: Repository
  readonly credential?: Credential
  readonly answer: (asked: Asked) => Reply
  readonly ask: (client: Client, access: RepositoryAccess) => Effect.Effect<unknown, RegistryError>
  readonly finds?: unknown
  readonly fails?: {
    readonly reason: RegistryErrorTag
    readonly words: ReadonlyArray<string>
    readonly without?: ReadonlyArray<string>
    readonly retryAfterMillis?: number
  }
  /** The expected requests in order. `(basic)` and `(token)` are their authorization. */
  readonly asked?: ReadonlyArray<string>
  readonly notices?: ReadonlyArray<string>
  /** The time of the clock, if it matters. */
  readonly now?: string
}

export const TOKEN = "the-token"

const INDEX = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
const DIGEST = digestOf(INDEX)
const LAYER = Buffer.from("a layer")
const BLOB = { digest: digestOf(LAYER), size: LAYER.length }

const tags = (client: Client, access: RepositoryAccess) => client.tags(access)
const digest = (reference: string) => (client: Client, access: RepositoryAccess) =>
  Effect.map(client.head(access, reference), Option.match({ onNone: () => "none", onSome: (found) => found.digest }))
const upload = (client: Client, access: RepositoryAccess) => client.putBlob(access, BLOB, Stream.make(LAYER))

const write = (tag: string) => (client: Client, access: RepositoryAccess) =>
  client.putManifest(access, tag, { bytes: INDEX, digest: DIGEST, mediaType: OCI_INDEX, size: INDEX.length })

const user = (username: string): Credential => ({ username, password: Redacted.make("hunter2") })
const identified = (username: string): Credential => ({
  username,
  password: Redacted.make(""),
  identityToken: Redacted.make("identity")
})

const refusal = (status: number, code: string, message: string, headers: Reply["headers"] = {}): Reply => ({
  status,
  headers,
  body: { errors: [{ code, message }] }
})
const list = (...names: ReadonlyArray<string>): Reply => ({ body: { name: "x", tags: names } })
const manifest = (headers: Reply["headers"] = { "docker-content-digest": DIGEST }): Reply => ({
  headers: { "content-type": OCI_INDEX, ...headers },
  body: INDEX.toString()
})

interface Realm {
  readonly realm: string
  readonly service: string
  /** The parameters after the realm in the challenge. */
  readonly more?: (asked: Asked) => string
  readonly token?: (asked: Asked) => Reply
}

/** Answers requests without a token with a challenge that names the realm. */
const behind =
  ({ more, realm, service, token }: Realm, registry: (asked: Asked) => Reply) =>
  (asked: Asked): Reply => {
    const { host, pathname } = new URL(realm)
    if (asked.host === host && asked.path === pathname) return (token ?? (() => ({ body: { token: TOKEN } })))(asked)
    if (asked.authorization === `Bearer ${TOKEN}`) return registry(asked)
    return refusal(401, "UNAUTHORIZED", "authentication required", {
      "www-authenticate": `Bearer realm="${realm}",service="${service}"${more?.(asked) ?? ""}`
    })
  }

const behindBasic =
  (realm: string, registry: (asked: Asked) => Reply) =>
  (asked: Asked): Reply =>
    asked.authorization?.startsWith("Basic ") === true
      ? registry(asked)
      : refusal(401, "UNAUTHORIZED", "authentication required", { "www-authenticate": `Basic realm="${realm}"` })

const accepted: Reply = { status: 202, headers: { location: "/upload/1?state=a%2Bb" } }
const HUB: Repository = { registry: "docker.io", path: "library/node" }
const QUAY: Repository = { registry: "quay.io", path: "coreos/etcd" }
const GHCR: Repository = { registry: "ghcr.io", path: "org/app" }
const ECR: Repository = { registry: "123456789012.dkr.ecr.eu-west-1.amazonaws.com", path: "team/app" }
const ECR_PUBLIC: Repository = { registry: "public.ecr.aws", path: "alias/app" }
const GAR: Repository = { registry: "europe-docker.pkg.dev", path: "project/repository/app" }
const GCR: Repository = { registry: "gcr.io", path: "project/app" }
const ACR: Repository = { registry: "corp.azurecr.io", path: "app" }
const HARBOR: Repository = { registry: "harbor.example.com", path: "library/app" }
const ARTIFACTORY: Repository = { registry: "corp.jfrog.io", path: "docker-local/app" }
const NEXUS: Repository = { registry: "nexus.example.com:8443", path: "app" }
const GITLAB: Repository = { registry: "registry.gitlab.com", path: "group/project" }
const DISTRIBUTION: Repository = { registry: "registry.example.com:5000", path: "app" }
const ZOT: Repository = { registry: "zot.example.com", path: "app" }

const hub = { realm: "https://auth.docker.io/token", service: "registry.docker.io" }
const quay = { realm: "https://quay.io/v2/auth", service: "quay.io" }
const ghcr = { realm: "https://ghcr.io/token", service: "ghcr.io" }

/** Makes new rows each time, because some registries answer a repeated request differently. */
export const makeRows = (): ReadonlyArray<Row> => [
  {
    registry: "Docker Hub",
    difference: "gives tokens to anonymous users, on another host",
    repository: HUB,
    answer: behind({ ...hub, token: () => ({ body: { token: TOKEN, access_token: TOKEN, expires_in: 300 } }) }, () =>
      list("22-alpine")
    ),
    ask: tags,
    finds: ["22-alpine"],
    asked: [
      "GET registry-1.docker.io/v2/library/node/tags/list?n=1000",
      "GET auth.docker.io/token?service=registry.docker.io&scope=repository:library/node:pull",
      "GET registry-1.docker.io/v2/library/node/tags/list?n=1000 (token)"
    ],
    notices: []
  },
  {
    registry: "Docker Hub",
    difference: "gets only HEAD for a digest, which does not count as a pull",
    repository: HUB,
    credential: user("me"),
    answer: behind(hub, () => manifest({ "docker-content-digest": DIGEST, "ratelimit-remaining": "99;w=21600" })),
    ask: digest("22-alpine"),
    finds: DIGEST,
    asked: [
      "HEAD registry-1.docker.io/v2/library/node/manifests/22-alpine",
      "GET auth.docker.io/token?service=registry.docker.io&scope=repository:library/node:pull (basic)",
      "HEAD registry-1.docker.io/v2/library/node/manifests/22-alpine (token)"
    ]
  },
  {
    registry: "Docker Hub",
    difference: "names neither a time nor a reason when its abuse limit is exceeded",
    repository: HUB,
    answer: behind(hub, () => ({ status: 429, body: "Too Many Requests" })),
    ask: tags,
    fails: { reason: "RateLimited", words: ["answered 429"] }
  },
  {
    registry: "Docker Hub",
    difference: "answers 401 for a repository that is missing or not public",
    repository: { registry: "docker.io", path: "nobody/nothing" },
    answer: behind(hub, () => refusal(401, "UNAUTHORIZED", "authentication required")),
    ask: tags,
    fails: { reason: "AuthenticationFailed", words: ["no credentials for this registry are configured"] }
  },
  {
    registry: "quay.io",
    difference: "offers Basic and Bearer in one header",
    repository: QUAY,
    credential: user("org+robot"),
    answer: behind({ ...quay, more: () => ', Basic realm="quay"' }, () => list("v3.5.0")),
    ask: tags,
    finds: ["v3.5.0"],
    asked: [
      "GET quay.io/v2/coreos/etcd/tags/list?n=1000",
      "GET quay.io/v2/auth?service=quay.io&scope=repository:coreos/etcd:pull (basic)",
      "GET quay.io/v2/coreos/etcd/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "quay.io",
    difference: "answers with shorter pages than requested, and names the next page with its own parameter",
    repository: QUAY,
    answer: behind(quay, ({ query }) => {
      const page = [null, "gAAA+b=", "gBBB"].indexOf(query.get("next_page"))
      const next = ["gAAA%2Bb%3D", "gBBB"][page]
      const headers =
        next === undefined ? {} : { link: `</v2/coreos/etcd/tags/list?n=100&next_page=${next}>; rel="next"` }
      return { ...list(`page-${page}`), headers }
    }),
    ask: tags,
    finds: ["page-0", "page-1", "page-2"]
  },
  {
    registry: "GHCR",
    difference: "accepts a personal access token as a password",
    repository: GHCR,
    credential: user("octocat"),
    answer: behind(ghcr, () => list("main")),
    ask: tags,
    finds: ["main"],
    asked: [
      "GET ghcr.io/v2/org/app/tags/list?n=1000",
      "GET ghcr.io/token?service=ghcr.io&scope=repository:org/app:pull (basic)",
      "GET ghcr.io/v2/org/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "GHCR",
    difference: "refuses a token for a missing package",
    repository: GHCR,
    answer: behind({ ...ghcr, token: () => refusal(403, "DENIED", "requested access to the resource is denied") }, () =>
      list()
    ),
    ask: tags,
    fails: { reason: "AuthenticationFailed", words: ["the token server ghcr.io", "403 DENIED", "no credentials"] }
  },
  {
    registry: "GHCR",
    difference: "names the wait in the text of a 429, as a Go duration",
    repository: GHCR,
    answer: (() => {
      let count = 0
      return behind(ghcr, () => {
        count += 1
        return count > 1
          ? list("main")
          : refusal(429, "TOOMANYREQUESTS", "retry-after: 880.092us, allowed: 44000/minute")
      })
    })(),
    ask: tags,
    finds: ["main"]
  },
  {
    registry: "ECR Public",
    difference: "has one scope for everything, and accepts anonymous users",
    repository: ECR_PUBLIC,
    answer: behind(
      { realm: "https://public.ecr.aws/token/", service: "public.ecr.aws", more: () => ',scope="aws"' },
      () => list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET public.ecr.aws/v2/alias/app/tags/list?n=1000",
      "GET public.ecr.aws/token/?service=public.ecr.aws&scope=aws",
      "GET public.ecr.aws/v2/alias/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "ECR",
    difference: "accepts Basic with a token of AWS as the password",
    repository: ECR,
    credential: user("AWS"),
    answer: behindBasic("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/", () => list("1.0")),
    ask: tags,
    finds: ["1.0"],
    asked: [
      `GET ${ECR.registry}/v2/team/app/tags/list?n=1000`,
      `GET ${ECR.registry}/v2/team/app/tags/list?n=1000 (basic)`
    ]
  },
  {
    registry: "ECR",
    difference: "creates no repository at a push, and the error names the command",
    repository: ECR,
    credential: user("AWS"),
    answer: behindBasic("ecr", () =>
      refusal(404, "NAME_UNKNOWN", "The repository with name 'team/app' does not exist in the registry")
    ),
    ask: upload,
    fails: {
      reason: "DestinationRepositoryMissing",
      words: ["does not exist", "aws ecr create-repository --repository-name team/app --region eu-west-1"]
    }
  },
  {
    registry: "ECR Public",
    difference: "creates no repository at a push, and the error names the command of ECR Public",
    repository: ECR_PUBLIC,
    answer: () => refusal(404, "NAME_UNKNOWN", "The repository with name 'app' does not exist"),
    ask: upload,
    fails: {
      reason: "DestinationRepositoryMissing",
      words: ["aws ecr-public create-repository --repository-name app --region us-east-1"]
    }
  },
  {
    registry: "GAR",
    difference: "accepts an access token as the password of oauth2accesstoken",
    repository: GAR,
    credential: user("oauth2accesstoken"),
    answer: behind({ realm: "https://europe-docker.pkg.dev/v2/token", service: "europe-docker.pkg.dev" }, () =>
      list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET europe-docker.pkg.dev/v2/project/repository/app/tags/list?n=1000",
      "GET europe-docker.pkg.dev/v2/token?service=europe-docker.pkg.dev&scope=repository:project/repository/app:pull (basic)",
      "GET europe-docker.pkg.dev/v2/project/repository/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "GAR",
    difference: "refuses PATCH, which is not needed for a blob: one POST and one PUT",
    repository: GAR,
    answer: ({ method, path }) => {
      if (method === "PATCH") return refusal(405, "UNSUPPORTED", "no chunks")
      return method === "POST" || path !== "/upload/1" ? accepted : { status: 201 }
    },
    ask: upload,
    asked: [
      "POST europe-docker.pkg.dev/v2/project/repository/app/blobs/uploads/",
      `PUT europe-docker.pkg.dev/upload/1?state=a+b&digest=${BLOB.digest}`
    ]
  },
  {
    registry: "GCR",
    difference: "does not support POST for tokens, and gets an identity token as a password",
    repository: GCR,
    credential: identified("_token"),
    answer: behind(
      {
        realm: "https://gcr.io/v2/token",
        service: "gcr.io",
        token: ({ method }) =>
          method === "POST" ? { status: 404, body: "<html>404</html>" } : { body: { token: TOKEN } }
      },
      () => list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET gcr.io/v2/project/app/tags/list?n=1000",
      "POST gcr.io/v2/token",
      "GET gcr.io/v2/token?service=gcr.io&scope=repository:project/app:pull (basic)",
      "GET gcr.io/v2/project/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "ACR",
    difference: "requires metadata_read to list tags, and gives access tokens for refresh tokens by POST",
    repository: ACR,
    credential: identified("00000000-0000-0000-0000-000000000000"),
    answer: behind(
      {
        realm: "https://corp.azurecr.io/oauth2/token",
        service: "corp.azurecr.io",
        more: () => ',scope="repository:app:metadata_read",error="invalid_token"',
        token: ({ form, method }) =>
          method === "POST" &&
          form.get("refresh_token") === "identity" &&
          form.get("scope")?.includes("metadata_read") === true
            ? { body: { access_token: TOKEN } }
            : refusal(401, "UNAUTHORIZED", "no")
      },
      () => list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET corp.azurecr.io/v2/app/tags/list?n=1000",
      "POST corp.azurecr.io/oauth2/token",
      "GET corp.azurecr.io/v2/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "Harbor",
    difference: "has its own realm, and robots whose names have a dollar sign",
    repository: HARBOR,
    credential: user("robot$library+mirror"),
    answer: behind({ realm: "https://harbor.example.com/service/token", service: "harbor-registry" }, () =>
      list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET harbor.example.com/v2/library/app/tags/list?n=1000",
      "GET harbor.example.com/service/token?service=harbor-registry&scope=repository:library/app:pull (basic)",
      "GET harbor.example.com/v2/library/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "Artifactory",
    difference: "lists digests among its tags, which are left out",
    repository: ARTIFACTORY,
    answer: () => list("1.0", `sha256:${"ab".repeat(32)}`, "2.0"),
    ask: tags,
    finds: ["1.0", "2.0"]
  },
  {
    registry: "Artifactory",
    difference: "answers 403 for a manifest that is missing",
    repository: ARTIFACTORY,
    answer: ({ path }) => (path.endsWith("/tags/list") ? list("1.0") : refusal(403, "DENIED", "not for you")),
    ask: digest("2.0"),
    finds: "none"
  },
  {
    registry: "Artifactory",
    difference: "answers 403 for a forbidden manifest, which its list of tags has",
    repository: ARTIFACTORY,
    answer: ({ path }) => (path.endsWith("/tags/list") ? list("1.0") : refusal(403, "DENIED", "not for you")),
    ask: digest("1.0"),
    fails: { reason: "AuthenticationFailed", words: ["403 DENIED"] }
  },
  {
    registry: "Artifactory",
    difference: "has a token server for each repository",
    repository: ARTIFACTORY,
    credential: user("me"),
    answer: behind(
      { realm: "https://corp.jfrog.io/artifactory/api/docker/docker-local/v2/token", service: "corp.jfrog.io" },
      () => list("1.0")
    ),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET corp.jfrog.io/v2/docker-local/app/tags/list?n=1000",
      "GET corp.jfrog.io/artifactory/api/docker/docker-local/v2/token?service=corp.jfrog.io&scope=repository:docker-local/app:pull (basic)",
      "GET corp.jfrog.io/v2/docker-local/app/tags/list?n=1000 (token)"
    ]
  },
  {
    registry: "Nexus",
    difference: "answers with null if there are no tags",
    repository: NEXUS,
    answer: () => ({ body: { name: "app", tags: null } }),
    ask: tags,
    finds: []
  },
  {
    registry: "Nexus",
    difference: "accepts Basic on another port, and its Link keeps the port",
    repository: NEXUS,
    credential: user("me"),
    answer: behindBasic("Sonatype Nexus Repository Manager", ({ query }) =>
      query.has("last")
        ? list("2.0")
        : {
            ...list("1.0"),
            headers: { link: '<https://nexus.example.com:8443/v2/app/tags/list?n=1000&last=1.0>; rel="next"' }
          }
    ),
    ask: tags,
    finds: ["1.0", "2.0"],
    asked: [
      "GET nexus.example.com:8443/v2/app/tags/list?n=1000",
      "GET nexus.example.com:8443/v2/app/tags/list?n=1000 (basic)",
      "GET nexus.example.com:8443/v2/app/tags/list?n=1000&last=1.0 (basic)"
    ]
  },
  {
    registry: "Nexus",
    difference: "omits the digest in its answer to HEAD, so the bytes are read",
    repository: NEXUS,
    answer: () => manifest({}),
    ask: digest("1.0"),
    finds: DIGEST,
    asked: ["HEAD nexus.example.com:8443/v2/app/manifests/1.0", "GET nexus.example.com:8443/v2/app/manifests/1.0"]
  },
  {
    registry: "GitLab",
    difference: "gives tokens on the host of its owner",
    repository: GITLAB,
    credential: user("deploy-token"),
    answer: behind({ realm: "https://gitlab.com/jwt/auth", service: "container_registry" }, () => list("1.0")),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET registry.gitlab.com/v2/group/project/tags/list?n=1000",
      "GET gitlab.com/jwt/auth?service=container_registry&scope=repository:group/project:pull (basic)",
      "GET registry.gitlab.com/v2/group/project/tags/list?n=1000 (token)"
    ],
    notices: []
  },
  {
    registry: "distribution",
    difference: "refuses a page size above its configured limit",
    repository: DISTRIBUTION,
    answer: ({ query }) =>
      Number(query.get("n")) > 100
        ? refusal(400, "PAGINATION_NUMBER_INVALID", "invalid number of results")
        : list("1.0"),
    ask: tags,
    finds: ["1.0"],
    asked: [
      "GET registry.example.com:5000/v2/app/tags/list?n=1000",
      "GET registry.example.com:5000/v2/app/tags/list?n=100"
    ]
  },
  {
    registry: "distribution",
    difference: "without pages refuses every page size",
    repository: DISTRIBUTION,
    answer: ({ query }) => (query.has("n") ? refusal(413, "UNSUPPORTED", "no pages") : list("1.0")),
    ask: tags,
    finds: ["1.0"]
  },
  {
    registry: "distribution",
    difference: "names the next page by a path only",
    repository: DISTRIBUTION,
    answer: ({ query }) =>
      query.has("last")
        ? list("2.0")
        : { ...list("1.0"), headers: { link: '</v2/app/tags/list?last=1.0&n=1000>; rel="next"' } },
    ask: tags,
    finds: ["1.0", "2.0"]
  },
  {
    registry: "distribution",
    difference: "behind a proxy that hides the scheme names an upload by HTTP",
    repository: DISTRIBUTION,
    answer: ({ method }) =>
      method === "POST"
        ? { status: 202, headers: { location: "http://registry.example.com:5000/upload/1" } }
        : { status: 201 },
    ask: upload,
    asked: [
      "POST registry.example.com:5000/v2/app/blobs/uploads/",
      `PUT registry.example.com:5000/upload/1?digest=${BLOB.digest}`
    ]
  },
  {
    registry: "zot",
    difference: "names the next page on each page",
    repository: ZOT,
    answer: ({ query }) =>
      query.has("last")
        ? list("2.0")
        : { ...list("1.0"), headers: { link: '</v2/app/tags/list?n=1000&last=1.0>; rel="next"' } },
    ask: tags,
    finds: ["1.0", "2.0"]
  },
  {
    registry: "zot",
    difference: "creates a repository at the first push, and has none before",
    repository: ZOT,
    answer: () => refusal(404, "NAME_UNKNOWN", "repository name not known to registry"),
    ask: tags,
    fails: { reason: "NotFound", words: ["404 NAME_UNKNOWN"] }
  },
  {
    registry: "Harbor",
    difference: "refuses a push to a full project with 403, which is no matter of credentials",
    repository: HARBOR,
    answer: () =>
      refusal(
        403,
        "DENIED",
        "adding 29.0 MiB of storage resource, which when updated to current usage of 0 B will exceed the configured upper limit of 10.0 MiB."
      ),
    ask: upload,
    fails: { reason: "QuotaExceeded", words: ["adding 29.0 MiB", "the credentials are not the cause", "quota"] }
  },
  {
    registry: "Harbor",
    difference: "blocks an image by a rule of its project with 412, for HEAD without words",
    repository: HARBOR,
    answer: ({ method }) =>
      method === "HEAD"
        ? { status: 412 }
        : refusal(412, "PROJECTPOLICYVIOLATION", "current image with 3 vulnerabilities cannot be pulled"),
    ask: digest("1.0"),
    fails: { reason: "BlockedByRegistry", words: ["3 vulnerabilities", "spec.tags.exclude"] }
  },
  {
    registry: "Harbor",
    difference: "refuses to overwrite a tag by a rule with 412",
    repository: HARBOR,
    answer: () => refusal(412, "PRECONDITION", "Failed to process request due to 'app:1.0' configured as immutable."),
    ask: write("1.0"),
    fails: { reason: "TagImmutable", words: ["'app:1.0' configured as immutable", "delete the tag there"] }
  },
  {
    registry: "Harbor",
    difference: "refuses every write with 403 while it is read-only",
    repository: HARBOR,
    answer: () => refusal(403, "DENIED", "The system is in read only mode. Any modification is prohibited."),
    ask: upload,
    fails: { reason: "BlockedByRegistry", words: ["read only mode"] }
  },
  {
    registry: "quay.io",
    difference: "refuses a push above the quota of a namespace with 403",
    repository: QUAY,
    answer: () => refusal(403, "DENIED", "Quota has been exceeded on namespace"),
    ask: upload,
    fails: { reason: "QuotaExceeded", words: ["Quota has been exceeded on namespace"] }
  },
  {
    registry: "any",
    difference: "may speak of a quota when a manifest is read, which is not about room",
    repository: QUAY,
    answer: () => refusal(403, "DENIED", "Quota exceeded"),
    ask: digest("1.0"),
    fails: { reason: "AuthenticationFailed", words: ["Quota exceeded"], without: ["no room"] }
  },
  {
    registry: "ECR",
    difference: "refuses to overwrite an immutable tag with 400",
    repository: ECR,
    answer: () =>
      refusal(
        400,
        "TAG_INVALID",
        "The image tag '1.0' already exists in the 'team/app' repository and cannot be overwritten because the repository is immutable."
      ),
    ask: write("1.0"),
    fails: { reason: "TagImmutable", words: ["already exists in the 'team/app' repository"] }
  },
  {
    registry: "Artifactory",
    difference: "refuses to overwrite a tag with 403",
    repository: ARTIFACTORY,
    answer: () =>
      refusal(403, "DENIED", "Not enough permissions to overwrite artifact 'x' (user 'me' needs DELETE permission)."),
    ask: write("1.0"),
    fails: { reason: "TagImmutable", words: ["needs DELETE permission", "permit the user to overwrite"] }
  },
  {
    registry: "Nexus",
    difference: "refuses to overwrite a tag with its reason in the detail",
    repository: NEXUS,
    answer: () => ({
      status: 400,
      body: {
        errors: [
          {
            code: "BLOB_UPLOAD_INVALID",
            message: "blob upload invalid",
            detail: "Repository does not allow updating assets: docker-hosted"
          }
        ]
      }
    }),
    ask: write("1.0"),
    fails: { reason: "TagImmutable", words: ["does not allow updating assets: docker-hosted"] }
  },
  {
    registry: "ACR",
    difference: "refuses a write to a locked repository",
    repository: ACR,
    answer: () =>
      refusal(405, "UNSUPPORTED", "The operation is disallowed on this registry, repository or image. View the FAQ"),
    ask: write("1.0"),
    fails: { reason: "BlockedByRegistry", words: ["disallowed on this registry", "ask its owner"] }
  },
  {
    registry: "any",
    difference: "may be full",
    repository: ZOT,
    answer: () => refusal(507, "UNKNOWN", "no space"),
    ask: upload,
    fails: { reason: "QuotaExceeded", words: ["507"] }
  },
  {
    registry: "any",
    difference: "may refuse an image for legal reasons",
    repository: ZOT,
    answer: () => refusal(451, "DENIED", "not in your country"),
    ask: digest("1.0"),
    fails: { reason: "BlockedByRegistry", words: ["not in your country"] }
  },
  {
    registry: "any",
    difference: "is not asked whether it is a registry if it answers with the specification's errors",
    repository: ZOT,
    answer: () => refusal(400, "UNSUPPORTED", "not so"),
    ask: digest("1.0"),
    fails: { reason: "InvalidAnswer", words: ["400 UNSUPPORTED: not so"], without: ["a container registry?"] }
  },
  {
    registry: "any",
    difference: "may answer a manifest with a login page",
    repository: ZOT,
    answer: () => ({ headers: { "content-type": "text/html; charset=utf-8" }, body: "<html>Log in</html>" }),
    ask: digest("1.0"),
    fails: { reason: "NotARegistry", words: ["answered with a page", "is zot.example.com a container registry?"] }
  },
  {
    registry: "any",
    difference: "may refer to a store that refuses, and the error names the store",
    repository: DISTRIBUTION,
    answer: ({ host }) =>
      host === "zot.example.com"
        ? { status: 403, body: "<Error/>" }
        : { status: 307, headers: { location: "https://zot.example.com/store/layer?signature=s3cr3t" } },
    ask: (client, access) => Stream.runDrain(client.blob(access, BLOB)),
    fails: {
      reason: "AuthenticationFailed",
      words: ["at zot.example.com answered 403", "the registry referred to this host"],
      without: ["s3cr3t", "/store/layer", "no credentials for this registry"]
    }
  },
  {
    registry: "any",
    difference: "may refuse HEAD, and the bytes are read",
    repository: ZOT,
    answer: ({ method }) => (method === "HEAD" ? { status: 405 } : manifest()),
    ask: digest("1.0"),
    finds: DIGEST,
    asked: ["HEAD zot.example.com/v2/app/manifests/1.0", "GET zot.example.com/v2/app/manifests/1.0"]
  },
  {
    registry: "any",
    difference: "may answer with a login page, and the error asks whether it is a registry",
    repository: HARBOR,
    answer: () => ({ headers: { "content-type": "text/html" }, body: "<html>Log in</html>" }),
    ask: tags,
    fails: { reason: "NotARegistry", words: ["text/html", "is harbor.example.com a container registry?"] }
  },
  {
    registry: "any",
    difference: "may refuse with HTML, which is left out of the message",
    repository: HARBOR,
    answer: () => ({ status: 404, headers: { "content-type": "text/html" }, body: "<html><h1>404</h1></html>" }),
    ask: tags,
    fails: { reason: "NotFound", words: ["answered 404"] }
  },
  {
    registry: "any",
    difference: "may warn its users",
    repository: HARBOR,
    answer: () => ({ ...list("1.0"), headers: { warning: '299 - "this project moves on Monday"' } }),
    ask: tags,
    finds: ["1.0"],
    notices: ["harbor.example.com says: this project moves on Monday"]
  },
  ...(
    [
      ["as seconds", "90", 90_000],
      ["as a date", "Tue, 24 Nov 2026 12:00:30 GMT", 30_000],
      ["in the units of Go", "1m30.5s", 90_500]
    ] as const
  ).map(([form, header, retryAfterMillis]): Row => ({
    registry: "any",
    difference: `may name the wait ${form}`,
    repository: HARBOR,
    answer: () => refusal(429, "TOOMANYREQUESTS", "slow down", { "retry-after": header }),
    ask: tags,
    fails: { reason: "RateLimited", words: ["429"], retryAfterMillis },
    now: "2026-11-24T12:00:00Z"
  }))
]

export const ROWS = makeRows()
