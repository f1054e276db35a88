/** A registry over HTTP in this process, by the OCI distribution specification 1.1. */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect, Option, type Scope } from "effect"
import { TAG_PATTERN } from "../../oci/Reference.ts"
import { algorithmOf, digestOf, hasDigest, isDigest, USUAL_ALGORITHM } from "../../oci/Digest.ts"
import { type KeyedCertificate, serve } from "./LoopbackServer.ts"
import { subjectOf } from "../../oci/Referrers.ts"
import { isForeign, OCI_INDEX, partsOf } from "../../oci/Manifest.ts"
import { RegistryStore } from "./RegistryStore.ts"

/** A registry that runs, as {@link startRegistry} starts it. */
export interface EmbeddedRegistry {
  /**
   * `127.0.0.1:PORT`, the name by which Images call the registry. Without `tls` the registry speaks plain HTTP, so
   * `tlsVerify` must be false.
   */
  readonly host: string
  /** The content, which a test may change and read while the registry runs. */
  readonly store: RegistryStore
  /** Method and URL of each request so far, such as `GET /v2/app/tags/list?n=1000`. */
  readonly requests: ReadonlyArray<string>
}

/** Sees each request before the registry does. Returns `true` if it answers the request itself, now or later. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean

/** What a registry holds and how it behaves. */
export interface EmbeddedRegistryOptions {
  /** The content at the start. Default an empty store. */
  readonly store?: RegistryStore
  /** Answers requests in the registry's place, such as a fault that a test needs. Default none. */
  readonly intercept?: Intercept
  /** The most tags in one page of a listing, however many a request asks for. Default 1,000. */
  readonly pageSize?: number
  /** Whether the registry has the referrers API of version 1.1 of the specification. Default false. */
  readonly listsReferrers?: boolean
  /** The certificate to serve HTTPS with. Default none: plain HTTP. */
  readonly tls?: KeyedCertificate
}

interface Upload {
  readonly path: string
  bytes: Buffer
}

/** A refusal with an error code of the specification. */
class Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.code = code
    this.message = message
    this.headers = headers
  }
}

const MANIFEST_BYTES = 4 * 1024 * 1024

/** Answers requests from the store. Unfinished uploads are held in memory. */
const handlerOf = (
  store: RegistryStore,
  pageSize: number,
  listsReferrers: boolean
): ((request: IncomingMessage, response: ServerResponse) => Promise<void>) => {
  const uploads = new Map<string, Upload>()

  const manifests = async (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    reference: string,
    query: URLSearchParams
  ) => {
    switch (request.method ?? "") {
      case "GET":
      case "HEAD": {
        if (store.tags(path) === undefined) throw new Refusal(404, "NAME_UNKNOWN", "repository name not known")
        const found = store.manifest(path, reference)
        if (found === undefined) throw new Refusal(404, "MANIFEST_UNKNOWN", `manifest unknown: ${reference}`)
        return answer(request, response, 200, found.bytes, {
          "content-type": found.mediaType,
          "docker-content-digest": found.digest
        })
      }
      case "PUT": {
        const tags = [...(isDigest(reference) ? [] : [reference]), ...query.getAll("tag")]
        const noTag = tags.find((tag) => !TAG_PATTERN.test(tag))
        if (noTag !== undefined) throw new Refusal(400, "MANIFEST_INVALID", `neither a tag nor a digest: ${noTag}`)
        const bytes = await bodyOf(request)
        if (bytes.length > MANIFEST_BYTES) throw new Refusal(413, "MANIFEST_INVALID", "manifest too large")
        const mediaType = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? ""
        const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : USUAL_ALGORITHM)
        if (isDigest(reference) && reference !== digest) {
          throw new Refusal(400, "DIGEST_INVALID", `the bytes are those of ${digest}`)
        }
        const parts = Option.getOrUndefined(partsOf({ mediaType, bytes }))
        if (parts === undefined) throw new Refusal(400, "MANIFEST_INVALID", `no manifest of type ${mediaType}`)
        const children = parts._tag === "Index" ? parts.children : []
        const missing =
          children.find((child) => store.manifest(path, child.digest) === undefined) ??
          parts.blobs.find((blob) => !isForeign(blob) && store.blob(path, blob.digest) === undefined)
        if (missing !== undefined) {
          throw new Refusal(404, "MANIFEST_BLOB_UNKNOWN", `blob unknown to registry: ${missing.digest}`)
        }
        store.putManifest(path, digest, bytes, mediaType)
        for (const tag of tags) store.putTag(path, tag, digest)
        const subject = listsReferrers ? subjectOf(bytes)?.digest : undefined
        return answer(request, response, 201, undefined, {
          location: `/v2/${path}/manifests/${digest}`,
          "docker-content-digest": digest,
          ...(subject === undefined ? {} : { "oci-subject": subject }),
          ...(query.has("tag") ? { "oci-tag": query.getAll("tag").join(", ") } : {})
        })
      }
      case "DELETE": {
        if (store.manifest(path, reference) === undefined) {
          throw new Refusal(404, "MANIFEST_UNKNOWN", `manifest unknown: ${reference}`)
        }
        if (isDigest(reference)) store.deleteManifest(path, reference)
        else store.deleteTag(path, reference)
        return answer(request, response, 202)
      }
      default:
        throw unsupported(request)
    }
  }

  const blobs = (request: IncomingMessage, response: ServerResponse, path: string, digest: string) => {
    if (!["GET", "HEAD", "DELETE"].includes(request.method ?? "")) throw unsupported(request)
    const bytes = store.blob(path, digest)
    if (bytes === undefined) throw new Refusal(404, "BLOB_UNKNOWN", `blob unknown to registry: ${digest}`)
    if (request.method === "DELETE") {
      store.deleteBlob(path, digest)
      return answer(request, response, 202)
    }
    const headers = {
      "content-type": "application/octet-stream",
      "docker-content-digest": digest,
      "accept-ranges": "bytes"
    }
    const range = rangeOf(request.headers.range ?? "", bytes.length)
    if (range === undefined) return answer(request, response, 200, bytes, headers)
    const { from, to } = range
    if (from > to) {
      throw new Refusal(416, "UNSUPPORTED", "range not satisfiable", { "content-range": `bytes */${bytes.length}` })
    }
    return answer(request, response, 206, bytes.subarray(from, to + 1), {
      ...headers,
      "content-range": `bytes ${from}-${to}/${bytes.length}`
    })
  }

  const finish = (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    digest: string | null,
    bytes: Uint8Array
  ) => {
    if (digest === null || !isDigest(digest) || !hasDigest(bytes, digest)) {
      throw new Refusal(400, "DIGEST_INVALID", `the bytes are those of ${digestOf(bytes)}`)
    }
    store.putBlob(path, bytes, digest)
    return created(request, response, path, digest)
  }

  const created = (request: IncomingMessage, response: ServerResponse, path: string, digest: string) =>
    answer(request, response, 201, undefined, {
      location: `/v2/${path}/blobs/${digest}`,
      "docker-content-digest": digest
    })

  const begin = async (request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams) => {
    if (request.method !== "POST") throw unsupported(request)
    const mount = query.get("mount")
    if (mount !== null) {
      const from = query.get("from")
      const mounted = from === null ? store.blobOfAny(mount) : store.blob(from, mount)
      if (mounted !== undefined) {
        store.putBlob(path, mounted, mount)
        return created(request, response, path, mount)
      }
    }
    if (query.has("digest")) {
      return finish(request, response, path, query.get("digest"), await bodyOf(request))
    }
    await bodyOf(request)
    const id = randomUUID()
    const upload: Upload = { path, bytes: Buffer.alloc(0) }
    uploads.set(id, upload)
    return progress(request, response, 202, id, upload)
  }

  const progress = (
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    id: string,
    { bytes, path }: Upload
  ) =>
    answer(request, response, status, undefined, {
      location: `/v2/${path}/blobs/uploads/${id}`,
      "docker-upload-uuid": id,
      range: `0-${Math.max(0, bytes.length - 1)}`
    })

  const upload = async (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    id: string,
    query: URLSearchParams
  ) => {
    const found = uploads.get(id)
    if (found === undefined || found.path !== path) {
      throw new Refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    }
    switch (request.method ?? "") {
      case "GET":
        return progress(request, response, 204, id, found)
      case "DELETE":
        uploads.delete(id)
        return answer(request, response, 204)
      case "PATCH":
      case "PUT": {
        const start = /^([0-9]+)-[0-9]+$/u.exec(request.headers["content-range"] ?? "")?.[1]
        const bytes = await bodyOf(request)
        if (start !== undefined && Number(start) !== found.bytes.length) {
          throw new Refusal(416, "BLOB_UPLOAD_INVALID", `the next byte is ${found.bytes.length}`, {
            location: `/v2/${path}/blobs/uploads/${id}`,
            range: `0-${Math.max(0, found.bytes.length - 1)}`
          })
        }
        found.bytes = Buffer.concat([found.bytes, bytes])
        if (request.method === "PATCH") return progress(request, response, 202, id, found)
        uploads.delete(id)
        return finish(request, response, path, query.get("digest"), found.bytes)
      }
      default:
        throw unsupported(request)
    }
  }

  const tags = (request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams) => {
    if (request.method !== "GET") throw unsupported(request)
    const all = store.tags(path)
    if (all === undefined) throw new Refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
    const asked = query.get("n")
    if (asked !== null && !/^[0-9]+$/u.test(asked)) {
      throw new Refusal(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested")
    }
    const size = Math.min(asked === null ? pageSize : Number(asked), pageSize)
    const last = query.get("last")
    const rest = last === null ? all : all.filter((tag) => tag > last)
    const page = rest.slice(0, size)
    const end = page.at(-1)
    return answer(request, response, 200, Buffer.from(JSON.stringify({ name: path, tags: page })), {
      "content-type": "application/json",
      ...(end !== undefined && page.length < rest.length
        ? { link: `</v2/${path}/tags/list?last=${encodeURIComponent(end)}&n=${size}>; rel="next"` }
        : {})
    })
  }

  const referrers = (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    digest: string,
    query: URLSearchParams
  ) => {
    if (request.method !== "GET") throw unsupported(request)
    if (!isDigest(digest)) throw new Refusal(400, "DIGEST_INVALID", `not a digest: ${digest}`)
    const type = query.get("artifactType")
    const all = store.referrers(path, digest)
    const manifests = type === null ? all : all.filter(({ artifactType }) => artifactType === type)
    const content = { schemaVersion: 2, mediaType: OCI_INDEX, manifests }
    return answer(request, response, 200, Buffer.from(JSON.stringify(content)), {
      "content-type": OCI_INDEX,
      ...(type === null ? {} : { "oci-filters-applied": "artifactType" })
    })
  }

  const route = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://registry")
    if (pathname === "/v2/" || pathname === "/v2") {
      return answer(request, response, 200, Buffer.from("{}"), { "content-type": "application/json" })
    }
    const [, path = "", kind = "", rest = ""] =
      /^\/v2\/(.+)\/(tags|manifests|referrers|blobs\/uploads|blobs)\/([^/]*)$/u.exec(pathname) ?? []
    if (kind === "manifests") return await manifests(request, response, path, rest, searchParams)
    if (kind === "tags" && rest === "list") return tags(request, response, path, searchParams)
    if (kind === "referrers" && listsReferrers) return referrers(request, response, path, rest, searchParams)
    if (kind === "blobs") return blobs(request, response, path, rest)
    if (kind === "blobs/uploads" && rest === "") return await begin(request, response, path, searchParams)
    if (kind === "blobs/uploads") return await upload(request, response, path, rest, searchParams)
    throw new Refusal(404, "NAME_UNKNOWN", `there is nothing at ${pathname}`)
  }

  return async (request, response) => {
    try {
      await route(request, response)
    } catch (error) {
      if (!(error instanceof Refusal)) {
        // The client has left, or this registry has a bug. The answer has begun, so no error can be sent.
        response.destroy(error instanceof Error ? error : undefined)
        return
      }
      const { code, headers, message, status } = error
      answer(request, response, status, Buffer.from(JSON.stringify({ errors: [{ code, message }] })), {
        "content-type": "application/json",
        ...headers
      })
    }
  }
}

/** The first and the last byte of a range of a blob. `undefined` if the header asks for the whole blob. */
const rangeOf = (header: string, size: number): { readonly from: number; readonly to: number } | undefined => {
  const [, first = "", last = ""] = /^bytes=([0-9]*)-([0-9]*)$/u.exec(header) ?? []
  if (first === "" && last === "") return undefined
  // Without a first byte the number is the length of the blob's end.
  if (first === "") return { from: Math.max(0, size - Number(last)), to: size - 1 }
  return { from: Number(first), to: last === "" ? size - 1 : Math.min(Number(last), size - 1) }
}

const unsupported = (request: IncomingMessage) =>
  new Refusal(405, "UNSUPPORTED", `${request.method ?? ""} is not supported here`)

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const answer = (
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: Uint8Array = Buffer.alloc(0),
  headers: Readonly<Record<string, string>> = {}
): void => {
  response.writeHead(status, {
    "docker-distribution-api-version": "registry/2.0",
    // 204 has no length.
    ...(status === 204 ? {} : { "content-length": String(body.length) }),
    ...headers
  })
  if (request.method === "HEAD" || body.length === 0) response.end()
  else response.end(body)
}

/**
 * An intercept that refuses every request without this user name and password, as a registry behind htpasswd does.
 *
 * @example
 * const locked = yield* startRegistry({ intercept: requireBasic("robot", "secret") })
 */
export const requireBasic =
  (username: string, password: string): Intercept =>
  (request, response) => {
    const expected = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`
    if (request.headers.authorization === expected) return false
    const body = Buffer.from(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }))
    answer(request, response, 401, body, {
      "content-type": "application/json",
      "www-authenticate": 'Basic realm="registry"'
    })
    return true
  }

/**
 * Starts a registry on a free port of the loopback. The registry keeps its content in memory. With
 * `listsReferrers` it passes the conformance suite of the OCI distribution specification. The end of the scope stops the registry and closes every connection. Uploads are not bounded, so the
 * registry must not serve strangers.
 *
 * @example
 * import { Effect } from "effect"
 * import { pushSampleImage, startRegistry } from "skopeo-operator/testing"
 *
 * const test = Effect.gen(function* () {
 *   const source = yield* startRegistry()
 *   const destination = yield* startRegistry()
 *   const digest = pushSampleImage(source.store, "team/app", "1.0.0", "any seed")
 *   // ... have `${source.host}/team/app:1.0.0` copied to `${destination.host}/mirror/app` ...
 *   return destination.store.manifest("mirror/app", "1.0.0")?.digest === digest
 * }).pipe(Effect.scoped)
 */
export const startRegistry = (
  options: EmbeddedRegistryOptions = {}
): Effect.Effect<EmbeddedRegistry, never, Scope.Scope> =>
  Effect.suspend(() => {
    const store = options.store ?? new RegistryStore()
    const requests: Array<string> = []
    const handle = handlerOf(store, options.pageSize ?? 1_000, options.listsReferrers ?? false)
    return Effect.map(
      serve((request, response) => {
        requests.push(`${request.method ?? ""} ${request.url ?? ""}`)
        if (options.intercept?.(request, response) === true) return
        void handle(request, response)
      }, options.tls),
      (host) => ({ host, store, requests })
    )
  })
