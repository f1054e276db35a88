/** The operator's Jobs and their pods, and the same Jobs without an operator. */
import { Effect, Option, Schema } from "effect"
import { KubeClient } from "../../../src/kube/KubeClient.ts"
import { type JobObject, Jobs, type PodObject, Pods } from "../../../src/kube/Resources.ts"
import type { Resource } from "../../../src/kube/Resource.ts"
import { NAMESPACE } from "../../support/cluster.ts"
import { ObjectMeta } from "../../support/wholeObjects.ts"
import { BenchFailed } from "../copy/measure.ts"
import { follow } from "./apiServer.ts"
import * as Milestones from "./milestones.ts"
import { SOURCE_TAG } from "./registries.ts"

/** The container of a pod has ended. */
const hasEnded = ({ status }: PodObject): boolean =>
  status?.containerStatuses?.some(({ state }) => state?.terminated !== undefined) ?? false

const jobOf = ({ metadata }: PodObject): string =>
  metadata.ownerReferences?.find(({ kind }) => kind === "Job")?.name ?? ""

/** A Job was created (+1), or its container has ended (-1), in the order of the API server's versions. */
interface Step {
  readonly version: number
  readonly by: 1 | -1
}

/** The Jobs in the operator's namespace. */
export interface FollowedJobs {
  /** When an Image's first Job was created, by `namespace/name` of the Image. */
  readonly created: Milestones.Milestones
  /** When the container of a Job has ended, by the Job's name. */
  readonly ended: Milestones.Milestones
  /** The name of the last Job of an Image. */
  readonly jobOf: (image: string) => string | undefined
  /** The most Jobs at once so far. A Job counts until its container has ended. */
  readonly mostAtOnce: () => number
}

/**
 * Follows Jobs and pods. The versions of both are of one sequence, the API server's revisions, so that the two watches
 * need not be equally fast.
 */
export const followJobs = Effect.gen(function* () {
  const [created, ended] = [Milestones.make(), Milestones.make()]
  const names = new Map<string, string>()
  const steps = new Map<string, Step>()
  const step = (key: string, by: Step["by"], version = "0"): void => {
    if (!steps.has(key)) steps.set(key, { version: Number(version), by })
  }
  yield* follow(
    Jobs,
    { namespace: NAMESPACE },
    (job: JobObject) => job,
    ({ metadata }) => {
      const image = metadata.annotations?.["skopeo.io/image"] ?? ""
      names.set(image, metadata.name)
      step(`created ${metadata.uid}`, 1, metadata.resourceVersion)
      return created.reached(image)
    }
  )
  yield* follow(
    Pods,
    { namespace: NAMESPACE },
    (pod: PodObject) => pod,
    (pod) => {
      if (jobOf(pod) === "" || !hasEnded(pod)) return Effect.void
      step(`ended ${pod.metadata.uid}`, -1, pod.metadata.resourceVersion)
      return ended.reached(jobOf(pod))
    }
  )
  return {
    created,
    ended,
    jobOf: (image) => names.get(image),
    mostAtOnce: () => {
      const counts = { now: 0, most: 0 }
      for (const { by } of [...steps.values()].toSorted((a, b) => a.version - b.version)) {
        counts.now += by
        counts.most = Math.max(counts.most, counts.now)
      }
      return counts.most
    }
  } satisfies FollowedJobs
})

/** A Job with the fields of its spec that the operator writes. */
const WrittenJob = Schema.Struct({
  metadata: ObjectMeta,
  spec: Schema.Struct({
    backoffLimit: Schema.Int,
    podFailurePolicy: Schema.Unknown,
    activeDeadlineSeconds: Schema.Int,
    ttlSecondsAfterFinished: Schema.Int,
    template: Schema.Struct({ spec: Schema.Unknown })
  })
})

const writtenJobs: Resource<typeof WrittenJob.Type> = { ...Jobs, schema: WrittenJob }

const parse = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Unknown))

/** Makes Jobs like one of the operator's, for other repositories of the destination. */
export type JobMaker = (name: string, destination: string) => Effect.Effect<void, { readonly message: string }>

/**
 * Takes a Job of the operator as a model. `destination` is the repository of the model. The new Jobs lack the labels by which the
 * operator knows its own.
 */
export const jobsLike = Effect.fnUntraced(function* (model: string | undefined, destination: string) {
  const kube = yield* KubeClient
  const found = yield* kube.get(writtenJobs, { namespace: NAMESPACE, name: model ?? "" })
  if (Option.isNone(found)) return yield* new BenchFailed({ detail: `the Job of ${destination} is deleted already` })
  const { spec } = found.value
  const text = JSON.stringify(spec)
  const make: JobMaker = (name, other) =>
    kube.create(Jobs, {
      metadata: { namespace: NAMESPACE, name },
      spec: parse(text.replaceAll(`/${destination}:${SOURCE_TAG}`, `/${other}:${SOURCE_TAG}`))
    })
  return make
})
