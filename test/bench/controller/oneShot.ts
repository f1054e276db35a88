/** One new OneShot Image at a time: its Job, its tag and its Ready, beside the same Job without an operator. */
import { Clock, Effect } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { median } from "../copy/statistics.ts"
import { followImages } from "./apiServer.ts"
import { kubeClient } from "../../support/kubeClient.ts"
import { destinationPath, operatorOfChart, ownImage } from "./chart.ts"
import { followJobs, jobsLike } from "./copyJobs.ts"
import { WHOLE_CLUSTER } from "./environment.ts"
import { secondsBetween } from "./milestones.ts"
import { pushSource, SOURCE_TAG, tagAt } from "./registries.ts"
import type { BenchRun, Figure, Row } from "./Row.ts"

const ROUNDS = 10
const GOALS = { job: 0.15, tag: 0.9, ready: 1.5 }

const measure = Effect.fnUntraced(function* (run: BenchRun) {
  const kube = yield* KubeClient
  const path = `${run.name}/one-shot`
  yield* pushSource(path)
  const namespace = yield* operatorOfChart(`${run.name}-one-shot`)
  const jobs = yield* followJobs
  const { ready } = yield* followImages(namespace)

  const withOperator = Effect.fnUntraced(function* (name: string) {
    const start = yield* Clock.currentTimeNanos
    yield* kube.apply(Images, ownImage(namespace, name, path), "bench")
    const [job, tag, end] = yield* Effect.all(
      [jobs.created.at(`${namespace}/${name}`), tagAt(destinationPath(name, path), SOURCE_TAG), ready.at(name)],
      { concurrency: "unbounded" }
    )
    return { job: secondsBetween(start, job), tag: secondsBetween(start, tag), ready: secondsBetween(start, end) }
  })

  // The first copy warms up the operator and the node, and does not count.
  yield* withOperator("first")
  const createJob = yield* jobsLike(jobs.jobOf(`${namespace}/first`), destinationPath("first", path))
  const withoutOperator = Effect.fnUntraced(function* (name: string) {
    const start = yield* Clock.currentTimeNanos
    yield* createJob(name, destinationPath(name, path))
    const created = yield* Clock.currentTimeNanos
    const [tag, end] = yield* Effect.all([tagAt(destinationPath(name, path), SOURCE_TAG), jobs.ended.at(name)], {
      concurrency: "unbounded"
    })
    return { job: secondsBetween(start, created), tag: secondsBetween(start, tag), ready: secondsBetween(start, end) }
  })

  const rounds = yield* Effect.forEach(
    Array.from({ length: ROUNDS }, (_, round) => round),
    (round) => Effect.all({ operator: withOperator(`image-${round}`), bare: withoutOperator(`bare-${round}`) })
  )
  const figure = (key: keyof typeof GOALS, what: string): Figure => ({
    what,
    unit: "s",
    measured: median(rounds.map(({ operator }) => operator[key])),
    bare: median(rounds.map(({ bare }) => bare[key])),
    goal: GOALS[key]
  })
  return [
    figure("job", `one OneShot Image: its Job exists, median of ${ROUNDS}`),
    figure("tag", "... its tag is at the destination"),
    figure("ready", "... Ready (bare: the Job's container has ended)")
  ]
})

export const oneShot: Row = {
  name: "one-shot",
  needs: WHOLE_CLUSTER,
  measure: (run) => Effect.provide(measure(run), kubeClient)
}
