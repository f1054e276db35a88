import { assert, describe, it } from "@effect/vitest"
import { nextPage } from "../../../src/registry/protocol/nextPage.ts"

const next = (link: string | undefined) => nextPage(new URL("https://r.test/v2/a/tags/list?n=2"), link)

const LINKS: ReadonlyArray<readonly [string, string | undefined, string | undefined]> = [
  ["no header", undefined, undefined],
  ["an empty header", "", undefined],
  ["the only link", '</v2/a/tags/list?n=2&last=b>; rel="next"', "/v2/a/tags/list?n=2&last=b"],
  ["a query alone", '<?n=2&last=b>; rel="next"', "/v2/a/tags/list?n=2&last=b"],
  ["no quotes", "</next>; rel=next", "/next"],
  ["capitals", '</next>; REL="Next"', "/next"],
  ["no blanks", '</next>;rel="next"', "/next"],
  ["blanks around the signs", '</next> ; rel = "next"', "/next"],
  ["another parameter before", '</next>; title="a; b, <c>"; rel="next"', "/next"],
  ["several relations", '</next>; rel="last next"', "/next"],
  ["another link before", '</first>; rel="first", </next>; rel="next"', "/next"],
  ["another link after", '</next>; rel="next", </last>; rel="last"', "/next"],
  ["a comma and a semicolon in the address", '</next?a=1,2;b=c>; rel="next"', "/next?a=1,2;b=c"],
  ["another relation alone", '</last>; rel="last"', undefined],
  ["a relation that only begins alike", '</other>; rel="nextish"', undefined],
  ["a relation within a title", '</other>; title="rel=next"', undefined],
  ["http at the same host, whose proxy speaks HTTPS", '<http://r.test/next>; rel="next"', "/next"]
]

describe("nextPage", () => {
  for (const [name, link, path] of LINKS) {
    it(`nextPage parses ${name}`, () => assert.deepStrictEqual(next(link), path === undefined ? undefined : { path }))
  }

  it.each(['rel="next"', '<>; rel="next"', '</next; rel="next"', '</next>; rel="next', "/v2/a/tags/list; rel=next"])(
    "nextPage gives Unreadable for a next page without a URL: %s",
    (link) => assert.strictEqual(next(link), "Unreadable")
  )

  it("nextPage gives Elsewhere for a URL of another origin", () => {
    for (const target of ["https://other.test/next", "http://r.test:8080/next", "//other.test/next", "https://["]) {
      assert.strictEqual(next(`<${target}>; rel="next"`), "Elsewhere")
    }
  })
})

/** So long that a parser with quadratic time would need minutes. */
const filled = (unit: string): string => unit.repeat(2 ** 20 / unit.length)

describe("nextPage, of a header that means harm", () => {
  for (const unit of [
    "<",
    "<>",
    "<a>;",
    "<a>; rel=",
    '<a>; rel="',
    ";",
    '"',
    '\\"',
    "\\",
    "a",
    " ",
    "=",
    "= ",
    "<a> "
  ]) {
    it(`nextPage takes linear time for many repetitions of ${JSON.stringify(unit)}`, () => {
      assert.isUndefined(next(filled(unit)))
      assert.isUndefined(next(`</a>; x="${filled(unit)}`))
      assert.deepStrictEqual(next(`</next>; rel="next", ${filled(unit)}`), { path: "/next" })
    })
  }
})
