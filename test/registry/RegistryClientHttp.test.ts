/** The client over HTTP against registries that are healthy, slow, broken or hostile. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse
} from "node:http"
import { gzipSync } from "node:zlib"
import { createServer as createTlsServer } from "node:https"
import { createServer as createNetServer } from "node:net"
import { getCACertificates, setDefaultCACertificates, TLSSocket } from "node:tls"
import { Deferred, Effect, Fiber, Option, Stream, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { digestOf } from "../../src/oci/Digest.ts"
import { type Intercept, requireBasic, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/Manifest.ts"
import type { Manifest } from "../../src/oci/Manifest.ts"
import { RegistryClient } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { accessTo, BASIC, failsWith, live, PASSWORD, TOKEN, USER } from "../support/registryClient.ts"
import {
  CERTIFICATE,
  KEY,
  errorBody,
  json,
  pathOf,
  scripted,
  scriptedTls,
  type Seen
} from "../support/ScriptedServer.ts"

// Connections without a configured CA trust the test certificate, in this file only.
const TRUSTED = getCACertificates("default")
beforeAll(() => setDefaultCACertificates([...TRUSTED, CERTIFICATE]))
afterAll(() => setDefaultCACertificates(TRUSTED))

const client = RegistryClient

const countOf = (seen: ReadonlyArray<Seen>, method: string): number =>
  seen.filter((request) => request.method === method).length

const manifestOf = (content: unknown, mediaType: string = OCI_MANIFEST): Manifest => {
  const bytes = Buffer.from(JSON.stringify(content))
  return { bytes, mediaType, digest: digestOf(bytes), size: bytes.length }
}

const blobOf = (text: string) => {
  const bytes = Buffer.from(text)
  return { digest: digestOf(bytes), size: bytes.length, bytes }
}

const INDEX = manifestOf({ schemaVersion: 2, manifests: [] }, OCI_INDEX)

/** Answers as a registry that has only INDEX. */
const sendIndex = (response: ServerResponse, headers: Readonly<Record<string, string>> = {}): void => {
  response.writeHead(200, { "content-type": OCI_INDEX, "content-length": String(INDEX.size), ...headers })
  response.end(INDEX.bytes)
}

describe("lists of tags", () => {
  /** Pages by the query's `page`. `link` makes each page's Link from the host and the page. */
  const paged = (link: (host: string, page: number) => string | undefined) =>
    scripted((request, response) => {
      const page = Number(new URL(request.url ?? "", "http://x").searchParams.get("page") ?? 1)
      const header = link(request.headers.host ?? "", page)
      json(response, 200, { tags: [`v${page}`] }, header === undefined ? {} : { link: header })
    })

  const PATH = "/v2/team/app/tags/list"

  for (const [name, link] of [
    ["relative to the host", (_, page) => `<${PATH}?n=1&page=${page + 1}>; rel="next"`],
    ["relative to the path", (_, page) => `<list?page=${page + 1}>; rel="next"`],
    ["absolute", (host, page) => `<http://${host}${PATH}?page=${page + 1}>; rel="next"`],
    ["without quotes", (_, page) => `<${PATH}?page=${page + 1}>;rel=next`],
    ["after another link", (_, page) => `<${PATH}?page=1>; rel="first", <${PATH}?page=${page + 1}>; rel="next"`]
  ] as ReadonlyArray<readonly [string, (host: string, page: number) => string]>) {
    live(`tags follows a link to the next page that is ${name}`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* paged((server, page) => (page < 3 ? link(server, page) : undefined))
        assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), ["v1", "v2", "v3"])
        assert.lengthOf(seen, 3)
      })
    )
  }

  live("tags fails if a page links back to an earlier page", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* paged((_, page) => `<${PATH}?page=${page === 3 ? 2 : page + 1}>; rel="next"`)
      yield* failsWith((yield* client).tags(accessTo(host)), "InvalidAnswer", "does not end")
      assert.lengthOf(seen, 3)
    })
  )

  live("tags fails if there is always a next page", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* paged((_, page) => `<${PATH}?page=${page + 1}>; rel="next"`)
      yield* failsWith((yield* client).tags(accessTo(host)), "InvalidAnswer", "does not end")
      assert.isAtMost(seen.length, 1_000)
    })
  )

  live("tags does not follow a page to another host, and sends no credentials there", () =>
    Effect.gen(function* () {
      const elsewhere = yield* scripted((_, response) => json(response, 200, { tags: ["evil"] }))
      const { host } = yield* paged(() => `<http://${elsewhere.host}${PATH}?page=2>; rel="next"`)
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "InvalidAnswer", "another host")
      assert.lengthOf(elsewhere.seen, 0)
    })
  )

  for (const [name, body] of [
    ["null", { name: "team/app", tags: null }],
    ["missing", { name: "team/app" }],
    ["none", { name: "team/app", tags: [] }]
  ] as const) {
    live(`tags gives an empty list if the tags are ${name}`, () =>
      Effect.gen(function* () {
        const { host } = yield* scripted((_, response) => json(response, 200, body))
        assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), [])
      })
    )
  }

  for (const [name, type, body] of [
    ["HTML", "text/html; charset=utf-8", "<html><body>Please log in</body></html>"],
    ["broken JSON", "application/json", '{"tags": ["v1", '],
    ["tags that are no strings", "application/json", '{"tags": [1, 2]}'],
    ["nothing", "text/plain", ""]
  ] as const) {
    live(`tags asks whether the host is a registry if the host answers 200 with ${name}`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((_, response) => {
          response.writeHead(200, { "content-type": type })
          response.end(body)
        })
        const reason = type.startsWith("text/html") ? "NotARegistry" : "InvalidAnswer"
        yield* failsWith((yield* client).tags(accessTo(host)), reason, "is not a list of tags", host)
        assert.lengthOf(seen, 1)
      })
    )
  }

  /** An endless list: every page has the same text and a link to the next. */
  const endless = (text: string) =>
    scripted((request, response) => {
      const page = Number(new URL(request.url ?? "", "http://x").searchParams.get("page") ?? 1)
      response.writeHead(200, { "content-type": "application/json", link: `<${PATH}?page=${page + 1}>; rel="next"` })
      response.end(text)
    })

  const MEBIBYTE = 1024 ** 2
  const listOf = (entry: string, count: number): string => `{"tags":[${entry.repeat(count)}"v1"]}`
  for (const [name, text, pages] of [
    ["more than 8 MiB on one page", listOf(`"${"a".repeat(9 * MEBIBYTE)}",`, 1), 1],
    ["more than 8 MiB on three pages", listOf(`"${"a".repeat(3 * MEBIBYTE)}",`, 1), 3],
    ["more than 200,000 tags on one page", listOf('"v1",', 200_000), 1],
    ["more than 200,000 tags on three pages", listOf('"v1",', 80_000), 3],
    ["more than 200,000 empty texts", listOf('"",', 200_000), 1],
    ["more than 100,000 objects", listOf("{},", 100_000), 1],
    ["more than 200,000 lists in lists", "[".repeat(200_001), 1],
    ["more than 200,000 fields", `{${'"x":0,'.repeat(200_000)}"tags":["v1"]}`, 1]
  ] as const) {
    live(`tags fails for ${name}, and the error names the limit and the remedy`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* endless(text)
        yield* failsWith(
          (yield* client).tags(accessTo(host)),
          "InvalidAnswer",
          "longer than the 8 MiB or 200000 entries that are read of one",
          "name a tag or a digest instead of a pattern"
        )
        assert.lengthOf(seen, pages)
      })
    )
  }

  live("tags reads a hundred thousand tags, on one page or on many", () =>
    Effect.gen(function* () {
      const tags = Array.from({ length: 100_000 }, (_, index) => `v${index}-0123456789abcdef0123456789abcdef01234567`)
      for (const size of [100_000, 1_000]) {
        const { host } = yield* scripted((request, response) => {
          const start = Number(new URL(request.url ?? "", "http://x").searchParams.get("start") ?? 0)
          const next = start + size
          json(
            response,
            200,
            { name: "team/app", tags: tags.slice(start, next) },
            next < tags.length ? { link: `<${PATH}?start=${next}>; rel="next"` } : {}
          )
        })
        assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), tags)
      }
    })
  )

  // Artifactory lists digests among the tags.
  live("tags leaves out names that are not tags", () =>
    Effect.gen(function* () {
      const longest = "a".repeat(128)
      const none = ["", ".v1", "-v1", "v 1", "v1\n", "v1\u001b[2J", "../v1", "v1/2", "ü", `${longest}a`, INDEX.digest]
      const { host } = yield* scripted((_, response) => json(response, 200, { tags: ["v1", ...none, longest, "_2"] }))
      assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), ["v1", longest, "_2"])
    })
  )
})

describe("lists of referrers", () => {
  const SUBJECT = digestOf(Buffer.from("an image"))
  const PATH = `/v2/team/app/referrers/${SUBJECT}`
  const referrer = (page: number) => ({
    mediaType: OCI_MANIFEST,
    digest: digestOf(Buffer.from(`signature ${page}`)),
    size: 400,
    artifactType: "application/vnd.example.signature"
  })
  const paged = (link: (page: number) => string | undefined) =>
    scripted((request, response) => {
      const page = Number(new URL(request.url ?? "", "http://x").searchParams.get("page") ?? 1)
      const header = link(page)
      response.writeHead(200, { "content-type": OCI_INDEX, ...(header === undefined ? {} : { link: header }) })
      response.end(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [referrer(page)] }))
    })

  live("referrers reads all pages", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* paged((page) => (page < 3 ? `<${PATH}?page=${page + 1}>; rel="next"` : undefined))
      const found = yield* (yield* client).referrers(accessTo(host), SUBJECT)
      assert.deepStrictEqual(
        found.map(({ digest }) => digest),
        [1, 2, 3].map((page) => referrer(page).digest)
      )
      assert.lengthOf(seen, 3)
    })
  )

  live("referrers fails if there is always a next page", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* paged((page) => `<${PATH}?page=${page + 1}>; rel="next"`)
      yield* failsWith((yield* client).referrers(accessTo(host), SUBJECT), "InvalidAnswer", "does not end")
      assert.isAtMost(seen.length, 100)
    })
  )

  const many = (count: number, annotation = "") =>
    Array.from({ length: count }, (_, index) => ({ ...referrer(index), annotations: { annotation } }))
  const answering = (manifests: ReadonlyArray<unknown>) =>
    scripted((_, response) => {
      response.writeHead(200, { "content-type": OCI_INDEX })
      response.end(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
    })

  live("referrers reads a thousand referrers of one subject", () =>
    Effect.gen(function* () {
      const { host } = yield* answering(many(1_000))
      assert.lengthOf(yield* (yield* client).referrers(accessTo(host), SUBJECT), 1_000)
    })
  )

  for (const [what, manifests] of [
    ["more than a thousand referrers", many(1_001)],
    ["more than 4 MiB", many(900, "x".repeat(5_000))],
    ["more than a hundred thousand values", [{ ...referrer(1), padding: Array.from({ length: 100_000 }, () => 0) }]]
  ] as const) {
    live(`referrers fails for a list of ${what}, and the error names the limit and the remedy`, () =>
      Effect.gen(function* () {
        const { host } = yield* answering(manifests)
        const remedy = "1000 referrers or 4 MiB of their list that are read of one image; delete referrers there"
        yield* failsWith((yield* client).referrers(accessTo(host), SUBJECT), "InvalidAnswer", remedy)
      })
    )
  }

  live("referrers fails for a thousand and one referrers in the list of a fallback tag", () =>
    Effect.gen(function* () {
      const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: many(1_001) }))
      const { host } = yield* scripted((request, response) => {
        if (request.url?.includes("/referrers/") === true) return void response.writeHead(404).end()
        response.writeHead(200, { "content-type": OCI_INDEX, "docker-content-digest": digestOf(list) })
        response.end(request.method === "HEAD" ? undefined : list)
      })
      yield* failsWith((yield* client).referrers(accessTo(host), SUBJECT), "InvalidAnswer", "1000 referrers")
    })
  )

  live("a manifest of more than a hundred thousand values is refused before it is parsed", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(200, { "content-type": OCI_INDEX })
        response.end(`{"manifests":[${"{},".repeat(100_000)}{}]}`)
      })
      const reading = (yield* client).manifest(accessTo(host), "1.0")
      yield* failsWith(reading, "UnsupportedManifest", "more than 100000 JSON values")
    })
  )

  // A list with only the first page would silently leave out signatures.
  live("referrers fails if the next page is on another host, which gets no credentials", () =>
    Effect.gen(function* () {
      const elsewhere = yield* paged(() => undefined)
      const { host } = yield* paged(() => `<http://${elsewhere.host}${PATH}?page=2>; rel="next"`)
      yield* failsWith((yield* client).referrers(accessTo(host, USER), SUBJECT), "InvalidAnswer", "another host")
      assert.lengthOf(elsewhere.seen, 0)
    })
  )
})

describe("a compressed answer", () => {
  const compressed = (bytes: Uint8Array, type: string) =>
    scripted((_, response) => {
      const packed = gzipSync(bytes)
      response.writeHead(200, {
        "content-type": type,
        "content-encoding": "gzip",
        "content-length": String(packed.length)
      })
      response.end(packed)
    })
  const WORDS = "the answer is compressed (Content-Encoding: gzip), which was not asked for"

  live("every request asks for an answer without compression", () =>
    Effect.gen(function* () {
      const asked: Array<string | undefined> = []
      const { host } = yield* scripted((request, response) => {
        asked.push(request.headers["accept-encoding"])
        sendIndex(response)
      })
      yield* (yield* client).manifest(accessTo(host), "v1")
      assert.deepStrictEqual(asked, ["identity"])
    })
  )

  live("the error of a manifest, a list or a blob that is compressed all the same says so", () =>
    Effect.gen(function* () {
      const registry = yield* client
      const manifest = yield* compressed(INDEX.bytes, OCI_INDEX)
      yield* failsWith(registry.manifest(accessTo(manifest.host), INDEX.digest), "DigestMismatch", WORDS)
      const list = yield* compressed(Buffer.from('{"tags":["v1"]}'), "application/json")
      yield* failsWith(registry.tags(accessTo(list.host)), "InvalidAnswer", WORDS)
      const blob = blobOf("the layer")
      const layer = yield* compressed(blob.bytes, "application/octet-stream")
      yield* failsWith(Stream.runDrain(registry.blob(accessTo(layer.host), blob)), "DigestMismatch", WORDS)
      const destination = yield* startRegistry()
      const copied = registry.copyBlob({ source: accessTo(layer.host), destination: accessTo(destination.host), blob })
      yield* failsWith(copied, "DigestMismatch", WORDS)
    })
  )

  live("a blob that is only marked as compressed is accepted", () =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      const { host } = yield* scripted((_, response) => {
        response.writeHead(200, { "content-encoding": "x-gzip", "content-length": String(blob.size) })
        response.end(blob.bytes)
      })
      yield* Stream.runDrain((yield* client).blob(accessTo(host), blob))
    })
  )
})

describe("HEAD", () => {
  live("head reads the manifest if the answer to HEAD lacks the digest", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => sendIndex(response))
      const found = Option.getOrThrow(yield* (yield* client).head(accessTo(host), "v1"))
      assert.strictEqual(found.digest, INDEX.digest)
      assert.strictEqual(found.mediaType, OCI_INDEX)
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["HEAD", "GET"]
      )
    })
  )

  live("head reads the manifest if the registry refuses HEAD", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) =>
        request.method === "HEAD" ? json(response, 405, {}) : sendIndex(response)
      )
      const found = Option.getOrThrow(yield* (yield* client).head(accessTo(host), "v1"))
      assert.strictEqual(found.digest, INDEX.digest)
    })
  )

  for (const status of [400, 403, 404, 405, 406, 412, 501]) {
    live(`a repository that answers ${status} to HEAD of an existing manifest is asked by GET from then on`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((request, response) =>
          request.method === "HEAD" ? json(response, status, {}) : sendIndex(response)
        )
        const registry = yield* client
        for (const tag of ["v1", "v2"]) {
          assert.strictEqual(Option.getOrThrow(yield* registry.head(accessTo(host), tag)).digest, INDEX.digest)
        }
        // The manifest may have been pushed since, or the refusal may have passed, so HEAD is sent once more.
        const first = status === 405 || status === 501 ? ["HEAD", "GET"] : ["HEAD", "GET", "HEAD"]
        assert.deepStrictEqual(
          seen.map(({ method }) => method),
          [...first, "GET"]
        )
      })
    )
  }

  live("a repository that has answered HEAD with a digest is believed when it answers 404", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((request, response) =>
        request.url?.endsWith("/v1") === true
          ? sendIndex(response, { "docker-content-digest": INDEX.digest })
          : json(response, 404, {})
      )
      const registry = yield* client
      yield* registry.head(accessTo(host), "v1")
      assert.isTrue(Option.isNone(yield* registry.head(accessTo(host), "v2")))
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["HEAD", "HEAD"]
      )
    })
  )

  /** Writes v1, then asks for v2 and v3. The registry keeps tags until `forgets`, and HEAD may answer 404 to everything. */
  const askedAfterWrite = ({ forgets = false, lies = false }) =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((request, response) => {
        if (request.method === "PUT") return json(response, 201, {})
        const isThere = request.url?.endsWith("/v1") === true && !forgets
        if (!isThere || (lies && request.method === "HEAD")) return json(response, 404, {})
        return sendIndex(response, { "docker-content-digest": INDEX.digest })
      })
      const registry = yield* client
      yield* registry.putManifest(accessTo(host), "v1", INDEX)
      for (const tag of ["v2", "v3"]) assert.isTrue(Option.isNone(yield* registry.head(accessTo(host), tag)), tag)
      return seen.slice(1).map(({ method, url }) => `${method} ${url?.split("/").at(-1)}`)
    })

  live("HEAD of a tag that was written shows that the repository answers HEAD, and its 404 is believed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* askedAfterWrite({}), ["HEAD v2", "HEAD v1", "HEAD v3"])
    })
  )

  live("HEAD with 404 of a tag that was written and that GET gives shows that the repository misleads", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* askedAfterWrite({ lies: true }), [
        "HEAD v2",
        "HEAD v1",
        "GET v1",
        "GET v2",
        "GET v3"
      ])
    })
  )

  live("HEAD with 404 of a tag that was written and has been deleted since shows nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* askedAfterWrite({ forgets: true }), [
        "HEAD v2",
        "HEAD v1",
        "GET v1",
        "GET v2",
        "HEAD v3",
        "GET v3"
      ])
    })
  )

  live("what one repository answers to HEAD is not believed of another repository of the host", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((request, response) =>
        request.method === "HEAD" && request.url?.includes("/proxy/") === true
          ? json(response, 404, {})
          : sendIndex(response, { "docker-content-digest": INDEX.digest })
      )
      const registry = yield* client
      for (const path of ["hosted/app", "proxy/app", "hosted/app"]) {
        const access = { ...accessTo(host), repository: { registry: host, path } }
        assert.isTrue(Option.isSome(yield* registry.head(access, "v1")), path)
      }
      assert.deepStrictEqual(
        seen.map(({ method, url }) => `${method} ${url?.split("/")[2]}`),
        ["HEAD hosted", "HEAD proxy", "GET proxy", "HEAD proxy", "HEAD hosted"]
      )
    })
  )

  for (const [name, second] of [
    ["has passed", 200],
    ["turns into another failure", 429]
  ] as const) {
    live(`a refusal of HEAD that ${name} does not make its repository one that misleads`, () =>
      Effect.gen(function* () {
        let heads = 0
        const { host, seen } = yield* scripted((request, response) => {
          if (request.method === "HEAD") heads += 1
          if (request.method === "HEAD" && heads === 1) return json(response, 403, {})
          if (request.method === "HEAD" && heads === 2 && second === 429) {
            return json(response, 429, {}, { "retry-after": "60" })
          }
          return sendIndex(response, { "docker-content-digest": INDEX.digest })
        })
        const registry = yield* client
        assert.isTrue(Option.isSome(yield* registry.head(accessTo(host), "v1")))
        yield* Effect.ignore(registry.head(accessTo(host), "v2"))
        assert.deepStrictEqual(
          seen.map(({ method }) => method),
          second === 200 ? ["HEAD", "GET", "HEAD", "HEAD"] : ["HEAD", "GET", "HEAD"]
        )
      })
    )
  }

  live("a manifest that was pushed between HEAD and GET does not make its repository one that misleads", () =>
    Effect.gen(function* () {
      let requests = 0
      const { host, seen } = yield* scripted((_, response) => {
        requests += 1
        if (requests === 1) json(response, 404, {})
        else sendIndex(response, { "docker-content-digest": INDEX.digest })
      })
      const registry = yield* client
      for (const tag of ["v1", "v2"]) yield* registry.head(accessTo(host), tag)
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["HEAD", "GET", "HEAD", "HEAD"]
      )
    })
  )

  live("the error of a refused HEAD has the words of the refused GET", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) =>
        request.method === "HEAD"
          ? json(response, 412, {})
          : json(response, 412, errorBody("PROJECTPOLICYVIOLATION", "current image with 3 vulnerabilities"))
      )
      const registry = yield* client
      const error = yield* Effect.flip(registry.head(accessTo(host), "v1"))
      assert.include(error.message, "current image with 3 vulnerabilities")
    })
  )

  for (const [status, exists] of [
    [403, true],
    [405, true],
    [501, true],
    [403, false]
  ] as const) {
    live(`a blob is asked for by GET after ${status} to HEAD, and is ${exists ? "there" : "missing"}`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((request, response) => {
          if (request.method === "HEAD") return json(response, status, {})
          if (!exists) return json(response, 404, {}, { "content-length": "2" })
          assert.strictEqual(request.headers.range, "bytes=0-0")
          response.writeHead(206, { "content-range": "bytes 0-0/9", "content-length": "1" })
          response.end("t")
        })
        const found = yield* (yield* client).hasBlob(accessTo(host), blobOf("the layer"))
        assert.strictEqual(found, exists)
        assert.deepStrictEqual(
          seen.map(({ method }) => method),
          ["HEAD", "GET"]
        )
      })
    )
  }

  live("head gives None if the registry refuses HEAD and has no such manifest", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) =>
        json(response, request.method === "HEAD" ? 405 : 404, errorBody("MANIFEST_UNKNOWN", "no"))
      )
      assert.isTrue(Option.isNone(yield* (yield* client).head(accessTo(host), "v1")))
    })
  )

  live("head gives the media type without its parameters", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        sendIndex(response, { "content-type": `${OCI_INDEX}; charset=utf-8`, "docker-content-digest": INDEX.digest })
      )
      assert.deepStrictEqual(
        yield* (yield* client).head(accessTo(host), "v1"),
        Option.some({ digest: INDEX.digest, mediaType: OCI_INDEX, size: INDEX.size })
      )
    })
  )
})

describe("manifests", () => {
  live("manifest fails if the bytes do not have the requested digest", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => sendIndex(response))
      const other = `sha256:${"1".repeat(64)}`
      yield* failsWith((yield* client).manifest(accessTo(host), other), "DigestMismatch", other, INDEX.digest)
    })
  )

  live("manifest fails if the bytes do not have the digest in the answer's header", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        sendIndex(response, { "docker-content-digest": `sha256:${"1".repeat(64)}` })
      )
      yield* failsWith((yield* client).manifest(accessTo(host), "v1"), "DigestMismatch")
    })
  )

  live("manifest fails if the answer is too large", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(200, { "content-type": OCI_INDEX })
        response.end(Buffer.alloc(4 * 1024 * 1024 + 1, " "))
      })
      yield* failsWith((yield* client).manifest(accessTo(host), "v1"), "InvalidAnswer", "more than")
    })
  )

  live("putManifest fails if the registry stores another digest", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        json(response, 201, {}, { "docker-content-digest": `sha256:${"1".repeat(64)}` })
      )
      yield* failsWith(
        (yield* client).putManifest(accessTo(host), "v1", INDEX),
        "DigestMismatch",
        "changes pushed manifests"
      )
    })
  )
})

/** A registry that requires a token, and its token server. */
const bearerWorld = Effect.fnUntraced(function* (
  answerToken: (request: IncomingMessage, count: number) => { readonly status: number; readonly body: unknown },
  accepts: (header: string | undefined) => boolean = (header) => header?.startsWith(`Bearer ${TOKEN}`) === true
) {
  let count = 0
  const tokens = yield* scripted((request, response) => {
    count += 1
    const { body, status } = answerToken(request, count)
    json(response, status, body)
  })
  const refusals: Array<string> = []
  const registry = yield* startRegistry({
    intercept: (request, response) => {
      if (accepts(request.headers.authorization)) return false
      refusals.push(request.url ?? "")
      json(response, 401, errorBody("UNAUTHORIZED", "authentication required"), {
        "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="the service"`
      })
      return true
    }
  })
  pushSampleImage(registry.store, "team/app", "v1", "seed")
  return { ...registry, refusals, tokens: tokens.seen }
})

describe("Bearer tokens", () => {
  live("a token is requested with the service, the needed scope and the credentials", () =>
    Effect.gen(function* () {
      const { host, tokens } = yield* bearerWorld(() => ({ status: 200, body: { token: TOKEN, expires_in: 300 } }))
      const registry = yield* client
      yield* registry.tags(accessTo(host, USER))
      yield* registry.putBlob(accessTo(host, USER), blobOf("x"), Stream.make(blobOf("x").bytes))
      const asked = tokens.map(({ url }) => new URL(url, "http://x").searchParams)
      assert.deepStrictEqual(
        asked.map((query) => query.get("scope")),
        ["repository:team/app:pull", "repository:team/app:pull,push"]
      )
      for (const query of asked) assert.strictEqual(query.get("service"), "the service")
      for (const { authorization } of tokens) assert.strictEqual(authorization, BASIC)
    })
  )

  live("a token is requested without credentials if there are none, and read from access_token", () =>
    Effect.gen(function* () {
      const { host, tokens } = yield* bearerWorld(() => ({ status: 200, body: { access_token: TOKEN } }))
      assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), ["v1"])
      assert.deepStrictEqual(
        tokens.map(({ authorization }) => authorization),
        [undefined]
      )
    })
  )

  live(
    "credentials are sent only to the token server that a verified registry names, not to one of an impersonated host",
    () =>
      Effect.gen(function* () {
        const elsewhere = yield* scriptedTls((_, response) => json(response, 200, { token: TOKEN }))
        let isAnotherInItsPlace = true
        const { host } = yield* scriptedTls((request, response) => {
          if (isAnotherInItsPlace) {
            const challenge = `Bearer realm="https://${elsewhere.host}/token",service="s"`
            return json(response, 401, errorBody("UNAUTHORIZED", "no"), { "www-authenticate": challenge })
          }
          if (!requireBasic("robot", PASSWORD)(request, response)) json(response, 200, { tags: ["v1"] })
        })
        const registry = yield* client
        yield* failsWith(registry.tags(accessTo(host)), "AuthenticationFailed")
        isAnotherInItsPlace = false
        assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER, true)), ["v1"])
        assert.deepStrictEqual(
          elsewhere.seen.map(({ authorization }) => authorization),
          [undefined]
        )
      })
  )

  live("concurrent requests share one token, and later requests send it at once", () =>
    Effect.gen(function* () {
      const { host, refusals, tokens } = yield* bearerWorld(() => ({
        status: 200,
        body: { token: TOKEN, expires_in: 300 }
      }))
      const registry = yield* client
      const tags = Effect.suspend(() => registry.tags(accessTo(host, USER)))
      yield* Effect.all(
        Array.from({ length: 10 }, () => tags),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(tokens, 1)
      const before = refusals.length
      yield* tags
      assert.strictEqual(refusals.length, before)
      assert.lengthOf(tokens, 1)
    })
  )

  live("different credentials or repositories do not share a token", () =>
    Effect.gen(function* () {
      const { host, store, tokens } = yield* bearerWorld(() => ({
        status: 200,
        body: { token: TOKEN, expires_in: 300 }
      }))
      pushSampleImage(store, "team/other", "v1", "seed")
      const registry = yield* client
      yield* registry.tags(accessTo(host, USER))
      yield* registry.tags(accessTo(host))
      yield* registry.tags({ ...accessTo(host, USER), repository: { registry: host, path: "team/other" } })
      assert.deepStrictEqual(
        tokens.map(({ authorization, url }) => [authorization, new URL(url, "http://x").searchParams.get("scope")]),
        [
          [BASIC, "repository:team/app:pull"],
          [undefined, "repository:team/app:pull"],
          [BASIC, "repository:team/other:pull"]
        ]
      )
    })
  )

  live("a refused token is replaced by a new one", () =>
    Effect.gen(function* () {
      let good = `${TOKEN}-1`
      const { host, tokens } = yield* bearerWorld(
        () => ({ status: 200, body: { token: good, expires_in: 300 } }),
        (header) => header === `Bearer ${good}`
      )
      const registry = yield* client
      yield* registry.tags(accessTo(host, USER))
      good = `${TOKEN}-2`
      assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER)), ["v1"])
      assert.lengthOf(tokens, 2)
    })
  )

  // The time is the TestClock's, so only sockets take real time.
  for (const [name, life, before, after] of [
    ["the time it names", { expires_in: 300 }, 230, 20],
    ["the time it names as a text", { expires_in: "300" }, 230, 20],
    ["60 seconds if it names none", {}, 45, 10],
    ["60 seconds if that is null", { expires_in: null }, 45, 10]
  ] as const) {
    it.effect(`a token is used for most of ${name}`, () =>
      Effect.gen(function* () {
        const { host, refusals, tokens } = yield* bearerWorld(() => ({ status: 200, body: { token: TOKEN, ...life } }))
        const registry = yield* client
        yield* registry.tags(accessTo(host))
        yield* TestClock.adjust(`${before} seconds`)
        yield* registry.tags(accessTo(host))
        assert.lengthOf(tokens, 1)
        yield* TestClock.adjust(`${after} seconds`)
        yield* registry.tags(accessTo(host))
        assert.lengthOf(tokens, 2)
        assert.lengthOf(refusals, 1)
      }).pipe(Effect.provide(RegistryClientHttp.layer()))
    )
  }

  live("a registry that refuses every token causes AuthenticationFailed, not an endless loop", () =>
    Effect.gen(function* () {
      const { host, refusals, tokens } = yield* bearerWorld(
        () => ({ status: 200, body: { token: TOKEN, expires_in: 300 } }),
        () => false
      )
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "AuthenticationFailed", "401", "were refused")
      assert.isAtMost(refusals.length, 2)
      assert.isAtMost(tokens.length, 2)
    })
  )

  live("the error of a wrong password names the registry and its token server", () =>
    Effect.gen(function* () {
      const { host } = yield* bearerWorld(() => ({ status: 401, body: errorBody("UNAUTHORIZED", "wrong password") }))
      yield* failsWith(
        (yield* client).tags(accessTo(host, USER)),
        "AuthenticationFailed",
        `${host}/team/app: `,
        "the credentials for this registry were refused"
      )
    })
  )

  live("the error of a refused anonymous token says that no credentials are configured", () =>
    Effect.gen(function* () {
      const { host } = yield* bearerWorld(() => ({ status: 403, body: errorBody("DENIED", "private") }))
      yield* failsWith((yield* client).tags(accessTo(host)), "AuthenticationFailed", "no credentials")
    })
  )

  for (const [name, body] of [
    ["no token", {}],
    ["an empty token", { token: "" }],
    ["a token that is a number", { token: 7 }]
  ] as const) {
    live(`a token server that answers with ${name} causes InvalidAnswer`, () =>
      Effect.gen(function* () {
        const { host } = yield* bearerWorld(() => ({ status: 200, body }))
        yield* failsWith((yield* client).tags(accessTo(host, USER)), "InvalidAnswer", "without a token")
      })
    )
  }
})

describe("what a credential may read", () => {
  live("a cached manifest is given only to the credential that read it, not to another of the same user name", () =>
    Effect.gen(function* () {
      const { host, store } = yield* startRegistry({ intercept: requireBasic("robot", PASSWORD) })
      const digest = pushSampleImage(store, "team/app", "v1", "seed")
      const registry = yield* client
      yield* registry.manifest(accessTo(host, USER), digest)
      const impostor = { username: "robot", password: Redacted.make("guess") }
      yield* failsWith(registry.manifest(accessTo(host, impostor), digest), "AuthenticationFailed")
    })
  )
})

describe("Basic credentials", () => {
  live("Basic credentials answer a Basic challenge, and later requests send them at once", () =>
    Effect.gen(function* () {
      const { host, requests, store } = yield* startRegistry({ intercept: requireBasic("robot", PASSWORD) })
      pushSampleImage(store, "team/app", "v1", "seed")
      const registry = yield* client
      assert.deepStrictEqual(yield* registry.tags(accessTo(host, USER)), ["v1"])
      assert.lengthOf(requests, 2)
      yield* registry.putBlob(accessTo(host, USER), blobOf("x"), Stream.make(blobOf("x").bytes))
      assert.lengthOf(requests, 4)
    })
  )

  live("wrong Basic credentials are sent once and refused", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* startRegistry({ intercept: requireBasic("robot", "another") })
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "AuthenticationFailed", "401", "were refused")
      assert.lengthOf(requests, 2)
    })
  )

  live("the error of a Basic challenge says that no credentials are configured", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* startRegistry({ intercept: requireBasic("robot", PASSWORD) })
      yield* failsWith((yield* client).tags(accessTo(host)), "AuthenticationFailed", "no credentials for this registry")
      assert.lengthOf(requests, 1)
    })
  )

  live("a host without a challenge gets no Basic credentials", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => json(response, 200, { tags: [] }))
      yield* (yield* client).tags(accessTo(host, USER))
      assert.deepStrictEqual(
        seen.map(({ authorization }) => authorization),
        [undefined]
      )
    })
  )

  live("a 401 without a challenge gets no credentials", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => json(response, 401, {}))
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "AuthenticationFailed", "401")
      assert.lengthOf(seen, 1)
    })
  )

  live("credentials that a registry repeats in its answer are redacted in the message", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) =>
        json(
          response,
          401,
          errorBody("UNAUTHORIZED", `robot has not the password ${PASSWORD}, from ${request.headers.authorization}`),
          { "www-authenticate": 'Basic realm="x"' }
        )
      )
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "AuthenticationFailed", "robot has not the password")
    })
  )
})

describe("redirects", () => {
  live("a redirect to another origin is followed without credentials", () =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      const storage = yield* scripted((_, response) => response.end(blob.bytes))
      const basic = requireBasic("robot", PASSWORD)
      const { host } = yield* scripted((request, response) => {
        if (basic(request, response)) return
        response.writeHead(307, { location: `http://${storage.host}/bucket/${blob.digest}?X-Signature=abc%2Fdef` })
        response.end()
      })
      const chunks = yield* Stream.runCollect((yield* client).blob(accessTo(host, USER), blob))
      assert.isTrue(Buffer.concat(chunks).equals(blob.bytes))
      assert.deepStrictEqual(storage.seen, [
        { method: "GET", url: `/bucket/${blob.digest}?X-Signature=abc%2Fdef`, authorization: undefined }
      ])
    })
  )

  live("a redirect of a token server to another origin is followed without the password", () =>
    Effect.gen(function* () {
      const elsewhere = yield* scripted((_, response) => json(response, 200, { token: TOKEN }))
      const tokens = yield* scripted((_, response) => {
        response.writeHead(302, { location: `http://${elsewhere.host}/token` })
        response.end()
      })
      const { host } = yield* scripted((request, response) =>
        request.headers.authorization === `Bearer ${TOKEN}`
          ? json(response, 200, { tags: ["v1"] })
          : json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token"` })
      )
      yield* (yield* client).tags(accessTo(host, USER))
      assert.deepStrictEqual(
        elsewhere.seen.map(({ authorization }) => authorization),
        [undefined]
      )
    })
  )

  live("an endless chain of redirects fails", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((request, response) => {
        response.writeHead(307, { location: `${request.url ?? ""}x` })
        response.end()
      })
      yield* failsWith((yield* client).tags(accessTo(host)), "InvalidAnswer", "307")
      assert.isAtMost(seen.length, 10)
    })
  )

  live("an upload at another origin gets the bytes without credentials", () =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      const storage = yield* scripted((request, response) => {
        request.resume()
        request.on("end", () => json(response, 201, {}))
      })
      const basic = requireBasic("robot", PASSWORD)
      const { host } = yield* scripted((request, response) => {
        if (!basic(request, response))
          json(response, 202, {}, { location: `http://${storage.host}/upload?state=a%2Bb` })
      })
      yield* (yield* client).putBlob(accessTo(host, USER), blob, Stream.make(blob.bytes))
      const [seen] = storage.seen
      assert.strictEqual(seen?.authorization, undefined)
      const query = new URL(seen?.url ?? "", "http://x").searchParams
      assert.strictEqual(query.get("state"), "a+b")
      assert.strictEqual(query.get("digest"), blob.digest)
    })
  )
})

describe("an upload's place", () => {
  const blob = blobOf("the layer")
  const digest = `digest=${encodeURIComponent(blob.digest)}`
  for (const [location, url] of [
    ["/upload", `/upload?${digest}`],
    ["/upload?", `/upload?${digest}`],
    ["/upload#part", `/upload?${digest}`],
    ["/upload?_state=a%2Fb+c~%7E==&X-Sig=(x)*#part", `/upload?_state=a%2Fb+c~%7E==&X-Sig=(x)*&${digest}`],
    ["/upload?digest=sha256:0", `/upload?${digest}`],
    ["/upload?a=b&digest=sha256:0&my-digest=c", `/upload?a=b&my-digest=c&${digest}`],
    ["/upload?a=b&&c&digest=", `/upload?a=b&&c&${digest}`]
  ] as const) {
    live(`the upload's URL ${location} stays unchanged except for the digest`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((request, response) => {
          request.resume()
          request.on("end", () => json(response, request.method === "PUT" ? 201 : 202, {}, { location }))
        })
        yield* (yield* client).putBlob(accessTo(host), blob, Stream.make(blob.bytes))
        assert.strictEqual(seen.at(-1)?.url, url)
      })
    )
  }
})

describe("uploads in chunks", () => {
  live("an upload in chunks at another origin gets no credentials, whatever that origin answers", () =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      const source = yield* startRegistry()
      source.store.putBlob("team/app", blob.bytes)
      const storage = yield* scripted((request, response) => {
        request.resume()
        request.on("end", () => {
          if (request.method === "PATCH") json(response, 202, {}, { location: "/upload/next" })
          else json(response, request.url?.startsWith("/upload/next") === true ? 201 : 405, {})
        })
      })
      const basic = requireBasic("robot", PASSWORD)
      const { host } = yield* scripted((request, response) => {
        if (!basic(request, response)) json(response, 202, {}, { location: `http://${storage.host}/upload` })
      })
      const registry = yield* client
      yield* registry.copyBlob({ source: accessTo(source.host), destination: accessTo(host, USER), blob })
      assert.includeMembers(
        storage.seen.map(({ method }) => method),
        ["PATCH", "PUT"]
      )
      for (const { authorization } of storage.seen) assert.isUndefined(authorization)
    })
  )
})

describe("an upload's chunks", () => {
  /** Accepts blobs only in chunks of the given minimum size. */
  const chunked = (minimum: string) =>
    scripted((request, response) => {
      request.resume()
      request.on("end", () => {
        const headers = { location: "/upload", "oci-chunk-min-length": minimum }
        if (request.method === "HEAD") json(response, 404, {})
        else if (request.method === "PUT" && request.headers["content-length"] !== "0") json(response, 413, {})
        else json(response, request.method === "PUT" ? 201 : 202, {}, headers)
      })
    })
  const push = (minimum: string) =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      const { host, seen } = yield* chunked(minimum)
      const registry = yield* client
      const source = yield* startRegistry()
      source.store.putBlob("team/app", blob.bytes)
      const copied = registry.copyBlob({ source: accessTo(source.host), destination: accessTo(host), blob })
      return { copied, chunks: () => countOf(seen, "PATCH") }
    })

  for (const minimum of ["33554432", "1e999", "many", "-1"]) {
    live(`a registry that asks for chunks of ${minimum} bytes gets a small blob in one chunk`, () =>
      Effect.gen(function* () {
        const { chunks, copied } = yield* push(minimum)
        yield* copied
        assert.strictEqual(chunks(), 1)
      })
    )
  }

  const MIB = 1024 * 1024

  live("a blob in chunks arrives as a whole, in chunks of the size that a registry asks for", () =>
    Effect.gen(function* () {
      const blob = blobOf("abcdefghijklmnopqrstuvw".repeat(MIB).slice(0, 11 * MIB))
      const source = yield* startRegistry()
      source.store.putBlob("team/app", blob.bytes)
      const ranges: Array<string | undefined> = []
      const received: Array<Buffer> = []
      const { host } = yield* scripted((request, response) => {
        const isChunk = request.method === "PATCH"
        if (isChunk) ranges.push(request.headers["content-range"])
        request.on("data", (bytes: Buffer) => isChunk && received.push(bytes))
        request.on("end", () => {
          const headers = { location: "/upload", "oci-chunk-min-length": String(5 * MIB) }
          if (request.method === "PUT" && request.headers["content-length"] !== "0") json(response, 413, {})
          else json(response, request.method === "PUT" ? 201 : 202, {}, headers)
        })
      })
      yield* (yield* client).copyBlob({ source: accessTo(source.host), destination: accessTo(host), blob })
      assert.deepStrictEqual(ranges, ["0-5242879", "5242880-10485759", "10485760-11534335"])
      assert.isTrue(Buffer.concat(received).equals(blob.bytes))
    })
  )

  /** A registry that sends the first half of a blob of 2 MiB, and the second half when `sendRest` is called. */
  const sendingHalves = Effect.gen(function* () {
    const blob = blobOf("x".repeat(2 * MIB))
    let sendRest = (): void => {}
    const { host } = yield* scripted((_, response) => {
      response.writeHead(200, { "content-length": blob.size })
      response.write(blob.bytes.subarray(0, MIB))
      sendRest = () => {
        if (!response.writableEnded) response.end(blob.bytes.subarray(MIB))
      }
    })
    return { host, blob, sendRest: () => sendRest() }
  })

  live("a chunk is sent while it is read, so that a large chunk takes no memory", () =>
    Effect.gen(function* () {
      const { blob, host: source, sendRest } = yield* sendingHalves
      const { host, seen } = yield* scripted((request, response) => {
        const headers = { location: "/upload", "oci-chunk-min-length": String(32 * MIB) }
        if (request.method === "PUT" && request.headers["content-length"] !== "0") return json(response, 413, {})
        request.on("data", sendRest)
        request.on("end", () => json(response, request.method === "PUT" ? 201 : 202, {}, headers))
      })
      yield* (yield* client).copyBlob({ source: accessTo(source), destination: accessTo(host), blob })
      assert.strictEqual(countOf(seen, "PATCH"), 1)
    })
  )

  live("a registry that answers to a chunk before its end gets nothing more", () =>
    Effect.gen(function* () {
      const { blob, host: source } = yield* sendingHalves
      const { host, seen } = yield* scripted((request, response) => {
        const headers = { location: "/upload" }
        if (request.method === "PUT") return json(response, 413, {})
        json(response, 202, {}, headers)
      })
      const copied = (yield* client).copyBlob({ source: accessTo(source), destination: accessTo(host), blob })
      yield* failsWith(copied, "PushRefused", "before the chunk's end")
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        // HEAD: a refused blob may be there.
        ["POST", "PUT", "POST", "PATCH", "HEAD"]
      )
    })
  )
})

describe("an upload's place by plain HTTP", () => {
  const places = (location: (host: string) => string) =>
    scriptedTls((request, response) => {
      request.resume()
      request.on("end", () => {
        if (request.method === "PUT") json(response, 201, {})
        else json(response, 202, {}, { location: location(request.headers.host ?? "") })
      })
    })
  const blob = blobOf("the layer")

  live("an upload by plain HTTP on the registry's own host is sent by HTTPS", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* places((server) => `http://${server}/upload?state=a%2Bb`)
      yield* (yield* client).putBlob(accessTo(host, undefined, true), blob, Stream.make(blob.bytes))
      assert.strictEqual(seen.at(-1)?.method, "PUT")
      assert.strictEqual(new URL(seen.at(-1)?.url ?? "", "http://x").searchParams.get("state"), "a+b")
    })
  )

  live("an upload by plain HTTP on another host is refused if TLS is required", () =>
    Effect.gen(function* () {
      const storage = yield* scripted((_, response) => json(response, 201, {}))
      const { host } = yield* places(() => `http://${storage.host}/upload`)
      yield* failsWith(
        (yield* client).putBlob(accessTo(host, undefined, true), blob, Stream.make(blob.bytes)),
        "PushRefused",
        storage.host,
        "set tlsVerify: false"
      )
      assert.lengthOf(storage.seen, 0)
    })
  )
})

describe("warnings", () => {
  live("each warning of a registry is given once, for a day, in one line and without secrets", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        json(
          response,
          200,
          { tags: [] },
          { warning: `299 - "say \\"${PASSWORD}\\" no more", 199 - "not this", 299 host "go elsewhere"` }
        )
      )
      const registry = yield* client
      yield* registry.tags(accessTo(host, USER))
      yield* registry.tags(accessTo(host, USER))
      assert.deepStrictEqual(yield* registry.notices(accessTo(host).repository), [
        { message: `${host} says: say "<redacted>" no more` },
        { message: `${host} says: go elsewhere` }
      ])
    })
  )

  for (const [scheme, wanted] of [
    ["Bearer", (host: string) => `Bearer realm="http://${host}/token",service="s"`],
    ["Basic", () => 'Basic realm="r"']
  ] as const) {
    live(`a warning that repeats the ${scheme} authorization of a request is redacted`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* scripted((request, response) => {
          const { authorization, host: own = "" } = request.headers
          if (pathOf(request) === "/token") return json(response, 200, { token: TOKEN })
          if (authorization === undefined) return json(response, 401, {}, { "www-authenticate": wanted(own) })
          const bare = authorization.slice(scheme.length + 1)
          json(response, 200, { tags: [] }, { warning: `299 - "${authorization} is old", 299 - "so is ${bare}"` })
        })
        const registry = yield* client
        yield* registry.tags(accessTo(host, USER))
        assert.strictEqual(seen.at(-1)?.authorization, scheme === "Basic" ? BASIC : `Bearer ${TOKEN}`)
        assert.deepStrictEqual(
          (yield* registry.notices(accessTo(host).repository)).map(({ message }) => message),
          [`${host} says: ${scheme} <redacted> is old`, `${host} says: so is <redacted>`]
        )
      })
    )
  }

  it.effect("a warning that is not repeated for a day is dropped, and there are at most four warnings", () =>
    Effect.gen(function* () {
      let count = 0
      const { host } = yield* scripted((_, response) => {
        count += 1
        json(response, 200, { tags: [] }, count > 9 ? {} : { warning: `299 - "number ${count}"` })
      })
      const registry = yield* client
      for (let round = 0; round < 9; round++) yield* registry.tags(accessTo(host))
      assert.lengthOf(yield* registry.notices(accessTo(host).repository), 4)
      yield* TestClock.adjust("25 hours")
      assert.lengthOf(yield* registry.notices(accessTo(host).repository), 0)
    }).pipe(Effect.provide(RegistryClientHttp.layer()))
  )
})

describe("TLS", () => {
  /** A host that speaks HTTP and TLS on one port while both are enabled. `seen` has the schemes of the requests. */
  const twoFaced = Effect.fnUntraced(function* (isWilling: (tls: boolean) => boolean, answer: RequestListener) {
    const seen: Array<"http" | "https"> = []
    const plain = createHttpServer((request, response) => {
      seen.push("http")
      response.setHeader("connection", "close")
      answer(request, response)
    })
    const tls = createTlsServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
      seen.push("https")
      response.setHeader("connection", "close")
      answer(request, response)
    })
    const server = createNetServer((socket) => {
      socket.on("error", () => socket.destroy())
      socket.once("data", (hello) => {
        // A TLS handshake starts with this byte.
        const isTls = hello[0] === 22
        if (!isWilling(isTls)) return void socket.destroy()
        socket.pause()
        socket.unshift(hello)
        ;(isTls ? tls : plain).emit("connection", socket)
        process.nextTick(() => socket.resume())
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    assert(address !== null && typeof address === "object")
    return { host: `127.0.0.1:${address.port}`, seen }
  })

  live("tlsVerify true requires a trusted certificate", () =>
    Effect.gen(function* () {
      const { host } = yield* scriptedTls((_, response) => json(response, 200, { tags: ["v1"] }))
      assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host, undefined, true)), ["v1"])
    })
  )

  live("a certificate of another host is refused, with the remedy", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scriptedTls((_, response) => json(response, 200, { tags: ["v1"] }))
      const other = host.replace("127.0.0.1", "localhost")
      const registry = yield* client
      yield* failsWith(registry.tags(accessTo(other, USER, true)), "Unreachable", "certificate", "set tlsVerify: false")
      assert.lengthOf(seen, 0)
      assert.deepStrictEqual(yield* registry.tags(accessTo(other, USER, false)), ["v1"])
    })
  )

  live("a host of plain HTTP is refused, with the remedy", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => json(response, 200, { tags: ["v1"] }))
      yield* failsWith((yield* client).tags(accessTo(host, USER, true)), "Unreachable", "set tlsVerify: false")
      assert.lengthOf(seen, 0)
    })
  )

  live("a host that has spoken TLS never gets plain HTTP, although tlsVerify is false", () =>
    Effect.gen(function* () {
      let healthy = true
      const { host, plaintext } = yield* scriptedTls((request, response) => {
        if (!healthy) return void request.socket.destroy()
        if (!requireBasic("robot", PASSWORD)(request, response)) json(response, 200, { tags: ["v1"] })
      })
      const registry = yield* client
      yield* registry.tags(accessTo(host, USER))
      healthy = false
      yield* failsWith(registry.tags(accessTo(host, USER)), "Unreachable")
      assert.strictEqual(plaintext(), 0)
    })
  )

  live("TLS is tried again if a host without TLS stops answering plain HTTP", () =>
    Effect.gen(function* () {
      let speaksTls = false
      const { host, seen } = yield* twoFaced(
        (tls) => tls === speaksTls,
        (_, response) => json(response, 200, { tags: ["v1"] })
      )
      const registry = yield* client
      yield* registry.tags(accessTo(host))
      yield* registry.tags(accessTo(host))
      speaksTls = true
      yield* registry.tags(accessTo(host))
      assert.deepStrictEqual(seen, ["http", "http", "https"])
    })
  )

  live("a host that redirects from plain HTTP to HTTPS gets only HTTPS from then on", () =>
    Effect.gen(function* () {
      let falters = true
      const { host, seen } = yield* twoFaced(
        (tls) => !(tls && falters),
        (request, response) => {
          falters = false
          if (request.socket instanceof TLSSocket) return json(response, 200, { tags: ["v1"] })
          json(response, 301, {}, { location: `https://${request.headers.host}${request.url}` })
        }
      )
      const registry = yield* client
      yield* registry.tags(accessTo(host))
      yield* registry.tags(accessTo(host))
      assert.deepStrictEqual(seen, ["http", "https", "https"])
    })
  )

  live("a token server that gets the password must use TLS", () =>
    Effect.gen(function* () {
      const tokens = yield* scripted((_, response) => json(response, 200, { token: TOKEN }))
      const { host } = yield* scriptedTls((_, response) =>
        json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="s"` })
      )
      yield* failsWith(
        (yield* client).tags(accessTo(host, USER, true)),
        "AuthenticationFailed",
        `http://${tokens.host}/token`,
        "no credentials were sent there"
      )
      assert.lengthOf(tokens.seen, 0)
    })
  )

  live("the error of a token server that answers with a page says so", () =>
    Effect.gen(function* () {
      const tokens = yield* scripted((_, response) => {
        response.writeHead(200, { "content-type": "text/html" })
        response.end("<html>Please log in</html>")
      })
      const { host } = yield* scripted((_, response) =>
        json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="s"` })
      )
      yield* failsWith((yield* client).tags(accessTo(host)), "InvalidAnswer", "with a page instead of a token")
    })
  )

  live("a realm that is not a URL is refused", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) =>
        json(response, 401, {}, { "www-authenticate": 'Bearer realm="/token"' })
      )
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "AuthenticationFailed", "/token")
    })
  )
})

describe("answers that are no success", () => {
  const answering = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    scripted((_, response) => json(response, status, body, headers))

  for (const [status, code, kind, asked, words] of [
    [403, "DENIED", "AuthenticationFailed", 1, ["403 DENIED", "no credentials"]],
    [404, "NAME_UNKNOWN", "NotFound", 1, ["404 NAME_UNKNOWN: the registry's words"]],
    [400, "UNSUPPORTED", "InvalidAnswer", 3, ["400", "the registry's words"]],
    [412, "PRECONDITION", "BlockedByRegistry", 1, ["412", "the registry's words", "the credentials are not the cause"]],
    [418, "TEAPOT", "InvalidAnswer", 1, ["418 TEAPOT: the registry's words"]]
  ] as const) {
    live(`the status ${status} is ${kind} after ${asked} requests, because 400 may be about the page size`, () =>
      Effect.gen(function* () {
        const { host, seen } = yield* answering(status, errorBody(code, "the registry's words"))
        yield* failsWith((yield* client).tags(accessTo(host)), kind, ...words)
        assert.lengthOf(seen, asked)
      })
    )
  }

  live(
    "an unexpected answer without the specification's errors causes the question whether the host is a registry",
    () =>
      Effect.gen(function* () {
        const { host } = yield* answering(418, { teapot: true })
        yield* failsWith((yield* client).tags(accessTo(host)), "InvalidAnswer", `is ${host} a container registry?`)
      })
  )

  it.effect("the status 429 is RateLimited, with the time that the registry names", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 10, 24, 12, 0, 0))
      for (const [header, millis, until] of [
        ["7", 7_000, "12:00:07Z"],
        ["Tue, 24 Nov 2026 12:00:30 GMT", 30_000, "12:00:30Z"],
        ["1m30s", 90_000, "12:01:30Z"],
        ["2400h", 6 * 3_600_000, "18:00:00Z"]
      ] as const) {
        const { host, seen } = yield* answering(429, errorBody("TOOMANYREQUESTS", "slow down"), {
          "retry-after": header
        })
        const error = yield* failsWith(
          (yield* client).head(accessTo(host), "v1"),
          "RateLimited",
          "429",
          `rate limited by the registry; next request at 2026-11-24T${until}`
        )
        assert.strictEqual(error.until, Date.UTC(2026, 10, 24, 12, 0, 0) + millis)
        // A client that repeats the request during its wait is given a longer wait.
        assert.lengthOf(seen, 1)
      }
    }).pipe(Effect.provide(RegistryClientHttp.layer()))
  )

  live("a read that fails with 500 is retried twice", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* answering(503, "overloaded")
      yield* failsWith((yield* client).tags(accessTo(host)), "ServerError", "503")
      assert.lengthOf(seen, 3)
    })
  )

  live("a read succeeds if a retry succeeds after 500", () =>
    Effect.gen(function* () {
      let count = 0
      const { host } = yield* scripted((_, response) => {
        count += 1
        if (count < 3) json(response, 500, {})
        else json(response, 200, { tags: ["v1"] })
      })
      assert.deepStrictEqual(yield* (yield* client).tags(accessTo(host)), ["v1"])
    })
  )

  live("a write that fails with 500 is not retried", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* answering(500, errorBody("UNKNOWN", "disk full"))
      const registry = yield* client
      yield* failsWith(registry.putManifest(accessTo(host), "v1", INDEX), "ServerError", "disk full")
      assert.strictEqual(countOf(seen, "PUT"), 1)
      yield* failsWith(registry.putBlob(accessTo(host), blobOf("x"), Stream.make(blobOf("x").bytes)), "ServerError")
      assert.strictEqual(countOf(seen, "POST"), 1)
    })
  )

  live("the registry's text is cut to one line of limited length in the message", () =>
    Effect.gen(function* () {
      const { host } = yield* answering(404, {
        errors: Array.from({ length: 50 }, (_, index) => ({
          code: `CODE\n${index}`,
          message: `line one\r\nline two ${"x".repeat(500)}`
        }))
      })
      yield* failsWith((yield* client).tags(accessTo(host)), "NotFound", "line one line two")
    })
  )

  live("HTML or a body that is too large is left out of the message", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(404, { "content-type": "text/html" })
        response.end(`<html>${"x".repeat(1024 * 1024)}</html>`)
      })
      const error = yield* failsWith((yield* client).tags(accessTo(host)), "NotFound", "404")
      assert.notInclude(error.message, "<html>")
    })
  )
})

describe("uploads that are refused", () => {
  const blob = blobOf("the layer")
  const upload = Effect.fnUntraced(function* (intercept: Intercept) {
    const { host, store } = yield* startRegistry({ intercept })
    return { host, store, put: (yield* client).putBlob(accessTo(host), blob, Stream.make(blob.bytes)) }
  })
  /** Answers one method with a status and an error code. The registry answers all other requests. */
  const refusing =
    (method: string, status: number, code: string): Intercept =>
    (request, response) => {
      if (request.method !== method) return false
      json(response, status, errorBody(code, "the registry's words"))
      return true
    }

  for (const [status, code, kind, word] of [
    [404, "NAME_UNKNOWN", "DestinationRepositoryMissing", "create the repository team/app first"],
    [404, "BLOB_UPLOAD_UNKNOWN", "UploadLost", "BLOB_UPLOAD_UNKNOWN"],
    [403, "DENIED", "AuthenticationFailed", "no credentials"],
    [405, "UNSUPPORTED", "PushRefused", "405"],
    [413, "SIZE_INVALID", "PushRefused", "the registry's words"],
    [400, "DIGEST_INVALID", "DigestMismatch", "the registry's words"],
    [429, "TOOMANYREQUESTS", "RateLimited", "rate limited by the registry"]
  ] as const) {
    for (const method of ["POST", "PUT"]) {
      live(`an upload whose ${method} is refused with ${status} ${code} fails with ${kind}`, () =>
        Effect.gen(function* () {
          const { put, store } = yield* upload(refusing(method, status, code))
          yield* failsWith(put, kind, word)
          assert.isUndefined(store.blob("team/app", blob.digest))
        })
      )
    }
  }

  live("an upload session without a URL causes PushRefused", () =>
    Effect.gen(function* () {
      const { put } = yield* upload((_, response) => {
        json(response, 202, {})
        return true
      })
      yield* failsWith(put, "PushRefused", "202")
    })
  )

  live("an upload session with a broken URL causes PushRefused", () =>
    Effect.gen(function* () {
      const { put } = yield* upload((_, response) => {
        json(response, 202, {}, { location: "http://[nowhere" })
        return true
      })
      yield* failsWith(put, "PushRefused")
    })
  )

  live(
    "a manifest for a missing repository causes DestinationRepositoryMissing if users must create repositories",
    () =>
      Effect.gen(function* () {
        const { host } = yield* startRegistry({ intercept: refusing("PUT", 404, "NAME_UNKNOWN") })
        yield* failsWith(
          (yield* client).putManifest(accessTo(host), "v1", INDEX),
          "DestinationRepositoryMissing",
          "team/app"
        )
      })
  )
})

describe("blobs", () => {
  live("a blob with other bytes fails at its end", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => response.end("The layer"))
      const read = Stream.runDrain((yield* client).blob(accessTo(host), blobOf("the layer")))
      yield* failsWith(read, "DigestMismatch", "has bytes of")
    })
  )

  live("a blob that is too short fails at its end", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => response.end("the"))
      const read = Stream.runDrain((yield* client).blob(accessTo(host), blobOf("the layer")))
      yield* failsWith(read, "DigestMismatch", "3 bytes instead of 9")
    })
  )

  live("a blob that does not end fails as soon as it is too long", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(200)
        response.write(Buffer.alloc(100_000))
      })
      const read = Stream.runDrain((yield* client).blob(accessTo(host), blobOf("the layer")))
      yield* failsWith(read, "DigestMismatch", "more bytes than its 9")
    })
  )

  live("a blob whose connection breaks off causes Unreachable", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request, response) => {
        response.writeHead(200, { "content-length": "9" })
        response.write("the")
        setImmediate(() => request.socket.destroy())
      })
      const read = Stream.runDrain((yield* client).blob(accessTo(host), blobOf("the layer")))
      yield* failsWith(read, "Unreachable", "broke off")
    })
  )

  live("a blob that stands still causes Unreachable", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(200, { "content-length": "9" })
        response.write("the")
      })
      const read = Stream.runDrain((yield* client).blob(accessTo(host), blobOf("the layer")))
      yield* failsWith(read, "Unreachable", "brought no byte for 1m")
    })
  )

  live("an upload that stands still causes Unreachable", () =>
    Effect.gen(function* () {
      const { host } = yield* startRegistry({ intercept: (request) => request.method === "PUT" })
      const blob = blobOf("the layer")
      const registry = yield* client
      yield* failsWith(registry.putBlob(accessTo(host), blob, Stream.make(blob.bytes)), "Unreachable", "sent no byte")
      yield* failsWith(registry.putBlob(accessTo(host), blob, Stream.never), "Unreachable", "sent no byte")
    })
  )

  live("an upload whose first answer does not end causes Unreachable", () =>
    Effect.gen(function* () {
      const blob = blobOf("the layer")
      for (const status of [202, 400]) {
        const { host } = yield* scripted((_, response) => {
          response.writeHead(status, { location: "/upload" })
          response.write("never ")
        })
        const put = (yield* client).putBlob(accessTo(host), blob, Stream.make(blob.bytes))
        yield* failsWith(Effect.timeoutOrElse(put, { duration: "5 minutes", orElse: () => Effect.void }), "Unreachable")
      }
    })
  )
})

describe("hosts that do not answer", () => {
  const silent = scripted(() => undefined)
  /** Starts an answer that never ends. */
  const endless = (status: number) =>
    scripted((_, response) => {
      response.writeHead(status, { "content-type": "application/json" })
      response.write(`{"tags": [`)
    })

  live("a host that sends no answer is Unreachable after two retries of a read", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* silent
      const registry = yield* client
      yield* failsWith(registry.tags(accessTo(host)), "Unreachable", "no complete answer within 1m")
      assert.isAtMost(seen.length, 3)
      yield* failsWith(registry.head(accessTo(host), "v1"), "Unreachable")
      yield* failsWith(registry.manifest(accessTo(host), "v1"), "Unreachable")
      yield* failsWith(registry.hasBlob(accessTo(host), blobOf("x")), "Unreachable")
      yield* failsWith(Stream.runDrain(registry.blob(accessTo(host), blobOf("x"))), "Unreachable")
      yield* failsWith(registry.putManifest(accessTo(host), "v1", INDEX), "Unreachable")
      assert.strictEqual(countOf(seen, "PUT"), 1)
      yield* failsWith(registry.putBlob(accessTo(host), blobOf("x"), Stream.make(blobOf("x").bytes)), "Unreachable")
      assert.strictEqual(countOf(seen, "POST"), 1)
    })
  )

  for (const status of [200, 404, 500]) {
    live(`a host whose answer with ${status} does not end is Unreachable`, () =>
      Effect.gen(function* () {
        const { host } = yield* endless(status)
        yield* failsWith((yield* client).tags(accessTo(host)), "Unreachable", "no complete answer")
      })
    )
  }

  live("a token server that does not answer is Unreachable", () =>
    Effect.gen(function* () {
      const tokens = yield* silent
      const { host } = yield* scripted((_, response) =>
        json(response, 401, {}, { "www-authenticate": `Bearer realm="http://${tokens.host}/token"` })
      )
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "Unreachable")
    })
  )

  live("a port without a listener is Unreachable, with the remedy", () =>
    Effect.gen(function* () {
      // The port's server has just stopped.
      const { host } = yield* Effect.scoped(scripted(() => undefined))
      const registry = yield* client
      for (const tlsVerify of [true, false]) {
        yield* failsWith(
          registry.tags(accessTo(host, USER, tlsVerify)),
          "Unreachable",
          "nothing listens at the address"
        )
      }
    })
  )

  live("a host name that does not resolve is Unreachable, with the remedy", () =>
    Effect.gen(function* () {
      // A label of 64 letters is too long for DNS, so no resolver is asked.
      const access = accessTo(`${"a".repeat(64)}.invalid`, USER, true)
      yield* failsWith((yield* client).tags(access), "Unreachable", "the host name does not resolve")
    })
  )

  live("a host that closes the connection is Unreachable", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((request) => void request.socket.destroy())
      yield* failsWith((yield* client).tags(accessTo(host, USER)), "Unreachable", "GET /v2/team/app/tags/list")
    })
  )
})

describe("requests", () => {
  live("a request has a User-Agent and no headers of traces", () =>
    Effect.gen(function* () {
      let headers: IncomingMessage["headers"] = {}
      const { host } = yield* scripted((request, response) => {
        headers = request.headers
        json(response, 200, { tags: [] })
      })
      yield* Effect.withSpan((yield* client).tags(accessTo(host)), "a span of the operator's")
      assert.strictEqual(headers["user-agent"], "skopeo-operator")
      for (const name of ["traceparent", "b3", "tracestate"]) assert.notProperty(headers, name)
    })
  )

  live("interrupting a request ends it at the registry too", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const { host } = yield* scripted((_, response) => {
        Deferred.doneUnsafe(arrived, Effect.void)
        response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
      })
      const fiber = yield* Effect.forkChild((yield* client).tags(accessTo(host)))
      yield* Deferred.await(arrived)
      yield* Fiber.interrupt(fiber)
      yield* Effect.timeout(Deferred.await(closed), "5 seconds")
    })
  )
})
