import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { parseProxy, proxyRule } from "../../src/http/Proxy.ts"

const proxy = (variable: "HTTPS_PROXY" | "HTTP_PROXY", text: string) => Result.getOrThrow(parseProxy(variable, text))

describe("parseProxy", () => {
  for (const [text, host, url, isSecret] of [
    ["http://proxy.corp:3128", "proxy.corp:3128", "http://proxy.corp:3128/", false],
    ["proxy.corp:3128", "proxy.corp:3128", "http://proxy.corp:3128/", false],
    ["https://proxy.corp", "proxy.corp", "https://proxy.corp/", false],
    ["http://me:s%40cret@proxy.corp:3128", "proxy.corp:3128", "http://me:s%40cret@proxy.corp:3128/", true],
    ["me:secret@proxy.corp:3128", "proxy.corp:3128", "http://me:secret@proxy.corp:3128/", true]
  ] as const) {
    it(`parseProxy accepts ${text}`, () => {
      const found = proxy("HTTPS_PROXY", text)
      assert.deepStrictEqual([found.host, Redacted.value(found.url), found.isSecret], [host, url, isSecret])
      assert.notInclude(JSON.stringify(found), "secret@")
    })
  }

  for (const [text, words] of [
    ["http://", "write http://HOST:PORT"],
    ["http://me:secret@:3128", "write http://HOST:PORT"],
    ["socks5://me:secret@proxy:1080", "socks5:// proxy is not supported"],
    ["http://me:100%secret@proxy:3128", "%25 for the % itself"],
    ["http://m%e:secret@proxy:3128", "%25 for the % itself"],
    ["me:secret%ff@proxy:3128", "%25 for the % itself"]
  ] as const) {
    it(`parseProxy refuses ${text}, and the message names the variable and no password`, () => {
      const failure = Result.getOrThrow(Result.flip(parseProxy("HTTPS_PROXY", text)))
      assert.include(failure, "HTTPS_PROXY")
      assert.include(failure, words)
      assert.notInclude(failure, "secret")
    })
  }
})

describe("proxyRule", () => {
  const https = proxy("HTTPS_PROXY", "http://secure:1")
  const http = proxy("HTTP_PROXY", "http://plain:2")
  const variableFor = (noProxy: string, url: string): string =>
    proxyRule({ https, http, noProxy })(new URL(url))?.variable ?? "none"

  for (const [noProxy, url, expected] of [
    ["", "https://quay.io/v2/", "HTTPS_PROXY"],
    ["", "http://quay.io/v2/", "HTTP_PROXY"],
    ["", "http://localhost:5000/v2/", "none"],
    ["", "http://127.0.0.1:5000/v2/", "none"],
    ["", "http://127.8.8.8/v2/", "none"],
    ["", "http://[::1]:5000/v2/", "none"],
    ["*", "https://quay.io/", "none"],
    ["corp", "https://registry.corp/", "none"],
    ["corp.example", "https://corp.example/", "none"],
    ["corp.example", "https://a.corp.example/", "none"],
    ["corp.example", "https://notcorp.example/", "HTTPS_PROXY"],
    [".corp.example", "https://a.corp.example/", "none"],
    [".corp.example", "https://corp.example/", "HTTPS_PROXY"],
    ["*.corp.example", "https://a.b.corp.example/", "none"],
    ["*.corp.example", "https://corp.example/", "HTTPS_PROXY"],
    ["CORP.example", "https://A.Corp.Example/", "none"],
    ["corp.example", "https://corp.example./", "none"],
    ["corp.example:5000", "https://corp.example:5000/", "none"],
    ["corp.example:5000", "https://corp.example/", "HTTPS_PROXY"],
    ["corp.example:443", "https://corp.example/", "none"],
    ["corp.example:80", "http://corp.example/", "none"],
    ["a, b.example ,c", "https://b.example/", "none"],
    ["10.1.2.3", "https://10.1.2.3:5000/", "none"],
    ["10.1.2.3:5000", "https://10.1.2.3:5000/", "none"],
    ["10.1.2.3:5001", "https://10.1.2.3:5000/", "HTTPS_PROXY"],
    ["10.1.2.3", "https://10.1.2.30/", "HTTPS_PROXY"],
    ["10.0.0.0/8", "https://10.200.0.1/", "none"],
    ["10.0.0.0/8", "https://11.0.0.1/", "HTTPS_PROXY"],
    ["10.0.0.0/8", "https://ten.example/", "HTTPS_PROXY"],
    ["fd00::/8", "https://[fd12::1]:5000/", "none"],
    ["[fd12::1]:5000", "https://[fd12::1]:5000/", "none"],
    ["10.0.0.0/99", "https://10.0.0.1/", "HTTPS_PROXY"],
    [",,", "https://quay.io/", "HTTPS_PROXY"]
  ] as const) {
    it(`with NO_PROXY=${noProxy} the proxy for ${url} is ${expected}`, () => {
      assert.strictEqual(variableFor(noProxy, url), expected)
    })
  }

  it("HTTP_PROXY alone sets no proxy for HTTPS, as in Go", () => {
    assert.isUndefined(proxyRule({ http })(new URL("https://quay.io/")))
  })
})
