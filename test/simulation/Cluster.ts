/** The parts of a cluster that handle Jobs: the Job controller and the garbage collector. */
import { Effect, Fiber, Queue, type Scope } from "effect"
import type { Json, StoredChange } from "../../src/kube/ApiServerStore.ts"
import { Events, Jobs, Secrets } from "../../src/kube/Resources.ts"
import { instant } from "../../src/text/instant.ts"
import { bodyOf, type JobBody } from "./JobBody.ts"
import * as Kubelets from "./Kubelets.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { JOBS, type World } from "./World.ts"

/** The interval of the garbage collector. */
const COLLECTION = 30_000
/** The number of a Job's pods that may fail before the Job fails. */
const BACKOFF_LIMIT = 1
/** The pause between a failed pod and the next pod of its Job. */
const BACKOFF = 10_000

/** Runs until its scope closes. */
export const run = Effect.fnUntraced(function* (world: World, oracles: Oracles) {
  const chance = world.chance("Jobs")
  const jobs = new Map<string, Fiber.Fiber<void>>()
  /** By name: when the last Job of this name was deleted. */
  const deletedAt = new Map<string, number>()
  const kubelets = yield* Kubelets.make(world, oracles, (name) => deletedAt.get(name) ?? Number.NEGATIVE_INFINITY)
  const changes = yield* Queue.unbounded<StoredChange>()
  const { resourceVersion } = world.apiServer.list(Jobs, { namespace: JOBS })
  world.apiServer.watch(Jobs, { namespace: JOBS }, Number(resourceVersion), (change) => {
    if (change.type !== "MODIFIED") {
      const what = change.type === "ADDED" ? "is created" : "is gone"
      world.chronicle.note(`Job ${change.object.metadata.name} ${what}`)
    }
    oracles.jobChanged(change.type, bodyOf(change.object))
    Queue.offerUnsafe(changes, change)
  })

  const current = ({ metadata }: JobBody): JobBody | undefined => {
    const found = world.apiServer.get(Jobs, { namespace: JOBS, name: metadata.name })
    return found?.metadata.uid === metadata.uid ? bodyOf(found) : undefined
  }

  const setStatus = (job: JobBody, status: Json): void => {
    if (current(job) === undefined) return
    world.apiServer.applyStatus(Jobs, { metadata: { namespace: JOBS, name: job.metadata.name }, status })
  }

  const goesWrong = (probability: number): boolean => world.has("jobs") && chance.happens(probability)

  const finish = Effect.fnUntraced(function* (job: JobBody, condition: Json) {
    const at = instant(world.now)
    const isComplete = condition["type"] === "Complete"
    setStatus(job, {
      conditions: [{ ...condition, status: "True", lastTransitionTime: at }],
      ...(isComplete ? { completionTime: at } : {})
    })
    yield* expire(job, world.now)
  })

  /** The Job controller deletes an ended Job after the Job's `ttlSecondsAfterFinished`. */
  const expire = Effect.fnUntraced(function* (job: JobBody, endedAt: number) {
    for (let found = current(job); found !== undefined; found = current(job)) {
      const left = endedAt + (found.spec.ttlSecondsAfterFinished ?? 86_400) * 1_000 - world.now
      if (left <= 0) {
        world.apiServer.delete(Jobs, { namespace: JOBS, name: job.metadata.name }, world.now)
        return
      }
      yield* Effect.sleep(Math.min(left, COLLECTION))
    }
  })

  /** A quota refuses the pods of a Job for a while, and an event has the reason. */
  const refusal = Effect.fnUntraced(function* ({ metadata: { name, uid } }: JobBody) {
    world.chronicle.note(`Job ${name} gets no pod`)
    const event = {
      metadata: { namespace: JOBS, name: `${name}.${uid.slice(-12)}` },
      involvedObject: { namespace: JOBS, uid },
      reason: "FailedCreate",
      message: "pods are forbidden: exceeded quota"
    }
    world.apiServer.create(Events, event, world.now)
    yield* Effect.sleep(chance.between(1_000, 90_000))
  })

  const work = Effect.fnUntraced(function* (job: JobBody) {
    yield* Effect.sleep(chance.between(200, 2_000))
    if (goesWrong(0.05)) yield* refusal(job)
    for (let failures = 0; failures <= BACKOFF_LIMIT;) {
      if (current(job) === undefined) return
      setStatus(job, { active: 1 })
      const end = yield* kubelets.run(job)
      yield* Effect.sleep(goesWrong(0.1) ? chance.between(5_000, 40_000) : chance.between(50, 1_000))
      if (end === "Succeeded") return yield* finish(job, { type: "Complete" })
      if (end === "Failed") failures += 1
      if (failures <= BACKOFF_LIMIT) yield* Effect.sleep(BACKOFF)
    }
    yield* finish(job, { type: "Failed", reason: "BackoffLimitExceeded", message: "it has failed" })
  })

  /** The garbage collector deletes Secrets without an owner. */
  yield* Effect.suspend(() => {
    const owners = new Set(world.apiServer.list(Jobs, { namespace: JOBS }).items.map(({ metadata }) => metadata.uid))
    for (const { metadata } of world.apiServer.list(Secrets, { namespace: JOBS }).items) {
      const [owner] = metadata["ownerReferences"] as ReadonlyArray<{ readonly uid: string }>
      if (owner === undefined || owners.has(owner.uid)) continue
      world.apiServer.delete(Secrets, { namespace: JOBS, name: metadata.name }, world.now)
    }
    return Effect.sleep(COLLECTION)
  }).pipe(Effect.forever, Effect.forkScoped)

  yield* Queue.take(changes).pipe(
    Effect.flatMap((change): Effect.Effect<unknown, never, Scope.Scope> => {
      const job = bodyOf(change.object)
      if (change.type === "ADDED") {
        return Effect.map(Effect.forkScoped(work(job)), (fiber) => jobs.set(job.metadata.uid, fiber))
      }
      if (change.type === "DELETED") deletedAt.set(job.metadata.name, world.now)
      const fiber = jobs.get(job.metadata.uid)
      if (change.type !== "DELETED" || fiber === undefined) return Effect.void
      jobs.delete(job.metadata.uid)
      return Effect.forkScoped(Fiber.interrupt(fiber))
    }),
    Effect.forever,
    Effect.forkScoped
  )
})
