/** Some platforms of an image with Jobs: the real engine, a real Skopeo for each container, and a real registry. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { Controller } from "../../src/controller/Controller.ts"
import { ImageEvents } from "../../src/controller/events/ImageEvents.ts"
import * as Operator from "../../src/controller/Operator.ts"
import { CopyLimits } from "../../src/copy/CopyLimits.ts"
import * as JobEngine from "../../src/copy/job/JobEngine.ts"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Policy } from "../../src/credentials/Policy.ts"
import { KubeClient } from "../../src/kube/KubeClient.ts"
import * as KubeClientMemory from "../../src/kube/KubeClientMemory.ts"
import { listWatch } from "../../src/kube/ListWatch.ts"
import type { KubeObject, Resource } from "../../src/kube/Resource.ts"
import { Images, type JobObject, Jobs } from "../../src/kube/Resources.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { fallbackTagOf } from "../../src/oci/Referrers.ts"
import { partsOf } from "../../src/oci/Manifest.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { itWithPrograms } from "../support/programs.ts"
import { directory, startReal, succeeds } from "../support/realRegistries.ts"
import { isSignedByTag, makeSigner, signByTag } from "../support/signatures.ts"
import { whole } from "../support/wholeObjects.ts"
import { applyImage, conditionText, readImage } from "../support/world.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

const NAMESPACE = "jobs"
const registries = withPlacement(RegistryClientHttp.layer())

const accessTo = (registry: string, path: string): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify: false,
  credential: Option.none()
})

const Container = Schema.Struct({ name: Schema.String, args: Schema.Array(Schema.String) })
const JobSpec = Schema.Struct({
  template: Schema.Struct({
    spec: Schema.Struct({
      initContainers: Schema.optionalKey(Schema.Array(Container)),
      containers: Schema.Array(Container)
    })
  })
})

/** The current objects, then each change. */
const seen = <A extends KubeObject>(resource: Resource<A>, namespace: string) =>
  Stream.flatMap(listWatch(resource, { namespace }), (event) =>
    event._tag === "Replaced"
      ? Stream.fromIterable(event.objects)
      : event._tag === "Applied"
        ? Stream.succeed(event.object)
        : Stream.empty
  )

/** Runs a Job's containers one after the other as a kubelet does, each with a real Skopeo. */
const runJob = Effect.fnUntraced(function* (job: JobObject, home: string) {
  const kube = yield* KubeClient
  const { name } = job.metadata
  // The operator does not keep the specs of Jobs.
  const { spec } = Option.getOrThrow(yield* kube.get(whole(Jobs), { namespace: NAMESPACE, name }))
  const { containers, initContainers = [] } = Schema.decodeUnknownSync(JobSpec)(spec).template.spec
  for (const { args } of [...initContainers, ...containers]) {
    yield* succeeds("skopeo", ["--insecure-policy", ...args], home)
  }
  const status = { conditions: [{ type: "Complete", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }] }
  yield* kube.applyStatus(Jobs, { metadata: { namespace: NAMESPACE, name }, status }, "kubelet")
  return [...initContainers, ...containers].length
})

const operator = Operator.layer(
  JobEngine.layer({ namespace: NAMESPACE, image: "quay.io/containers/skopeo:v1.9.3", instance: "test" })
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      KubeClientMemory.layer(),
      Credentials.layerAnonymous,
      Policy.layerNone,
      CopyLimits.layer(),
      ImageEvents.layerNone,
      Metrics.layer
    )
  )
)

describe("some platforms of an image, with Jobs", () => {
  for (const program of ["registry", "docker-registry"]) {
    itWithPrograms(
      ["skopeo", program],
      `Jobs copy some platforms to ${program} with their signatures, as one index`,
      () =>
        Effect.gen(function* () {
          const [source, destination, seeds] = [
            yield* startReal(program),
            yield* startReal(program),
            yield* startRegistry()
          ]
          const home = yield* directory
          const [there, here] = [accessTo(source.host, "team/app"), accessTo(destination.host, "mirror/app")]
          const platforms = ["linux/amd64", "linux/arm64", "linux/s390x"]
          const digest = pushSampleImage(seeds.store, "seed", "v1", "seed", { layerSize: 50_000, platforms })
          yield* copyImage({ source: accessTo(seeds.host, "seed"), digest, destination: there, tag: "v1" })
          const client = yield* RegistryClient
          const index = Option.getOrThrow(partsOf(yield* client.manifest(there, "v1")))
          assert(index._tag === "Index")
          const [amd64, arm64] = index.children
          assert(amd64 !== undefined && arm64 !== undefined)
          const signer = makeSigner()
          yield* signByTag(there, digest, signer)
          yield* signByTag(there, arm64.digest, signer)

          yield* (yield* Controller).synced
          yield* applyImage("app", {
            mode: "Recurrent",
            referrers: true,
            platforms: ["linux/amd64", "linux/arm64"],
            source: { name: `${source.host}/team/app`, version: "v1", tlsVerify: false },
            destination: { name: `${destination.host}/mirror/app`, tlsVerify: false }
          })
          // Two Jobs: the signature of a selected platform, and then the image.
          const ran = yield* seen(Jobs, NAMESPACE).pipe(
            Stream.filter(({ status }) => (status?.conditions ?? []).length === 0),
            Stream.mapEffect((job) => runJob(job, home)),
            Stream.take(2),
            Stream.runCollect
          )
          assert.deepStrictEqual([...ran], [1, 2])
          yield* seen(Images, "team").pipe(
            Stream.mapEffect(() => readImage("app")),
            Stream.takeUntil((image) => conditionText(image, "Ready") === "True Copied"),
            Stream.runDrain
          )
          const image = yield* readImage("app")
          assert.strictEqual(conditionText(image, "Ready"), "True Copied")
          assert.strictEqual(image.status.tags, "1/1")
          const copied = Option.getOrThrow(partsOf(yield* client.manifest(here, "v1")))
          assert(copied._tag === "Index")
          assert.deepStrictEqual(
            copied.children.map((child) => child.digest),
            [amd64.digest, arm64.digest]
          )
          assert.isTrue(yield* isSignedByTag(here, arm64.digest, signer))
          assert.isTrue(Option.isNone(yield* client.head(here, `${fallbackTagOf(digest)}.sig`)))
          // Skopeo copies the whole result.
          const copyAll = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"]
          const to = `oci:${home}/image:v1`
          yield* succeeds(
            "skopeo",
            ["--insecure-policy", ...copyAll, `docker://${destination.host}/mirror/app:v1`, to],
            home
          )
        }).pipe(Effect.provide(operator), Effect.provide(registries))
    )
  }
})
