/** New Images whose tags are at the destination already: they are Ready as fast as they can be created. */
import { Clock, Effect, Option } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { crd, followImages, plainNamespace } from "./apiServer.ts"
import { kubeClient } from "../../support/kubeClient.ts"
import { API_SERVER } from "./environment.ts"
import { AT_ONCE, checkWithoutOperator, createAll, namesOf } from "./images.ts"
import { startOperator } from "./localOperator.ts"
import { secondsBetween } from "./milestones.ts"
import { pushBoth } from "./registries.ts"
import type { BenchRun, Figure, Row } from "./Row.ts"

const COUNT = 1_500
const LARGE = 10_000
/** What the Images may need more than their creation: what differs between runs. */
const TOLERANCE = 1.1

const withOperator = (run: BenchRun, names: ReadonlyArray<string>, path: string) =>
  Effect.gen(function* () {
    const kube = yield* KubeClient
    const namespace = yield* plainNamespace(`${run.name}-operator`)
    yield* startOperator(yield* run.bundle, [namespace])
    const { ready } = yield* followImages(namespace)
    const start = yield* Clock.currentTimeNanos
    const created = yield* createAll(namespace, names, path)
    const last = yield* ready.all(names)
    const [name = ""] = names
    const { status } = Option.getOrThrow(yield* kube.get(Images, { namespace, name }))
    return { created: secondsBetween(start, created), ready: secondsBetween(start, last), status }
  }).pipe(Effect.scoped)

const withoutOperator = (run: BenchRun, names: ReadonlyArray<string>, path: string, status: unknown) =>
  Effect.gen(function* () {
    const namespace = yield* plainNamespace(`${run.name}-bare`)
    const start = yield* Clock.currentTimeNanos
    const created = yield* createAll(namespace, names, path)
    yield* Effect.forEach(names, (name) => checkWithoutOperator(namespace, name, path, status), {
      concurrency: AT_ONCE,
      discard: true
    })
    const end = yield* Clock.currentTimeNanos
    return { created: secondsBetween(start, created), checked: secondsBetween(created, end) }
  }).pipe(Effect.scoped)

const figuresOf = Effect.fnUntraced(function* (run: BenchRun, count: number) {
  const names = namesOf(count)
  const path = `${run.name}/in-sync-${count}`
  yield* pushBoth(path, names)
  const operator = yield* withOperator(run, names, path)
  const bare = yield* withoutOperator(run, names, path, operator.status)
  const what = `${count} new Images whose tags are there`
  const figures: ReadonlyArray<Figure> = [
    { what: `${what}: created, beside the operator`, unit: "s", measured: operator.created, bare: bare.created },
    {
      what: `${what}: all Ready`,
      unit: "s",
      measured: operator.ready,
      bare: bare.created + bare.checked,
      goal: operator.created * TOLERANCE
    }
  ]
  return figures
})

export const inSync: Row = {
  name: "in-sync",
  needs: API_SERVER,
  measure: (run) =>
    Effect.gen(function* () {
      yield* crd
      const counts = run.large ? [COUNT, LARGE] : [COUNT]
      return (yield* Effect.forEach(counts, (count) => figuresOf(run, count))).flat()
    }).pipe(Effect.provide(kubeClient))
}
