/** Docker Hub's limit: GETs of manifests count, HEADs do not, and the answers to both have the remaining pulls. */
import type { LimitedRequest } from "../../src/registry/memory/RegistryClientMemory.ts"

export interface PullQuotaOptions {
  readonly registry: string
  readonly limit: number
  readonly windowMillis: number
  /** The owner of the quota. Default: an address. */
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
    /** The times of refused requests. */
    refused,
    /** Takes pulls for another client. */
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
