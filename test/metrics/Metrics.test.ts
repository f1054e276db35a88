import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { ImageSample } from "../../src/metrics/imageMetrics.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"

describe("the metrics of registries", () => {
  it.effect("requests to registries are counted by registry, method and class of status, and quotas are gauges", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      registries.answered("docker.io", "HEAD", "200", 0.1)
      registries.answered("docker.io", "HEAD", "200", 0.1)
      registries.answered("docker.io", "GET", "429", 0.1)
      registries.quota("docker.io", 17, 100)
      registries.quota("docker.io", 16, 100)
      const { body } = yield* exposition
      for (const line of [
        'skopeo_operator_registry_requests_total{registry="docker.io",method="HEAD",code="2xx"} 2',
        'skopeo_operator_registry_requests_total{registry="docker.io",method="GET",code="429"} 1',
        'skopeo_operator_registry_budget_remaining{registry="docker.io"} 16',
        'skopeo_operator_registry_budget_limit{registry="docker.io"} 100'
      ]) {
        assert.include(body, line)
      }
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("the time of a registry's answers and the end of its hold are measured", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      registries.answered("docker.io", "HEAD", "200", 0.2)
      registries.answered("docker.io", "GET", "none", 40)
      registries.held("docker.io", 1_774_000_000_000)
      const lines = (yield* exposition).body.split("\n")
      const name = "skopeo_operator_registry_request_duration_seconds"
      assert.includeMembers(lines, [
        `${name}_bucket{le="0.05",registry="docker.io"} 0`,
        `${name}_bucket{le="0.25",registry="docker.io"} 1`,
        `${name}_bucket{le="30",registry="docker.io"} 1`,
        `${name}_count{registry="docker.io"} 2`,
        'skopeo_operator_registry_budget_reset_timestamp_seconds{registry="docker.io"} 1774000000'
      ])
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("the metrics of registries have a limited number of labels, however many registries Images name", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      for (let index = 0; index < 1_000; index++) registries.answered(`r${index}.test`, "HEAD", "200", 0.1)
      const { body } = yield* exposition
      const lines = body.split("\n").filter((line) => line.startsWith("skopeo_operator_registry_requests_total{"))
      assert.lengthOf(lines, 101)
      assert.include(lines.at(-1), 'registry="other"')
      assert.match(lines.at(-1) ?? "", / 900$/u)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect(
    "a registry that is asked again has a label of its own once another registry was idle for ten scrapes",
    () =>
      Effect.gen(function* () {
        const { exposition, registries } = yield* Metrics
        const labels = Effect.map(exposition, ({ body }) =>
          Array.from(body.matchAll(/^skopeo_operator_registry_[a-z_]+\{registry="([^"]+)"/gmu), ([, label]) => label)
        )
        for (let index = 0; index < 100; index++) registries.answered(`evil${index}.test`, "HEAD", "200", 0.1)
        registries.quota("evil0.test", 1, 2)
        for (let scrape = 0; scrape < 10; scrape++) {
          registries.answered("docker.io", "HEAD", "200", 0.1)
          for (let index = 1; index < 100; index++) registries.answered(`evil${index}.test`, "GET", "404", 0.1)
          assert.notInclude(yield* labels, "docker.io")
        }
        registries.answered("docker.io", "HEAD", "200", 0.1)
        const after = yield* labels
        assert.include(after, "docker.io")
        assert.include(after, "evil99.test")
        assert.notInclude(after, "evil0.test")
      }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("a registry that answers every status has eight series of each method at most", () =>
    Effect.gen(function* () {
      const { exposition, registries } = yield* Metrics
      for (let code = 100; code < 1_000; code++) registries.answered("r.test", "GET", String(code), 0.1)
      registries.answered("r.test", "GET", "none", 0.1)
      const { body } = yield* exposition
      const counts = Object.fromEntries(
        Array.from(
          body.matchAll(/^skopeo_operator_registry_requests_total\{.*code="([^"]+)"\} (\d+)$/gmu),
          ([, code, n]) => [code, n]
        )
      )
      assert.deepStrictEqual(counts, {
        "1xx": "100",
        "2xx": "100",
        "3xx": "100",
        "4xx": "99",
        "429": "1",
        "5xx": "100",
        other: "400",
        error: "1"
      })
    }).pipe(Effect.provide(Metrics.layer))
  )
})

describe("the metric of the policy", () => {
  it.effect("an operator without a policy has no series, and a broken file is 0 until the file is valid", () =>
    Effect.gen(function* () {
      const { exposition, policyRead } = yield* Metrics
      const series = Effect.map(exposition, ({ body }) =>
        body.split("\n").filter((line) => line.startsWith("skopeo_operator_policy_last_reload_successful{"))
      )
      assert.deepStrictEqual(yield* series, [])
      for (const isValid of [true, false, true]) {
        policyRead("/etc/policy.yaml", isValid)
        assert.deepStrictEqual(yield* series, [
          `skopeo_operator_policy_last_reload_successful{path="/etc/policy.yaml"} ${isValid ? 1 : 0}`
        ])
      }
    }).pipe(Effect.provide(Metrics.layer))
  )
})

const linesOf = Effect.gen(function* () {
  const { exposition } = yield* Metrics
  return (yield* exposition).body.split("\n")
})

describe("the metrics of the API server", () => {
  it.effect(
    "requests to the API server are counted and measured by method and host, and failed watches by resource",
    () =>
      Effect.gen(function* () {
        const { apiServer } = yield* Metrics
        apiServer.answered("10.0.0.1", "GET", "200", 0.01)
        apiServer.answered("10.0.0.1", "GET", "<error>", 5)
        apiServer.watchFailed("images")
        assert.includeMembers(yield* linesOf, [
          'rest_client_requests_total{code="<error>",method="GET",host="10.0.0.1"} 1',
          'rest_client_request_duration_seconds_bucket{le="0.025",verb="GET",host="10.0.0.1"} 1',
          'rest_client_request_duration_seconds_count{verb="GET",host="10.0.0.1"} 2',
          'skopeo_operator_watch_failures_total{resource="images"} 1'
        ])
      }).pipe(Effect.provide(Metrics.layer))
  )
})

describe("the metrics of the process", () => {
  it.effect("no delay of the event loop is reported that is the interval of its own sampling", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf
      const delays = lines.filter((line) => line.startsWith("nodejs_eventloop_lag_"))
      assert.lengthOf(delays, 1)
      assert.match(delays[0] ?? "", /^nodejs_eventloop_lag_seconds 0/u)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("the CPU time of the process does not begin anew with another layer", () =>
    Effect.gen(function* () {
      const cpuSeconds = Effect.map(linesOf, (lines) =>
        Number(lines.find((line) => line.startsWith("process_cpu_seconds_total "))?.split(" ")[1])
      )
      const spendTime = Effect.sync(() => {
        const before = process.cpuUsage()
        while (process.cpuUsage(before).user < 20_000);
      })
      const first = yield* Effect.provide(Effect.andThen(spendTime, cpuSeconds), Metrics.layer)
      assert.isAtLeast(first, 0.02)
      assert.isAtLeast(yield* Effect.provide(cpuSeconds, Metrics.layer), first)
    })
  )
})

describe("the metrics of the controller", () => {
  it.effect("every series that has no label of users' names is there before the first reconcile", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf
      for (const line of [
        'controller_runtime_reconcile_total{controller="image",result="success"} 0',
        'controller_runtime_reconcile_errors_total{controller="image"} 0',
        'controller_runtime_reconcile_time_seconds_count{controller="image"} 0',
        'controller_runtime_active_workers{controller="image"} 0',
        'controller_runtime_max_concurrent_reconciles{controller="image"} 0',
        'workqueue_depth{name="image"} 0',
        'workqueue_adds_total{name="image"} 0',
        'workqueue_retries_total{name="image"} 0',
        'workqueue_queue_duration_seconds_count{name="image"} 0',
        'workqueue_work_duration_seconds_count{name="image"} 0',
        'workqueue_unfinished_work_seconds{name="image"} 0',
        'workqueue_longest_running_processor_seconds{name="image"} 0',
        'skopeo_operator_images{ready="False"} 0',
        'skopeo_operator_tags{state="failed"} 0',
        'skopeo_operator_copies_total{outcome="failed"} 0',
        'skopeo_operator_copy_duration_seconds_count{outcome="failed"} 0'
      ]) {
        assert.include(lines, line)
      }
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("running reconciles are measured while they run, and finished reconciles by their result", () =>
    Effect.gen(function* () {
      const { reconciling } = yield* Metrics
      const run = (seconds: number) =>
        Effect.forkChild(
          reconciling(Effect.sleep(`${seconds} seconds`), () => "success"),
          { startImmediately: true }
        )
      yield* run(3)
      yield* TestClock.adjust("1 second")
      yield* run(10)
      yield* TestClock.adjust("1 second")
      const running = yield* linesOf
      assert.include(running, 'workqueue_unfinished_work_seconds{name="image"} 3')
      assert.include(running, 'workqueue_longest_running_processor_seconds{name="image"} 2')
      assert.include(running, 'controller_runtime_active_workers{controller="image"} 2')
      yield* TestClock.adjust("1 minute")
      const ended = yield* linesOf
      assert.include(ended, 'workqueue_unfinished_work_seconds{name="image"} 0')
      assert.include(ended, 'workqueue_work_duration_seconds_sum{name="image"} 13')
      assert.include(ended, 'controller_runtime_reconcile_total{controller="image",result="success"} 2')
    }).pipe(Effect.provide(Metrics.layer))
  )
})

describe("the metrics of Images", () => {
  const sample = (more: Partial<ImageSample> = {}): ImageSample => ({
    namespace: "team",
    name: "app",
    ready: "True",
    reason: "Copied",
    isStalled: false,
    isSuspended: false,
    isRateLimited: false,
    tags: { copied: 1, failed: 0, waiting: 0 },
    freshness: { lastInSync: 1_000, intervalSeconds: 300, isOverdue: false },
    checkedSeconds: 60,
    ...more
  })
  const failing = (more: Partial<ImageSample> = {}): ImageSample =>
    sample({ ready: "False", reason: "CopyFailed", tags: { copied: 0, failed: 1, waiting: 0 }, ...more })
  const many = (length: number, of: (index: number) => ImageSample) => Array.from({ length }, (_, index) => of(index))

  const linesWith = (...images: ReadonlyArray<ImageSample>) =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      metrics.images.sampling(Effect.succeed(images))
      return yield* linesOf
    })
  const seriesOf = (lines: ReadonlyArray<string>, name: string) => lines.filter((line) => line.startsWith(`${name}{`))

  it.effect("a single Image has series of its freshness, its state and its tags", () =>
    Effect.gen(function* () {
      const lines = yield* linesWith(failing({ tags: { copied: 2, failed: 1, waiting: 3 } }))
      const image = 'namespace="team",name="app"'
      assert.includeMembers(lines, [
        `skopeo_operator_image_last_in_sync_timestamp_seconds{${image}} 1000`,
        `skopeo_operator_image_check_interval_seconds{${image}} 300`,
        `skopeo_operator_image_ready{${image},reason="CopyFailed"} 0`,
        `skopeo_operator_image_tags{${image},state="copied"} 2`,
        `skopeo_operator_image_tags{${image},state="failed"} 1`,
        `skopeo_operator_image_tags{${image},state="waiting"} 3`,
        `skopeo_operator_seconds_since_last_success{${image}} 60`
      ])
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("Images that are not ready are counted by reason, without those that are suspended", () =>
    Effect.gen(function* () {
      const before = yield* linesWith(
        failing(),
        failing(),
        failing({ reason: "SecretNotFound", isStalled: true }),
        failing({ isSuspended: true, freshness: undefined }),
        sample({ isRateLimited: true, freshness: { lastInSync: 1, intervalSeconds: 300, isOverdue: true } })
      )
      assert.includeMembers(before, [
        'skopeo_operator_images{ready="True"} 1',
        'skopeo_operator_images{ready="False"} 4',
        "skopeo_operator_images_overdue 1",
        "skopeo_operator_images_rate_limited 1",
        "skopeo_operator_images_suspended 1"
      ])
      assert.sameMembers(seriesOf(before, "skopeo_operator_images_not_ready"), [
        'skopeo_operator_images_not_ready{reason="CopyFailed",stalled="false"} 2',
        'skopeo_operator_images_not_ready{reason="SecretNotFound",stalled="true"} 1'
      ])
      assert.lengthOf(seriesOf(yield* linesWith(sample()), "skopeo_operator_images_not_ready"), 0)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("a namespace with thousands of failing Images hides no failing Image of another namespace", () =>
    Effect.gen(function* () {
      const lines = yield* linesWith(
        failing({ namespace: "small", name: "app-0" }),
        ...many(3_000, (index) => failing({ namespace: "large", name: `app-${index}` }))
      )
      const ready = seriesOf(lines, "skopeo_operator_image_ready")
      assert.lengthOf(ready, 1_000)
      assert.include(ready, 'skopeo_operator_image_ready{namespace="small",name="app-0",reason="CopyFailed"} 0')
      assert.include(lines, "skopeo_operator_images_without_series 2001")
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("of more Images than series, those that are not ready or overdue have series first, the oldest first", () =>
    Effect.gen(function* () {
      const lines = yield* linesWith(
        ...many(3_000, (index) => sample({ name: `fine-${index}` })),
        ...many(1_200, (index) =>
          sample({
            name: `overdue-${index}`,
            freshness: { lastInSync: 10_000 - index, intervalSeconds: 300, isOverdue: true }
          })
        ),
        failing({ name: "failing", freshness: { lastInSync: 1, intervalSeconds: 300, isOverdue: false } })
      )
      const names = seriesOf(lines, "skopeo_operator_image_ready").map((line) => /,name="([^"]+)"/u.exec(line)?.[1])
      assert.sameMembers(names, ["failing", ...Array.from({ length: 999 }, (_, index) => `overdue-${1_199 - index}`)])
      assert.include(lines, 'skopeo_operator_tags{state="copied"} 4200')
      assert.include(lines, 'skopeo_operator_tags{state="failed"} 1')
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("without series of single Images their totals remain", () =>
    Effect.gen(function* () {
      const lines = yield* linesWith(failing())
      assert.notMatch(lines.join("\n"), /^skopeo_operator_(?:image_|seconds_since_last_success)/mu)
      assert.include(lines, 'skopeo_operator_images{ready="False"} 1')
      assert.include(lines, "skopeo_operator_images_without_series 1")
    }).pipe(Effect.provide(Metrics.layerWith({ perImage: false })))
  )
})

describe("the copies of Images", () => {
  it.effect("the series of copies are bounded in number, whatever names and versions users write", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      for (let index = 0; index < 5_000; index++) {
        metrics.copies.started(`evil.test/app:${index}`)
        metrics.copies.bytes(`evil.test/app:${index}`, "sent", 10)
        metrics.copies.bytes(`evil.test/app:${index}`, "present", 1)
      }
      metrics.copies.sampling(
        Effect.succeed(new Map(Array.from({ length: 5_000 }, (_, index) => [`evil.test/app:${index}`, 2])))
      )
      const lines = (yield* metrics.exposition).body.split("\n")
      const seriesOf = (name: string) => lines.filter((line) => line.startsWith(`${name}{`))
      for (const [name, series, other] of [
        ["skopeo_operator_reload_total", 1_001, '{image="other"} 4000'],
        ["skopeo_operator_copy_bytes_total", 2_002, '{image="other",how="sent"} 40000'],
        ["skopeo_operator_copy_bytes_remaining", 1_001, '{image="other"} 8000']
      ] as const) {
        assert.lengthOf(seriesOf(name), series)
        assert.include(seriesOf(name), `${name}${other}`)
      }
    }).pipe(Effect.provide(Metrics.layer))
  )
})
