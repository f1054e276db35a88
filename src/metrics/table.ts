/**
 * Every metric of the operator, once. The metrics are registered from these tables, and docs/observe.md is made of them. The
 * tables group the metrics by subject. Each metric is in one table.
 */

/** One metric, without its name. */
export interface Metric {
  readonly type: "counter" | "gauge" | "histogram"
  /** What the value counts or measures. A time is in seconds since the epoch. */
  readonly unit: string
  readonly labels: ReadonlyArray<string>
  /** The upper bounds of a histogram's buckets. */
  readonly buckets?: ReadonlyArray<number>
  /** The text of the metric in an exposition and in the documents. */
  readonly meaning: string
}

/** The most Images with series of their own. */
export const IMAGES_WITH_SERIES = 1_000

const OF_IMAGE = ["namespace", "name"] as const

const IMAGES = {
  skopeo_operator_images: {
    type: "gauge",
    unit: "Images",
    labels: ["ready"],
    meaning: "Images by the status of their condition Ready: True, False or Unknown."
  },
  skopeo_operator_images_not_ready: {
    type: "gauge",
    unit: "Images",
    labels: ["reason", "stalled"],
    meaning:
      "Images whose condition Ready is not True, without suspended Images, by the reason of the condition. stalled is true for Images that wait for a person."
  },
  skopeo_operator_images_overdue: {
    type: "gauge",
    unit: "Images",
    labels: [],
    meaning:
      "Images that were last known in sync longer ago than two of their intervals, and longer than 10 minutes. Suspended Images and finished OneShot Images do not count."
  },
  skopeo_operator_images_rate_limited: {
    type: "gauge",
    unit: "Images",
    labels: [],
    meaning: "Images that wait for a rate limit of a registry, with their check or with a copy."
  },
  skopeo_operator_images_suspended: {
    type: "gauge",
    unit: "Images",
    labels: [],
    meaning: "Images with spec.suspend."
  },
  skopeo_operator_images_without_series: {
    type: "gauge",
    unit: "Images",
    labels: [],
    meaning: "Images that have no skopeo_operator_image_… series of their own, because the number of series is bounded."
  },
  skopeo_operator_tags: {
    type: "gauge",
    unit: "tags",
    labels: ["state"],
    meaning: "Selected tags of all Images, by state: copied, failed or waiting."
  }
} as const satisfies Record<string, Metric>

/** The metrics with series for single Images. `METRICS_PER_IMAGE=false` leaves them out. */
const PER_IMAGE = {
  skopeo_operator_image_last_in_sync_timestamp_seconds: {
    type: "gauge",
    unit: "time",
    labels: OF_IMAGE,
    meaning:
      "When a check or a copy last showed that the destination has every selected tag of the Image, when the spec of an Image in sync was changed, or when the Image was created. A suspended Image has no series, and neither has a OneShot Image of one tag whose copy is done."
  },
  skopeo_operator_image_check_interval_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: OF_IMAGE,
    meaning:
      "The interval of the Image's checks (spec.frequency), for Images with skopeo_operator_image_last_in_sync_timestamp_seconds."
  },
  skopeo_operator_image_ready: {
    type: "gauge",
    unit: "0 or 1",
    labels: [...OF_IMAGE, "reason"],
    meaning: "1 if the Image's condition Ready is True, 0 if it is False or Unknown, with the reason of the condition."
  },
  skopeo_operator_image_tags: {
    type: "gauge",
    unit: "tags",
    labels: [...OF_IMAGE, "state"],
    meaning: "Selected tags of the Image, by state: copied, failed or waiting."
  },
  skopeo_operator_seconds_since_last_success: {
    type: "gauge",
    unit: "seconds",
    labels: OF_IMAGE,
    meaning:
      "Time since the last successful check of an Image that is checked regularly, or since its creation. A check can succeed while copies fail."
  }
} as const satisfies Record<string, Metric>

const COPIES = {
  skopeo_operator_reload_total: {
    type: "counter",
    unit: "copies",
    labels: ["image"],
    meaning: "Number of reloads processed: copies started, by source image and version."
  },
  skopeo_operator_copies_total: {
    type: "counter",
    unit: "copies",
    labels: ["outcome"],
    meaning: "Copies that have ended, by outcome: succeeded or failed."
  },
  skopeo_operator_copy_failures_total: {
    type: "counter",
    unit: "copies",
    labels: ["reason"],
    meaning: "Copies that have failed, by reason."
  },
  skopeo_operator_copy_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["outcome"],
    buckets: [1, 3, 10, 30, 60, 180, 600, 1_800, 3_600],
    meaning: "Time from the start of copies to their end, including the wait for a free slot, by outcome."
  },
  skopeo_operator_copy_bytes_total: {
    type: "counter",
    unit: "bytes",
    labels: ["image", "how"],
    meaning:
      "Bytes of copies at destinations, by source image and version: sent by the copy, or present because of a mount or an earlier push. Only with COPY_ENGINE=direct."
  },
  skopeo_operator_copy_bytes_remaining: {
    type: "gauge",
    unit: "bytes",
    labels: ["image"],
    meaning: "Bytes that remain of running copies, by source image and version. Only with COPY_ENGINE=direct."
  }
} as const satisfies Record<string, Metric>

const REGISTRIES = {
  skopeo_operator_registry_requests_total: {
    type: "counter",
    unit: "requests",
    labels: ["registry", "method", "code"],
    meaning:
      "Requests to registries, by registry, method and class of the HTTP status; the code is 429 for that status, error without an answer, and other for an unknown status."
  },
  skopeo_operator_registry_request_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["registry"],
    buckets: [0.05, 0.25, 1, 5, 30],
    meaning: "Time from the send of requests to the head of their answers, without the wait for a rate limit."
  },
  skopeo_operator_registry_budget_remaining: {
    type: "gauge",
    unit: "requests",
    labels: ["registry"],
    meaning: "Requests that remain of a registry's quota, such as Docker Hub's pulls; the least of all credentials."
  },
  skopeo_operator_registry_budget_limit: {
    type: "gauge",
    unit: "requests",
    labels: ["registry"],
    meaning: "Size of a registry's quota, such as Docker Hub's pulls in six hours."
  },
  skopeo_operator_registry_budget_reset_timestamp_seconds: {
    type: "gauge",
    unit: "time",
    labels: ["registry"],
    meaning:
      "Until when a rate limit of the registry holds requests back, as reported last. A time in the past: no request is held back."
  }
} as const satisfies Record<string, Metric>

const CONTROLLER_RUNTIME = ["controller"] as const
const WORK_QUEUE = ["name"] as const
const RECONCILE_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60] as const

/** The names are those of controller-runtime, client-go and kube components, for which dashboards exist. */
const CONTROLLER = {
  controller_runtime_reconcile_total: {
    type: "counter",
    unit: "reconciles",
    labels: [...CONTROLLER_RUNTIME, "result"],
    meaning: "Reconciles, by controller and result: success, error or requeue_after."
  },
  controller_runtime_reconcile_errors_total: {
    type: "counter",
    unit: "reconciles",
    labels: CONTROLLER_RUNTIME,
    meaning: "Reconciles that failed, by controller."
  },
  controller_runtime_reconcile_time_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: CONTROLLER_RUNTIME,
    buckets: RECONCILE_BUCKETS,
    meaning: "Duration of reconciles."
  },
  controller_runtime_active_workers: {
    type: "gauge",
    unit: "reconciles",
    labels: CONTROLLER_RUNTIME,
    meaning: "Running reconciles."
  },
  controller_runtime_max_concurrent_reconciles: {
    type: "gauge",
    unit: "reconciles",
    labels: CONTROLLER_RUNTIME,
    meaning: "The most reconciles at once."
  },
  workqueue_depth: {
    type: "gauge",
    unit: "Images",
    labels: WORK_QUEUE,
    meaning: "Keys that wait to be reconciled."
  },
  workqueue_adds_total: {
    type: "counter",
    unit: "Images",
    labels: WORK_QUEUE,
    meaning: "Keys added to the work queue."
  },
  workqueue_retries_total: {
    type: "counter",
    unit: "Images",
    labels: WORK_QUEUE,
    meaning: "Keys that failed and are added again after a pause."
  },
  workqueue_queue_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: WORK_QUEUE,
    buckets: [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600],
    meaning: "How long keys wait in the work queue."
  },
  workqueue_work_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: WORK_QUEUE,
    buckets: RECONCILE_BUCKETS,
    meaning: "How long the work on a key lasts."
  },
  workqueue_unfinished_work_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: WORK_QUEUE,
    meaning: "How long all running reconciles together have lasted. A growing number shows reconciles that do not end."
  },
  workqueue_longest_running_processor_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: WORK_QUEUE,
    meaning: "How long the longest running reconcile has lasted."
  }
} as const satisfies Record<string, Metric>

const CLUSTER = {
  leader_election_master_status: {
    type: "gauge",
    unit: "0 or 1",
    labels: ["name"],
    meaning: "1 if this process leads, 0 if it is a candidate, by the name of the Lease."
  },
  rest_client_requests_total: {
    type: "counter",
    unit: "requests",
    labels: ["code", "method", "host"],
    meaning: "Requests to the API server, by HTTP status, method and host; the code is <error> without an answer."
  },
  rest_client_request_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["verb", "host"],
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30],
    meaning: "Time from the send of requests to the head of the API server's answers, by method and host."
  },
  skopeo_operator_watch_failures_total: {
    type: "counter",
    unit: "watches",
    labels: ["resource"],
    meaning: "Lists and watches of the API server that failed and were begun again after a pause, by resource."
  },
  skopeo_operator_events_dropped_total: {
    type: "counter",
    unit: "Events",
    labels: [],
    meaning: "Events of Images that were not written: refused by the API server, or too many at once."
  },
  skopeo_operator_notifications_total: {
    type: "counter",
    unit: "notifications",
    labels: ["outcome"],
    meaning:
      "Notifications for NOTIFY_URL, by outcome: sent; failed after all attempts or by a refusal of the receiver; dropped, because too many were waiting or the operator stopped."
  },
  skopeo_operator_policy_last_reload_successful: {
    type: "gauge",
    unit: "0 or 1",
    labels: ["path"],
    meaning:
      "1 if the rules of the policy's file apply, 0 if the file has a mistake and the last valid rules apply, by file."
  },
  skopeo_operator_build_info: {
    type: "gauge",
    unit: "1",
    labels: ["version"],
    meaning: "1, with the version of the operator."
  }
} as const satisfies Record<string, Metric>

/** The metrics that this project registers itself. */
export const METRICS = { ...IMAGES, ...PER_IMAGE, ...COPIES, ...REGISTRIES, ...CONTROLLER, ...CLUSTER }

export type MetricName = keyof typeof METRICS

/** The names of the metrics with series for single Images. */
export type ImageMetricName = keyof typeof PER_IMAGE

const HEAP_SPACE = ["space"] as const

/** The metrics of the process that prom-client registers. Their texts in an exposition are prom-client's. */
export const PROCESS = {
  process_cpu_user_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: [],
    meaning: "CPU time in user mode."
  },
  process_cpu_system_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: [],
    meaning: "CPU time in the kernel."
  },
  process_cpu_seconds_total: { type: "counter", unit: "seconds", labels: [], meaning: "CPU time of both." },
  process_start_time_seconds: { type: "gauge", unit: "time", labels: [], meaning: "When the process began." },
  process_resident_memory_bytes: { type: "gauge", unit: "bytes", labels: [], meaning: "Resident memory." },
  process_virtual_memory_bytes: { type: "gauge", unit: "bytes", labels: [], meaning: "Virtual memory." },
  process_heap_bytes: { type: "gauge", unit: "bytes", labels: [], meaning: "The data segment of the process." },
  process_open_fds: { type: "gauge", unit: "file descriptors", labels: [], meaning: "Open file descriptors." },
  process_max_fds: { type: "gauge", unit: "file descriptors", labels: [], meaning: "The most open file descriptors." },
  nodejs_eventloop_lag_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: [],
    meaning: "How late the event loop of Node.js was during the scrape."
  },
  nodejs_active_resources: {
    type: "gauge",
    unit: "resources",
    labels: ["type"],
    meaning: "Resources that keep the event loop alive, such as sockets and timers."
  },
  nodejs_active_handles: { type: "gauge", unit: "handles", labels: ["type"], meaning: "Open handles of libuv." },
  nodejs_active_requests: { type: "gauge", unit: "requests", labels: ["type"], meaning: "Open requests of libuv." },
  nodejs_heap_size_total_bytes: { type: "gauge", unit: "bytes", labels: [], meaning: "The heap of V8." },
  nodejs_heap_size_used_bytes: { type: "gauge", unit: "bytes", labels: [], meaning: "The used part of the heap." },
  nodejs_external_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: [],
    meaning: "Memory outside of the heap, such as buffers."
  },
  nodejs_heap_space_size_total_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: HEAP_SPACE,
    meaning: "The size of a space of the heap."
  },
  nodejs_heap_space_size_used_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: HEAP_SPACE,
    meaning: "The used part of a space of the heap."
  },
  nodejs_heap_space_size_available_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: HEAP_SPACE,
    meaning: "The free part of a space of the heap."
  },
  nodejs_version_info: {
    type: "gauge",
    unit: "1",
    labels: ["version", "major", "minor", "patch"],
    meaning: "1, with the version of Node.js."
  },
  nodejs_gc_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["kind"],
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
    meaning: "How long garbage collections last, by kind."
  }
} as const satisfies Record<string, Metric>

/** All metrics by subject, with the headings of docs/observe.md. */
export const METRICS_BY_SUBJECT: ReadonlyArray<readonly [heading: string, Readonly<Record<string, Metric>>]> = [
  ["Images", IMAGES],
  ["Single Images", PER_IMAGE],
  ["Copies", COPIES],
  ["Registries", REGISTRIES],
  ["The controller and its queue", CONTROLLER],
  ["The cluster and the operator", CLUSTER],
  ["The process", PROCESS]
]
