/** Requests to AWS and to the endpoints that tell who a workload is: few, small, bounded in time and size. */
import { type Duration, Effect, type Scope } from "effect"
import { describeFailure } from "../http/failures.ts"
import type { HttpRequest } from "../http/Http.ts"
import { type HttpClientOptions, makeHttpClient } from "../http/HttpClient.ts"
import { ProviderError } from "./CredentialProvider.ts"

/** The proxies lead to AWS; what is reached by plain HTTP tells secrets of this machine, and never goes there. */
export type AwsHttpOptions = Pick<HttpClientOptions, "certificates" | "proxies">

export interface AwsAnswer {
  readonly status: number
  readonly text: string
}

/** Sends a request as it is, and follows no redirect; `what` is who answers, for messages. */
export type AwsHttp = (
  what: string,
  request: HttpRequest,
  timeout: Duration.Input & string
) => Effect.Effect<AwsAnswer, ProviderError>

const BYTES = 256 * 1024

/** Connections are pooled for the life of the scope. */
export const makeAwsHttp = Effect.fnUntraced(function* (
  options: AwsHttpOptions
): Effect.fn.Return<AwsHttp, never, Scope.Scope> {
  const { http: _, ...proxies } = options.proxies ?? {}
  const http = yield* makeHttpClient({
    ...options,
    proxies,
    userAgent: "skopeo-operator",
    connectTimeout: "5 seconds"
  })
  return (what, request, timeout) =>
    // No Image names what is asked here: the addresses of this machine are what it is for.
    http.send({ ...request, reads: BYTES }, { tlsVerify: true, scope: "link-local" }).pipe(
      Effect.mapError((error) => failed(`${what} cannot be reached: it ${describeFailure(error)}`)),
      Effect.flatMap(({ bytes, isCut, status }) =>
        isCut && status < 300
          ? Effect.fail(failed(`${what} answered with more than ${BYTES} bytes`))
          : Effect.succeed({ status, text: Buffer.from(bytes).toString("utf8") })
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
