/** How often each registry may be asked: the published limits of public registries, and configured ones. */
import { Result } from "effect"
import { canonicalRegistry } from "../../oci/Reference.ts"
import { parseEcrHost } from "../vendors.ts"

/** A token bucket: `burst` requests at once after a pause, `perSecond` for as long as it takes. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** A limit that is absent does not hold. */
export interface RegistryLimit {
  readonly rate?: Rate
  /** Requests at once that have no answer yet. */
  readonly concurrent?: number
}

/** By the name of a registry, or `*.suffix` for all below it. */
export type ConfiguredLimits = ReadonlyMap<string, RegistryLimit>

const UNLIMITED: RegistryLimit = {}

/**
 * The limits of registries that publish a number. The others answer 429 to too many requests, which is kept to: a guess
 * here would slow down everyone whose registry allows more.
 */
const knownLimit = (registry: string, anonymous: boolean): RegistryLimit => {
  if (registry === "quay.io") return { rate: { perSecond: 5, burst: 25 } }
  if (registry === "public.ecr.aws") return { rate: anonymous ? { perSecond: 1, burst: 10 } : perSecond(10) }
  // The smallest limit of the ECR API that each blob of a copy meets: to begin and to complete an upload.
  if (parseEcrHost(registry) !== undefined) return { rate: perSecond(100) }
  return UNLIMITED
}

const perSecond = (rate: number): Rate => ({ perSecond: rate, burst: Math.max(1, Math.floor(rate)) })

/** The limit of a registry: a configured one, or else a published one. */
export const limitOf = (configured: ConfiguredLimits, registry: string, anonymous: boolean): RegistryLimit => {
  const exact = configured.get(registry)
  if (exact !== undefined) return exact
  // The longest suffix is the nearest.
  for (let dot = registry.indexOf("."); dot !== -1; dot = registry.indexOf(".", dot + 1)) {
    const found = configured.get(`*${registry.slice(dot)}`)
    if (found !== undefined) return found
  }
  return knownLimit(registry, anonymous)
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 }
/** One a minute. */
const SLOWEST_PER_SECOND = 1 / 60
const ENTRY = /^(?<registry>(?:\*\.)?(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]+)?)=(?<limit>.+)$/u
const LIMIT = /^(?:(?<rate>[0-9]+(?:\.[0-9]+)?)\/(?<unit>[smh])(?:\+(?<burst>[0-9]+))?)?(?::(?<concurrent>[0-9]+))?$/u

/**
 * `quay.io=5/s,ghcr.io=10/s+50:8,registry.corp=:4,docker.io=unlimited`: requests a second (`s`), minute or hour, after
 * `+` how many at once after a pause, after `:` how many at once that have no answer yet. A rate is at least one a minute.
 */
export const parseRegistryLimits = (text: string): Result.Result<ConfiguredLimits, string> => {
  const limits = new Map<string, RegistryLimit>()
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue
    const { limit = "", registry: name } = ENTRY.exec(entry.toLowerCase())?.groups ?? {}
    if (name === undefined) {
      return Result.fail(`"${entry}" is no limit of a registry; write HOST=LIMIT, such as quay.io=5/s`)
    }
    const registry = canonicalRegistry(name)
    if (limits.has(registry)) return Result.fail(`${registry} is given twice; keep one of them`)
    const parsed = limit === "unlimited" ? UNLIMITED : limitFrom(limit)
    if (parsed === undefined) {
      return Result.fail(
        `"${limit}" for ${registry} is no limit; write requests a second, minute or hour, such as 5/s, 5/s+20 (20 at once after a pause), 5/s:4 or :4 (4 without an answer), or unlimited`
      )
    }
    if (parsed.rate !== undefined && parsed.rate.perSecond < SLOWEST_PER_SECOND) {
      return Result.fail(
        `"${limit}" for ${registry} is less than one request a minute, by which a copy of a few layers takes hours; write 1/m or more, or leave the registry out: its own 429 and Retry-After are kept to, however long they are`
      )
    }
    limits.set(registry, parsed)
  }
  return Result.succeed(limits)
}

const limitFrom = (text: string): RegistryLimit | undefined => {
  const { burst, concurrent, rate, unit = "s" } = LIMIT.exec(text)?.groups ?? {}
  if (rate === undefined && concurrent === undefined) return undefined
  if ([rate, burst, concurrent].some((number) => number !== undefined && Number(number) <= 0)) return undefined
  const every = Number(rate ?? 0) / (UNITS[unit] ?? 1)
  return {
    ...(rate === undefined
      ? {}
      : { rate: burst === undefined ? perSecond(every) : { perSecond: every, burst: Number(burst) } }),
    ...(concurrent === undefined ? {} : { concurrent: Number(concurrent) })
  }
}
