/** Docker Hub's limit: GETs of manifests are counted, HEADs are not, and both are told what is left. */
import type { LimitedRequest } from "../../src/registry/memory/RegistryClientMemory.ts"

export interface PullQuotaOptions {
  readonly registry: string
  readonly limit: number
  readonly windowMillis: number
  /** Whose it is. Default an address. */
  readonly source?: string
}

export const pullQuota = ({ limit, registry, source = "192.0.2.7", windowMillis }: PullQuotaOptions) => {
  let began = Number.NEGATIVE_INFINITY
  let used = 0
  const refused: Array<number> = []
  const renew = (now: number) => {
    if (now < began + windowMillis) return
    began = now
    used = 0
  }
  return {
    /** When requests were refused. */
    refused,
    /** Pulls that somebody else makes. */
    pull: (pulls: number, now: number) => {
      renew(now)
      used = Math.min(limit, used + pulls)
    },
    limiter: (request: LimitedRequest) => {
      if (request.registry !== registry) return { status: 200, headers: {} }
      renew(request.now)
      const isOver = request.kind === "Pull" && used >= limit
      if (isOver) refused.push(request.now)
      else if (request.kind === "Pull") used += 1
      const window = `;w=${windowMillis / 1_000}`
      const headers = {
        "ratelimit-limit": `${limit}${window}`,
        "ratelimit-remaining": `${limit - used}${window}`,
        "docker-ratelimit-source": source
      }
      return { status: isOver ? 429 : 200, headers: request.kind === "Other" ? {} : headers }
    }
  }
}
