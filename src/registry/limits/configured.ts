/** The rate limit of each registry: a configured limit, or the published limit of a public registry. */
import { Result } from "effect"
import { parseRegistry } from "../../oci/Reference.ts"
import { parseEcrHost } from "../vendors.ts"

/** A token bucket: `burst` requests at once after a pause, then `perSecond`. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** The limits of a registry. An absent field means no limit. */
export interface RegistryLimit {
  readonly rate?: Rate
  /** The most requests in flight. */
  readonly concurrent?: number
}

/** Limits by the name of a registry, or by `*.suffix` for all registries below a domain. */
export type ConfiguredLimits = ReadonlyMap<string, RegistryLimit>

const UNLIMITED: RegistryLimit = {}

/**
 * The limits of registries that publish a number. Other registries answer 429 to too many requests, and the operator
 * then waits. A guessed limit would slow down users whose registry allows more.
 */
const knownLimit = (registry: string, anonymous: boolean): RegistryLimit => {
  if (registry === "quay.io") return { rate: { perSecond: 5, burst: 25 } }
  if (registry === "public.ecr.aws") return { rate: anonymous ? { perSecond: 1, burst: 10 } : perSecond(10) }
  // The lowest limit of the ECR API for the requests of each blob: those to begin and to complete an upload.
  if (parseEcrHost(registry) !== undefined) return { rate: perSecond(100) }
  return UNLIMITED
}

const perSecond = (rate: number): Rate => ({ perSecond: rate, burst: Math.max(1, Math.floor(rate)) })

/** The limit of a registry: a configured one, or else a published one. */
export const limitOf = (configured: ConfiguredLimits, registry: string, anonymous: boolean): RegistryLimit => {
  const exact = configured.get(registry)
  if (exact !== undefined) return exact
  // The longest suffix wins.
  for (let dot = registry.indexOf("."); dot !== -1; dot = registry.indexOf(".", dot + 1)) {
    const found = configured.get(`*${registry.slice(dot)}`)
    if (found !== undefined) return found
  }
  return knownLimit(registry, anonymous)
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 }
/** One request a minute. */
const SLOWEST_PER_SECOND = 1 / 60
const ENTRY = /^(?<registry>(?:\*\.)?(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]+)?)=(?<limit>.+)$/u
const LIMIT = /^(?:(?<rate>[0-9]+(?:\.[0-9]+)?)\/(?<unit>[smh])(?:\+(?<burst>[0-9]+))?)?(?::(?<concurrent>[0-9]+))?$/u

/**
 * Parses `REGISTRY_LIMITS`, such as `quay.io=5/s,ghcr.io=10/s+50:8,registry.corp=:4,docker.io=unlimited`. A limit has
 * requests a second (`s`), minute (`m`) or hour (`h`), after `+` the burst after a pause, and after `:` the most
 * requests in flight. A rate is at least one request a minute. The failure is a message for users.
 *
 * @example
 * ```ts
 * Result.map(parseRegistryLimits("quay.io=5/s"), (limits) => RegistryClientHttp.layer({ userAgent: "example/1.0", limits }))
 * ```
 */
export const parseRegistryLimits = (text: string): Result.Result<ConfiguredLimits, string> => {
  const limits = new Map<string, RegistryLimit>()
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue
    const { limit = "", registry: name } = ENTRY.exec(entry.toLowerCase())?.groups ?? {}
    if (name === undefined) {
      return Result.fail(`"${entry}" is not a limit of a registry; write HOST=LIMIT, such as quay.io=5/s`)
    }
    const named = name.startsWith("*.") ? Result.succeed(name) : parseRegistry(name)
    if (Result.isFailure(named)) return Result.fail(`"${entry}" ${named.failure}`)
    const registry = named.success
    if (limits.has(registry)) return Result.fail(`${registry} has two limits; remove one of them`)
    const parsed = limit === "unlimited" ? UNLIMITED : limitFrom(limit)
    if (parsed === undefined) {
      return Result.fail(
        `"${limit}" for ${registry} is not a limit; write requests a second, minute or hour, such as 5/s, 5/s+20 (a burst of 20 after a pause), 5/s:4 or :4 (at most 4 in flight), or unlimited`
      )
    }
    if (parsed.rate !== undefined && parsed.rate.perSecond < SLOWEST_PER_SECOND) {
      return Result.fail(
        `"${limit}" for ${registry} is less than one request a minute, at which a copy of a few layers takes hours; write 1/m or more, or remove the registry's limit: the operator always waits as long as the registry's own 429 and Retry-After say`
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
