/** The dashboard of the operator: its questions, and the queries that answer them. */
import { type Dashboard, grafanaJson, type Panel } from "./grafana.ts"

/** Other operators have metrics of the same names. */
const OURS = "and on (job, instance) skopeo_operator_build_info"

/** Panels with single Images have the namespaces of the variable, and all other panels have all Images. */
const OF_NAMESPACE = '{namespace=~"$namespace"}'

const FEW: NonNullable<Panel["thresholds"]> = [
  { color: "green", value: 0 },
  { color: "red", value: 1 }
]

const quantile = (share: number): string =>
  `histogram_quantile(${share}, sum by (le) (rate(skopeo_operator_copy_duration_seconds_bucket{outcome="succeeded"}[$__rate_interval])))`

export const dashboard: Dashboard = {
  title: "skopeo-operator",
  uid: "skopeo-operator",
  description:
    "Is everything copied, what fails and why, how fresh and how fast are copies, and how much of rate limits is left?",
  namespaces: "label_values(skopeo_operator_image_ready, namespace)",
  runbooks: "https://github.com/tchoupinax/skopeo-operator/blob/main/docs/runbooks.md",
  rows: [
    {
      title: "Is everything copied?",
      height: 4,
      panels: [
        {
          kind: "stat",
          title: "Images that are Ready",
          description:
            "The part of all Images whose condition Ready is True. An Image that was in sync stays Ready while newer tags are copied, and for two intervals while checks fail.",
          unit: "percentunit",
          queries: [
            { expr: 'sum(skopeo_operator_images{ready="True"}) / sum(skopeo_operator_images)', legend: "ready" }
          ],
          width: 6,
          thresholds: [
            { color: "red", value: 0 },
            { color: "yellow", value: 0.9 },
            { color: "green", value: 1 }
          ]
        },
        {
          kind: "stat",
          title: "Images that wait for a person",
          description:
            "Images with the condition Stalled: the operator cannot go on before a person changes something.",
          unit: "short",
          queries: [{ expr: 'sum(skopeo_operator_images_not_ready{stalled="true"}) or vector(0)', legend: "stalled" }],
          width: 6,
          thresholds: FEW
        },
        {
          kind: "stat",
          title: "Images that are overdue",
          description:
            "Images that were last known in sync longer ago than two of their intervals, and longer than 10 minutes.",
          unit: "short",
          queries: [{ expr: "sum(skopeo_operator_images_overdue)", legend: "overdue" }],
          width: 6,
          thresholds: FEW
        },
        {
          kind: "stat",
          title: "Tags that failed",
          description: "Selected tags of all Images whose last copy failed. Each is retried.",
          unit: "short",
          queries: [{ expr: 'sum(skopeo_operator_tags{state="failed"})', legend: "failed" }],
          width: 6,
          thresholds: FEW
        }
      ]
    },
    {
      title: "What fails, and why?",
      height: 8,
      panels: [
        {
          kind: "timeseries",
          title: "Tags by state",
          description: "Selected tags of all Images. Waiting tags are copied, or wait for a free slot or a rate limit.",
          unit: "short",
          queries: ["copied", "waiting", "failed"].map((state) => ({
            expr: `sum(skopeo_operator_tags{state="${state}"})`,
            legend: state
          })),
          width: 8,
          stacked: true
        },
        {
          kind: "timeseries",
          title: "Why Images are not Ready",
          description:
            "Images by the reason of their condition Ready. docs/troubleshooting.md has a remedy for each reason.",
          unit: "short",
          queries: [{ expr: "sum by (reason) (skopeo_operator_images_not_ready)", legend: "{{reason}}" }],
          width: 8,
          stacked: true
        },
        {
          kind: "table",
          title: "Images that are not Ready",
          description: "kubectl describe image has the whole message.",
          unit: "short",
          queries: [
            {
              expr: `max by (namespace, name, reason) (skopeo_operator_image_ready${OF_NAMESPACE}) == 0`,
              legend: "{{namespace}}/{{name}} {{reason}}"
            }
          ],
          width: 8,
          columns: [
            { of: "namespace", title: "namespace" },
            { of: "name", title: "Image" },
            { of: "reason", title: "reason" }
          ]
        }
      ]
    },
    {
      title: "How fresh, and how fast?",
      height: 8,
      panels: [
        {
          kind: "table",
          title: "Images that are least fresh",
          description: "The time since the destination was last known to have every selected tag of the Image.",
          unit: "s",
          queries: [
            {
              expr: `topk(20, time() - max by (namespace, name) (skopeo_operator_image_last_in_sync_timestamp_seconds${OF_NAMESPACE}))`,
              legend: "{{namespace}}/{{name}}"
            }
          ],
          width: 6,
          columns: [
            { of: "namespace", title: "namespace" },
            { of: "name", title: "Image" },
            { of: "Value", title: "since in sync" }
          ]
        },
        {
          kind: "timeseries",
          title: "Copies that ended",
          description: "Copies a minute, by outcome.",
          unit: "cpm",
          queries: ["succeeded", "failed"].map((outcome) => ({
            expr: `60 * sum(rate(skopeo_operator_copies_total{outcome="${outcome}"}[$__rate_interval]))`,
            legend: outcome
          })),
          width: 6
        },
        {
          kind: "timeseries",
          title: "Duration of copies",
          description: "The time from the start of successful copies to their end, with the wait for a free slot.",
          unit: "s",
          queries: [
            { expr: quantile(0.5), legend: "half" },
            { expr: quantile(0.95), legend: "95 %" }
          ],
          width: 6
        },
        {
          kind: "timeseries",
          title: "Bytes at destinations",
          description:
            "Bytes a second that copies send, and bytes that copies need not send, with copyEngine direct. Jobs do not report bytes.",
          unit: "Bps",
          queries: ["sent", "present"].map((how) => ({
            expr: `sum(rate(skopeo_operator_copy_bytes_total{how="${how}"}[$__rate_interval]))`,
            legend: how
          })),
          width: 6
        }
      ]
    },
    {
      title: "How much of rate limits is left?",
      height: 8,
      panels: [
        {
          kind: "bars",
          title: "Budget that is left",
          description:
            "The part of the requests that a registry's quota still allows, for registries that report a quota.",
          unit: "percentunit",
          queries: [
            {
              expr: "min by (registry) (skopeo_operator_registry_budget_remaining) / max by (registry) (skopeo_operator_registry_budget_limit)",
              legend: "{{registry}}"
            }
          ],
          width: 12,
          max: 1,
          thresholds: [
            { color: "red", value: 0 },
            { color: "yellow", value: 0.1 },
            { color: "green", value: 0.3 }
          ]
        },
        {
          kind: "timeseries",
          title: "Requests to registries",
          description:
            "All requests by registry, and those that a registry limits (429), fails to answer (5xx), or does not answer (error).",
          unit: "reqps",
          queries: [
            {
              expr: "sum by (registry) (rate(skopeo_operator_registry_requests_total[$__rate_interval]))",
              legend: "{{registry}}"
            },
            {
              expr: 'sum by (registry, code) (rate(skopeo_operator_registry_requests_total{code=~"429|5xx|error"}[$__rate_interval])) > 0',
              legend: "{{registry}} {{code}}"
            }
          ],
          width: 12
        }
      ]
    },
    {
      title: "Is the operator well?",
      height: 7,
      panels: [
        {
          kind: "stat",
          title: "Leader",
          description: "Whether a process leads. One process without an election always does.",
          unit: "short",
          queries: [
            {
              expr: `max(leader_election_master_status ${OURS}) or clamp_max(count(skopeo_operator_build_info), 1)`,
              legend: "leader"
            }
          ],
          width: 4,
          words: { "0": "none", "1": "one leads" },
          thresholds: [
            { color: "red", value: 0 },
            { color: "green", value: 1 }
          ]
        },
        {
          kind: "timeseries",
          title: "Queue",
          description: "Images that wait to be reconciled, and those that are reconciled.",
          unit: "short",
          queries: [
            { expr: `sum(workqueue_depth{name="image"} ${OURS})`, legend: "waiting" },
            { expr: `sum(controller_runtime_active_workers{controller="image"} ${OURS})`, legend: "running" }
          ],
          width: 10
        },
        {
          kind: "timeseries",
          title: "Requests to the API server",
          description: "By the status of the answer. <error> is a request without an answer.",
          unit: "reqps",
          queries: [
            {
              expr: `sum by (code) (rate(rest_client_requests_total[$__rate_interval]) ${OURS})`,
              legend: "{{code}}"
            }
          ],
          width: 10
        }
      ]
    }
  ]
}

export const dashboardJson = (): string => grafanaJson(dashboard)
