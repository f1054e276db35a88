/**
 * The alerts and the dashboard of the chart over a real Prometheus, which scrapes the operator in a cluster while Images are
 * copied, fail and wait. E2E_RECORD_DASHBOARD=FILE records the answers, of which `npm run generate` draws the dashboard.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { writeFileSync } from "node:fs"
import { Clock, Effect, Exit, Schedule, Scope } from "effect"
import { dashboard, dashboardJson } from "../../scripts/observe/dashboard.ts"
import type { Query } from "../../scripts/observe/grafana.ts"
import { type Recording, seriesName } from "../../scripts/observe/recording.ts"
import { type Intercept, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { decodeRules, rules } from "../support/alerts.ts"
import { background } from "../support/background.ts"
import { template } from "../support/chart.ts"
import {
  apply,
  CLUSTER,
  describeInCluster,
  eventually,
  install,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  restrictedNamespace,
  uninstall
} from "../support/cluster.ts"
import { freePort } from "../support/freePort.ts"
import { startHoldingProxy } from "../support/HoldingProxy.ts"
import { type EvaluatedRule, type Prometheus, startPrometheus } from "../support/prometheus.ts"
import { seed } from "../support/seeding.ts"

const environment = {
  ...CLUSTER,
  ...REGISTRIES,
  privateInCluster: process.env["E2E_PRIVATE_IN_CLUSTER"] ?? "",
  // An address of this machine that pods reach.
  machine: process.env["E2E_MACHINE_IN_CLUSTER"] ?? ""
}

const RUN = `observe-${randomUUID().slice(0, 8)}`
const TEAM = "observe"
/** An Image that is out of sync for so long fires, in this test. */
const OUT_OF_SYNC_SECONDS = 20
/** How often the tag of the Recurrent Images moves, and the time between two moves. */
const MOVES = 8
const MOVE_SECONDS = 8

const panels = dashboard.rows.flatMap((row) => row.panels)

/** Grafana's value of `$__rate_interval` is at least four times the interval of scrapes. */
const expressionOf = ({ expr }: Query): string =>
  expr.replaceAll("$__rate_interval", "20s").replaceAll("$namespace", ".*")

/** An Image is overdue after ten minutes, the queue is mostly empty, and the value of a query for Images that are not Ready is 0. */
const isZero = ({ expr }: Query): boolean =>
  expr.includes("images_overdue") || expr.includes("workqueue_depth") || expr.endsWith("== 0")

const source = (path: string) => `${environment.sourceInCluster}/${RUN}/${path}`
const destination = (path: string) => `${environment.destinationInCluster}/${RUN}/${path}`

const image = (name: string, spec: object) => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name, namespace: TEAM },
  spec
})

const refuse = (response: Parameters<Intercept>[1], status: number, code: string): boolean => {
  response.writeHead(status, { "content-type": "application/json", "retry-after": "21600" })
  response.end(JSON.stringify({ errors: [{ code, message: "refused" }] }))
  return true
}

/** Docker Hub's limit: GETs of manifests count, HEADs do not. */
const pullQuota = (pulls: number): Intercept => {
  let used = 0
  return ({ method, url = "" }, response) => {
    if (!url.includes("/manifests/")) return false
    const isPull = method === "GET"
    const isOver = isPull && used >= pulls
    if (isPull && !isOver) used++
    response.setHeader("ratelimit-limit", `${pulls};w=21600`)
    response.setHeader("ratelimit-remaining", `${pulls - used};w=21600`)
    return isOver && refuse(response, 429, "TOOMANYREQUESTS")
  }
}

/** An image that has lost its layers. */
const lostLayers: Intercept = ({ url = "" }, response) =>
  url.startsWith("/v2/lost/blobs/") && refuse(response, 404, "BLOB_UNKNOWN")

/** A registry at an address that pods can reach. */
const startUpstream = (intercept: Intercept) =>
  Effect.gen(function* () {
    const { host, store } = yield* startRegistry({ intercept })
    return { store, proxy: yield* startHoldingProxy(host, environment.machine) }
  })

const startWorld = Effect.gen(function* () {
  const generous = yield* startUpstream(pullQuota(20))
  pushSampleImage(generous.store, "library/alpine", "3.22", "alpine")
  // A copy of a sample image takes more pulls.
  const exhausted = yield* startUpstream(pullQuota(1))
  pushSampleImage(exhausted.store, "library/debian", "12", "debian")
  const slow = yield* startUpstream(() => false)
  pushSampleImage(slow.store, "held", "17.0", "held")
  slow.proxy.hold("held")
  const upstream = yield* startUpstream(lostLayers)
  pushSampleImage(upstream.store, "lost", "2.4.1", "lost")
  const move = (content: string) =>
    pushSampleImage(upstream.store, "node", "22-alpine", content, { layerSize: 3_000_000 })
  move("at first")
  yield* seed(
    REGISTRIES.source,
    ["v2.13.0", "v2.13.1", "v2.13.2"].map((tag) => [`${RUN}/argocd`, tag, tag] as const)
  )

  // Before the installation, so that a failed one is removed too.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(kubectl("delete", "namespace", TEAM, "--timeout=60s"), uninstall()).pipe(Effect.orDie)
  )
  yield* apply(restrictedNamespace(NAMESPACE), restrictedNamespace(TEAM))
  yield* install(
    ...PLAIN_HTTP,
    "config.copyEngine=direct",
    "config.copies.perRegistry=8",
    "monitoring.dashboard.enabled=true"
  )

  const metricsPort = yield* freePort
  yield* background(
    "kubectl",
    ["port-forward", "-n", NAMESPACE, "deploy/skopeo-operator", `${metricsPort}:8080`],
    /Forwarding from/u
  )
  const manifests = yield* template({
    monitoring: { prometheusRule: { enabled: true, outOfSyncSeconds: OUT_OF_SYNC_SECONDS } }
  })
  const prometheus = yield* startPrometheus({
    target: `127.0.0.1:${metricsPort}`,
    labels: { namespace: NAMESPACE },
    rules: decodeRules(manifests.find(({ kind }) => kind === "PrometheusRule")?.spec)
  })
  yield* eventually(
    Effect.filterOrFail(
      prometheus.instant("skopeo_operator_build_info"),
      (found) => found.length > 0,
      () => "not scraped yet"
    )
  )
  const started = Math.ceil((yield* Clock.currentTimeMillis) / 1_000)

  const node = {
    source: { name: `${upstream.proxy.host}/node`, version: "22-alpine" },
    mode: "Recurrent",
    frequency: "10s"
  }
  const refused = (name: string) =>
    image(name, {
      source: { name: source("argocd"), version: "v2.13.0" },
      destination: { name: `${environment.privateInCluster}/${RUN}/${name}` }
    })
  yield* apply(
    image("argocd", {
      source: { name: source("argocd"), version: "v2.13.x" },
      destination: { name: destination("argocd") }
    }),
    image("node-22", { ...node, destination: { name: destination("node") } }),
    image("node-22-team", { ...node, destination: { name: destination("team/node") } }),
    image("alpine", {
      source: { name: `${generous.proxy.host}/library/alpine`, version: "3.22" },
      destination: { name: destination("alpine") }
    }),
    image("debian", {
      source: { name: `${exhausted.proxy.host}/library/debian`, version: "12" },
      destination: { name: destination("debian") }
    }),
    image("redis", {
      source: { name: `${upstream.proxy.host}/lost`, version: "2.4.1" },
      destination: { name: destination("lost") }
    }),
    image("postgres", {
      source: { name: `${slow.proxy.host}/held`, version: "17.0" },
      destination: { name: destination("held") }
    }),
    image("gone", {
      frequency: "10s",
      source: { name: "nowhere.registry.invalid/app", version: "1.x" },
      destination: { name: destination("gone") }
    }),
    image("misspelt", {
      source: { name: `${environment.sourceInCluster}/Team/App`, version: "1.0.0" },
      destination: { name: destination("misspelt") }
    }),
    ...["billing", "search", "website"].map(refused)
  )
  for (let count = 1; count <= MOVES; count++) {
    yield* Effect.sleep(`${MOVE_SECONDS} seconds`)
    // Every second time the tag moves back to blobs that are at the destination.
    move(count % 2 === 0 ? "at first" : `move ${count}`)
  }
  yield* kubectl("wait", "-n", TEAM, "--for=condition=Ready", "image/argocd", "image/node-22", "--timeout=60s")
  return { prometheus, started }
})

const programs = ["helm", "kubectl", "prometheus"]

describeInCluster("the alerts and the dashboard over a real Prometheus", { environment, programs }, () => {
  const scope = Scope.makeUnsafe()
  let prometheus: Prometheus
  let started = 0

  beforeAll(async () => {
    ;({ prometheus, started } = await Effect.runPromise(Scope.provide(startWorld, scope)))
  }, 300_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it("every alert is evaluated without an error, and those of the failing Images are about to fire", () =>
    live(
      Effect.gen(function* () {
        const active = [
          "SkopeoCredentialsRefused",
          "SkopeoImageOutOfSync",
          "SkopeoManyImagesFail",
          "SkopeoRateLimitExhausted"
        ]
        const namesOfActive = (all: ReadonlyArray<EvaluatedRule>) =>
          all.filter(({ state }) => state !== "inactive").map(({ name }) => name)
        const evaluated = yield* Effect.repeat(prometheus.rules, {
          until: (all) => namesOfActive(all).length >= active.length,
          schedule: Schedule.spaced("1 second"),
          times: 60
        })
        assert.deepStrictEqual(
          evaluated.map(({ health, lastError = "", name }) => `${name} ${health} ${lastError}`),
          rules.map(({ alert }) => `${alert} ok `)
        )
        assert.sameMembers([...namesOfActive(evaluated)], active)
        const textOf = (name: string) =>
          evaluated
            .filter((rule) => rule.name === name)
            .flatMap(({ alerts }) => alerts.flatMap(({ annotations }) => Object.values(annotations)))
            .join("\n")
        assert.include(textOf("SkopeoImageOutOfSync"), `The Image ${TEAM}/gone is not known to be in sync for`)
        assert.notInclude(textOf("SkopeoImageOutOfSync"), `${TEAM}/node-22 `)
        assert.include(textOf("SkopeoManyImagesFail"), "AuthenticationFailed (3)")
        assert.include(textOf("SkopeoCredentialsRefused"), `${TEAM}/billing ${TEAM}/search ${TEAM}/website`)
        assert.include(textOf("SkopeoRateLimitExhausted"), environment.machine)
      })
    ))

  it.each(panels.flatMap((panel) => panel.queries.map((query) => ({ title: panel.title, query }))))(
    "the panel $title has data for $query.legend",
    ({ query }) =>
      live(
        Effect.gen(function* () {
          const end = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
          const found = yield* prometheus.range(expressionOf(query), { start: started, end, step: 1 })
          const values = found.flatMap(({ samples }) => samples.map(([, value]) => value)).filter(Number.isFinite)
          assert.isNotEmpty(values)
          if (!isZero(query))
            assert.isTrue(
              values.some((value) => value > 0),
              "all values are 0"
            )
        })
      )
  )

  it("Grafana's sidecar gets the dashboard from a ConfigMap with its label", () =>
    live(
      Effect.gen(function* () {
        const json = yield* kubectl(
          ...["get", "configmap", "-n", NAMESPACE, "-l", "grafana_dashboard=1"],
          ...["-o", "jsonpath={.items[*].data.skopeo-operator\\.json}"]
        )
        assert.deepStrictEqual(JSON.parse(json), JSON.parse(dashboardJson()))
      })
    ))

  it("the namespace variable of the dashboard has the namespaces of Images, not that of the operator", () =>
    live(
      Effect.gen(function* () {
        const ready = yield* prometheus.instant("count by (namespace) (skopeo_operator_image_ready)")
        assert.deepStrictEqual(
          ready.map(({ labels }) => labels),
          [{ namespace: TEAM }]
        )
        const images = yield* prometheus.instant("sum by (namespace) (skopeo_operator_images)")
        assert.deepStrictEqual(
          images.map(({ labels }) => labels),
          [{ namespace: NAMESPACE }]
        )
      })
    ))

  const file = process.env["E2E_RECORD_DASHBOARD"] ?? ""
  const record = () =>
    it("the answers are recorded for the picture", () =>
      live(
        Effect.gen(function* () {
          const POINTS = 60
          const end = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
          const step = Math.ceil((end - started) / POINTS)
          const round = (value: number): number => Number(value.toPrecision(4))
          const recorded = yield* Effect.forEach(panels, ({ kind, queries, title }) =>
            Effect.map(
              Effect.forEach(queries, (query) => {
                const isNewest = kind === "table" || kind === "bars"
                const expression = expressionOf(query)
                return Effect.map(
                  isNewest
                    ? prometheus.instant(expression)
                    : prometheus.range(expression, { start: started, end, step }),
                  (found) =>
                    found.map(({ labels, samples }) => {
                      const values = new Map(samples)
                      const times = isNewest
                        ? [...values.keys()]
                        : Array.from(
                            { length: Math.floor((end - started) / step) + 1 },
                            (_, index) => started + index * step
                          )
                      return {
                        name: seriesName(query.legend, labels),
                        labels,
                        values: times.map((time) => {
                          const value = values.get(time)
                          return value === undefined || !Number.isFinite(value) ? null : round(value)
                        })
                      }
                    })
                )
              }),
              (series) => ({ title, series: series.flat() })
            )
          )
          const recording: Recording = { step, panels: recorded }
          writeFileSync(file, `${JSON.stringify(recording)}\n`)
        })
      ))
  if (file !== "") record()

  it("the expression of SkopeoOperatorDown has an answer as long after the end of the operator as its window is long", () =>
    live(
      Effect.gen(function* () {
        yield* kubectl("scale", "-n", NAMESPACE, "deploy/skopeo-operator", "--replicas=0")
        const { expr = "" } = rules.find(({ alert }) => alert === "SkopeoOperatorDown") ?? {}
        // A test does not wait for ten minutes.
        const sooner = expr.replaceAll("[10m]", "[5s]")
        assert.notStrictEqual(sooner, expr)
        const down = yield* eventually(
          Effect.filterOrFail(
            prometheus.instant(sooner),
            (found) => found.length > 0,
            () => "no answer yet"
          )
        )
        assert.isNotEmpty(down)
      })
    ))
})
