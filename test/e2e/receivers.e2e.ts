/** The traces and the notifications of the chart's operator, whose copies are Jobs. The collector and the receiver run on this machine. */
import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  eventually,
  image,
  install,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  restrictedNamespace,
  uninstall
} from "../support/cluster.ts"
import { type Collector, startCollector } from "../support/Collector.ts"
import { type Receiver, startReceiver } from "../support/Receiver.ts"
import { seed } from "../support/seeding.ts"

/** An address of this machine that pods reach. */
const machine = process.env["E2E_MACHINE_IN_CLUSTER"] ?? ""
const RUN = `e2e-${randomUUID().slice(0, 8)}`
const SECRET = "a secret of the receiver, 32 bytes"
const TOKEN = "hunter2-of-the-collector"

describeInCluster(
  "the traces and notifications of an operator in a cluster",
  { environment: { ...CLUSTER, ...REGISTRIES, machine }, programs: ["helm", "kubectl"] },
  () => {
    let collector: Collector
    let receiver: Receiver
    const scope = Scope.makeUnsafe()

    beforeAll(() =>
      live(
        Effect.gen(function* () {
          collector = yield* Scope.provide(startCollector(undefined, machine), scope)
          receiver = yield* Scope.provide(startReceiver(undefined, machine), scope)
          yield* seed(REGISTRIES.source, [[`${RUN}/app`, "v1", "seed"]])
          const secret = (name: string, stringData: Readonly<Record<string, string>>) => ({
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name, namespace: NAMESPACE },
            stringData
          })
          yield* apply(
            restrictedNamespace(NAMESPACE),
            secret("notifications", { url: `http://${receiver.host}/hook`, secret: SECRET }),
            secret("collector", { headers: `authorization=Bearer%20${TOKEN}` })
          )
          yield* install(
            ...PLAIN_HTTP,
            "notifications.secretName=notifications",
            `tracing.endpoint=${collector.url}`,
            "tracing.headersSecret=collector",
            "tracing.protocol=http/json"
          )
        })
      )
    )
    afterAll(() => live(Effect.andThen(uninstall(), Scope.close(scope, Exit.void))))

    it("a copy by a Job is one trace from the reconcile to the end of the Job, and a signed CloudEvent", () =>
      live(
        Effect.gen(function* () {
          const copied = image("observed", {
            source: { name: `${REGISTRIES.sourceInCluster}/${RUN}/app`, version: "v1" },
            destination: { name: `${REGISTRIES.destinationInCluster}/${RUN}/app` }
          })
          yield* apply(copied)
          yield* eventually(
            Effect.filterOrFail(
              column("observed", '{.status.conditions[?(@.type=="Ready")].status}'),
              (is) => is === "True"
            )
          )
          const job = yield* eventually(
            Effect.suspend(() => {
              const found = collector.spans().find(({ name }) => name === "Job")
              return found === undefined ? Effect.fail("no Job yet") : Effect.succeed(found)
            })
          )
          const trace = collector.spans().filter(({ traceId }) => traceId === job.traceId)
          const names = new Set(trace.map(({ name }) => name))
          for (const name of ["reconcile", "check", "decide", "copy", "Job", "registry.request", "KubeClient.create"]) {
            assert.isTrue(names.has(name), `${name} is not in ${[...names].join(" ")}`)
          }
          assert.deepStrictEqual(
            trace.filter(({ parentSpanId }) => parentSpanId === undefined).map(({ name }) => name),
            ["reconcile"]
          )
          // The end of Skopeo or the Job's own condition, whichever the operator sees first.
          assert.include(["Succeeded", "Complete"], job.attributes["outcome"])
          assert.strictEqual(collector.requests[0]?.headers.authorization, `Bearer ${TOKEN}`)
          assert.strictEqual(collector.resource()["k8s.namespace.name"], NAMESPACE)

          const [{ body, headers } = assert.fail()] = receiver.requests
          const event = JSON.parse(body) as { readonly source: string; readonly subject: string; readonly type: string }
          assert.deepStrictEqual(
            [event.type, event.subject, event.source],
            ["io.skopeo.image.Copied", "default/observed", `/skopeo-operator/${NAMESPACE}/skopeo-operator`]
          )
          assert.match(String(headers["webhook-signature"]), /^v1,/u)

          // The lines of the log have the trace, and no secret.
          const log = yield* kubectl("logs", "-n", NAMESPACE, "deploy/skopeo-operator")
          assert.match(log, /"message":"copied".*"trace_id":"[0-9a-f]{32}"/u)
          for (const hidden of [TOKEN, SECRET, "/hook"]) {
            assert.notInclude(log + collector.requests.map((request) => request.body).join(""), hidden)
          }
        })
      ))
  }
)
