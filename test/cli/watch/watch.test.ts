/** `sync --watch` as a process: real files, registries over HTTP, a state directory and signals. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingMessage } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Schedule } from "effect"
import { HttpClient } from "effect/http"
import { startRegistry } from "../../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { PROCESS_TIMEOUT, runProcess, start } from "../../support/commandProcess.ts"
import { freePort } from "../../support/freePort.ts"
import { startReceiver } from "../../support/Receiver.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Registries with one image, and a file with its Image. `requests` gets the requests to each registry as they come. */
const world = Effect.gen(function* () {
  const home = yield* directory
  const requests = yield* Queue.unbounded<string>()
  const seen =
    (name: string) =>
    ({ method = "", url = "" }: IncomingMessage) => {
      Queue.offerUnsafe(requests, `${name} ${method} ${url}`)
      return false
    }
  const source = yield* startRegistry({ intercept: seen("source") })
  const destination = yield* startRegistry({ intercept: seen("destination") })
  pushSampleImage(source.store, "app", "1.0.0", "app")
  const images = join(home, "images.yaml")
  const write = (...names: ReadonlyArray<string>) =>
    writeFileSync(
      images,
      names
        .map(
          (name) => `apiVersion: skopeo.io/v1alpha1
kind: Image
metadata: { name: ${name} }
spec:
  mode: Recurrent
  frequency: 1h
  source: { name: ${source.host}/app, version: 1.0.0, tlsVerify: false }
  destination: { name: ${destination.host}/${name}, tlsVerify: false }
`
        )
        .join("---\n")
    )
  write("app")
  const state = join(home, "state")
  /** Waits for a request that begins so. */
  const request = (prefix: string) =>
    Queue.take(requests).pipe(Effect.repeat({ until: (text) => text.startsWith(prefix) }), Effect.timeout("20 seconds"))
  return { images, state, write, request, requests, destination }
})

const FINISHED = "destination PUT /v2/app/manifests/1.0.0"

describe("skopeo-operator sync --watch", { timeout: PROCESS_TIMEOUT }, () => {
  it.live(
    "the process copies, ends with 0 after SIGTERM, and the next one asks no registry before a check is due",
    () =>
      Effect.gen(function* () {
        const { destination, images, request, requests, state } = yield* world
        const args = ["sync", "-f", images, "--watch", "--state-dir", state]
        const first = yield* start(args)
        yield* request(FINISHED)
        // The answer to the last request has to arrive before the process is stopped.
        yield* first.stderr("copied")
        first.kill("SIGTERM")
        const ended = yield* first.ended
        assert.deepStrictEqual([ended.code, ended.stdout], [0, ""], ended.stderr)
        assert.isDefined(destination.store.manifest("app", "1.0.0"))
        const { objects } = JSON.parse(readFileSync(join(state, "state.json"), "utf8"))
        const [object] = Object.values(objects) as ReadonlyArray<{ readonly status: { readonly tags: string } }>
        assert.strictEqual(object?.status.tags, "1/1")
        assert.isFalse(existsSync(join(state, "lock")))

        yield* Queue.clear(requests)
        const port = yield* freePort
        const second = yield* start([...args, "--health-address", `127.0.0.1:${port}`])
        yield* second.stderr("Images read")
        const ready = HttpClient.get(`http://127.0.0.1:${port}/readyz`).pipe(
          Effect.filterOrFail(({ status }) => status === 200),
          Effect.retry(Schedule.spaced("20 millis")),
          Effect.provide(NodeHttpClient.layerUndici)
        )
        yield* ready
        const blocked = yield* runProcess(args)
        assert.strictEqual(blocked.code, 2)
        assert.match(blocked.stderr, /--state-dir: .*state is used by process [0-9]+ on /u)
        second.kill("SIGINT")
        assert.strictEqual((yield* second.ended).code, 0)
        assert.deepStrictEqual(yield* Queue.clear(requests), [])
      })
  )

  it.live("a process with NOTIFY_URL posts a signed CloudEvent of each copy", () =>
    Effect.gen(function* () {
      const { images, state, write } = yield* world
      write("app", "other")
      const receiver = yield* startReceiver()
      const env = { NOTIFY_URL: `http://${receiver.host}/hook`, NOTIFY_SECRET: "a secret of the receiver, 32 bytes" }
      const { ended, kill } = yield* start(["sync", "-f", images, "--watch", "--state-dir", state], env)
      const posted = Effect.map(receiver.next, ({ body, headers }) => {
        assert.match(String(headers["webhook-signature"]), /^v1,[A-Za-z0-9+/]{43}=$/u)
        const { subject, type } = JSON.parse(body) as { readonly subject: string; readonly type: string }
        return `${type} ${subject}`
      }).pipe(Effect.timeout("20 seconds"))
      assert.sameMembers(
        [yield* posted, yield* posted],
        ["io.skopeo.image.Copied default/app", "io.skopeo.image.Copied default/other"]
      )
      kill("SIGTERM")
      assert.strictEqual((yield* ended).code, 0)
    })
  )

  it.live("a process that is killed leaves a lock that the next one takes over", () =>
    Effect.gen(function* () {
      const { images, request, state } = yield* world
      const args = ["sync", "-f", images, "--watch", "--state-dir", state]
      const first = yield* start(args)
      yield* request(FINISHED)
      first.kill("SIGKILL")
      yield* first.ended
      assert.isTrue(existsSync(join(state, "lock")))
      const second = yield* start(args)
      yield* second.stderr("Images read")
      second.kill("SIGTERM")
      assert.strictEqual((yield* second.ended).code, 0)
    })
  )

  it.live("metrics are served on request", () =>
    Effect.gen(function* () {
      const { images, request, state } = yield* world
      const port = yield* freePort
      const running = yield* start([
        ...["sync", "-f", images, "--watch", "--state-dir", state],
        ...["--metrics-address", `127.0.0.1:${port}`]
      ])
      yield* request(FINISHED)
      const text = yield* HttpClient.get(`http://127.0.0.1:${port}/metrics`).pipe(
        Effect.flatMap((response) => response.text),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.match(text, /^skopeo_operator_/mu)
      running.kill("SIGTERM")
      assert.strictEqual((yield* running.ended).code, 0)
    })
  )
})
