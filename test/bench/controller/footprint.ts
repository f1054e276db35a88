/** The memory and the CPU time of the operator's pod, and the start of its process: without Images, and with 10,000 in sync. */
import { Effect } from "effect"
import { median } from "../copy/statistics.ts"
import { followImages } from "./apiServer.ts"
import { kubeClient } from "../../support/kubeClient.ts"
import { operatorOfChart } from "./chart.ts"
import { REGISTRIES, WHOLE_CLUSTER } from "./environment.ts"
import { createAll, namesOf } from "./images.ts"
import { startOperator } from "./localOperator.ts"
import { podUsage, restartPod } from "./podUsage.ts"
import { pushBoth } from "./registries.ts"
import type { BenchRun, Figure, Row } from "./Row.ts"

const COUNT = 10_000
const STARTS = 5
/** How long a process settles before it is measured. */
const SETTLING = "20 seconds"
const IDLE_SECONDS = 30
const MEGABYTE = 1e6

const GOALS = { withoutImages: 90, inSync: 130, cpuPercent: 0.2 }

/** The memory of an operator with nothing to do, and its CPU time as a share of one core. */
const idleUsage = Effect.gen(function* () {
  yield* Effect.sleep(SETTLING)
  const before = yield* podUsage
  yield* Effect.sleep(`${IDLE_SECONDS} seconds`)
  const { cpuSeconds, emptyBytes, rssBytes } = yield* podUsage
  return {
    megabytes: rssBytes / MEGABYTE,
    emptyMegabytes: emptyBytes / MEGABYTE,
    percent: ((cpuSeconds - before.cpuSeconds) / IDLE_SECONDS) * 100
  }
})

const inCluster = {
  ...REGISTRIES,
  source: REGISTRIES.sourceInCluster,
  destination: REGISTRIES.destinationInCluster
}

const measure = Effect.fnUntraced(function* (run: BenchRun) {
  const bundle = yield* run.bundle
  const path = `${run.name}/footprint`
  const names = namesOf(COUNT)
  yield* pushBoth(path, names)
  const namespace = yield* operatorOfChart(`${run.name}-footprint`, "config.copyEngine=direct")
  /** The second process has no leader election and has nothing to write: the Images are in sync. */
  const startSeconds = Effect.scoped(startOperator(bundle, [namespace]))

  const starts = yield* Effect.replicateEffect(startSeconds, STARTS)
  const empty = yield* idleUsage
  const { ready } = yield* followImages(namespace)
  yield* createAll(namespace, names, path, { registries: inCluster })
  yield* ready.all(names)
  const full = yield* idleUsage
  const startsWithImages = yield* Effect.replicateEffect(startSeconds, STARTS)
  yield* restartPod
  const again = yield* idleUsage

  const usage = (
    what: string,
    { emptyMegabytes, megabytes, percent }: typeof empty,
    goal: number
  ): ReadonlyArray<Figure> => [
    { what: `RSS ${what}`, unit: "MB", measured: megabytes, bare: emptyMegabytes, goal },
    { what: `CPU ${what}, of a core`, unit: "%", measured: percent, goal: GOALS.cpuPercent }
  ]
  return [
    ...usage("without Images", empty, GOALS.withoutImages),
    ...usage(`with ${COUNT} Images in sync`, full, GOALS.inSync),
    ...usage("after a restart with these", again, GOALS.inSync),
    { what: `start to /readyz without Images, median of ${STARTS}`, unit: "s", measured: median(starts) },
    {
      what: `start to /readyz with ${COUNT} Images, median of ${STARTS}`,
      unit: "s",
      measured: median(startsWithImages)
    }
  ] satisfies ReadonlyArray<Figure>
})

export const footprint: Row = {
  name: "footprint",
  needs: WHOLE_CLUSTER,
  measure: (run) => Effect.provide(measure(run), kubeClient)
}
