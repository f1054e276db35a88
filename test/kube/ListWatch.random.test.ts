/** A reader that follows an API server with random faults. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ApiServerStore, type StoredChange } from "../../src/kube/ApiServerStore.ts"
import { KubeClient, KubeError, type WatchEvent } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { listWatch } from "../../src/kube/ListWatch.ts"
import { Secrets } from "../../src/kube/Resources.ts"

/** The fault of a request: a refusal, or the end of a watch after some events. */
const Fault = Schema.Union([
  Schema.Struct({ type: Schema.Literal("refused"), code: Schema.Literals([0, 403, 410, 422, 429, 500]) }),
  Schema.Struct({
    type: Schema.Literals(["breaks", "ends", "hangs", "lags"]),
    after: Schema.Literals([0, 1, 2, 4])
  }),
  Schema.Struct({
    type: Schema.Literal("error"),
    after: Schema.Literals([0, 1, 2, 4]),
    code: Schema.Literals([410, 429, 500])
  }),
  Schema.Struct({ type: Schema.Literal("none") })
])
type Fault = typeof Fault.Type

const Command = Schema.Union([
  Schema.Struct({ type: Schema.Literal("put"), name: Schema.Literals(["a", "b", "c", "d"]) }),
  Schema.Struct({ type: Schema.Literal("put"), name: Schema.Literals(["a", "b", "c", "d"]) }),
  Schema.Struct({ type: Schema.Literal("delete"), name: Schema.Literals(["a", "b", "c", "d"]) }),
  Schema.Struct({ type: Schema.Literal("pass"), seconds: Schema.Literals([1, 1, 15, 310]) })
])

const errorOf = (code: number) => new KubeError({ operation: "test", code, reason: "Scripted", detail: `${code}` })

/** An API server with one fault for each request. `server` has the number of open requests and the version of the last list. */
const makeServer = (store: ApiServerStore, faults: ReadonlyArray<Fault>) => {
  const left = [...faults]
  const server = { open: 0, mostOpen: 0, listed: 0, isWell: false }
  const opened = Effect.acquireRelease(
    Effect.sync(() => {
      server.open += 1
      server.mostOpen = Math.max(server.mostOpen, server.open)
    }),
    () => Effect.sync(() => void (server.open -= 1))
  )
  const next = (): Fault => (server.isWell ? undefined : left.shift()) ?? { type: "none" }
  const isSlow = Effect.sleep("2 minutes")
  const layer = Layer.effect(
    KubeClient,
    Effect.map(KubeClient, (inner) =>
      KubeClient.of({
        ...inner,
        list: (resource, scope) =>
          Effect.scoped(
            Effect.gen(function* () {
              yield* opened
              const fault = next()
              if (fault.type === "refused") return yield* errorOf(fault.code)
              if (fault.type === "hangs") return yield* Effect.andThen(isSlow, Effect.fail(errorOf(0)))
              // Small pages: changes come between them.
              const page = yield* inner.list(resource, { ...scope, limit: 2 })
              yield* Effect.sleep(fault.type === "lags" ? "20 seconds" : "300 millis")
              server.listed = Number(page.resourceVersion)
              return page
            })
          ),
        watch: (resource, scope) =>
          Stream.unwrap(
            Effect.gen(function* () {
              yield* opened
              const fault = next()
              const watch = inner.watch(resource, scope).pipe(
                Stream.tap((event) =>
                  Effect.sync(() => {
                    if (event.type === "BOOKMARK" && event.isInitialEnd === true) {
                      server.listed = Number(event.resourceVersion)
                    }
                  })
                )
              )
              switch (fault.type) {
                case "none":
                  return watch
                case "refused":
                  return Stream.fail(errorOf(fault.code))
                case "lags":
                  return Stream.tap(watch, () => Effect.sleep("3 seconds"))
                case "breaks":
                  return Stream.concat(Stream.take(watch, fault.after), Stream.fail(errorOf(0)))
                case "ends":
                  return Stream.take(watch, fault.after)
                case "hangs":
                  // KubeClientHttp ends a watch whose connection is silent.
                  return Stream.concat(
                    Stream.take(watch, fault.after),
                    Stream.fromEffectDrain(Effect.sleep(Duration.seconds((scope.timeoutSeconds ?? Infinity) + 10)))
                  )
                case "error": {
                  const error: WatchEvent<never> = { type: "ERROR", error: errorOf(fault.code) }
                  return Stream.concat(Stream.take(watch, fault.after), Stream.succeed(error))
                }
              }
            })
          )
      })
    )
  ).pipe(Layer.provide(KubeClientMemory.layer({ store })))
  return { server, layer }
}

describe("a reader that follows an API server", () => {
  it.effect.prop(
    "a reader has the server's content in the end, gets each change once and in order, and has at most one open request",
    {
      history: Schema.Literals([2, 5, 1_000]),
      faults: Schema.Array(Fault).check(Schema.isMaxLength(20)),
      commands: Schema.Array(Command).check(Schema.isMinLength(20), Schema.isMaxLength(60))
    },
    ({ commands, faults, history }) => {
      const store = new ApiServerStore({ history })
      const { layer, server } = makeServer(store, faults)
      /** All changes, in the order of their versions. */
      const log: Array<StoredChange> = []
      store.watch(Secrets, { namespace: "team" }, 1, (change) => void log.push(change))
      const known = new Map<string, string>()
      /** The version up to which the reader has all changes. */
      let seen = 0
      let writes = 0

      const put = (name: string) =>
        store.apply(Secrets, { metadata: { namespace: "team", name, annotations: { count: `${++writes}` } } }, 0)

      return Effect.gen(function* () {
        yield* listWatch(Secrets, { namespace: "team" }).pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => {
              if (event._tag === "Replaced") {
                known.clear()
                for (const { metadata } of event.objects) known.set(metadata.name, metadata.resourceVersion ?? "")
                assert.strictEqual(known.size, event.objects.length)
                assert.isAtLeast(server.listed, seen)
                seen = server.listed
                return
              }
              const { name, resourceVersion = "" } = event.object.metadata
              const next = log.find(({ version }) => version > seen)
              assert.strictEqual(next?.object.metadata.name, name)
              assert.strictEqual(String(next?.version), resourceVersion)
              assert.strictEqual(next?.type === "DELETED", event._tag === "Deleted")
              seen = Number(resourceVersion)
              if (event._tag === "Deleted") known.delete(name)
              else known.set(name, resourceVersion)
            })
          ),
          Effect.forkScoped
        )
        yield* TestClock.adjust("0 millis")
        for (const command of commands) {
          switch (command.type) {
            case "put":
              put(command.name)
              break
            case "delete":
              store.delete(Secrets, { namespace: "team", name: command.name }, 0)
              break
            case "pass":
              yield* TestClock.adjust(`${command.seconds} seconds`)
          }
          yield* TestClock.adjust("20 millis")
        }
        server.isWell = true
        put("last")
        yield* TestClock.adjust("10 minutes")
        const stored = store.list(Secrets, { namespace: "team" }).items
        assert.deepStrictEqual(
          known,
          new Map(stored.map(({ metadata }) => [metadata.name, String(metadata["resourceVersion"])]))
        )
        assert.strictEqual(server.mostOpen, 1)
        assert.strictEqual(server.open, 1)
      }).pipe(Effect.provide(layer))
    },
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )
})
