/** The flag and the words for registries whose rate limit holds a run back. */
import { Flag } from "effect/cli"
import type { RateLimitWait } from "../domain/settled.ts"

export const rateLimitFlags = {
  waitForRateLimit: Flag.Boolean("wait-for-rate-limit").pipe(
    Flag.withDescription(
      "Waits as long as a registry asks for, and goes on: after 429, such as hours at Docker Hub, and after 503 with Retry-After. Default: ends with 1"
    ),
    Flag.withDefault(false)
  )
}

/** What a user does about a rate limit that has ended a run. */
export const rateLimitRemedy = (until: string | undefined): string =>
  `run again ${until === undefined ? "later" : `after ${until}`}, or with --wait-for-rate-limit`

/** Why a run has not copied all of an Image. */
export const rateLimitEnd = (name: string, { message, until }: RateLimitWait): string =>
  `${name}: waits for a rate limit: ${message}; ${rateLimitRemedy(until)}`
