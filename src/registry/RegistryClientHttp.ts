/** Registries over HTTP. */
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Duration, Effect, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { innermostCause } from "../domain/Cause.ts"
import { DIGEST_PATTERN, registryHost, type Repository } from "../domain/Reference.ts"
import * as Authentication from "./Authentication.ts"
import { type Challenge, parseChallenge } from "./Challenge.ts"
import { digestOf, verified } from "./Digest.ts"
import { bytesOf, drain, errorAt, mediaTypeOf, oneLine, operationOf, refused, textOf } from "./HttpAnswer.ts"
import { MANIFEST_TYPES } from "./MediaType.ts"
import {
  type Descriptor,
  type Manifest,
  RegistryClient,
  type RegistryError,
  type RepositoryAccess
} from "./RegistryClient.ts"

export interface RegistryClientHttpOptions {
  /** How long one request may take, body included, where the body is small. Default 60 seconds. */
  readonly timeout?: Duration.Input
  /** How long a blob's bytes may stand still. Default 60 seconds. */
  readonly idleTimeout?: Duration.Input
  /** The pause before a failed read is tried again, doubled each time; two more tries. Default 250 ms. */
  readonly retryDelay?: Duration.Input
  /** Sent as User-Agent. */
  readonly userAgent?: string
}

const CONNECTIONS = 16
const CONNECT_MILLIS = 10_000
const RETRIES = 2
const REDIRECTS = 5
const MANIFEST_BYTES = 4 * 1024 * 1024
const PAGE_BYTES = 16 * 1024 * 1024
const PAGES = 1_000
const PAGE_SIZE = 1_000

const TagPage = Schema.fromJsonString(
  Schema.Struct({ tags: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))) })
)
interface Answer {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly origin: string
}

const make = Effect.fnUntraced(function* (options: RegistryClientHttpOptions) {
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "60 seconds")
  const idleTimeout = Duration.fromInputUnsafe(options.idleTimeout ?? "60 seconds")
  const retryDelay = options.retryDelay ?? "250 millis"
  const userAgent = options.userAgent ?? "skopeo-operator"

  // An agent has one TLS setting, so there are two; nothing else builds clients for registries.
  const clientWith = (tlsVerify: boolean) =>
    NodeHttpClient.makeUndici.pipe(
      Effect.provideServiceEffect(
        NodeHttpClient.Dispatcher,
        NodeHttpClient.makeDispatcherOptions({
          connections: CONNECTIONS,
          connect: { timeout: CONNECT_MILLIS, rejectUnauthorized: tlsVerify }
        })
      ),
      Effect.map(HttpClient.mapRequest(HttpClientRequest.setHeader("user-agent", userAgent)))
    )
  const verifying = yield* clientWith(true)
  const trusting = yield* clientWith(false)
  const clientFor = (tlsVerify: boolean) => (tlsVerify ? verifying : trusting)

  /** Hosts that turned out to speak no TLS, of those for which that was allowed. */
  const plain = new Set<string>()
  /** Hosts that have spoken TLS: when one falters, nothing is sent to it in the clear. */
  const secure = new Set<string>()
  /** What each host asked for, so that later requests bring it at once. */
  const challenges = new Map<string, Challenge>()

  const transmit = (
    access: RepositoryAccess,
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, RegistryError> => {
    const client = clientFor(access.tlsVerify)
    const following =
      request.method === "GET" || request.method === "HEAD"
        ? client.pipe(HttpClient.followRedirects(REDIRECTS))
        : client
    return following.execute(request).pipe(
      // Trace headers would tell every registry about its users' internals.
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.mapError((cause) =>
        errorAt(access, "Unreachable", `${operationOf(request)} failed: ${connectionFailure(innermostCause(cause))}`)
      )
    )
  }

  const originOf = (access: RepositoryAccess): string => {
    const host = registryHost(access.repository.registry)
    return `${!access.tlsVerify && plain.has(host) ? "http" : "https"}://${host}`
  }

  /** Sends a request whose URL is a path to the access's host, by HTTPS, or by HTTP where that is allowed and needed. */
  const sendTo = (
    access: RepositoryAccess,
    build: (origin: string) => HttpClientRequest.HttpClientRequest
  ): Effect.Effect<Answer, RegistryError> =>
    Effect.suspend(() => {
      const host = registryHost(access.repository.registry)
      const origin = originOf(access)
      const first = Effect.map(transmit(access, build(origin)), (response) => {
        if (!plain.has(host)) secure.add(host)
        return { response, origin }
      })
      if (access.tlsVerify || plain.has(host) || secure.has(host)) return first
      return Effect.catch(first, () => {
        const insecure = `http://${host}`
        return Effect.map(transmit(access, build(insecure)), (response) => {
          plain.add(host)
          return { response, origin: insecure }
        })
      })
    })

  const authentication = yield* Authentication.make(transmit)

  /** A request with the authorization its host asks for; once again if the host says it needs another. */
  const request = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    actions: Authentication.Actions,
    build: (origin: string) => HttpClientRequest.HttpClientRequest
  ): Effect.fn.Return<Answer, RegistryError> {
    const host = registryHost(access.repository.registry)
    const withAuthorization = (challenge: Challenge | undefined) =>
      Effect.flatMap(authentication.headerFor(access, challenge, actions), (header) =>
        sendTo(access, (origin) => authorize(build(origin), header))
      )
    const known = challenges.get(host)
    const first = yield* withAuthorization(known)
    if (first.response.status !== 401) return first
    const challenge = parseChallenge(first.response.headers["www-authenticate"])
    if (challenge === undefined) return first
    challenges.set(host, challenge)
    if (challenge._tag === "Basic" && (Option.isNone(access.credential) || known?._tag === "Basic")) return first
    if (challenge._tag === "Bearer" && known !== undefined) {
      yield* authentication.forget(access, challenge, actions)
    }
    yield* drain(first.response)
    return yield* withAuthorization(challenge)
  })

  const bounded = <A>(access: RepositoryAccess, what: string, effect: Effect.Effect<A, RegistryError>) =>
    Effect.timeoutOrElse(effect, {
      duration: timeout,
      orElse: () =>
        Effect.fail(errorAt(access, "Unreachable", `${what} had no complete answer within ${Duration.format(timeout)}`))
    })

  /** Reads may be repeated: what a network or an overloaded server spoils once is tried again. */
  const repeated = <A>(effect: Effect.Effect<A, RegistryError>) =>
    Effect.retry(effect, {
      while: (error) => error.kind === "Unreachable" || error.kind === "ServerError",
      times: RETRIES,
      schedule: Schedule.exponential(retryDelay).pipe(Schedule.jittered)
    })

  const pathOf = (repository: Repository, rest: string): string => `/v2/${repository.path}/${rest}`

  const manifestRequest = (method: "GET" | "HEAD", access: RepositoryAccess, reference: string) => (origin: string) =>
    HttpClientRequest.make(method)(origin + pathOf(access.repository, `manifests/${reference}`)).pipe(
      HttpClientRequest.setHeader("accept", MANIFEST_TYPES.join(", "))
    )

  const readManifest = Effect.fnUntraced(function* (
    access: RepositoryAccess,
    reference: string
  ): Effect.fn.Return<Manifest, RegistryError> {
    const { response } = yield* request(access, "pull", manifestRequest("GET", access, reference))
    if (response.status !== 200) return yield* refused(access, "GET", response)
    const bytes = yield* bytesOf(access, response, MANIFEST_BYTES)
    const digest = digestOf(bytes)
    const expected = DIGEST_PATTERN.test(reference) ? reference : response.headers["docker-content-digest"]
    if (expected !== undefined && DIGEST_PATTERN.test(expected) && expected !== digest) {
      return yield* errorAt(
        access,
        "DigestMismatch",
        `manifest ${reference} has bytes of ${digest} instead of ${expected}; the registry or what stands before it has damaged it`
      )
    }
    return { bytes, digest, mediaType: mediaTypeOf(response), size: bytes.length }
  })

  const manifest = (access: RepositoryAccess, reference: string) =>
    repeated(bounded(access, `reading manifest ${reference}`, readManifest(access, reference)))

  const head = (access: RepositoryAccess, reference: string): Effect.Effect<Option.Option<Descriptor>, RegistryError> =>
    repeated(
      bounded(
        access,
        `asking for ${reference}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull", manifestRequest("HEAD", access, reference))
          yield* drain(response)
          if (response.status === 404) return Option.none()
          const digest = response.headers["docker-content-digest"]
          // Some registries refuse HEAD or leave the digest out; the bytes themselves always tell.
          if (response.status === 405 || (response.status === 200 && !DIGEST_PATTERN.test(digest ?? ""))) {
            return yield* readManifest(access, reference).pipe(
              Effect.map(({ digest, mediaType, size }) => Option.some({ digest, mediaType, size })),
              Effect.catchIf(
                ({ kind }) => kind === "NotFound",
                () => Effect.succeed(Option.none())
              )
            )
          }
          if (response.status !== 200 || digest === undefined) return yield* refused(access, "GET", response)
          return Option.some({
            digest,
            mediaType: mediaTypeOf(response),
            size: Number(response.headers["content-length"] ?? 0)
          })
        })
      )
    )

  const tagPage = (access: RepositoryAccess, path: string) =>
    repeated(
      bounded(
        access,
        "listing tags",
        Effect.gen(function* () {
          const { origin, response } = yield* request(access, "pull", (base) =>
            HttpClientRequest.get(base + path).pipe(HttpClientRequest.acceptJson)
          )
          if (response.status !== 200) return yield* refused(access, "GET", response)
          const text = yield* textOf(access, response, PAGE_BYTES)
          const page = Schema.decodeUnknownOption(TagPage)(text)
          if (Option.isNone(page)) {
            const type = mediaTypeOf(response) || "something"
            return yield* errorAt(
              access,
              "InvalidAnswer",
              `${operationOf(response.request)} answered with ${type} that is no list of tags; is ${access.repository.registry} a container registry?`
            )
          }
          const next = nextPage(origin, path, response.headers["link"])
          if (next === "Elsewhere") {
            return yield* errorAt(
              access,
              "InvalidAnswer",
              "the next page of tags is said to be on another host, which is not followed; a proxy before the registry may hide its name or scheme"
            )
          }
          return { tags: page.value.tags ?? [], next: next?.path }
        })
      )
    )

  return RegistryClient.of({
    tags: Effect.fnUntraced(function* (access) {
      const tags: Array<string> = []
      const seen = new Set<string>()
      let path: string | undefined = pathOf(access.repository, `tags/list?n=${PAGE_SIZE}`)
      while (path !== undefined) {
        if (seen.has(path) || seen.size >= PAGES) {
          return yield* errorAt(
            access,
            "InvalidAnswer",
            "the list of tags does not end: its pages lead back or are too many"
          )
        }
        seen.add(path)
        const page: { readonly tags: ReadonlyArray<string>; readonly next: string | undefined } = yield* tagPage(
          access,
          path
        )
        for (const tag of page.tags) tags.push(tag)
        path = page.next
      }
      return tags
    }),

    head,
    manifest,

    hasBlob: (access, blob) =>
      repeated(
        bounded(
          access,
          `asking for blob ${blob.digest}`,
          Effect.gen(function* () {
            const { response } = yield* request(access, "pull,push", (origin) =>
              HttpClientRequest.head(origin + pathOf(access.repository, `blobs/${blob.digest}`))
            )
            yield* drain(response)
            if (response.status === 404) return false
            return response.status === 200 ? true : yield* refused(access, "GET", response)
          })
        )
      ),

    blob: (access, blob) =>
      Stream.unwrap(
        repeated(
          bounded(
            access,
            `reading blob ${blob.digest}`,
            Effect.gen(function* () {
              const { response } = yield* request(access, "pull", (origin) =>
                HttpClientRequest.get(origin + pathOf(access.repository, `blobs/${blob.digest}`))
              )
              return response.status === 200 ? response : yield* refused(access, "GET", response)
            })
          )
        ).pipe(
          Effect.map((response) =>
            response.stream.pipe(
              Stream.mapError((cause) =>
                errorAt(
                  access,
                  "Unreachable",
                  `${operationOf(response.request)} broke off: ${oneLine(innermostCause(cause))}`
                )
              ),
              Stream.timeoutOrElse({
                duration: idleTimeout,
                orElse: () =>
                  Stream.fail(
                    errorAt(
                      access,
                      "Unreachable",
                      `${operationOf(response.request)} brought nothing for ${Duration.format(idleTimeout)}`
                    )
                  )
              }),
              verified(access.repository, blob)
            )
          )
        )
      ),

    putBlob: <E>(
      access: RepositoryAccess,
      blob: { readonly digest: string; readonly size: number },
      bytes: Stream.Stream<Uint8Array, E>
    ) =>
      Effect.gen(function* () {
        const { header, target } = yield* bounded(
          access,
          "starting an upload",
          Effect.gen(function* () {
            const path = pathOf(access.repository, "blobs/uploads/")
            const { origin, response } = yield* request(access, "pull,push", (base) =>
              HttpClientRequest.post(base + path)
            )
            const target = URL.parse(response.headers["location"] ?? "", origin + path)
            if (response.status !== 202 || response.headers["location"] === undefined || target === null) {
              return yield* refused(access, "PUSH", response)
            }
            yield* drain(response)
            target.searchParams.set("digest", blob.digest)
            const header =
              target.origin === new URL(origin).origin
                ? yield* authentication.headerFor(
                    access,
                    challenges.get(registryHost(access.repository.registry)),
                    "pull,push"
                  )
                : undefined
            return { target, header }
          })
        )
        return yield* uploadTo(access, target, header, blob, bytes)
      }),

    putManifest: (access, reference, content) =>
      bounded(
        access,
        `writing manifest ${reference}`,
        Effect.gen(function* () {
          const { response } = yield* request(access, "pull,push", (origin) =>
            HttpClientRequest.put(origin + pathOf(access.repository, `manifests/${reference}`)).pipe(
              HttpClientRequest.bodyUint8Array(content.bytes, content.mediaType)
            )
          )
          if (response.status !== 201) return yield* refused(access, "PUSH", response)
          yield* drain(response)
          const stored = response.headers["docker-content-digest"]
          if (stored !== undefined && stored !== content.digest) {
            return yield* errorAt(
              access,
              "DigestMismatch",
              `the registry stored manifest ${content.digest} as ${stored}; it changes what is pushed to it`
            )
          }
        })
      )
  })

  /** Streams a body to an upload's address; gives up when neither side moves. */
  function uploadTo<E>(
    access: RepositoryAccess,
    target: URL,
    header: Redacted.Redacted | undefined,
    blob: { readonly digest: string; readonly size: number },
    bytes: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<void, RegistryError | E> {
    return Effect.gen(function* () {
      let movedAt = yield* Clock.currentTimeMillis
      // A body's own failure must come out as itself, not as the broken request it causes.
      let bodyFailure: { readonly error: E } | undefined
      const body = bytes.pipe(
        Stream.tap(() =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            movedAt = now
          })
        ),
        Stream.tapError((error) =>
          Effect.sync(() => {
            bodyFailure = { error }
          })
        )
      )
      const upload = transmit(
        access,
        authorize(
          HttpClientRequest.put(target).pipe(
            HttpClientRequest.bodyStream(body, { contentType: "application/octet-stream", contentLength: blob.size })
          ),
          header
        )
      ).pipe(
        Effect.flatMap((answer) => (answer.status === 201 ? drain(answer) : refused(access, "PUSH", answer))),
        Effect.mapError((error): RegistryError | E => (bodyFailure === undefined ? error : bodyFailure.error))
      )
      const stalled = Effect.gen(function* () {
        while (true) {
          yield* Effect.sleep(idleTimeout)
          const now = yield* Clock.currentTimeMillis
          if (now - movedAt >= Duration.toMillis(idleTimeout)) {
            return yield* errorAt(
              access,
              "Unreachable",
              `uploading blob ${blob.digest} stood still for ${Duration.format(idleTimeout)}`
            )
          }
        }
      })
      yield* Effect.raceFirst(upload, stalled)
    })
  }
})

const authorize = (request: HttpClientRequest.HttpClientRequest, header: Redacted.Redacted | undefined) =>
  header === undefined ? request : HttpClientRequest.setHeader(request, "authorization", Redacted.value(header))

/** What the commonest failures of a connection mean, and what to do. */
const CONNECTION_FAILURES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/u,
    "the host answers without TLS; set tlsVerify: false if plain HTTP is meant"
  ],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ALTNAME_INVALID|self-signed|unable to verify/u,
    "the host's certificate is not trusted; trust its CA (NODE_EXTRA_CA_CERTS) or set tlsVerify: false"
  ],
  [/ECONNREFUSED/u, "nothing listens there; check the host and the port"],
  [/ENOTFOUND|EAI_AGAIN/u, "there is no host of that name; check the registry's name"]
]

const connectionFailure = (cause: string): string => {
  for (const [pattern, meaning] of CONNECTION_FAILURES) {
    const code = pattern.exec(cause)?.[0]
    if (code !== undefined) return `${meaning} (${code})`
  }
  return oneLine(cause)
}

/** `Link: <…>; rel="next"`: the next page's path. One on another origin is not followed. */
const nextPage = (
  origin: string,
  path: string,
  link: string | undefined
): { readonly path: string } | "Elsewhere" | undefined => {
  const target = /<([^>]+)>\s*;[^,]*\brel="?next"?/iu.exec(link ?? "")?.[1]
  if (target === undefined) return undefined
  const url = URL.parse(target, origin + path)
  return url?.origin === new URL(origin).origin ? { path: url.pathname + url.search } : "Elsewhere"
}

/** Connections are pooled for the life of the layer. */
export const layer = (options: RegistryClientHttpOptions = {}): Layer.Layer<RegistryClient> =>
  Layer.effect(RegistryClient, make(options))
