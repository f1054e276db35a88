/** The pods of Jobs: a scheduler, kubelets, and Skopeo in the containers. */
import { Effect, Fiber, Queue } from "effect"
import type { Json, StoredObject } from "../../src/kube/ApiServerStore.ts"
import { LINGER_MILLIS } from "../../src/copy/job/board/startup.ts"
import { Pods, Secrets } from "../../src/kube/Resources.ts"
import { createPod, podName, setPod } from "../support/pods.ts"
import { type Container, imageIn, type JobBody, placeOf } from "./JobBody.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { copyContent, tagName } from "./Registries.ts"
import { SILENCE } from "./silence.ts"
import { JOBS, PASSWORD, type World } from "./World.ts"

/** The end of a pod. A disruption, such as an eviction, is no failure of the copy. */
export type PodEnd = "Succeeded" | "Failed" | "Disrupted"

export interface Kubelets {
  /** Creates a pod of a Job, and waits for its end. The pod continues after an interruption of this wait. */
  readonly run: (job: JobBody) => Effect.Effect<PodEnd>
}

/** The longest wait of a pod for a node or an image. It is longer than the time in which a Job must start. */
const LONGEST_START = 90_000
/** The longest end of a deleted pod. It is shorter than the time for which the next Job of the same name waits. */
const LONGEST_GRACE = 100_000
/** The longest time from a copy's last read of its destination to the creation of its Job, while an older Job still exists. */
const REPLACEMENT = 62_000
/** The longest call that creates a Job. */
const CREATION = 41_000
/** A kubelet alternately reports that it could not pull an image, and that it pauses before the next attempt. */
const PULLS = ["ErrImagePull", "ImagePullBackOff"] as const
/** The finalizer that keeps a pod while its containers may run, even if its Job is deleted. */
const FINALIZER = "batch.kubernetes.io/job-tracking"

interface Pod {
  readonly job: JobBody
  readonly nth: number
  /** The states of the pod's containers, by name. */
  readonly states: Map<string, Json>
}

/** Runs until its scope closes. `replacedAt` gives the time when an older Job of a name was deleted. */
export const make = Effect.fnUntraced(function* (
  world: World,
  oracles: Oracles,
  replacedAt: (jobName: string) => number
) {
  const chance = world.chance("kubelets")
  const scope = yield* Effect.scope
  const { apiServer } = world
  let created = 0
  /** The pods that have not ended, by name. */
  const pods = new Map<string, { readonly pod: Pod; readonly fiber: Fiber.Fiber<PodEnd> }>()
  const deleted = yield* Queue.unbounded<string>()
  const { resourceVersion } = apiServer.list(Pods, { namespace: JOBS })
  apiServer.watch(Pods, { namespace: JOBS }, Number(resourceVersion), ({ object, before }) => {
    const isMarked = ({ metadata }: StoredObject): boolean => metadata["deletionTimestamp"] !== undefined
    if (isMarked(object) && (before === undefined || !isMarked(before)))
      Queue.offerUnsafe(deleted, object.metadata.name)
  })

  const goesWrong = (probability: number): boolean => world.has("jobs") && chance.happens(probability)
  const nameOf = ({ job, nth }: Pod) => podName({ namespace: JOBS, name: job.metadata.name }, nth)

  const note = (pod: Pod, what: string): void => world.chronicle.note(`pod ${nameOf(pod).name} ${what}`)

  const write = (pod: Pod, phase: string, more: object = {}): void => {
    const { containers, initContainers = [] } = pod.job.spec.template.spec
    const statuses = (of: ReadonlyArray<Container>) =>
      of.map(({ name }) => ({ name, state: pod.states.get(name) ?? { waiting: { reason: "PodInitializing" } } }))
    const status = {
      phase,
      initContainerStatuses: statuses(initContainers),
      containerStatuses: statuses(containers),
      ...more
    }
    setPod(apiServer, { namespace: JOBS, name: pod.job.metadata.name }, status, pod.nth)
  }

  /** Removes a pod's finalizer, because Skopeo cannot run any more. */
  const letGo = (pod: Pod): void => {
    const metadata = { ...nameOf(pod), finalizers: [] }
    apiServer.apply(Pods, { metadata }, world.now)
  }

  const isEnding = (pod: Pod): boolean => apiServer.get(Pods, nameOf(pod))?.metadata["deletionTimestamp"] !== undefined

  /** Copies after the time that Skopeo takes. Gives the error message of a failed copy. */
  const skopeo = Effect.fnUntraced(function* (pod: Pod, { args }: Container) {
    const { job } = pod
    const [from, to] = [placeOf(args.at(-2)), placeOf(args.at(-1))]
    const [source, destination] = [world.registry(from.registry), world.registry(to.registry)]
    const image = imageIn(job)
    const end = oracles.writerBegins(tagName(to.registry, to.path, to.reference), image, () => isEnding(pod))
    yield* Effect.addFinalizer(() => Effect.sync(end))
    const longest = world.isStormy ? world.shape.longestJob : 5_000
    yield* Effect.sleep(destination.slowTags.get(`${to.path}:${to.reference}`) ?? chance.between(1_000, longest))
    for (const side of [source, destination]) {
      if (side.weather === "silent") {
        yield* Effect.sleep(SILENCE)
        return `dial tcp: i/o timeout`
      }
      if (side.weather === "slow" || side.weather === "trickling") yield* Effect.sleep(chance.between(5_000, 60_000))
      if (side.weather === "limiting" && chance.happens(0.3)) return "toomanyrequests: too many requests"
      if (side.weather === "lying" && chance.happens(0.4)) return "manifest does not match provided manifest digest"
      if (side.weather === "erring" && chance.happens(0.4)) return `unauthorized: ${lastWords(job)}`
    }
    const { creationTimestamp, name } = job.metadata
    const createdAt = Date.parse(creationTimestamp)
    const isReplaced = replacedAt(name) > createdAt - REPLACEMENT
    const latency = world.shape.faults.has("slowness") ? CREATION : 1_000
    const lookedAt = createdAt - latency - (isReplaced ? REPLACEMENT : 0)
    const writer = { _tag: "Copy", image, lookedAt, isEnding: isEnding(pod) } as const
    const forget = destination.announceWriter(to.path, to.reference, writer)
    const isCopied = copyContent({ store: source, ...from }, { store: destination, ...to })
    forget()
    if (!isCopied) return "manifest unknown"
    return goesWrong(0.1) ? `initializing source: ${lastWords(job)}` : undefined
  }, Effect.scoped)

  /** The waits of a pod before its first container starts. */
  const start = Effect.fnUntraced(function* (pod: Pod) {
    yield* Effect.sleep(chance.between(20, 500))
    if (goesWrong(0.1)) {
      note(pod, "finds no node")
      const unplaced = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }
      write(pod, "Pending", { conditions: [unplaced] })
      yield* Effect.sleep(chance.between(1_000, LONGEST_START))
    }
    write(pod, "Pending")
    if (goesWrong(0.1)) yield* pullInVain(pod)
    // A kubelet starts no pod before the Secrets that it mounts.
    for (const { secret } of pod.job.spec.template.spec.volumes ?? []) {
      if (secret === undefined) continue
      while (apiServer.get(Secrets, { namespace: JOBS, name: secret.secretName }) === undefined)
        yield* Effect.sleep(1_000)
    }
    yield* Effect.sleep(chance.between(100, 1_000))
  })

  const pullInVain = Effect.fnUntraced(function* (pod: Pod) {
    note(pod, "does not get its image")
    const name = containersOf(pod)[0]?.name ?? ""
    const until = world.now + chance.between(1_000, LONGEST_START)
    for (let tries = 0; world.now < until; tries += 1) {
      pod.states.set(name, { waiting: { reason: PULLS[tries % PULLS.length], message: "no such host" } })
      write(pod, "Pending")
      yield* Effect.sleep(Math.min(until - world.now, chance.between(5_000, 20_000)))
    }
    pod.states.delete(name)
    write(pod, "Pending")
  })

  const work = Effect.fnUntraced(function* (pod: Pod): Effect.fn.Return<PodEnd> {
    const containers = containersOf(pod)
    yield* start(pod)
    for (const container of containers) {
      pod.states.set(container.name, { running: {} })
      write(pod, "Running")
      const words = yield* skopeo(pod, container)
      const message = `time="now" level=fatal msg="${words}"`
      const terminated = words === undefined ? { exitCode: 0 } : { exitCode: 1, message }
      pod.states.set(container.name, { terminated })
      write(pod, "Running")
      if (words !== undefined) return yield* finish(pod, "Failed")
    }
    return yield* finish(pod, "Succeeded")
  })

  /** Ends a pod. Other containers, which a cluster may add, can run longer than Skopeo. */
  const finish = Effect.fnUntraced(function* (pod: Pod, phase: "Succeeded" | "Failed") {
    const linger = goesWrong(0.1) ? chance.between(5_000, 60_000) : chance.between(10, 500)
    // The operator waits for a failed pod's other containers, but not for a successful pod's.
    const patience = phase === "Succeeded" ? 0 : LINGER_MILLIS
    if (linger > 5_000) note(pod, "still runs after Skopeo has ended")
    yield* Effect.sleep(Math.min(linger, patience))
    if (linger >= patience) oracles.copyEnds(pod.job)
    yield* Effect.sleep(linger - Math.min(linger, patience))
    write(pod, phase)
    return phase
  })

  const disruption = (pod: Pod): Effect.Effect<PodEnd> =>
    goesWrong(0.1)
      ? Effect.sleep(chance.between(100, 30_000)).pipe(
          Effect.map(() => {
            note(pod, "is evicted")
            const reason = { reason: "Evicted", message: "the node was low on resource: memory" }
            write(pod, "Failed", { ...reason, conditions: [{ type: "DisruptionTarget", status: "True" }] })
            return "Disrupted" as const
          })
        )
      : Effect.never

  /** A deleted pod still runs for a while. On an unreachable node Skopeo runs too. */
  const end = Effect.fnUntraced(function* (name: string) {
    const found = pods.get(name)
    if (found === undefined) return
    const isLate = found.pod.states.size > 0 && goesWrong(0.3)
    if (isLate) note(found.pod, "still runs after its deletion")
    yield* Effect.sleep(isLate ? chance.between(2_000, LONGEST_GRACE) : chance.between(50, 2_000))
    yield* Fiber.interrupt(found.fiber)
  })

  yield* Queue.take(deleted).pipe(
    Effect.flatMap((name) => Effect.forkScoped(end(name))),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    run: Effect.fnUntraced(function* (job) {
      created += 1
      const pod: Pod = { job, nth: created, states: new Map() }
      const { name } = job.metadata
      createPod(apiServer, { namespace: JOBS, name }, { nth: pod.nth, now: world.now, finalizers: [FINALIZER] })
      const life = Effect.raceFirst(work(pod), disruption(pod)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            pods.delete(nameOf(pod).name)
            letGo(pod)
          })
        )
      )
      const fiber = yield* Effect.forkIn(life, scope)
      pods.set(nameOf(pod).name, { pod, fiber })
      return yield* Fiber.join(fiber)
    })
  } satisfies Kubelets
})

const containersOf = ({ job }: Pod): ReadonlyArray<Container> => {
  const { containers, initContainers = [] } = job.spec.template.spec
  return [...initContainers, ...containers]
}

/** The error of Skopeo in a pod with a Secret repeats the password, plain and in base64. */
const lastWords = ({ spec }: JobBody): string =>
  spec.template.spec.volumes?.some(({ secret }) => secret !== undefined) === true
    ? `robot:${PASSWORD} is refused, the header was Basic ${Buffer.from(`robot:${PASSWORD}`).toString("base64")}`
    : "authentication required"
