/** The stages that a request to a registry passes, in order. */
import { Duration, Effect, type Scope } from "effect"
import { type HttpClientOptions, makeHttpClient } from "../../http/HttpClient.ts"
import type { RateLimiter } from "../limits/RateLimiter.ts"
import type { TokenServers } from "../tokenServers.ts"
import { authorize, KnownChallenges } from "./authorize.ts"
import { type Delegate, makeDelegate } from "./delegate.ts"
import { exchange } from "./exchange.ts"
import { guardAddress } from "./guardAddress.ts"
import { timeout } from "./timeout.ts"
import { limitRate } from "./limitRate.ts"
import { noteWarnings } from "./noteWarnings.ts"
import type { Notices } from "./notices.ts"
import { guardCredential, plainHttpRule } from "./plainHttp.ts"
import { type Handler, through } from "./request.ts"
import { retryReads } from "./retryReads.ts"
import { makeTokens } from "./tokens.ts"
import { traced } from "./traced.ts"
import { chooseScheme, HostSchemes } from "./chooseScheme.ts"
import { followRedirects } from "./followRedirects.ts"

export interface PipelineOptions extends HttpClientOptions {
  /**
   * The hosts to which credentials may be sent by plain HTTP, written as in `privateHosts`. Default none: credentials are
   * sent by HTTPS only.
   */
  readonly plainHttp?: string
  /**
   * Token servers that get the credentials of a registry although they have another owner, as `parseTokenServers` parses
   * them. Default none: only those of public registries.
   */
  readonly tokenServers?: TokenServers
  /** The time limit of one answer, including its body unless the body is streamed. Default 60 seconds. */
  readonly timeout?: Duration.Input
  /** The pause before a failed read is retried, doubled each time. There are two retries. Default 250 ms. */
  readonly retryDelay?: Duration.Input
}

export const RETRY_DELAY = "250 millis"

export interface Pipeline {
  /** The handler of all requests. */
  readonly send: Handler
  readonly delegate: Delegate
}

/** Makes the handler of all requests. Connections are pooled for the life of the scope. */
export const makePipeline = Effect.fnUntraced(function* (
  options: PipelineOptions,
  limiter: RateLimiter,
  notices: Notices
): Effect.fn.Return<Pipeline, never, Scope.Scope> {
  const http = yield* makeHttpClient(options)
  const schemes = new HostSchemes()
  const challenges = new KnownChallenges()
  const maySend = plainHttpRule(options.plainHttp ?? "")
  const limit = Duration.fromInputUnsafe(options.timeout ?? "60 seconds")
  const wire = through(
    [
      chooseScheme(schemes, maySend),
      followRedirects(schemes, limit),
      limitRate(limiter),
      timeout(limit),
      guardAddress(http),
      guardCredential(maySend)
    ],
    exchange(http)
  )
  const tokens = yield* makeTokens({
    send: traced(wire),
    isPlain: (access) => schemes.isPlain(access),
    tokenServers: options.tokenServers ?? new Map()
  })
  const retry = retryReads(options.retryDelay ?? RETRY_DELAY)
  return {
    send: through([traced, retry, authorize(tokens, challenges), noteWarnings(notices)], wire),
    delegate: makeDelegate({ send: through([traced, retry], wire), schemes, maySend, challenges, tokens })
  }
})
