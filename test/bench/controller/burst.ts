/** 60 new OneShot Images at once, with each engine, beside the same Jobs without an operator. */
import { Clock, Effect } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { followImages } from "./apiServer.ts"
import { kubeClient } from "../../support/kubeClient.ts"
import { destinationPath, installOperator, operatorOfChart, ownImage } from "./chart.ts"
import { followJobs, jobsLike } from "./copyJobs.ts"
import { WHOLE_CLUSTER } from "./environment.ts"
import { secondsBetween } from "./milestones.ts"
import { pushSource, SOURCE_TAG, tagAt } from "./registries.ts"
import type { BenchRun, Figure, Row } from "./Row.ts"

const COUNT = 60
const AT_ONCE = 10
const GOAL_SECONDS = 30

const namesOf = (prefix: string): ReadonlyArray<string> =>
  Array.from({ length: COUNT }, (_, index) => `${prefix}-${index}`)

const measure = Effect.fnUntraced(function* (run: BenchRun) {
  const kube = yield* KubeClient
  const path = `${run.name}/burst`
  yield* pushSource(path)
  const limits = `config.copies.perRegistry=${AT_ONCE}`
  const namespace = yield* operatorOfChart(`${run.name}-burst`, limits)
  const jobs = yield* followJobs
  const { ready } = yield* followImages(namespace)

  /** The tags are asked for one after the other: each of them must be there, and the last one decides. */
  const allTags = (names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => tagAt(destinationPath(name, path), SOURCE_TAG), { discard: true })
  const create = (name: string) => kube.create(Images, ownImage(namespace, name, path))
  const createAndAwait = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const start = yield* Clock.currentTimeNanos
    yield* Effect.forEach(names, create, { concurrency: AT_ONCE, discard: true })
    yield* allTags(names)
    const tags = secondsBetween(start, yield* Clock.currentTimeNanos)
    return { tags, ready: secondsBetween(start, yield* ready.all(names)) }
  })

  yield* create("first")
  yield* ready.at("first")
  const createJob = yield* jobsLike(jobs.jobOf(`${namespace}/first`), destinationPath("first", path))
  const byJobs = yield* createAndAwait(namesOf("job"))
  const most = jobs.mostAtOnce()

  const bareStart = yield* Clock.currentTimeNanos
  yield* Effect.forEach(
    namesOf("bare"),
    (name) => Effect.andThen(createJob(name, destinationPath(name, path)), jobs.ended.at(name)),
    { concurrency: AT_ONCE, discard: true }
  )
  yield* allTags(namesOf("bare"))
  const bare = secondsBetween(bareStart, yield* Clock.currentTimeNanos)

  yield* installOperator(namespace, limits, "config.copyEngine=direct")
  yield* create("second")
  yield* ready.at("second")
  const direct = yield* createAndAwait(namesOf("direct"))

  const figures: ReadonlyArray<Figure> = [
    {
      what: `${COUNT} Images at once, by Jobs: all tags are there`,
      unit: "s",
      measured: byJobs.tags,
      bare,
      goal: GOAL_SECONDS
    },
    { what: "... all Ready", unit: "s", measured: byJobs.ready },
    { what: "... Jobs at once", unit: "Jobs", measured: most, goal: AT_ONCE },
    { what: `${COUNT} Images at once, engine direct: all tags are there`, unit: "s", measured: direct.tags },
    { what: "... all Ready", unit: "s", measured: direct.ready }
  ]
  return figures
})

export const burst: Row = {
  name: "burst",
  needs: WHOLE_CLUSTER,
  measure: (run) => Effect.provide(measure(run), kubeClient)
}
