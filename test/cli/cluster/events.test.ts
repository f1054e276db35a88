/** `events`: the Events of Images, from an API server over HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import { Events, Images } from "../../../src/kube/Resources.ts"
import { addImage, CREATED, served } from "./apiServer.ts"

interface WrittenEvent {
  readonly name: string
  readonly image: string
  readonly apiVersion?: string
  readonly namespace?: string
  readonly fields: object
}

const addEvent = (
  store: ApiServerStore,
  { apiVersion = "skopeo.io/v1alpha1", fields, image, name, namespace = "team" }: WrittenEvent
): void => {
  const uid = store.get(Images, { namespace, name: image })?.metadata.uid ?? "gone"
  const involvedObject = { apiVersion, kind: "Image", namespace, name: image, uid }
  const event = { metadata: { namespace, name }, involvedObject, ...fields }
  Result.getOrThrow(store.create(Events, event, CREATED))
}

const world = Effect.gen(function* () {
  const cluster = yield* served()
  const { store } = cluster
  addImage(store, { name: "nginx", labels: { tier: "web" } })
  addImage(store, { name: "quiet" })
  const failed = { type: "Warning", reason: "CopyFailed", message: "1.0.1: Unreachable: no answer" }
  addEvent(store, {
    name: "b",
    image: "nginx",
    fields: {
      ...failed,
      eventTime: "2026-01-01T00:00:00.000000Z",
      series: { count: 4, lastObservedTime: "2026-01-01T00:20:00.000000Z" }
    }
  })
  addEvent(store, {
    name: "a",
    image: "nginx",
    fields: { type: "Normal", reason: "Copied", message: "copied 1 tag", eventTime: "2026-01-01T00:10:00.000000Z" }
  })
  addEvent(store, { name: "c", image: "deleted", fields: { ...failed, eventTime: "2026-01-01T00:30:00.000000Z" } })
  addEvent(store, { name: "d", image: "nginx", apiVersion: "kpack.io/v1alpha2", fields: failed })
  addEvent(store, { name: "e", image: "node", namespace: "other", fields: failed })
  return cluster
})

const rowsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {3,}/u))

describe("skopeo-operator events", () => {
  it.live("events are printed by the time of their last report, with the number of the reports of a series", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { code, stderr, stdout } = yield* run("events")
      assert.strictEqual(code, 0, stderr)
      const [header, ...rows] = rowsOf(stdout)
      assert.deepStrictEqual(header, ["LAST SEEN", "TYPE", "REASON", "IMAGE", "COUNT", "MESSAGE"])
      assert.deepStrictEqual(
        rows.map(([, ...row]) => row),
        [
          ["Normal", "Copied", "nginx", "1", "copied 1 tag"],
          ["Warning", "CopyFailed", "nginx", "4", "1.0.1: Unreachable: no answer"],
          ["Warning", "CopyFailed", "deleted", "1", "1.0.1: Unreachable: no answer"]
        ]
      )
      assert.match(rows[1]?.[0] ?? "", /^[0-9a-z]+ \(over [0-9a-z]+\)$/u)
    })
  )

  it.live("events of other namespaces, of one Image, of a deleted Image and of labels are chosen as in get", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const imagesOf = (column: number) => (args: ReadonlyArray<string>) =>
        Effect.map(run("events", ...args), ({ stdout }) => rowsOf(stdout).map((row) => row[column]))
      assert.deepStrictEqual(yield* imagesOf(4)(["-A"]), ["IMAGE", "node", "nginx", "nginx", "deleted"])
      assert.deepStrictEqual(yield* imagesOf(3)(["nginx"]), ["IMAGE", "nginx", "nginx"])
      assert.deepStrictEqual(yield* imagesOf(3)(["deleted"]), ["IMAGE", "deleted"])
      assert.deepStrictEqual(yield* imagesOf(3)(["-l", "tier=web"]), ["IMAGE", "nginx", "nginx"])
    })
  )

  it.live("an Image without Events is no failure, and a name without an Image and without Events is one", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const quiet = yield* run("events", "quiet")
      assert.deepStrictEqual([quiet.code, quiet.stdout], [0, ""])
      assert.include(quiet.stderr, "no Events of these Images; an API server drops an Event after an hour by default")
      const unknown = yield* run("events", "nginxx")
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, 'images: "nginxx" does not exist in the namespace team; did you mean nginx?')
    })
  )

  it.live("events -o json prints a List of Events", () =>
    Effect.gen(function* () {
      const { run } = yield* world
      const { items, kind } = JSON.parse((yield* run("events", "nginx", "-o", "json")).stdout)
      assert.strictEqual(kind, "List")
      assert.deepInclude(items[0], { kind: "Event", reason: "Copied", message: "copied 1 tag" })
    })
  )
})
