/** The stages that a request to a registry passes, in order. */
import { Duration, Effect, type Scope } from "effect"
import { type HttpClientOptions, makeHttpClient } from "../../http/HttpClient.ts"
import type { RateLimiter } from "../limits/RateLimiter.ts"
import { authorize } from "./authorize.ts"
import { exchange } from "./exchange.ts"
import { guardAddress } from "./guardAddress.ts"
import { timeout } from "./timeout.ts"
import { limitRate } from "./limitRate.ts"
import { noteWarnings } from "./noteWarnings.ts"
import type { Notices } from "./notices.ts"
import { type Handler, through } from "./request.ts"
import { retryReads } from "./retryReads.ts"
import { makeTokens } from "./tokens.ts"
import { traced } from "./traced.ts"
import { chooseScheme, HostSchemes } from "./chooseScheme.ts"
import { followRedirects } from "./followRedirects.ts"

export interface PipelineOptions extends HttpClientOptions {
  /** The time limit of one answer, including its body unless the body is streamed. Default 60 seconds. */
  readonly timeout?: Duration.Input
  /** The pause before a failed read is retried, doubled each time. There are two retries. Default 250 ms. */
  readonly retryDelay?: Duration.Input
}

export const RETRY_DELAY = "250 millis"

/** Makes the handler of all requests. Connections are pooled for the life of the scope. */
export const makePipeline = Effect.fnUntraced(function* (
  options: PipelineOptions,
  limiter: RateLimiter,
  notices: Notices
): Effect.fn.Return<Handler, never, Scope.Scope> {
  const http = yield* makeHttpClient(options)
  const schemes = new HostSchemes()
  const limit = Duration.fromInputUnsafe(options.timeout ?? "60 seconds")
  const wire = through(
    [chooseScheme(schemes), followRedirects(schemes, limit), limitRate(limiter), timeout(limit), guardAddress(http)],
    exchange(http)
  )
  const tokens = yield* makeTokens({ send: traced(wire), isPlain: (access) => schemes.isPlain(access), notices })
  return through(
    [traced, retryReads(options.retryDelay ?? RETRY_DELAY), authorize(tokens), noteWarnings(notices)],
    wire
  )
})
