/**
 * Redacts secrets in a stranger's text. A registry that was sent a password may repeat the password in its errors, and
 * in any encoding. Pure.
 *
 * The text is not compared with a list of encoded secrets. Instead the text is decoded, and each place that decodes to a
 * secret is redacted: then an encoding of single characters, of both cases and of every padding is recognised, and one
 * encoding within another. White space and unseen characters within a secret of some length, or within its encoding, hide
 * nothing.
 */

/**
 * A shorter secret is redacted only as a whole word: `admin` in `password=admin`, and not in `team/admin-app`. A reader
 * who compared the garbled name with the true one would know the password.
 */
const WHOLE_WORD_BELOW = 8
/** A shorter secret is not looked for in base64 and hex: three random bytes may be the secret by chance. */
const ENCODED_FROM = 4
/** An escape within an escape: JSON in JSON, or HTML in a URL. */
const NESTED = 2

const REDACTED = "<redacted>"

/** A text after some decodings. Characters are bytes of UTF-8, so that all encodings are compared in the same way. */
interface View {
  readonly bytes: string
  /** Where the original of each byte begins and ends in the text. */
  readonly from: ReadonlyArray<number>
  readonly to: ReadonlyArray<number>
}

type Span = readonly [from: number, to: number]

/** The most characters of a result. Messages are shorter, and a stranger must not choose how long redaction takes. */
const SHOWN = 8_192
/** The most characters that stand for one byte of a secret. */
const WIDEST = 12

/** Replaces the secrets in a text, plain or encoded, by `<redacted>`. A text of more than 8,192 characters is cut. */
export const redact = (whole: string, secrets: ReadonlyArray<string>): string => {
  const hidden = [...new Set(secrets)].filter((secret) => secret !== "").map(utf8)
  // A secret that begins before the cut is still recognised as a whole.
  const text = whole.slice(0, SHOWN + WIDEST * Math.max(0, ...hidden.map(({ length }) => length)))
  if (hidden.length === 0 || text === "") return text
  const plain = viewsOf(text)
  // The characters between those of a secret may be escaped too.
  const squeezed = plain.flatMap(squeeze)
  const long = hidden.map(withoutUnseen).filter(({ length }) => length >= WHOLE_WORD_BELOW)
  const encoded = hidden.filter(({ length }) => length >= ENCODED_FROM)
  const shortest = Math.min(...encoded.map(({ length }) => length))
  const inner = encoded.length === 0 ? [] : [...plain, ...squeezed].flatMap((view) => binariesIn(view, shortest))
  const places = (views: ReadonlyArray<View>, sought: ReadonlyArray<string>): ReadonlyArray<Span> =>
    views.flatMap((view) => sought.flatMap((secret) => spansOf(view, secret)))
  return without(text, [...places(plain, hidden), ...places(squeezed, long), ...places(inner, encoded)])
}

const utf8 = (text: string): string => Buffer.from(text).toString("latin1")

/** The places of a secret in a view, as spans of the original text. */
const spansOf = ({ bytes, from, to }: View, secret: string): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (let at = bytes.indexOf(secret); at !== -1; at = bytes.indexOf(secret, at + 1)) {
    const end = at + secret.length
    if (secret.length < WHOLE_WORD_BELOW && !isWord(bytes, at, end)) continue
    spans.push([from[at] ?? 0, to[end - 1] ?? 0])
  }
  return spans
}

/** Whether no letter or digit continues a part of a text, directly or by one of the characters that join names. */
const isWord = (bytes: string, start: number, end: number): boolean =>
  !/[a-z0-9_][-./]?$/iu.test(bytes.slice(Math.max(0, start - 2), start)) &&
  !/^[-./]?[a-z0-9_]/iu.test(bytes.slice(end, end + 2))

const without = (text: string, spans: ReadonlyArray<Span>): string => {
  let result = ""
  let done = 0
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from >= SHOWN) break
    if (from >= done) result += text.slice(done, from) + REDACTED
    done = Math.max(done, to)
  }
  return result + text.slice(done, SHOWN)
}

/** The text itself, and the text after one or more kinds of escapes are decoded. */
const viewsOf = (text: string): ReadonlyArray<View> => {
  let level: ReadonlyArray<View> = [original(text)]
  const views = [...level]
  for (let depth = 0; depth < NESTED; depth++) {
    level = level.flatMap((view) => ESCAPES.flatMap(([pattern, decode]) => unescaped(view, pattern, decode)))
    views.push(...level)
  }
  return views
}

const original = (text: string): View => {
  const [parts, from, to]: [Array<string>, Array<number>, Array<number>] = [[], [], []]
  let at = 0
  for (const character of text) {
    // Most characters are ASCII, and need no buffer.
    const bytes = character < "\x80" ? character : utf8(character)
    parts.push(bytes)
    for (let index = 0; index < bytes.length; index++) {
      from.push(at)
      to.push(at + character.length)
    }
    at += character.length
  }
  return { bytes: parts.join(""), from, to }
}

/** The bytes that an escape stands for. */
type Decode = (escape: string) => string

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }
const CONTROLS: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }

const codePoint = (code: number): string => (code <= 0x10_ff_ff ? utf8(String.fromCodePoint(code)) : "")

const ESCAPES: ReadonlyArray<readonly [pattern: RegExp, decode: Decode]> = [
  // URLs and forms. A form writes a space as +, and a URL may keep a +.
  [/%[0-9a-f]{2}/giu, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16))],
  [
    /%[0-9a-f]{2}|\+/giu,
    (escape) => (escape === "+" ? " " : String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
  ],
  // JSON, JavaScript, Go and C. Characters beyond 16 bits are two escapes, unless they are in braces.
  [
    /(?:\\u[0-9a-f]{4})+|\\u\{[0-9a-f]{1,6}\}|\\x[0-9a-f]{2}|\\[0-3][0-7]{2}|\\[^ux]/giu,
    (escape) => {
      if (/^\\u\{/iu.test(escape)) return codePoint(Number.parseInt(escape.slice(3, -1), 16))
      if (/^\\[0-7]{3}/u.test(escape)) return String.fromCharCode(Number.parseInt(escape.slice(1), 8))
      if (/^\\u/iu.test(escape)) {
        const units = escape.split(/\\u/iu).slice(1)
        return utf8(String.fromCharCode(...units.map((unit) => Number.parseInt(unit, 16))))
      }
      if (/^\\x/iu.test(escape)) return String.fromCharCode(Number.parseInt(escape.slice(2), 16))
      const character = escape.slice(1)
      return CONTROLS[character] ?? character
    }
  ],
  // HTML and XML.
  [
    /&#x[0-9a-f]{1,6};?|&#[0-9]{1,7};?|&(?:amp|lt|gt|quot|apos);?/giu,
    (escape) => {
      const name = escape.replaceAll(/[&;]/gu, "").toLowerCase()
      if (name.startsWith("#x")) return codePoint(Number.parseInt(name.slice(2), 16))
      return name.startsWith("#") ? codePoint(Number(name.slice(1))) : (NAMED[name] ?? "")
    }
  ]
]

/** The view after the escapes of a kind are decoded. Empty if the view has none. */
const unescaped = ({ bytes, from, to }: View, pattern: RegExp, decode: Decode): ReadonlyArray<View> => {
  const [parts, starts, ends]: [Array<string>, Array<number>, Array<number>] = [[], [], []]
  let done = 0
  const keep = (end: number): void => {
    parts.push(bytes.slice(done, end))
    for (; done < end; done++) {
      starts.push(from[done] ?? 0)
      ends.push(to[done] ?? 0)
    }
  }
  for (const { 0: escape, index } of bytes.matchAll(pattern)) {
    keep(index)
    done = index + escape.length
    const decoded = decode(escape)
    parts.push(decoded)
    for (let byte = 0; byte < decoded.length; byte++) {
      starts.push(from[index] ?? 0)
      ends.push(to[done - 1] ?? 0)
    }
  }
  if (done === 0) return []
  keep(bytes.length)
  return [{ bytes: parts.join(""), from: starts, to: ends }]
}

/** The characters of one byte that may be unseen, and all characters of more bytes. */
const CHARACTERS = /[\0- \x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/gu
const UNSEEN = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u

const unlessUnseen: Decode = (bytes) => (UNSEEN.test(Buffer.from(bytes, "latin1").toString()) ? "" : bytes)

const withoutUnseen = (bytes: string): string => bytes.replaceAll(CHARACTERS, unlessUnseen)

/** The view without white space and characters that no reader sees. Empty if the view has none. */
const squeeze = (view: View): ReadonlyArray<View> => unescaped(view, CHARACTERS, unlessUnseen)

/** An encoding of bytes in groups of characters. */
interface Binary {
  readonly encoding: "base64" | "hex"
  /** The characters of one group, and its bytes. */
  readonly characters: number
  readonly bytes: number
  readonly run: (least: number) => RegExp
}

const BINARIES: ReadonlyArray<Binary> = [
  // Node decodes both alphabets of base64.
  {
    encoding: "base64",
    characters: 4,
    bytes: 3,
    run: (least) => new RegExp(`[a-z0-9+/_-]{${least},}={0,2}`, "giu")
  },
  { encoding: "hex", characters: 2, bytes: 1, run: (least) => new RegExp(`[0-9a-f]{${least},}`, "giu") }
]

/** The bytes in base64 and hex of at least a length, by each place where a group may begin. */
const binariesIn = (view: View, least: number): ReadonlyArray<View> =>
  BINARIES.flatMap(({ bytes, characters, encoding, run }) => {
    const runs = [...view.bytes.matchAll(run(Math.ceil((least * characters) / bytes)))]
    if (runs.length === 0) return []
    return Array.from({ length: characters }, (_, offset) => {
      const [parts, from, to]: [Array<string>, Array<number>, Array<number>] = [[], [], []]
      for (const { 0: found, index } of runs) {
        const decoded = Buffer.from(found.slice(offset), encoding).toString("latin1")
        parts.push(decoded, "\0")
        for (let byte = 0; byte <= decoded.length; byte++) {
          const first = offset + Math.floor((byte * characters) / bytes)
          const isLast = byte >= decoded.length - 1
          const last = isLast ? found.length - 1 : offset + Math.ceil(((byte + 1) * characters) / bytes) - 1
          from.push(view.from[index + first] ?? 0)
          to.push(view.to[index + last] ?? 0)
        }
      }
      return { bytes: parts.join(""), from, to }
    })
  })
