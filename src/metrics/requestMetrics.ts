/** The metrics of requests to registries and to the API server. */
import type { Instruments } from "./instruments.ts"
import { codeLabelOf, Labels, LABELS } from "./labels.ts"

/** Counts the requests to registries. `registry` is the registry's name in Images. */
export interface RegistryMetrics {
  /**
   * Called for each request. `code` is the HTTP status, or `none` without an answer. `seconds` is the time from the send of the
   * request to the head of the answer.
   */
  readonly answered: (registry: string, method: string, code: string, seconds: number) => void
  /** Called with the remaining requests of a quota and the quota's size. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
  /** Called while a rate limit holds requests back, with the time of the next request in milliseconds since the epoch. */
  readonly held: (registry: string, until: number) => void
}

/** Counts the requests to the API server. */
export interface ApiServerMetrics {
  /**
   * Called for each request. `code` is the HTTP status, or `<error>` without an answer, as in client-go. `seconds` is the time
   * from the send of the request to the head of the answer.
   */
  readonly answered: (host: string, method: string, code: string, seconds: number) => void
  /** A list or a watch of all objects of a resource, such as `images`, failed and begins again after a pause. */
  readonly watchFailed: (resource: string) => void
}

export const registryMetrics = ({
  counter,
  gauge,
  histogram
}: Instruments): RegistryMetrics & {
  /** Called after each scrape. */
  readonly scraped: () => void
} => {
  const requests = counter("skopeo_operator_registry_requests_total")
  const durations = histogram("skopeo_operator_registry_request_duration_seconds")
  const remaining = gauge("skopeo_operator_registry_budget_remaining")
  const size = gauge("skopeo_operator_registry_budget_limit")
  const reset = gauge("skopeo_operator_registry_budget_reset_timestamp_seconds")
  /** The methods and codes of each registry with a label. */
  const counted = new Map<string, Map<string, { readonly method: string; readonly code: string }>>()
  const labels = new Labels(LABELS.registries, (name) => {
    for (const series of counted.get(name)?.values() ?? []) requests.remove({ registry: name, ...series })
    counted.delete(name)
    for (const metric of [durations, remaining, size, reset]) metric.remove({ registry: name })
  })
  return {
    answered: (name, method, status, seconds) => {
      const [label, code] = [labels.of(name), codeLabelOf(status)]
      requests.inc({ registry: label, method, code })
      durations.observe({ registry: label }, seconds)
      const series = counted.get(label) ?? new Map<string, { readonly method: string; readonly code: string }>()
      counted.set(label, series.set(`${method} ${code}`, { method, code }))
    },
    quota: (name, left, limit) => {
      const label = labels.of(name)
      remaining.set({ registry: label }, left)
      size.set({ registry: label }, limit)
    },
    held: (name, until) => reset.set({ registry: labels.of(name) }, until / 1_000),
    scraped: () => labels.scraped()
  }
}

export const apiServerMetrics = ({ counter, histogram }: Instruments): ApiServerMetrics => {
  const requests = counter("rest_client_requests_total")
  const durations = histogram("rest_client_request_duration_seconds")
  const failures = counter("skopeo_operator_watch_failures_total")
  return {
    answered: (host, method, code, seconds) => {
      requests.inc({ code, method, host })
      durations.observe({ verb: method, host }, seconds)
    },
    watchFailed: (resource) => failures.inc({ resource })
  }
}
