/**
 * Parts of the system are killed (`kill -9`) in the middle of copies: the operator after each of its steps, and the parts of
 * the cluster and the registries, if E2E_CRASH and E2E_START say how. Afterwards each tag is at the destination, no tag was
 * copied twice, and nothing is left behind.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Deferred, Effect, Exit, Layer, Schema, Scope } from "effect"
import { conditionOf, ImageStatus } from "../../src/domain/Image.ts"
import { metadataFields, type Resource, typeFields } from "../../src/kube/Resource.ts"
import { Images, Jobs, type PodObject, Pods, ReportedEvents, Secrets } from "../../src/kube/Resources.ts"
import { requireBasic, startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  eventually,
  image,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  restrictedNamespace,
  run,
  succeed,
  withOperator
} from "../support/cluster.ts"
import { ENVIRONMENT, main } from "../support/commandProcess.ts"
import { type Change, follow, withClient } from "../support/following.ts"
import { startHoldingProxy } from "../support/HoldingProxy.ts"
import { type LocalOperator, startLocalOperator } from "../support/localOperator.ts"
import { blobsOf, seed } from "../support/seeding.ts"
import { kubeClient } from "../support/kubeClient.ts"

/** An address of this machine that pods reach. */
const machine = process.env["E2E_MACHINE_IN_CLUSTER"] ?? ""

const RUN = `crash-${randomUUID().slice(0, 8)}`
/** The namespace of the Jobs of the killed operator. Its Images are in the namespace {@link RUN}. */
const JOBS = `${RUN}-jobs`
const ROBOT = { username: "robot", password: "hunter2-destination" }
/** The most kills of the operator during one pattern. */
const MOST_KILLS = 25
/** Jobs that have succeeded are deleted soon, so that a test sees the deletion. */
const DELETION_SECONDS = 2

/** The fields that tests read, of which the operator reads fewer. */
const StatusOfImage = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct(metadataFields),
  status: Schema.optionalKey(ImageStatus)
})
const FollowedImages: Resource<typeof StatusOfImage.Type> = { ...Images, schema: StatusOfImage }

const JobWithLifetime = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({ ...metadataFields, labels: Schema.Record(Schema.String, Schema.String) }),
  spec: Schema.Struct({ ttlSecondsAfterFinished: Schema.optionalKey(Schema.Int) }),
  status: Schema.optionalKey(
    Schema.Struct({
      conditions: Schema.optionalKey(Schema.Array(Schema.Struct({ type: Schema.String, status: Schema.String })))
    })
  )
})
const FollowedJobs: Resource<typeof JobWithLifetime.Type> = { ...Jobs, schema: JobWithLifetime }

/** The versions that the watches have brought of an Image and of the objects of its copies. */
interface Seen {
  readonly images: ReadonlyArray<Change<typeof StatusOfImage.Type>>
  readonly jobs: ReadonlyArray<Change<typeof JobWithLifetime.Type>>
  readonly pods: ReadonlyArray<Change<PodObject>>
  readonly secrets: ReadonlyArray<Change<typeof Secrets.schema.Type>>
}

const uidsOf = (jobs: Seen["jobs"]): ReadonlyArray<string> => [
  ...new Set(jobs.map(({ object }) => object.metadata.uid ?? ""))
]

/** Whether Skopeo runs, or has ended, in a pod. */
const isSkopeo =
  (state: "running" | "terminated") =>
  ({ object }: Change<PodObject>): boolean =>
    (object.status?.containerStatuses ?? []).some((container) => container.state?.[state] !== undefined)

const readyOf = ({ object }: Pick<Change<typeof StatusOfImage.Type>, "object">) =>
  object.status === undefined ? undefined : conditionOf(object.status, "Ready")

const isReady = ({ object }: Pick<Change<typeof StatusOfImage.Type>, "object">): boolean =>
  readyOf({ object })?.status === "True" && object.status?.observedGeneration === object.metadata.generation

/** The registries, the watches, and the start of the operator. */
const startWorld = Effect.fnUntraced(function* () {
  const { code } = yield* run("kubectl", ["get", "crd", "images.skopeo.io"])
  if (code !== 0) {
    yield* kubectl("apply", "-f", "crds")
    // Helm does not install a chart whose CRD exists already, and is not Helm's.
    yield* Effect.addFinalizer(() => kubectl("delete", "crd", "images.skopeo.io", "--timeout=60s"))
  }
  yield* kubectl("wait", "--for=condition=Established", "crd/images.skopeo.io", "--timeout=30s")
  yield* apply(restrictedNamespace(RUN), restrictedNamespace(JOBS))
  yield* Effect.addFinalizer(() => kubectl("delete", "namespace", RUN, JOBS, "--timeout=120s"))
  const from = yield* startRegistry()
  const to = yield* startRegistry({ intercept: requireBasic(ROBOT.username, ROBOT.password) })
  const source = yield* startHoldingProxy(from.host, machine)
  const destination = yield* startHoldingProxy(to.host, machine)

  const listeners = new Set<() => void>()
  const onChange = () => {
    for (const listener of listeners) listener()
  }
  const images = yield* follow(FollowedImages, RUN, onChange)
  const jobs = yield* follow(FollowedJobs, JOBS, onChange)
  const pods = yield* follow(Pods, JOBS, onChange)
  const secrets = yield* follow(Secrets, JOBS, onChange)
  const events = yield* follow(ReportedEvents, RUN)

  const ofCopies =
    (name: string) =>
    ({ object }: Change<{ readonly metadata: { readonly name: string } }>) =>
      object.metadata.name.startsWith(`copy-${name}-`)
  const seen = (name: string): Seen => ({
    images: images.filter(({ object }) => object.metadata.name === name),
    jobs: jobs.filter(ofCopies(name)),
    pods: pods.filter(ofCopies(name)),
    secrets: secrets.filter(ofCopies(name))
  })

  const [skopeoImage = "", skopeoVersion = ""] = CLUSTER.skopeoImage.split(/:(?=[^:/]*$)/u)
  const startOperator = startLocalOperator({
    program: [main],
    env: {
      ...ENVIRONMENT,
      COPY_ENGINE: "skopeo-job",
      LEADER_ELECTION: "false",
      INSTANCE_NAME: RUN,
      WATCH_NAMESPACES: RUN,
      PULL_JOB_NAMESPACE: JOBS,
      SKOPEO_IMAGE: skopeoImage,
      SKOPEO_VERSION: skopeoVersion,
      JOB_DELETION_DELAY_SECONDS: String(DELETION_SECONDS),
      DISABLE_SRC_TLS_VERIFICATION: "true",
      DISABLE_DEST_TLS_VERIFICATION: "true",
      CREDS_DESTINATION_USERNAME: ROBOT.username,
      CREDS_DESTINATION_PASSWORD: ROBOT.password,
      CREDS_DESTINATION_REGISTRIES: destination.host,
      REGISTRY_PLAIN_HTTP: destination.host
    }
  }).pipe(Effect.provide(NodeHttpClient.layerUndici))

  return {
    source,
    store: from.store,
    startOperator,
    seen,
    /** Calls a function after each change that the watches bring, until the scope closes. */
    onEachChange: (listener: () => void) =>
      Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      ),
    /** Applies an Image from a repository of the name of the Image to the same repository at the destination. */
    mirror: (name: string, version: string, more: { readonly from?: string; readonly to?: string } = {}) =>
      apply({
        ...image(name, {
          source: { name: `${source.host}/${more.from ?? name}`, version },
          destination: { name: `${destination.host}/${name}`, ...(more.to === undefined ? {} : { version: more.to }) }
        }),
        metadata: { name, namespace: RUN }
      }),
    digestAt: (name: string, tag: string) => to.store.manifest(name, tag)?.digest,
    /** How many times a tag was written. */
    writesOf: (name: string, tag: string) =>
      to.requests.filter((line) => line === `PUT /v2/${name}/manifests/${tag}`).length,
    /** The Events of an Image, in their newest versions. */
    eventsOf: (name: string) => {
      const all = events.map(({ object }) => object).filter(({ regarding }) => regarding?.name === name)
      return [...new Map(all.map((event) => [event.metadata.name, event] as const)).values()]
    }
  }
})

type World = Effect.Success<ReturnType<typeof startWorld>>

/** Waits until a condition holds. */
const until = (what: string, holds: () => boolean, seconds = 90) =>
  eventually(
    Effect.suspend(() => (holds() ? Effect.void : Effect.fail(what))),
    seconds
  )

/** Waits until nothing of an Image's copies is left in the namespace of the Jobs. */
const nothingLeft = (namespace: string, name: string) =>
  eventually(
    Effect.flatMap(kubectl("get", "jobs,pods,secrets", "-n", namespace, "-o", "name"), (text) => {
      const left = text.split("\n").filter((line) => line.includes(`/copy-${name}-`))
      return left.length === 0 ? Effect.void : Effect.fail(left)
    }),
    90
  )

describeInCluster("the killed operator", { environment: { ...CLUSTER, machine }, programs: ["kubectl"] }, () => {
  const scope = Scope.makeUnsafe()
  let world: World

  beforeAll(async () => {
    const client = await Effect.runPromise(Layer.buildWithScope(kubeClient, scope))
    world = await Effect.runPromise(startWorld().pipe(Effect.provide(client), Scope.provide(scope)))
  })

  afterAll(() => live(Scope.close(scope, Exit.void)))

  /** Kills an operator as soon as what the watches have brought of an Image meets a condition. Gives the time. */
  const killedWhen = Effect.fnUntraced(function* (
    operator: LocalOperator,
    name: string,
    condition: (seen: Seen) => boolean
  ) {
    const killed = yield* Deferred.make<void>()
    yield* world.onEachChange(() => {
      if (Deferred.isDoneUnsafe(killed) || !condition(world.seen(name))) return
      operator.kill()
      Deferred.doneUnsafe(killed, Exit.void)
    })
    return Effect.gen(function* () {
      yield* Effect.timeout(Deferred.await(killed), "90 seconds")
      const at = yield* Clock.currentTimeMillis
      yield* operator.ended
      return at
    })
  })

  /**
   * Waits until an Image is Ready with these digests. Each tag was written once, by the only Job of its digest that has
   * succeeded. No Event was repeated.
   */
  const settles = Effect.fnUntraced(function* (
    name: string,
    digests: Readonly<Record<string, string>>,
    jobsOfEach = 1
  ) {
    yield* until(`${name} is not Ready`, () => world.seen(name).images.slice(-1).some(isReady))
    const readyAt = yield* Clock.currentTimeMillis
    yield* nothingLeft(JOBS, name)
    const { jobs } = world.seen(name)
    for (const [tag, digest] of Object.entries(digests)) {
      assert.strictEqual(world.digestAt(name, tag), digest)
      assert.strictEqual(world.writesOf(name, tag), 1, `${tag} was written once`)
      const made = jobs.filter(
        ({ object }) => object.metadata.labels["skopeo.io/digest"] === digest.replace("sha256:", "").slice(0, 63)
      )
      assert.lengthOf(uidsOf(made), jobsOfEach, `the Jobs of ${tag}`)
    }
    const events = world.eventsOf(name)
    const texts = events.map(({ note, reason }) => `${reason}: ${note}`)
    assert.lengthOf(new Set(texts), texts.length, texts.join("\n"))
    assert.isTrue(
      events.every(({ series }) => series === undefined),
      texts.join("\n")
    )
    return { jobs: uidsOf(jobs).length, readyAt, texts }
  })

  const steps: ReadonlyArray<readonly [name: string, step: string, condition: (seen: Seen) => boolean]> = [
    ["status", "the first status is written", ({ images }) => images.some((change) => readyOf(change) !== undefined)],
    ["job", "the Job is created", ({ jobs }) => jobs.length > 0],
    ["secret", "the Secret is created", ({ secrets }) => secrets.length > 0],
    ["pod", "the pod is created", ({ pods }) => pods.length > 0],
    ["runs", "Skopeo runs", ({ pods }) => pods.some(isSkopeo("running"))],
    ["ended", "Skopeo has ended", ({ pods }) => pods.some(isSkopeo("terminated"))],
    [
      "complete",
      "the Job is complete",
      ({ jobs }) =>
        jobs.some(({ object }) => object.status?.conditions?.some(({ type }) => type === "Complete") === true)
    ],
    ["outcome", "the outcome is in the status", ({ images }) => images.some(isReady)],
    [
      "lifetime",
      "the lifetime of the Job is shortened",
      ({ jobs }) => jobs.some(({ object }) => object.spec.ttlSecondsAfterFinished === DELETION_SECONDS)
    ],
    ["gone", "the Job is deleted", ({ jobs }) => jobs.some(({ isDeleted }) => isDeleted)]
  ]

  for (const [name, step, condition] of steps) {
    it(`a tag is copied once although the operator is killed when ${step}`, () =>
      live(
        Effect.gen(function* () {
          const digest = pushSampleImage(world.store, name, "v1", name)
          const killed = yield* killedWhen(yield* world.startOperator, name, condition)
          yield* world.mirror(name, "v1")
          const at = yield* killed
          yield* world.startOperator
          const { jobs, readyAt, texts } = yield* settles(name, { v1: digest })
          console.info(`${step}: Ready ${readyAt - at} ms after the kill, ${jobs} Job, Events: ${texts.join("; ")}`)
        })
      ))
  }

  const changes: ReadonlyArray<readonly [name: string, step: string, condition: (seen: Seen) => boolean]> = [
    [
      "changed",
      "the spec is changed",
      ({ images }) => images.some(({ object }) => (object.metadata.generation ?? 1) > 1)
    ],
    [
      "cancelled",
      "the Job of the old spec is deleted",
      ({ jobs }) => jobs.some(({ isDeleted, object }) => isDeleted || object.metadata.deletionTimestamp !== undefined)
    ],
    ["replaced", "the Job of the new spec is created", ({ jobs }) => uidsOf(jobs).length > 1]
  ]

  /** Applies an Image, and waits until Skopeo is in the middle of its copy. Gives the digest of another image for the same tag. */
  const inMidCopy = Effect.fnUntraced(function* (name: string) {
    pushSampleImage(world.store, `${name}-old`, "v1", `${name}-old`)
    world.source.hold(`${name}-old`)
    yield* world.mirror(name, "v1", { from: `${name}-old`, to: "current" })
    yield* until(`Skopeo does not read ${name}`, () => world.source.isHolding(`${name}-old`))
    return pushSampleImage(world.store, `${name}-new`, "v1", `${name}-new`)
  })
  const mirrorOther = (name: string) => world.mirror(name, "v1", { from: `${name}-new`, to: "current" })

  for (const [name, step, condition] of changes) {
    it(`only the image of the new spec is copied although the operator is killed when ${step} during a copy`, () =>
      live(
        Effect.gen(function* () {
          const operator = yield* world.startOperator
          const current = yield* inMidCopy(name)
          const killed = yield* killedWhen(operator, name, condition)
          yield* mirrorOther(name)
          const at = yield* killed
          yield* world.startOperator
          const { jobs, readyAt } = yield* settles(name, { current })
          assert.strictEqual(jobs, 2)
          console.info(`${step}: Ready ${readyAt - at} ms after the kill, ${jobs} Jobs`)
        })
      ))
  }

  it("the copy of a deleted Image ends although the operator is killed when the Image is deleted", () =>
    live(
      Effect.gen(function* () {
        const name = "deleted"
        const operator = yield* world.startOperator
        yield* inMidCopy(name)
        const killed = yield* killedWhen(operator, name, ({ images }) => images.some(({ isDeleted }) => isDeleted))
        yield* kubectl("delete", "image", name, "-n", RUN)
        const at = yield* killed
        yield* world.startOperator
        yield* nothingLeft(JOBS, name)
        const now = yield* Clock.currentTimeMillis
        assert.strictEqual(world.writesOf(name, "current"), 0)
        assert.lengthOf(uidsOf(world.seen(name).jobs), 1)
        console.info(`the Image is deleted: nothing was left ${now - at} ms after the kill`)
      })
    ))

  it("an Image that was deleted and created again while the operator was dead is copied once", () =>
    live(
      Effect.gen(function* () {
        const name = "recreated"
        const operator = yield* world.startOperator
        const current = yield* inMidCopy(name)
        operator.kill()
        yield* operator.ended
        yield* kubectl("delete", "image", name, "-n", RUN)
        yield* mirrorOther(name)
        const at = yield* Clock.currentTimeMillis
        yield* world.startOperator
        const { jobs, readyAt } = yield* settles(name, { current })
        assert.strictEqual(jobs, 2)
        console.info(`the Image is recreated: Ready ${readyAt - at} ms after the start, ${jobs} Jobs`)
      })
    ))

  it("a failed copy is counted once although the operator is killed when the failure is in the status", () =>
    live(
      Effect.gen(function* () {
        const name = "failed"
        const digest = pushSampleImage(world.store, name, "v1", name)
        for (const blob of blobsOf(world.store, name, digest)) world.store.deleteBlob(name, blob)
        const failures = () =>
          world.seen(name).images.flatMap(({ object }) => (object.status?.failures ?? []).map((failure) => failure))
        const killed = yield* killedWhen(yield* world.startOperator, name, () => failures().length > 0)
        yield* world.mirror(name, "v1")
        const at = yield* killed
        pushSampleImage(world.store, name, "v1", name)
        yield* world.startOperator
        const { readyAt, texts } = yield* settles(name, { v1: digest }, 2)
        assert.isTrue(failures().every(({ attempts }) => attempts === 1))
        console.info(`the failure is recorded: Ready ${readyAt - at} ms after the kill, Events: ${texts.join("; ")}`)
      })
    ))

  it("12 tags are copied once although the operator is killed again and again", () =>
    live(
      Effect.gen(function* () {
        const name = "storm"
        const tags = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)
        const digests = Object.fromEntries(tags.map((tag) => [tag, pushSampleImage(world.store, name, tag, tag)]))
        const hasEnded = () => world.seen(name).images.slice(-1).some(isReady)
        yield* world.mirror(name, "v1.0.x")
        let kills = 0
        while (!hasEnded() && kills < MOST_KILLS) {
          // The number of changes varies, so that the kills come at different steps.
          let left = 1 + (kills % 7)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const operator = yield* world.startOperator
              yield* yield* killedWhen(operator, name, () => {
                left -= 1
                return left <= 0 || hasEnded()
              })
            })
          )
          kills += 1
        }
        yield* world.startOperator
        const { jobs, texts } = yield* settles(name, digests)
        assert.isAbove(kills, 5)
        console.info(`12 tags, ${kills} kills, ${jobs} Jobs, Events: ${texts.join("; ")}`)
      })
    ))
})

/** The parts of the cluster and the registries that can be killed, and the commands to which the name of a part is appended. */
const parts = (process.env["E2E_CRASH_PARTS"] ?? "").split(",").filter((part) => part !== "")
const crashing = {
  ...CLUSTER,
  ...REGISTRIES,
  /** The destination's address for this machine. */
  destination: process.env["E2E_DESTINATION"] ?? "",
  crash: process.env["E2E_CRASH"] ?? "",
  start: process.env["E2E_START"] ?? "",
  parts: parts.join(",")
}
const DOWN_SECONDS = 5

const TimedPod = Schema.Struct({
  ...typeFields,
  metadata: Schema.Struct({ ...metadataFields, labels: Schema.Record(Schema.String, Schema.String) }),
  status: Schema.optionalKey(
    Schema.Struct({
      containerStatuses: Schema.optionalKey(
        Schema.Array(
          Schema.Struct({
            restartCount: Schema.Int,
            state: Schema.optionalKey(
              Schema.Struct({
                running: Schema.optionalKey(Schema.Struct({ startedAt: Schema.String })),
                terminated: Schema.optionalKey(Schema.Struct({ startedAt: Schema.String, finishedAt: Schema.String }))
              })
            )
          })
        )
      )
    })
  )
})
const FollowedPods: Resource<typeof TimedPod.Type> = { ...Pods, schema: TimedPod }

/** The time in which Skopeo ran in a pod, in milliseconds since the epoch. */
interface Run {
  readonly job: string
  readonly pod: string
  readonly from: number
  readonly until: number
}

/** The times in which Skopeo ran, by the newest version of each pod. A pod that is deleted has stopped by then. */
const runsOf = (pods: ReadonlyArray<Change<typeof TimedPod.Type>>): ReadonlyArray<Run> =>
  [...new Map(pods.map((change) => [change.object.metadata.name, change] as const)).values()].flatMap(
    ({ at, isDeleted, object: { metadata, status } }) => {
      const { running, terminated } = status?.containerStatuses?.[0]?.state ?? {}
      const startedAt = terminated?.startedAt ?? running?.startedAt
      if (startedAt === undefined) return []
      const finished = terminated === undefined ? Number.POSITIVE_INFINITY : Date.parse(terminated.finishedAt)
      const until = Math.min(finished, isDeleted ? at : Number.POSITIVE_INFINITY)
      return [
        {
          job: metadata.labels["batch.kubernetes.io/job-name"] ?? "",
          pod: metadata.name,
          from: Date.parse(startedAt),
          until
        }
      ]
    }
  )

/** The pairs of pods that could write one tag at the same time. */
const overlapsOf = (runs: ReadonlyArray<Run>): ReadonlyArray<string> =>
  runs.flatMap((a) =>
    runs
      .filter((b) => b.job === a.job && b.pod !== a.pod && a.from <= b.from && b.from < a.until)
      .map((b) => `${a.pod} and ${b.pod}`)
  )

describeInCluster("a crash during copies", { environment: crashing, programs: ["helm", "kubectl", "regctl"] }, () => {
  withOperator(...PLAIN_HTTP)

  beforeAll(() =>
    live(
      Effect.gen(function* () {
        yield* seed(crashing.source, [[`${RUN}/recurrent`, "v1", RUN]])
        yield* apply(
          image("recurrent", {
            mode: "Recurrent",
            frequency: "1m",
            source: { name: `${crashing.sourceInCluster}/${RUN}/recurrent`, version: "v1" },
            destination: { name: `${crashing.destinationInCluster}/${RUN}/recurrent` }
          })
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/recurrent", "--timeout=60s")
      })
    )
  )

  const digestAt = (registry: string, path: string, tag: string) =>
    Effect.map(
      succeed("regctl", ["image", "digest", "--host", `reg=${registry},tls=disabled`, `${registry}/${path}:${tag}`]),
      (text) => text.trim()
    )

  /** The uids and the restarts of the operator's pods. */
  const operatorPods = kubectl(
    ...["get", "pods", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator"],
    ...["-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{end}"]
  )

  for (const part of parts.length === 0 ? ["each part"] : parts) {
    it(
      `12 tags are copied, and no two pods write one tag at once, although ${part} is killed and starts again`,
      () =>
        withClient(
          Effect.gen(function* () {
            const name = `crash-${part}`
            const path = `${RUN}/${name}`
            const tags = Array.from({ length: 12 }, (_, patch) => `v1.0.${patch}`)
            yield* seed(
              crashing.source,
              tags.map((tag) => [path, tag, `${name}-${tag}`] as const)
            )
            const images = yield* follow(FollowedImages, "default")
            const jobs = yield* follow(FollowedJobs, NAMESPACE)
            const pods = yield* follow(FollowedPods, NAMESPACE)
            const isOurs = ({ object }: Change<{ readonly metadata: { readonly name: string } }>) =>
              object.metadata.name.startsWith(`copy-${name}-`)
            const imageOf = (name: string) => images.filter(({ object }) => object.metadata.name === name).slice(-1)
            const operator = yield* operatorPods

            yield* apply(
              image(name, {
                source: { name: `${crashing.sourceInCluster}/${path}`, version: "v1.0.x" },
                destination: { name: `${crashing.destinationInCluster}/${path}` }
              })
            )
            yield* until("no Skopeo runs", () => runsOf(pods.filter(isOurs)).length > 0)
            const crashedAt = yield* Clock.currentTimeMillis
            yield* succeed("sh", ["-c", `${crashing.crash} "$1"`, "sh", part])
            const before = uidsOf(jobs.filter(isOurs)).length
            yield* Effect.sleep(DOWN_SECONDS * 1_000)
            yield* succeed("sh", ["-c", `${crashing.start} "$1"`, "sh", part])
            const startedAt = yield* Clock.currentTimeMillis

            yield* until(`${name} is not Ready`, () => imageOf(name).some(isReady), 180)
            const readyAt = yield* Clock.currentTimeMillis
            for (const tag of tags) {
              assert.strictEqual(
                yield* digestAt(crashing.destination, path, tag),
                yield* digestAt(crashing.source, path, tag)
              )
            }
            const runs = runsOf(pods.filter(isOurs))
            assert.deepStrictEqual(overlapsOf(runs), [])
            const made = uidsOf(jobs.filter(isOurs)).length
            // A copy may fail because of its registry. No other part makes a second Job of a tag necessary.
            if (part.startsWith("registry")) assert.isAtLeast(made, tags.length)
            else assert.strictEqual(made, tags.length)
            assert.isAtLeast(runs.length, made)

            yield* nothingLeft(NAMESPACE, name)
            // The Recurrent Image stays Ready, and its checks continue.
            yield* until("the Recurrent Image is not checked again", () =>
              imageOf("recurrent").some(
                ({ object }) => Date.parse(object.status?.lastCheckedAt ?? "") > startedAt && isReady({ object })
              )
            )
            assert.strictEqual(yield* operatorPods, operator)
            assert.match(operator, / 0$/u)
            assert.strictEqual(yield* column(name, "{.status.tags}"), "12/12")
            console.info(
              `${part}: killed with ${before} of 12 Jobs made; Ready ${readyAt - crashedAt} ms after the kill, ${made} Jobs, ${runs.length} pods`
            )
          })
        ),
      400_000
    )
  }
})
