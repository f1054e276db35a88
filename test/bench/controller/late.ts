/**
 * An Image that is created behind 1,500 others, with registries that answer after 50 ms: the time until its status says that it
 * was checked. Once the late Image is in a namespace of its own, and once in the namespace of the others.
 */
import { Clock, Effect, Option } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { Images } from "../../../src/kube/Resources.ts"
import { crd, followImages, plainNamespace } from "./apiServer.ts"
import { kubeClient } from "../../support/kubeClient.ts"
import { API_SERVER, REGISTRIES } from "./environment.ts"
import { startDelayingProxy } from "./delayingProxy.ts"
import { checkWithoutOperator, createAll, namesOf } from "./images.ts"
import { startOperator } from "./localOperator.ts"
import { secondsBetween } from "./milestones.ts"
import { pushBoth } from "./registries.ts"
import type { BenchRun, Figure, Row } from "./Row.ts"

const OTHERS = 1_500
const ANSWER_MILLIS = 50
const GOAL_SECONDS = 2
/** So many that the operator has hardly begun when the last one is created. */
const CREATED_AT_ONCE = 30

const LATE = "late"
const SECOND_LATE = "late-too"
const BARE = "bare"

const measure = Effect.fnUntraced(function* (run: BenchRun) {
  const kube = yield* KubeClient
  yield* crd
  const path = `${run.name}/late`
  const names = namesOf(OTHERS)
  yield* pushBoth(path, [...names, LATE, SECOND_LATE, BARE])
  const registries = {
    ...REGISTRIES,
    source: yield* startDelayingProxy(REGISTRIES.source, ANSWER_MILLIS),
    destination: yield* startDelayingProxy(REGISTRIES.destination, ANSWER_MILLIS)
  }
  const crowd = yield* plainNamespace(`${run.name}-crowd`)
  const alone = yield* plainNamespace(`${run.name}-alone`)
  const bareNamespace = yield* plainNamespace(`${run.name}-bare`)
  yield* startOperator(yield* run.bundle, [crowd, alone])
  const inCrowd = yield* followImages(crowd)
  const inAlone = yield* followImages(alone)
  // The first check warms up the operator.
  yield* createAll(alone, [LATE], path, { registries })
  yield* inAlone.checked.at(LATE)
  const { status } = Option.getOrThrow(yield* kube.get(Images, { namespace: alone, name: LATE }))

  const bareStart = yield* Clock.currentTimeNanos
  yield* createAll(bareNamespace, [BARE], path, { registries })
  yield* checkWithoutOperator(bareNamespace, BARE, path, status, registries)
  const bare = secondsBetween(bareStart, yield* Clock.currentTimeNanos)

  yield* createAll(crowd, names, path, { registries, atOnce: CREATED_AT_ONCE })
  const waiting = OTHERS - inCrowd.checked.count()
  const start = yield* Clock.currentTimeNanos
  const one = (namespace: string, milestones: typeof inCrowd, name: string) =>
    Effect.gen(function* () {
      yield* createAll(namespace, [name], path, { registries })
      return secondsBetween(start, yield* milestones.checked.at(name))
    })
  const [own, same] = yield* Effect.all([one(alone, inAlone, SECOND_LATE), one(crowd, inCrowd, LATE)], {
    concurrency: "unbounded"
  })
  const what = `an Image behind ${OTHERS} others (${waiting} unchecked), registries answer in ${ANSWER_MILLIS} ms: checked`
  const figures: ReadonlyArray<Figure> = [
    { what: `${what}, in a namespace of its own`, unit: "s", measured: own, bare, goal: GOAL_SECONDS },
    { what: "... in the namespace of the others", unit: "s", measured: same, bare, goal: GOAL_SECONDS }
  ]
  return figures
})

export const late: Row = {
  name: "late",
  needs: API_SERVER,
  measure: (run) => Effect.provide(measure(run), kubeClient)
}
