/** The metrics of requests to registries and to the API server. */
import * as prometheus from "prom-client"
import { codeLabelOf, Labels, LABELS } from "./labels.ts"

/** Counts the requests to registries. `registry` is the registry's name in Images. */
export interface RegistryMetrics {
  /** Called for each request. `code` is the HTTP status, or `none` without an answer. */
  readonly answered: (registry: string, method: string, code: string) => void
  /** Called with the remaining requests of a quota and the quota's size. */
  readonly quota: (registry: string, remaining: number, limit: number) => void
}

/** Counts the requests to the API server. */
export interface ApiServerMetrics {
  /** Called for each request. `code` is the HTTP status, or `<error>` without an answer, as in client-go. */
  readonly answered: (host: string, method: string, code: string) => void
}

export const registryMetrics = (
  registry: prometheus.Registry
): RegistryMetrics & {
  /** Called after each scrape. */
  readonly scraped: () => void
} => {
  const registers = [registry]
  const requests = new prometheus.Counter({
    name: "skopeo_operator_registry_requests_total",
    help: "Requests to registries, by registry, method and class of the HTTP status; the code is 429 for that status, error without an answer, and other for an unknown status.",
    labelNames: ["registry", "method", "code"],
    registers
  })
  // These two metrics keep the names that they had in earlier releases.
  const remaining = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_remaining",
    help: "Requests that remain of a registry's quota, such as Docker Hub's pulls; the least of all credentials.",
    labelNames: ["registry"],
    registers
  })
  const size = new prometheus.Gauge({
    name: "skopeo_operator_registry_budget_limit",
    help: "Size of a registry's quota, such as Docker Hub's pulls in six hours.",
    labelNames: ["registry"],
    registers
  })
  /** The methods and codes of each registry with a label. */
  const counted = new Map<string, Map<string, { readonly method: string; readonly code: string }>>()
  const labels = new Labels(LABELS.registries, (name) => {
    for (const series of counted.get(name)?.values() ?? []) requests.remove({ registry: name, ...series })
    counted.delete(name)
    remaining.remove({ registry: name })
    size.remove({ registry: name })
  })
  return {
    answered: (name, method, status) => {
      const [label, code] = [labels.of(name), codeLabelOf(status)]
      requests.inc({ registry: label, method, code })
      const series = counted.get(label) ?? new Map<string, { readonly method: string; readonly code: string }>()
      counted.set(label, series.set(`${method} ${code}`, { method, code }))
    },
    quota: (name, left, limit) => {
      const label = labels.of(name)
      remaining.set({ registry: label }, left)
      size.set({ registry: label }, limit)
    },
    scraped: () => labels.scraped()
  }
}

export const apiServerMetrics = (registry: prometheus.Registry): ApiServerMetrics => {
  const requests = new prometheus.Counter({
    name: "rest_client_requests_total",
    help: "Requests to the API server, by HTTP status, method and host; the code is <error> without an answer.",
    labelNames: ["code", "method", "host"],
    registers: [registry]
  })
  return { answered: (host, method, code) => requests.inc({ code, method, host }) }
}
