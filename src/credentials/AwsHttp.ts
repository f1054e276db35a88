/** Requests to AWS and to the endpoints that tell who a workload is: few, small, bounded in time and size. */
import { lookup } from "node:dns"
import { Effect, Redacted } from "effect"
import { innermostCause } from "../text/Cause.ts"
import { oneLine, shorten } from "../text/line.ts"
import { contextTrusting } from "../http/certificates.ts"
import { readBody } from "../http/body.ts"
import { exchange } from "../http/exchange.ts"
import type { HttpRequest } from "../http/Http.ts"
import { type Proxies, proxyRule } from "../http/Proxy.ts"
import * as Ways from "../http/agents.ts"
import { ProviderError } from "./CredentialProvider.ts"

export interface AwsHttpOptions {
  /** The proxies that lead to AWS; what is reached by plain HTTP tells secrets of this machine, and never goes there. */
  readonly proxies?: Proxies
  /** Certificates of authorities, PEM, that are trusted beside the system's. */
  readonly certificates?: ReadonlyArray<string>
}

export interface AwsAnswer {
  readonly status: number
  readonly text: string
}

const BYTES = 256 * 1024
const CONNECT_MILLIS = 5_000

/** Sends a request as it is, and no further: nothing here follows a redirect. */
export type AwsHttp = Effect.Success<ReturnType<typeof make>>

/** Connections are pooled for the life of the scope. */
export const make = Effect.fnUntraced(function* ({ certificates = [], proxies = {} }: AwsHttpOptions) {
  const secureContext = certificates.length === 0 ? undefined : contextTrusting(certificates)
  const proxyFor = proxyRule(proxies)
  const wayTo = yield* Ways.make({
    tlsVerify: true,
    secureContext,
    // No Image names what is asked here: an instance's own addresses are what it is for.
    lookup,
    proxyFor: (url) => (url.protocol === "https:" ? proxyFor(url) : undefined),
    connections: 4,
    connectMillis: CONNECT_MILLIS
  })
  /** `what` is who answers, for messages. */
  return (
    what: string,
    request: HttpRequest,
    timeout: `${number} ${"second" | "seconds"}`
  ): Effect.Effect<AwsAnswer, ProviderError> =>
    addressOf(what, request.url).pipe(
      Effect.flatMap((url) => exchange(wayTo(url), request, CONNECT_MILLIS)),
      Effect.flatMap((answer) =>
        Effect.flatMap(readBody(answer, BYTES), (bytes) =>
          bytes === undefined
            ? Effect.fail(failed(`${what} answered with more than ${BYTES} bytes`))
            : Effect.succeed({ status: answer.status, text: Buffer.from(bytes).toString("utf8") })
        )
      ),
      Effect.mapError((error) =>
        error instanceof ProviderError ? error : failed(`${what} cannot be reached: ${oneLine(innermostCause(error))}`)
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(failed(`${what} had no answer within ${timeout}`))
      })
    )
})

/** Addresses are what variables say. */
export const addressOf = (what: string, text: string): Effect.Effect<URL, ProviderError> => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/u.test(url.protocol)
    ? Effect.succeed(url)
    : Effect.fail(failed(`${what} cannot be reached: ${text} is no address`))
}

/** There is an identity, and it did not lead to a credential. */
export const failed = (why: string): ProviderError =>
  new ProviderError({ kind: "Failed", detail: `asks for the operator's AWS identity, and ${why}` })

/** What AWS says of a refusal, in JSON or XML; without the secrets that were sent. */
export const refusalIn = ({ status, text }: AwsAnswer, secrets: ReadonlyArray<Redacted.Redacted>): string => {
  const code = /"(?:__type|code)"\s*:\s*"([^"]*)"|<Code>([^<]*)<\/Code>/iu.exec(text)
  const message = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"|<Message>([^<]*)<\/Message>/iu.exec(text)
  const said = [code, message].map((found) => (found?.[1] ?? found?.[2] ?? "").replace(/^.*#/u, "")).filter(Boolean)
  const words = secrets
    .map(Redacted.value)
    .filter((secret) => secret !== "")
    .reduce((rest, secret) => rest.replaceAll(secret, "<redacted>"), said.join(": "))
  return `answered ${status}${words === "" ? "" : ` ${shorten(oneLine(words), 400)}`}`
}
