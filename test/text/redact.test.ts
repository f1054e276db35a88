/** Secrets in the texts of strangers, plain and encoded. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { redact } from "../../src/text/redact.ts"

type Encode = (text: string) => string

const bytesOf = (text: string): ReadonlyArray<string> =>
  [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, "0"))
const unitsOf = (text: string): ReadonlyArray<string> =>
  Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, "0"))
const pointsOf = (text: string): ReadonlyArray<number> => Array.from(text, (character) => character.codePointAt(0) ?? 0)
const base64: Encode = (text) => Buffer.from(text).toString("base64")
const json: Encode = (text) => JSON.stringify(text).slice(1, -1)
const html: Encode = (text) =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;")

/** The ways in which an escape keeps a text in its place. */
const ESCAPES: Readonly<Record<string, Encode>> = {
  plain: (text) => text,
  "percent encoding": encodeURIComponent,
  "percent encoding in lower case": (text) => encodeURIComponent(text).replaceAll(/%../gu, (hex) => hex.toLowerCase()),
  "percent encoding of each byte": (text) =>
    bytesOf(text)
      .map((hex) => `%${hex}`)
      .join(""),
  "a form": (text) => new URLSearchParams({ a: text }).toString().slice(2),
  JSON: json,
  "JSON escapes of each character": (text) =>
    unitsOf(text)
      .map((hex) => `\\u${hex}`)
      .join(""),
  "a Go string": (text) =>
    bytesOf(text)
      .map((hex) => `\\x${hex}`)
      .join(""),
  "JavaScript escapes in braces": (text) =>
    pointsOf(text)
      .map((point) => `\\u{${point.toString(16)}}`)
      .join(""),
  "octal escapes": (text) =>
    bytesOf(text)
      .map((hex) => `\\${Number.parseInt(hex, 16).toString(8).padStart(3, "0")}`)
      .join(""),
  HTML: html,
  "decimal HTML": (text) =>
    pointsOf(text)
      .map((point) => `&#${point};`)
      .join(""),
  "hexadecimal HTML": (text) =>
    pointsOf(text)
      .map((point) => `&#x${point.toString(16)};`)
      .join("")
}
const BINARIES: Readonly<Record<string, Encode>> = {
  base64,
  "base64 without padding": (text) => base64(text).replaceAll("=", ""),
  "base64 for URLs": (text) => Buffer.from(text).toString("base64url"),
  "padded base64 for URLs": (text) => base64(text).replaceAll("+", "-").replaceAll("/", "_"),
  hex: (text) => Buffer.from(text).toString("hex"),
  "hex in upper case": (text) => Buffer.from(text).toString("hex").toUpperCase()
}

const MEANINGFUL = Array.from("%&<>\"'\\/+=-_ .:;?#@é語🦊")

/** A password of random characters. Many of the characters have a meaning in an encoding. */
const Password = Schema.Array(
  Schema.Union([Schema.Literals(MEANINGFUL), Schema.Literals(Array.from("abcdefXYZ0123456789"))])
).check(Schema.isMinLength(8), Schema.isMaxLength(40))

/** A password of letters and digits. */
const Letters = Schema.Array(Schema.Literals(Array.from("abcdefXYZ0123456789"))).check(
  Schema.isMinLength(8),
  Schema.isMaxLength(40)
)

const secretOf = (characters: ReadonlyArray<string>): string => characters.join("")

describe("redact", () => {
  for (const [name, encode] of Object.entries({ ...ESCAPES, ...BINARIES })) {
    it.prop(`redact finds a secret in ${name}`, { Password }, ({ Password }) => {
      const secret = secretOf(Password)
      assert.strictEqual(redact(`you sent "${encode(secret)}", no`, [secret]), 'you sent "<redacted>", no')
    })
  }

  for (const [outer, encode] of Object.entries(ESCAPES)) {
    it.prop(`redact finds every encoding of a secret within ${outer}`, { Password }, ({ Password }) => {
      const secret = secretOf(Password)
      for (const [inner, first] of Object.entries({ ...ESCAPES, ...BINARIES })) {
        assert.strictEqual(redact(`no: ${encode(first(secret))}`, [secret]), "no: <redacted>", inner)
      }
    })
  }

  for (const [name, between] of Object.entries({
    "zero-width spaces": "\u200b",
    "soft hyphens": "\u00ad",
    "control characters": "\0",
    "line breaks": "\r\n",
    "escaped line breaks": "\\n",
    "escaped zero-width spaces": "\\u200b",
    tags: "\u{e0020}"
  })) {
    it.prop(`redact finds a secret with ${name} between its characters`, { Letters }, ({ Letters }) => {
      const secret = secretOf(Letters)
      assert.strictEqual(redact(`you sent "${Letters.join(between)}", no`, [secret]), 'you sent "<redacted>", no')
    })
  }

  it.prop("redact finds a secret in base64 or hex of several lines", { Password }, ({ Password }) => {
    const secret = secretOf(Password)
    for (const [name, encode] of Object.entries(BINARIES)) {
      const wrapped = encode(secret).replaceAll(/.{4}/gu, "$&\n")
      assert.strictEqual(redact(`no: ${wrapped}`, [secret]).trim(), "no: <redacted>", name)
    }
  })

  it("redact finds a secret with a space without that space", () => {
    assert.strictEqual(redact("you sent open\u200b sesame", ["open sesame"]), "you sent <redacted>")
  })

  it("redact does not find a short secret in parts of words", () => {
    assert.strictEqual(redact("the ad ministers of team/ad min", ["admin"]), "the ad ministers of team/ad min")
  })

  it.prop("redact finds a secret within a longer text in base64 or hex", { Password }, ({ Password }) => {
    const secret = secretOf(Password)
    for (const [name, encode] of Object.entries(BINARIES)) {
      for (const before of ["", "a", "bo", "bob", "user:"]) {
        for (const after of ["", "!", "}}", "..."]) {
          const redacted = redact(`/v2/${encode(before + secret + after)}`, [secret])
          const rests = [before, after].map((rest) => encode(rest).replaceAll("=", ""))
          assert.include(redacted, "<redacted>", name)
          assert.isBelow(redacted.length, "/v2/<redacted>".length + rests.join("").length + 6, name)
        }
      }
    }
  })

  it.prop(
    "redact changes no text that has no secret",
    { text: Schema.Array(Schema.Literals(Array.from("abc \\/%&;=+-_0123"))) },
    ({ text }) => assert.strictEqual(redact(text.join(""), ["hunter2-hunter2", "x"]), text.join(""))
  )

  it.each([
    ["the password of team/admin-app is wrong: admin", "the password of team/admin-app is wrong: <redacted>"],
    ["administrators", "administrators"],
    ["admin.corp, admins, my_admin, registry/admin", "admin.corp, admins, my_admin, registry/admin"],
    ["password=admin&user=bob", "password=<redacted>&user=bob"],
    ["bob:admin@registry.corp", "bob:<redacted>@registry.corp"],
    ["is it admin.", "is it <redacted>."],
    [`{"password":"admin"}`, `{"password":"<redacted>"}`],
    [`Basic ${base64("bob:admin")}`, "Basic Ym9iO<redacted>"],
    ["admin", "<redacted>"]
  ])("A short secret is redacted only as a whole word: %s", (text, expected) => {
    assert.strictEqual(redact(text, ["admin"]), expected)
  })

  it("A longer secret is redacted within words too", () => {
    assert.strictEqual(redact("xhunter2-hunter2x", ["hunter2-hunter2"]), "x<redacted>x")
  })

  it("Secrets that overlap are redacted as one", () => {
    assert.strictEqual(redact("say bob:password-1!", ["bob:password-1", "password-1", ""]), "say <redacted>!")
  })

  it("A long text is cut, and never within a secret", () => {
    const secret = "hunter2-".repeat(100)
    for (const text of [secret.repeat(50), `${"x".repeat(8_191)}${secret}`, base64(secret.repeat(50))]) {
      const redacted = redact(text, [secret])
      assert.isAtMost(redacted.length, 8_192 + "<redacted>".length)
      assert.notInclude(redacted, "hunter2")
      assert.isBelow(Buffer.from(redacted.replaceAll("<redacted>", ""), "base64").indexOf("hunter2"), 0)
    }
    assert.lengthOf(redact("%41".repeat(100_000), ["hunter2-hunter2"]), 8_192)
  })
})
