/** Requests to AWS and to the endpoints that give a workload its identity. They are bounded in time and size. */
import { type Duration, Effect, type Scope } from "effect"
import { describeFailure } from "../http/failures.ts"
import type { HttpRequest } from "../http/Http.ts"
import { type HttpClientOptions, makeHttpClient } from "../http/HttpClient.ts"
import { ProviderError } from "./CredentialProvider.ts"

/** The proxies are for AWS. Endpoints by plain HTTP give secrets of this machine, and their requests use no proxy. */
export type AwsHttpOptions = Pick<HttpClientOptions, "certificates" | "proxies">

export interface AwsAnswer {
  readonly status: number
  readonly text: string
}

/** Sends a request without changes, and follows no redirect. `what` names the endpoint in messages. */
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
    // No Image names these endpoints, and some are link-local addresses of this machine, so every address is allowed.
    http.send({ ...request, reads: BYTES }, { tlsVerify: true, scope: "any" }).pipe(
      Effect.mapError((error) => failed(`the request to ${what} ${describeFailure(error)}`)),
      Effect.flatMap(({ bytes, isCut, status }) =>
        isCut && status < 300
          ? Effect.fail(failed(`${what} answered with more than ${BYTES} bytes`))
          : Effect.succeed({ status, text: Buffer.from(bytes).toString("utf8") })
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(failed(`${what} did not answer within ${timeout}`))
      })
    )
})

/** Parses the URL of an endpoint, which a variable may give. */
export const addressOf = (what: string, text: string): Effect.Effect<URL, ProviderError> => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/u.test(url.protocol)
    ? Effect.succeed(url)
    : Effect.fail(failed(`the address of ${what}, ${text}, is not a URL`))
}

/** The error of an identity that gave no credential. */
export const failed = (why: string): ProviderError =>
  new ProviderError({ kind: "Failed", detail: `asks for the operator's AWS identity, and ${why}` })
