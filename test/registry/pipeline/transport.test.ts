/** Requests through proxies, with a private authority, and redirects from HTTPS to HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, Stream } from "effect"
import { contextTrusting, parseBundle } from "../../../src/http/certificates.ts"
import { digestOf } from "../../../src/oci/Digest.ts"
import { requireBasic, startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { OCI_MANIFEST } from "../../../src/oci/Manifest.ts"
import { parseProxy, type Proxies } from "../../../src/http/Proxy.ts"
import { RegistryClient, type RepositoryAccess } from "../../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { makeAuthority } from "../../support/certificates.ts"
import { type ConnectProxyOptions, startProxy } from "../../support/ConnectProxy.ts"
import { itOnSockets } from "../../support/passTimeWhenIdle.ts"
import { accessTo, failsWith, PASSWORD, TOKEN, USER } from "../../support/registryClient.ts"
import { rawServer } from "../../support/RawServer.ts"
import { errorBody, json, scripted } from "../../support/ScriptedServer.ts"

const AUTHORITY = makeAuthority()
const SERVER = AUTHORITY.issue(["registry.test", "tokens.test", "storage.test", "127.0.0.1"])
const CERTIFICATES = [AUTHORITY.certificate]
/** The token server of the registry gets its credentials, by plain HTTP too. */
const TRUSTING = {
  certificates: CERTIFICATES,
  plainHttp: "registry.test,tokens.test",
  tokenServers: new Map([["registry.test", new Set(["tokens.test"])]])
}
const CONTENT = Buffer.from("{}")
const MANIFEST = { bytes: CONTENT, digest: digestOf(CONTENT), mediaType: OCI_MANIFEST, size: CONTENT.length }
const PROXY_PASSWORD = "s3cret-of-the-proxy"

/** One proxy for both variables. */
const through = (address: string, noProxy?: string): Proxies => ({
  https: Result.getOrThrow(parseProxy("HTTPS_PROXY", address)),
  http: Result.getOrThrow(parseProxy("HTTP_PROXY", address)),
  ...(noProxy === undefined ? {} : { noProxy })
})

const trusted = (access: RepositoryAccess): RepositoryAccess => ({ ...access, tlsVerify: true })

/** A registry with a token server and a storage for blobs. Only the proxy resolves their names. */
const world = Effect.fnUntraced(function* (tls: boolean, options: Omit<ConnectProxyOptions, "place"> = {}) {
  const hosts: Record<string, string> = {}
  const proxy = yield* startProxy({ ...options, place: (target) => hosts[target] })
  const scheme = tls ? "https" : "http"
  const certificate = tls ? SERVER : undefined
  const bytes = Buffer.from("a layer that stands elsewhere")
  const storage = yield* scripted((_, response) => {
    response.writeHead(200, { "content-length": String(bytes.length) })
    response.end(bytes)
  }, certificate)
  const tokens = yield* scripted((request, response) => {
    if (!requireBasic("robot", PASSWORD)(request, response)) json(response, 200, { token: TOKEN })
  }, certificate)
  const registry = yield* startRegistry({
    ...(certificate === undefined ? {} : { tls: certificate }),
    intercept: (request, response) => {
      if (request.headers.authorization !== `Bearer ${TOKEN}`) {
        json(response, 401, errorBody("UNAUTHORIZED", "who are you"), {
          "www-authenticate": `Bearer realm="${scheme}://tokens.test/token",service="s"`
        })
        return true
      }
      if (request.method !== "GET" || request.url !== `/v2/team/app/blobs/${digestOf(bytes)}`) return false
      response.writeHead(307, { location: `${scheme}://storage.test/bucket/layer?signature=a%2Fb` })
      response.end()
      return true
    }
  })
  pushSampleImage(registry.store, "team/app", "v1", "seed")
  const port = tls ? 443 : 80
  hosts[`registry.test:${port}`] = registry.host
  hosts[`tokens.test:${port}`] = tokens.host
  hosts[`storage.test:${port}`] = storage.host
  return { proxy, registry, storage, tokens, bytes, blob: { digest: digestOf(bytes), size: bytes.length } }
})

describe("a proxy", () => {
  for (const tls of [true, false]) {
    itOnSockets(
      `a proxy is used for a registry by ${tls ? "HTTPS" : "HTTP"}, for its tokens and its blobs, in both directions`,
      () =>
        Effect.gen(function* () {
          const { blob, bytes, proxy, registry, storage, tokens } = yield* world(tls, {
            credential: `proxy-user:${PROXY_PASSWORD}`
          })
          const layer = RegistryClientHttp.layer({
            ...TRUSTING,
            proxies: through(`http://proxy-user:${PROXY_PASSWORD}@${proxy.host}`)
          })
          const access = { ...accessTo("registry.test", USER), tlsVerify: tls }
          const destination = yield* startRegistry()
          yield* Effect.gen(function* () {
            const client = yield* RegistryClient
            assert.deepStrictEqual(yield* client.tags(access), ["v1"])
            const chunks = yield* Stream.runCollect(client.blob(access, blob))
            assert.isTrue(Buffer.concat(chunks).equals(bytes))
            yield* client.copyBlob({ source: access, destination: accessTo(destination.host), blob })
            assert.isDefined(destination.store.blob("team/app", blob.digest))
            yield* client.putBlob(access, blob, Stream.make(bytes))
            assert.isDefined(registry.store.blob("team/app", blob.digest))
          }).pipe(Effect.provide(layer))
          assert.isAbove(tokens.seen.length, 0)
          assert.isAbove(storage.seen.length, 1)
          for (const { authorization, url } of storage.seen) {
            assert.isUndefined(authorization)
            assert.strictEqual(url, "/bucket/layer?signature=a%2Fb")
          }
          const ways = new Set(proxy.seen.map((line) => (tls ? line : (line.split("/v2/")[0] ?? ""))))
          if (tls) {
            assert.deepStrictEqual([...ways].sort(), [
              "CONNECT registry.test:443",
              "CONNECT storage.test:443",
              "CONNECT tokens.test:443"
            ])
          } else {
            assert.include([...ways], "GET http://registry.test")
            assert.include([...ways], "PUT http://registry.test")
            assert.include([...ways], "GET http://storage.test/bucket/layer")
            assert.include([...ways], "GET http://tokens.test/token")
          }
        })
    )
  }

  for (const [status, words] of [
    [407, "requires a user and password"],
    [502, "refuses to connect to the host (502)"],
    [403, "refuses to connect to the host (403)"]
  ] as const) {
    itOnSockets(`a proxy that answers ${status} is named, with its variable and without its password`, () =>
      Effect.gen(function* () {
        const { proxy } = yield* world(true, { refusal: status })
        const layer = RegistryClientHttp.layer({
          proxies: through(`http://proxy-user:${PROXY_PASSWORD}@${proxy.host}`)
        })
        const error = yield* Effect.gen(function* () {
          return yield* failsWith(
            (yield* RegistryClient).tags(trusted(accessTo("registry.test", USER))),
            "Unreachable",
            `the proxy ${proxy.host} (HTTPS_PROXY)`,
            words
          )
        }).pipe(Effect.provide(layer))
        assert.notInclude(error.message, PROXY_PASSWORD)
      })
    )
  }

  itOnSockets("an http: proxy that does not connect to the host is named, because nothing else is known", () =>
    Effect.gen(function* () {
      const { proxy } = yield* world(false, { refusal: 502 })
      yield* Effect.gen(function* () {
        yield* failsWith(
          (yield* RegistryClient).tags(accessTo("registry.test")),
          "Unreachable",
          `the proxy ${proxy.host} (HTTP_PROXY)`,
          "answered 502"
        )
      }).pipe(Effect.provide(RegistryClientHttp.layer({ proxies: through(`http://${proxy.host}`) })))
    })
  )

  itOnSockets("an http: proxy that requires a password is named", () =>
    Effect.gen(function* () {
      const { proxy } = yield* world(false, { refusal: 407 })
      yield* Effect.gen(function* () {
        yield* failsWith(
          (yield* RegistryClient).tags(accessTo("registry.test")),
          "Unreachable",
          `the proxy ${proxy.host} (HTTP_PROXY)`,
          "requires a user and password"
        )
      }).pipe(Effect.provide(RegistryClientHttp.layer({ proxies: through(`http://${proxy.host}`) })))
    })
  )

  itOnSockets("a proxy that is not listening is named as the failed connection", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(startProxy({ place: () => undefined }))
      yield* Effect.gen(function* () {
        yield* failsWith(
          (yield* RegistryClient).tags(trusted(accessTo("registry.test", USER))),
          "Unreachable",
          `the proxy ${gone.host} (HTTPS_PROXY)`,
          "nothing listens at the address"
        )
      }).pipe(Effect.provide(RegistryClientHttp.layer({ proxies: through(`http://${gone.host}`) })))
    })
  )

  for (const tls of [true, false]) {
    itOnSockets(`an https: proxy connects to hosts by ${tls ? "HTTPS" : "HTTP"}, and gets its password by TLS`, () =>
      Effect.gen(function* () {
        const { blob, bytes, proxy } = yield* world(tls, {
          tls: AUTHORITY.issue(["127.0.0.1"]),
          credential: `proxy-user:${PROXY_PASSWORD}`
        })
        const destination = yield* startRegistry()
        yield* Effect.gen(function* () {
          const client = yield* RegistryClient
          const access = { ...accessTo("registry.test", USER), tlsVerify: tls }
          assert.deepStrictEqual(yield* client.tags(access), ["v1"])
          yield* client.copyBlob({ source: access, destination: accessTo(destination.host), blob })
          assert.isTrue(bytes.equals(destination.store.blob("team/app", blob.digest) ?? new Uint8Array()))
        }).pipe(
          Effect.provide(
            RegistryClientHttp.layer({
              ...TRUSTING,
              proxies: through(`https://proxy-user:${PROXY_PASSWORD}@${proxy.host}`)
            })
          )
        )
      })
    )

    itOnSockets(
      `an https: proxy needs a certificate of its own name, for hosts by ${tls ? "HTTPS" : "HTTP"}, even with tlsVerify false`,
      () =>
        Effect.gen(function* () {
          const { proxy } = yield* world(tls, { tls: AUTHORITY.issue(["registry.test"]) })
          yield* Effect.gen(function* () {
            for (const tlsVerify of [true, false]) {
              const access = { ...accessTo("registry.test", USER), tlsVerify }
              yield* failsWith((yield* RegistryClient).tags(access), "Unreachable", "certificate is not trusted")
            }
          }).pipe(
            Effect.provide(
              RegistryClientHttp.layer({ certificates: CERTIFICATES, proxies: through(`https://${proxy.host}`) })
            )
          )
          assert.lengthOf(proxy.seen, 0)
        })
    )
  }

  itOnSockets("a host behind a proxy needs a certificate of its own name, unless tlsVerify is false", () =>
    Effect.gen(function* () {
      const other = yield* startRegistry({ tls: AUTHORITY.issue(["other.test"]) })
      pushSampleImage(other.store, "team/app", "v1", "seed")
      const proxy = yield* startProxy({ place: () => other.host })
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        const access = accessTo("registry.test")
        yield* failsWith(client.tags(trusted(access)), "Unreachable", "certificate is not trusted")
        assert.deepStrictEqual(yield* client.tags(access), ["v1"])
        yield* failsWith(client.tags(trusted(access)), "Unreachable", "certificate is not trusted")
        assert.deepStrictEqual(yield* client.tags(trusted(accessTo("other.test"))), ["v1"])
      }).pipe(
        Effect.provide(
          RegistryClientHttp.layer({ certificates: CERTIFICATES, proxies: through(`http://${proxy.host}`) })
        )
      )
    })
  )

  itOnSockets("an http: proxy gets only the host and port of a request by HTTPS", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const proxy = yield* rawServer((socket, head) => {
        lines.push(head.split("\r\n")[0] ?? "")
        socket.write(
          lines.length === 1
            ? "HTTP/1.1 307 Elsewhere\r\nlocation: http://user:secret@storage.test/list?a=b#part\r\ncontent-length: 0\r\n\r\n"
            : 'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"tags":[]}'
        )
      })
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* (yield* RegistryClient).tags(accessTo("registry.test")), [])
      }).pipe(
        Effect.provide(
          RegistryClientHttp.layer({ proxies: { http: Result.getOrThrow(parseProxy("HTTP_PROXY", proxy.host)) } })
        )
      )
      assert.strictEqual(lines[1], "GET http://storage.test/list?a=b HTTP/1.1")
    })
  )

  itOnSockets("a proxy gets addresses and ports as users write them", () =>
    Effect.gen(function* () {
      const proxy = yield* startProxy({ place: () => undefined })
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        for (const host of ["[2001:db8::1]", "[2001:db8::1]:5000", "203.0.113.7:443", "registry.test:5000"]) {
          yield* failsWith(client.putManifest(trusted(accessTo(host)), "v1", MANIFEST), "Unreachable", "(502)")
        }
        yield* failsWith(client.putManifest(accessTo("[2001:db8::1]:5000"), "v1", MANIFEST), "Unreachable", "502")
      }).pipe(Effect.provide(RegistryClientHttp.layer({ proxies: through(`http://${proxy.host}`) })))
      assert.deepStrictEqual(proxy.seen, [
        "CONNECT [2001:db8::1]:443",
        "CONNECT [2001:db8::1]:5000",
        "CONNECT 203.0.113.7:443",
        "CONNECT registry.test:5000",
        "CONNECT [2001:db8::1]:5000",
        "PUT http://[2001:db8::1]:5000/v2/team/app/manifests/v1"
      ])
    })
  )

  itOnSockets("a proxy is not used for hosts of NO_PROXY and of this machine", () =>
    Effect.gen(function* () {
      const { proxy, registry } = yield* world(true)
      const layer = RegistryClientHttp.layer({
        certificates: CERTIFICATES,
        proxies: through(`http://${proxy.host}`, "127.0.0.0/8")
      })
      yield* Effect.gen(function* () {
        yield* Effect.result((yield* RegistryClient).tags(trusted(accessTo(registry.host))))
      }).pipe(Effect.provide(layer))
      assert.isAbove(registry.requests.length, 0)
      assert.isFalse(proxy.seen.some((line) => line.includes("127.0.0.1")))
    })
  )
})

describe("a private authority", () => {
  itOnSockets("a configured authority is trusted, by both readers of bodies", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from("a layer")
      const source = yield* startRegistry({ tls: SERVER })
      const destination = yield* startRegistry({ tls: SERVER })
      pushSampleImage(source.store, "team/app", "v1", "seed")
      source.store.putBlob("team/app", bytes)
      const blob = { digest: digestOf(bytes), size: bytes.length }
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        assert.isTrue(Option.isSome(yield* client.head(trusted(accessTo(source.host)), "v1")))
        yield* client.copyBlob({
          source: trusted(accessTo(source.host)),
          destination: trusted(accessTo(destination.host)),
          blob
        })
      }).pipe(Effect.provide(RegistryClientHttp.layer({ certificates: CERTIFICATES })))
      assert.isDefined(destination.store.blob("team/app", blob.digest))
    })
  )

  itOnSockets("an authority that is not configured is not trusted, and the message names the variable", () =>
    Effect.gen(function* () {
      const { host, requests } = yield* startRegistry({ tls: SERVER })
      for (const certificates of [[], [makeAuthority("another").certificate]]) {
        yield* Effect.gen(function* () {
          yield* failsWith(
            (yield* RegistryClient).tags(trusted(accessTo(host, USER))),
            "Unreachable",
            "certificate is not trusted",
            "REGISTRY_CA_FILE"
          )
        }).pipe(Effect.provide(RegistryClientHttp.layer({ certificates })))
      }
      assert.lengthOf(requests, 0)
    })
  )
})

describe("contextTrusting", () => {
  it("clients that trust the same certificates share one TLS context", () => {
    const other = makeAuthority("another").certificate
    const context = contextTrusting([AUTHORITY.certificate])
    assert.strictEqual(contextTrusting([AUTHORITY.certificate]), context)
    assert.notStrictEqual(contextTrusting([other]), context)
    assert.notStrictEqual(contextTrusting([AUTHORITY.certificate, other]), context)
  })
})

describe("parseBundle", () => {
  const other = makeAuthority("another").certificate
  const cut = `${other.slice(0, 200)}\n`

  it("parseBundle finds every certificate, whatever text is between them", () => {
    const found = Result.getOrThrow(parseBundle(`# ours\n${AUTHORITY.certificate}\nsubject: x\n${other}`))
    assert.lengthOf(found, 2)
  })

  for (const [name, text, words] of [
    ["nothing", "", "no certificate was found"],
    ["a key", AUTHORITY.key, "no certificate was found"],
    ["a certificate that was cut off", AUTHORITY.certificate + cut, "certificate 2 of 2"],
    ["something else by that name", AUTHORITY.certificate.replace(/^M/mu, "N"), "certificate 1 of 1"]
  ] as const) {
    it(`parseBundle refuses ${name}`, () => {
      assert.include(Result.getOrThrow(Result.flip(parseBundle(text))), words)
    })
  }
})

describe("a redirect from HTTPS to HTTP", () => {
  itOnSockets("a redirect from HTTPS to plain HTTP is followed only with tlsVerify false", () =>
    Effect.gen(function* () {
      const plain = yield* scripted((_, response) => json(response, 200, { tags: ["v1"] }))
      const { host } = yield* scripted((_, response) => {
        response.writeHead(302, { location: `http://${plain.host}/elsewhere` })
        response.end()
      }, SERVER)
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        yield* failsWith(client.tags(trusted(accessTo(host))), "InvalidAnswer", plain.host, "set tlsVerify: false")
        assert.lengthOf(plain.seen, 0)
        assert.deepStrictEqual(yield* client.tags(accessTo(host)), ["v1"])
      }).pipe(Effect.provide(RegistryClientHttp.layer({ certificates: CERTIFICATES })))
    })
  )
})

describe("a registry of a public address", () => {
  const PRIVATE = "10.9.8.7"

  /**
   * A registry whose name is resolved by a proxy, as that of any public registry. It refers to this machine, or to a
   * private address behind the proxy, by the redirect of a blob, by its token server, or by the URL of an upload.
   */
  const leading = Effect.fnUntraced(function* (privateHosts?: string) {
    const bytes = Buffer.from("what only this machine can reach")
    const inside = yield* scripted(
      (request, response) => {
        request.resume()
        if (request.method === "GET" && request.url?.startsWith("/token") === true)
          json(response, 200, { token: TOKEN })
        else if (request.method === "GET") response.end(bytes)
        else json(response, 201, {})
      },
      AUTHORITY.issue(["localhost", "127.0.0.1", PRIVATE])
    )
    const registry = yield* scripted((request, response) => {
      const path = request.url ?? ""
      const local = path.includes("literal") ? inside.host : inside.host.replace("127.0.0.1", "localhost")
      const at = path.includes("private") ? PRIVATE : local
      if (request.method === "POST") return json(response, 202, {}, { location: `https://${at}/upload` })
      if (request.url?.includes("/tags/") === true && request.headers.authorization === undefined) {
        return json(response, 401, {}, { "www-authenticate": `Bearer realm="https://${at}/token"` })
      }
      if (request.url?.includes("/tags/") === true) return json(response, 200, { tags: ["v1"] })
      response.writeHead(307, { location: `https://${at}/secret` })
      response.end()
    }, SERVER)
    const places: Readonly<Record<string, string>> = {
      "registry.test:443": registry.host,
      [`${PRIVATE}:443`]: inside.host
    }
    const proxy = yield* startProxy({ place: (target) => places[target] })
    const layer = RegistryClientHttp.layer({
      certificates: CERTIFICATES,
      proxies: through(`http://${proxy.host}`),
      tokenServers: new Map([
        ["registry.test", new Set([PRIVATE, inside.host, inside.host.replace("127.0.0.1", "localhost")])]
      ]),
      ...(privateHosts === undefined ? {} : { privateHosts })
    })
    return { inside, layer, blob: { digest: digestOf(bytes), size: bytes.length }, bytes }
  })
  const access = (path = "team/app"): RepositoryAccess => ({
    ...trusted(accessTo("registry.test", USER)),
    repository: { registry: "registry.test", path }
  })

  const loopback = ["a loopback address, to which no other host may refer"]
  for (const [what, path, words] of [
    ["a name of this machine", "team/app", loopback],
    ["a loopback address", "team/literal", loopback],
    ["a private address", "team/private", ["a private address", `add ${PRIVATE} to REGISTRY_PRIVATE_HOSTS`]]
  ] as const) {
    itOnSockets(`A registry with a public address cannot redirect to ${what}`, () =>
      Effect.gen(function* () {
        const { blob, bytes, inside, layer } = yield* leading("localhost,127.0.0.0/8")
        yield* Effect.gen(function* () {
          const client = yield* RegistryClient
          yield* failsWith(client.tags(access(path)), "InvalidAnswer", "the token server", ...words)
          yield* failsWith(Stream.runDrain(client.blob(access(path), blob)), "InvalidAnswer", ...words)
          yield* failsWith(client.putBlob(access(path), blob, Stream.make(bytes)), "InvalidAnswer", ...words)
          const destination = yield* startRegistry()
          const copied = client.copyBlob({ source: access(path), destination: accessTo(destination.host), blob })
          yield* failsWith(copied, "InvalidAnswer", ...words)
        }).pipe(Effect.provide(layer))
        assert.lengthOf(inside.seen, 0)
      })
    )
  }

  itOnSockets("A registry with a public address may redirect to the private hosts of the configuration", () =>
    Effect.gen(function* () {
      const { blob, bytes, inside, layer } = yield* leading("10.9.0.0/16")
      yield* Effect.gen(function* () {
        const client = yield* RegistryClient
        assert.deepStrictEqual(yield* client.tags(access("team/private")), ["v1"])
        const chunks = yield* Stream.runCollect(client.blob(access("team/private"), blob))
        assert.isTrue(Buffer.concat(chunks).equals(bytes))
      }).pipe(Effect.provide(layer))
      assert.isAtLeast(inside.seen.length, 2)
    })
  )
})

describe("loopback addresses", () => {
  itOnSockets("In a cluster a registry with a loopback address is refused although an Image names it", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* scripted((_, response) => json(response, 200, { tags: ["v1"] }))
      const client = yield* RegistryClient
      for (const registry of [host, host.replace("127.0.0.1", "localhost"), host.replace("127.0.0.1", "[::1]")]) {
        yield* failsWith(client.tags(accessTo(registry, USER)), "InvalidAnswer", "a loopback address")
      }
      assert.lengthOf(seen, 0)
    }).pipe(Effect.provide(RegistryClientHttp.layer({ loopback: false })))
  )
})

describe("a registry that must have a public address", () => {
  const WHY = "the rule team of the policy does not allow private hosts"
  const onlyPublic = (access: RepositoryAccess): RepositoryAccess => ({ ...access, publicOnly: WHY })
  /** Every name leads to this machine. */
  const layer = RegistryClientHttp.layer({
    resolve: (_, done) => done(null, [{ address: "127.0.0.1", family: 4 }])
  })

  itOnSockets("a name with a private address is refused in the words of the policy, whatever other Images may do", () =>
    Effect.gen(function* () {
      const registry = yield* startRegistry()
      pushSampleImage(registry.store, "team/app", "v1", "a")
      const access = accessTo(registry.host.replace("127.0.0.1", "registry.test"))
      const client = yield* RegistryClient
      const words = ["leads to registry.test, which has the address 127.0.0.1: a loopback address", WHY]
      yield* failsWith(client.tags(onlyPublic(access)), "Unreachable", ...words)
      assert.deepStrictEqual(registry.requests, [])
      assert.deepStrictEqual(yield* client.tags(access), ["v1"])
      const before = registry.requests.length
      yield* failsWith(client.tags(onlyPublic(access)), "Unreachable", ...words)
      yield* failsWith(client.head(onlyPublic(access), "v1"), "Unreachable", WHY)
      yield* failsWith(client.manifest(onlyPublic(access), "v1"), "Unreachable", WHY)
      assert.lengthOf(registry.requests, before)
    }).pipe(Effect.provide(layer))
  )

  itOnSockets("a private address that an Image names is refused in the words of the policy", () =>
    Effect.gen(function* () {
      const registry = yield* startRegistry()
      const client = yield* RegistryClient
      yield* failsWith(
        client.tags(onlyPublic(accessTo(registry.host))),
        "Unreachable",
        "leads to 127.0.0.1: a loopback address",
        WHY
      )
      assert.deepStrictEqual(registry.requests, [])
    }).pipe(Effect.provide(layer))
  )
})

describe("link-local addresses", () => {
  itOnSockets("a link-local address is refused although an Image names it", () =>
    Effect.gen(function* () {
      for (const registry of ["169.254.169.254", "[fe80::1]:5000"]) {
        yield* failsWith(
          (yield* RegistryClient).tags(accessTo(registry, USER)),
          "InvalidAnswer",
          "to which no connection is allowed"
        )
      }
    }).pipe(Effect.provide(RegistryClientHttp.layer({})))
  )

  itOnSockets("a registry of this machine cannot redirect to a link-local address", () =>
    Effect.gen(function* () {
      const { host } = yield* scripted((_, response) => {
        response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" })
        response.end()
      })
      yield* failsWith((yield* RegistryClient).tags(accessTo(host)), "InvalidAnswer", "169.254.169.254")
    }).pipe(Effect.provide(RegistryClientHttp.layer({})))
  )
})
