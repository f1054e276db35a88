/**
 * Names of images, by Docker's rules and the OCI distribution specification. A name has a registry, a repository in the
 * registry, and in the repository a tag, a digest, or both.
 */
import { Result } from "effect"
import { DIGEST_FORM, isDigest } from "./Digest.ts"

/**
 * A repository of one registry. `registry` is the lower-case name that users write: `docker.io`, `registry.corp:5000`.
 */
export interface Repository {
  readonly registry: string
  readonly path: string
}

/** An image in a repository, by tag, by digest (`sha256:…` or `sha512:…`), or by both. If both are given, the digest decides. */
export interface Reference {
  readonly repository: Repository
  readonly tag?: string
  readonly digest?: string
}

/** The registry of a name without one. */
export const DEFAULT_REGISTRY = "docker.io"

const notRepository = ({ digest, tag }: Reference): string =>
  digest === undefined
    ? `has the tag ${tag}; write only the repository here, and ${tag} as the version`
    : `has the digest ${digest}; write only the repository here, and the digest as the version`

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*"
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`, "u")
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?$`, "u")

/** A tag, by the OCI distribution specification. */
export const TAG_PATTERN = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/u

const PATH_MAXIMUM = 255

/**
 * Parses the name of a repository. `docker.io` and `library/` are filled in as Docker does. `defaultRegistry` is the
 * registry of a name without one. A tag or a digest is refused. The failure says what to write instead, and is read
 * after the name.
 *
 * @example
 * ```ts
 * parseRepository("nginx") // succeeds with { registry: "docker.io", path: "library/nginx" }
 * ```
 */
export const parseRepository = (name: string, defaultRegistry = DEFAULT_REGISTRY): Result.Result<Repository, string> =>
  Result.flatMap(parseReference(name, defaultRegistry), (reference) =>
    reference.tag === undefined && reference.digest === undefined
      ? Result.succeed(reference.repository)
      : Result.fail(notRepository(reference))
  )

/**
 * Parses `[registry/]repository[:tag][@digest]`, as {@link parseRepository} parses the name of the repository. A registry
 * without a repository is refused. The failure says what to write instead, and is read after the text.
 *
 * @example
 * parseReference("nginx:1.27") // repository { registry: "docker.io", path: "library/nginx" }, tag "1.27"
 */
export const parseReference = (text: string, defaultRegistry = DEFAULT_REGISTRY): Result.Result<Reference, string> => {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//iu.exec(text)
  if (scheme !== null) {
    return Result.fail(`starts with ${scheme[0]}; remove ${scheme[0]}, because a name starts with its registry`)
  }
  if (text.trim() !== text || text === "") {
    return Result.fail("is empty or has spaces around it; write a name such as quay.io/argoproj/argocd")
  }
  const at = text.indexOf("@")
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  if (digest !== undefined && !isDigest(digest)) {
    return Result.fail(`has the digest ${digest}; a digest is ${DIGEST_FORM}`)
  }
  const registry = registryAlone(named, defaultRegistry)
  if (registry !== undefined) {
    return Result.fail(`names a registry without a repository; write both, such as ${registry}/app`)
  }
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1)
  const tag = colon < 0 || isRegistryOnly(named) ? undefined : named.slice(colon + 1)
  if (tag !== undefined && !TAG_PATTERN.test(tag)) {
    return Result.fail(`has the tag ${tag}; a tag has at most 128 letters, digits, dots, dashes and underscores`)
  }
  return Result.map(repositoryOf(tag === undefined ? named : named.slice(0, colon), defaultRegistry), (repository) => ({
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest })
  }))
}

/**
 * The registry of a name without a repository, such as `quay.io` or `localhost:5000/`. Docker reads `localhost:5000` as a tag of
 * `docker.io/library/localhost`, but Docker Hub has no such repository. A default registry of the user may have one.
 */
const registryAlone = (named: string, defaultRegistry: string): string | undefined => {
  const isComplete = named.endsWith("/")
  const host = isComplete ? named.slice(0, -1) : named
  const name = isComplete ? host : host.replace(/:[0-9]{1,5}$/u, "")
  if (!readsAsRegistry(name) || !REGISTRY.test(host)) return undefined
  return isComplete || defaultRegistry === DEFAULT_REGISTRY ? host : undefined
}

/** Whether a name is only an IPv6 registry, such as `[::1]:5000`. No colon in it starts a tag. */
const isRegistryOnly = (named: string): boolean => named.startsWith("[") && !named.includes("/")

const repositoryOf = (name: string, defaultRegistry: string): Result.Result<Repository, string> => {
  const slash = name.indexOf("/")
  const first = slash < 0 ? "" : name.slice(0, slash)
  const named = slash >= 0 && readsAsRegistry(first)
  const host = named ? first : defaultRegistry
  const rest = named ? name.slice(slash + 1) : name
  const standard = REGISTRY.test(host) ? standardHost(host) : undefined
  if (standard === undefined) {
    return Result.fail(`names the registry ${host}; write a host, with a port if it needs one`)
  }
  // The formatted name `corp/app` would be parsed as a path on docker.io, by Skopeo too.
  if (!readsAsRegistry(host)) {
    return Result.fail(`is meant for the registry ${host}, which reads as a path; write it with a port, as ${host}:443`)
  }
  if (canonicalRegistry(host) !== canonicalRegistry(standard)) {
    return Result.fail(`names the registry ${host}, which is another text for ${standard}; write ${standard}`)
  }
  const registry = canonicalRegistry(host)
  const path = registry === DEFAULT_REGISTRY && !rest.includes("/") ? `library/${rest}` : rest
  if (!PATH.test(path)) {
    return Result.fail(
      path === path.toLowerCase()
        ? "is not a repository name; between slashes a name has lower-case letters and digits, joined by single dots, one or two underscores, or dashes"
        : `has upper-case letters; a repository is lower case, such as ${name.toLowerCase()}`
    )
  }
  if (path.length > PATH_MAXIMUM) {
    return Result.fail(`is ${path.length} characters long; a repository has at most ${PATH_MAXIMUM}`)
  }
  return Result.succeed({ registry, path })
}

const IPV4_MAPPED = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]/u

/** Parses the name of a registry, as Images name it. The failure says what to write instead, and is read after the text. */
export const parseRegistry = (host: string): Result.Result<string, string> =>
  Result.flatMap(parseRepository(`${host}/any`), ({ registry }) =>
    registry === canonicalRegistry(host)
      ? Result.succeed(registry)
      : Result.fail(`names no registry; write a host with a dot or a port, such as ${host}:443`)
  )

/**
 * The text that a URL has for a host and its port: `quay.io` for `quay.io:0443`, `10.0.0.1` for `10.1`, `[::1]` for `[0::1]`. An
 * IPv4 address that an IPv6 address maps is written as IPv4, because both connect to one host. `undefined` if no URL can have
 * the host. A name has only this text for its registry: claims, policies and limits compare texts.
 */
const standardHost = (host: string): string | undefined => {
  const inUrl = URL.parse(`https://${host}`)?.host.replace(IPV4_MAPPED, (_, high: string, low: string) =>
    [high, low].flatMap((half) => [Number.parseInt(half, 16) >> 8, Number.parseInt(half, 16) & 0xff]).join(".")
  )
  return inUrl === undefined || readsAsRegistry(inUrl) ? inUrl : `${inUrl}${DEFAULT_PORT}`
}

/** Docker's rule for the part before the first slash: a registry has a dot or a port, or is localhost. */
const readsAsRegistry = (first: string): boolean => /[.:]/u.test(first) || first === "localhost"

/** The port of HTTPS. */
const DEFAULT_PORT = ":443"

/**
 * The one name of a registry, so that two names of one registry are equal: in lower case, without the port of HTTPS, and
 * `docker.io` for Docker Hub's three names. A port stays if the name would read as a path without it.
 */
export const canonicalRegistry = (host: string): string => {
  const lower = host.toLowerCase()
  const bare = lower.endsWith(DEFAULT_PORT) ? lower.slice(0, -DEFAULT_PORT.length) : lower
  const name = readsAsRegistry(bare) ? bare : lower
  return name === "index.docker.io" || name === "registry-1.docker.io" ? DEFAULT_REGISTRY : name
}

/**
 * `registry/path`, with the registry always written. Joined instead of made by a template: the text of a template keeps
 * its pieces in memory, and the operator holds two of these texts for every Image.
 *
 * @example
 * ```ts
 * formatRepository({ registry: "quay.io", path: "argoproj/argocd" }) // "quay.io/argoproj/argocd"
 * ```
 */
export const formatRepository = ({ path, registry }: Repository): string => [registry, path].join("/")

/**
 * `registry/path[:tag][@digest]`. {@link parseReference} reads it back.
 *
 * @example
 * ```ts
 * formatReference({ repository: { registry: "quay.io", path: "argoproj/argocd" }, tag: "v2.13.0" })
 * // "quay.io/argoproj/argocd:v2.13.0"
 * ```
 */
export const formatReference = (reference: Reference): string =>
  formatRepository(reference.repository) +
  (reference.tag === undefined ? "" : `:${reference.tag}`) +
  (reference.digest === undefined ? "" : `@${reference.digest}`)

/** The host and port that serve a registry's API. Only Docker Hub's host differs from the registry's name. */
export const registryHost = (registry: string): string =>
  registry === DEFAULT_REGISTRY ? "registry-1.docker.io" : registry
