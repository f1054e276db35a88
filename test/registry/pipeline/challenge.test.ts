import { assert, describe, it } from "@effect/vitest"
import { type Challenge, parseChallenge } from "../../../src/registry/pipeline/challenge.ts"

const bearer = (realm: string, service?: string, scope?: string): Challenge => ({
  _tag: "Bearer",
  realm,
  service,
  scope
})
const BASIC: Challenge = { _tag: "Basic" }

/** The headers of registries, and the challenge that is answered. */
const CASES: ReadonlyArray<readonly [string, string | undefined, Challenge | undefined]> = [
  ["no header", undefined, undefined],
  ["an empty header", "", undefined],
  ["a scheme nobody answers", 'Negotiate, Digest realm="x"', undefined],
  ["Basic", 'Basic realm="registry"', BASIC],
  ["Basic without a realm", "Basic", BASIC],
  ["a scheme in lower case", 'basic realm="x"', BASIC],
  [
    "Docker Hub",
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/node:pull"',
    bearer("https://auth.docker.io/token", "registry.docker.io", "repository:library/node:pull")
  ],
  ["no service", 'Bearer realm="https://r.test/token"', bearer("https://r.test/token")],
  ["blanks around commas", 'Bearer realm="https://r.test/t" , service="s"', bearer("https://r.test/t", "s")],
  ["values without quotes", "Bearer realm=https://r.test/t,service=s", bearer("https://r.test/t", "s")],
  ["names in capitals", 'BEARER Realm="https://r.test/t",SERVICE="s"', bearer("https://r.test/t", "s")],
  ["an escaped quote", 'Bearer realm="https://r.test/t",service="a\\"b"', bearer("https://r.test/t", 'a"b')],
  ["a comma in a value", 'Bearer realm="https://r.test/t?a,b",service="s"', bearer("https://r.test/t?a,b", "s")],
  [
    "Basic before Bearer in one line",
    'Basic realm="quay", Bearer realm="https://quay.test/auth",service="quay.test"',
    bearer("https://quay.test/auth", "quay.test")
  ],
  [
    "Bearer before Basic in one line",
    'Bearer realm="https://quay.test/auth",service="quay.test", Basic realm="quay"',
    bearer("https://quay.test/auth", "quay.test")
  ],
  ["a realm without a comma after it", 'Bearer realm="https://r.test/t" service="s"', bearer("https://r.test/t", "s")],
  ["a realm with a query, without quotes", "Bearer realm=https://r.test/t?a=b", bearer("https://r.test/t?a=b")],
  ["the first of two realms", 'Bearer realm="https://r.test/t",realm="https://x.test"', bearer("https://r.test/t")],
  ["parameters of the scheme after it", 'Bearer realm="https://r.test/t", X service="x"', bearer("https://r.test/t")],
  [
    "a token of another scheme before it",
    'Negotiate abc==, Bearer realm="https://r.test/t"',
    bearer("https://r.test/t")
  ],
  ["a parameter whose name ends alike", 'Bearer x-realm="https://x.test"', undefined],
  ["a realm that is not closed", 'Bearer realm="https://r.test/t', undefined],
  ["a parameter named as a scheme", 'Digest basic="x"', undefined],
  ["Bearer without a realm, and Basic", 'Bearer service="s", Basic realm="x"', BASIC],
  ["Bearer without a realm alone", 'Bearer service="s"', undefined],
  ["a scheme's name within a value", 'Negotiate token="x, Bearer y"', undefined]
]

describe("parseChallenge", () => {
  for (const [name, header, expected] of CASES) {
    it(`parseChallenge parses ${name}`, () => assert.deepStrictEqual(parseChallenge(header), expected))
  }
})

/** So long that a parser with quadratic time would need minutes. */
const filled = (unit: string): string => unit.repeat(2 ** 20 / unit.length)

const HOSTILE: ReadonlyArray<readonly [string, Challenge | undefined]> = [
  ["a", undefined],
  ["a=", undefined],
  ['a="', undefined],
  [",", undefined],
  [" ", undefined],
  ["=", undefined],
  ['"', undefined],
  ['\\"', undefined],
  ["\\", undefined],
  ["Basic,", BASIC],
  ["Bearer ", undefined],
  ["Bearer realm=", bearer("Bearer")],
  ['a="b",', undefined]
]

describe("parseChallenge, of a header that means harm", () => {
  for (const [unit, expected] of HOSTILE) {
    it(`parseChallenge takes linear time for many repetitions of ${JSON.stringify(unit)}`, () => {
      assert.deepStrictEqual(parseChallenge(filled(unit)), expected)
      const known = 'Bearer realm="https://r.test/t",service="s"'
      assert.deepStrictEqual(parseChallenge(`${known}, ${filled(unit)}`), bearer("https://r.test/t", "s"))
    })
  }
})
