/** What a cluster does with Jobs: its Job controller, its kubelets, and Skopeo in the pods. */
import { Effect, Fiber, Queue, type Scope } from "effect"
import type { Json, StoredChange, StoredObject } from "../../src/kube/ApiServerStore.ts"
import { Jobs, Pods, Secrets } from "../../src/kube/Resources.ts"
import { instant } from "../../src/text/instant.ts"
import type { Oracles } from "./oracles/Oracles.ts"
import { copyContent, tagName } from "./Registries.ts"
import { SILENCE } from "./silence.ts"
import { JOBS, PASSWORD, type World } from "./World.ts"

/** How long a Job may wait, once its copy has looked at the destination, for an older Job of its name to go. */
const REPLACEMENT = 62_000
/** The longest that the create of a Job takes. */
const CREATION = 41_000

/** How often objects are looked for that no longer have their owner. */
const COLLECTION = 30_000

/** As much of a Job as a cluster reads. */
export interface JobBody {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly creationTimestamp: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly ttlSecondsAfterFinished?: number
    readonly template: {
      readonly spec: {
        readonly initContainers?: ReadonlyArray<Container>
        readonly containers: ReadonlyArray<Container>
        readonly volumes?: ReadonlyArray<{ readonly secret?: { readonly secretName: string } }>
      }
    }
  }
  readonly status?: { readonly conditions?: ReadonlyArray<{ readonly type: string }> }
}

interface Container {
  readonly args: ReadonlyArray<string>
}

export const bodyOf = (object: StoredObject): JobBody => object as Json & JobBody

const IMAGE = "skopeo.io/image"

export const isActive = ({ status }: JobBody): boolean => (status?.conditions ?? []).length === 0

/** The Image of a Job, by `namespace/name`; empty if it is gone. */
export const imageOfJob = (world: World, job: string): string => {
  const slash = job.indexOf("/")
  const found = world.apiServer.get(Jobs, { namespace: job.slice(0, slash), name: job.slice(slash + 1) })
  return found === undefined ? "" : imageIn(bodyOf(found))
}

export const imageIn = ({ metadata }: JobBody): string => metadata.annotations?.[IMAGE] ?? ""

/** What a Job writes: `registry/path:tag`. */
export const destinationIn = ({ metadata }: JobBody): string => metadata.annotations?.["skopeo.io/destination"] ?? ""

interface Place {
  readonly registry: string
  readonly path: string
  readonly reference: string
}

/** `docker://registry/path@digest`, or with a tag. */
export const placeOf = (text = ""): Place => {
  const [registry = "", ...rest] = text.replace("docker://", "").split("/")
  const last = rest.join("/")
  const at = last.includes("@") ? last.indexOf("@") : last.lastIndexOf(":")
  return { registry, path: last.slice(0, at), reference: last.slice(at + 1) }
}

/** Runs for as long as its scope. */
export const run = Effect.fnUntraced(function* (world: World, oracles: Oracles) {
  const chance = world.chance("Jobs")
  const jobs = new Map<string, Fiber.Fiber<void>>()
  /** When a Job of a name was last deleted, before the one that there is. */
  const deletedAt = new Map<string, number>()
  const changes = yield* Queue.unbounded<StoredChange>()
  const { resourceVersion } = world.apiServer.list(Jobs, { namespace: JOBS })
  world.apiServer.watch(Jobs, { namespace: JOBS }, Number(resourceVersion), (change) => {
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

  /** The time that Skopeo takes for a copy, and its last words if it fails. */
  const skopeo = Effect.fnUntraced(function* (job: JobBody, { args }: Container) {
    const [from, to] = [placeOf(args.at(-2)), placeOf(args.at(-1))]
    const [source, destination] = [world.registry(from.registry), world.registry(to.registry)]
    const name = tagName(to.registry, to.path, to.reference)
    const image = imageIn(job)
    const end = oracles.writerBegins(name, image)
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
      if (side.weather === "erring" && chance.happens(0.4)) return `unauthorized: ${lastWords(job)}`
    }
    const created = Date.parse(job.metadata.creationTimestamp)
    const isReplaced = (deletedAt.get(job.metadata.name) ?? 0) > created - REPLACEMENT
    const latency = world.shape.faults.has("slowness") ? CREATION : 1_000
    const writer = { _tag: "Copy", image, lookedAt: created - latency - (isReplaced ? REPLACEMENT : 0) } as const
    const forget = destination.announceWriter(to.path, to.reference, writer)
    const isCopied = copyContent({ store: source, ...from }, { store: destination, ...to })
    forget()
    return isCopied ? undefined : "manifest unknown"
  }, Effect.scoped)

  const finish = Effect.fnUntraced(function* (job: JobBody, condition: Json) {
    const at = instant(world.now)
    const isComplete = condition["type"] === "Complete"
    setStatus(job, {
      conditions: [{ ...condition, status: "True", lastTransitionTime: at }],
      ...(isComplete ? { completionTime: at } : {})
    })
    yield* expire(job, world.now)
  })

  /** The controller of Jobs deletes those that have ended for as long as they say. */
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

  const die = Effect.fnUntraced(function* (job: JobBody, words: string) {
    const { name, uid } = job.metadata
    const metadata = {
      namespace: JOBS,
      name: `${name}-${uid.slice(-4)}`,
      labels: { "batch.kubernetes.io/job-name": name },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid }]
    }
    if (current(job) === undefined) return
    world.apiServer.create(Pods, { metadata }, world.now)
    const terminated = { exitCode: 1, message: `time="now" level=fatal msg="${words}"` }
    const status = { phase: "Failed", containerStatuses: [{ name: "skopeo", state: { terminated } }] }
    world.apiServer.applyStatus(Pods, { metadata, status })
    yield* finish(job, { type: "Failed", reason: "BackoffLimitExceeded", message: "it has failed" })
  })

  const work = Effect.fnUntraced(function* (job: JobBody) {
    const { containers, initContainers = [], volumes = [] } = job.spec.template.spec
    yield* Effect.sleep(chance.between(200, 2_000))
    // A kubelet starts no pod before the Secrets that it mounts.
    for (const { secret } of volumes) {
      if (secret === undefined) continue
      while (world.apiServer.get(Secrets, { namespace: JOBS, name: secret.secretName }) === undefined)
        yield* Effect.sleep(1_000)
    }
    setStatus(job, { active: 1 })
    for (const container of [...initContainers, ...containers]) {
      const words = yield* skopeo(job, container)
      if (words !== undefined) return yield* die(job, words)
    }
    if (!world.has("jobs") || !chance.happens(0.2)) return yield* finish(job, { type: "Complete" })
    if (chance.happens(0.5)) return yield* die(job, `initializing source: ${lastWords(job)}`)
    yield* finish(job, { type: "Failed", reason: "PodFailurePolicy", message: "the pod was evicted" })
  })

  /** The garbage collector takes what no longer has its owner, soon. */
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

/** A pod that has the password may repeat it, as it is or as a request has it. */
const lastWords = ({ spec }: JobBody): string =>
  spec.template.spec.volumes?.some(({ secret }) => secret !== undefined) === true
    ? `robot:${PASSWORD} is refused, the header was Basic ${Buffer.from(`robot:${PASSWORD}`).toString("base64")}`
    : "authentication required"
