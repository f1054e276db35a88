/**
 * The words of Skopeo that are fit to show. Skopeo's messages end with what a registry answered, and a registry may have
 * led Skopeo to a page inside of the cluster, whose text then stands there. So only parts that are known are shown. Pure.
 */
import { STATUS_CODES } from "node:http"
import { shorten } from "../../text/line.ts"

/** The words that are shown. Other words are an ellipsis. */
export interface KnownWords {
  readonly shown: string
  /** Whether nothing was left out. */
  readonly isWhole: boolean
}

/** A host, a reference, a digest or an address: no spaces, and no characters of prose, assignments and markup. */
const NAME = String.raw`["'\x60]?(?:[\w.:/@+\[\]-]|<redacted>){1,300}["'\x60]?`
const REQUEST = /^(Get|Head|Post|Put|Patch|Delete) "(https?:\/\/(?:[\w.:/@%~+[\]-]|<redacted>){1,300})(?:\?[^"]*)?"$/u
/** A status, after which Skopeo repeats the whole body of the answer. */
const BODY = /(\bStatusCode: [0-9]{3}), [\s\S]*$/u

const alternatives = (...patterns: ReadonlyArray<string>): RegExp => new RegExp(`^(?:${patterns.join("|")})$`, "iu")

/** Only apostrophes and dashes stand in the texts of statuses. */
const escaped = (text: string): string => text.replaceAll(/[^\w ]/gu, ".")

/** The steps of a copy, in the words of Skopeo's library `containers/image`. */
const STEPS = alternatives(
  `(?:error )?initializing (?:source|destination) docker://${NAME}`,
  `pinging (?:container|docker) registry ${NAME}`,
  "requesting bearer token|unable to retrieve auth token|copying system image from manifest list",
  String.raw`copying image [0-9]+/[0-9]+ from manifest list|Failed, retrying in [0-9.]+m?s \.\.\. \([0-9]+/[0-9]+\)\. Error`,
  `(?:error )?(?:reading|writing|copying|uploading|fetching|parsing|committing|storing|getting|determining|deleting) (?:(?:image )?manifest|manifests?(?: list)?|manifest blob|blob|layer|config|config blob|signatures?|image)(?: ${NAME})?(?: (?:in|to|from|at|of) (?:${NAME}|destination|image destination))?`,
  `trying to reuse (?:blob|layer) ${NAME} at destination`,
  `checking whether a blob ${NAME} exists in ${NAME}`,
  `initiating layer upload to ${NAME} in ${NAME}`,
  `uploading layer (?:chunked|to ${NAME})`,
  `choosing (?:an )?image (?:instance )?from (?:manifest list|image index) ${NAME}`,
  `(?:choosing image instance|no image found in (?:manifest list|image index) for architecture ${NAME}, variant ${NAME}, OS ${NAME})`,
  `digest did not match, expected ${NAME}, got ${NAME}`,
  "unexpectedly received a manifest list instead of a manifest for a single image",
  `received unexpected HTTP status|unexpected HTTP status|invalid status code returned when fetching blob [0-9]{3}(?: \\([a-z -]+\\))?`,
  `StatusCode|StatusCode: [0-9]{3}`
)

/** Errors of Go's network and TLS, of the operating system, and of Go itself. */
const ERRORS = alternatives(
  `dial (?:tcp|udp) ${NAME}|dial (?:tcp|udp)|lookup ${NAME}(?: on ${NAME})?|(?:read|write) (?:tcp|udp) ${NAME}->${NAME}|proxyconnect tcp`,
  "error|connect|read|write|http|net/http|tls|x509|remote error|stream error|no such host|server misbehaving|connection refused|connection reset by peer",
  "no route to host|network is unreachable|i/o timeout|EOF|unexpected EOF|broken pipe|use of closed network connection|TLS handshake timeout|request canceled",
  String.raw`context (?:deadline exceeded|canceled)(?: \(Client\.Timeout (?:or context cancellation )?(?:exceeded )?while (?:awaiting headers|reading body)\))?|timeout awaiting response headers`,
  "server gave HTTP response to HTTPS client|first record does not look like a TLS handshake|handshake failure|failed to verify certificate",
  `certificate signed by unknown authority|certificate has expired or is not yet valid|current time ${NAME} is (?:after|before) ${NAME}`,
  `certificate is (?:valid for ${NAME}(?:, ${NAME})*, not ${NAME}|not valid for any names, but wanted to match ${NAME})`,
  `cannot validate certificate for ${NAME} because it doesn't contain any IP SANs`,
  "no space left on device|permission denied|cannot allocate memory|panic|runtime error|invalid memory address or nil pointer dereference",
  String.raw`index out of range(?: \[[0-9]+\] with length [0-9]+)?`
)

/** The codes of errors in the distribution specification, and the texts with which large registries explain them. */
const REGISTRY = alternatives(
  "errors|unauthorized|denied|toomanyrequests|too many requests|unsupported|unknown|unknown error",
  "(?:manifest|name|blob|blob upload|manifest blob|tag|digest|size) (?:unknown|invalid)|blob upload (?:unknown|invalid)",
  "authentication required|invalid username/password|incorrect username or password|no basic auth credentials|insufficient scope",
  "access to the requested resource is not authorized|requested access to the resource is denied|access denied",
  String.raw`you have reached your (?:unauthenticated |authenticated )?pull rate limit\.?(?: (?:you may increase the limit by authenticating and upgrading|https://www\.docker\.com/increase-rate-limits?))?`,
  String.raw`https://www\.docker\.com/increase-rate-limits?`,
  String.raw`rate exceeded|quota exceeded|your authorization token has expired\. reauthenticate and try again\.`,
  `(?:the )?repository(?: with)?(?: name)? ${NAME} (?:not found|does not exist in the registry(?: with id ${NAME})?)`,
  `(?:repository )?name (?:is )?not known to registry|manifest tagged by ${NAME} is not found|requested image not found`,
  String.raw`adding [0-9.]+ (?:[KMGTP]iB|B|Byte) of storage resource, which when updated to current usage of [0-9.]+ (?:[KMGTP]iB|B|Byte) will exceed the configured upper limit of [0-9.]+ (?:[KMGTP]iB|B|Byte)\.?`,
  "quota has been exceeded on namespace|repository does not allow updating assets|projectpolicyviolation",
  String.raw`the system is in read only mode\. any modification is prohibited\.`,
  String.raw`the operation is disallowed on this registry, repository or image\.?`,
  String.raw`failed to process request due to ${NAME} configured as immutable\.?`,
  `the image tag ${NAME} already exists in the ${NAME} repository and cannot be overwritten because the (?:repository|tag) is immutable\\.?`
)

const STATUS = alternatives(
  ...Object.entries(STATUS_CODES).flatMap(([code, text = ""]) => [`${code}(?: ${escaped(text)})?`, escaped(text)])
)

/** A known part, as it is shown. `undefined` for an unknown one. */
const known = (part: string): string | undefined => {
  const request = REQUEST.exec(part)
  // The query may hold a signature or a token.
  if (request !== null) return `${request[1] ?? ""} "${request[2] ?? ""}"`
  return [STEPS, ERRORS, REGISTRY, STATUS].some((pattern) => pattern.test(part)) ? part : undefined
}

const MOST = 1_000

/** The known parts of a message. Parts are separated as Go's errors are: by colons and line breaks. */
export const knownWords = (message: string): KnownWords => {
  const parts = message
    .trim()
    .replace(BODY, "$1: …")
    .split(/(:?\n+|: |; )/u)
  const words = parts.map((part, index) => (index % 2 === 1 || part === "" ? part : (known(part.trim()) ?? "…")))
  const shown = words
    .join("")
    .replaceAll(/\s+/gu, " ")
    .replaceAll(/…(?:[:;]? …)+/gu, "…")
    .trim()
  const isKnown = words.some((part, index) => index % 2 === 0 && part !== "" && part !== "…")
  return isKnown
    ? { shown: shorten(shown, MOST), isWhole: shown.length <= MOST && !words.includes("…") }
    : { shown: "", isWhole: false }
}
