import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Redacted, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { CopyEngine } from "../../../src/copy/CopyEngine.ts"
import { CopyLimits, type CopyLimitsOptions } from "../../../src/copy/CopyLimits.ts"
import { jobName } from "../../../src/copy/job/Job.ts"
import { jobOf as skopeoJobOf } from "../../../src/copy/job/JobManifest.ts"
import * as JobEngine from "../../../src/copy/job/JobEngine.ts"
import * as CloudIdentity from "../../../src/credentials/CloudIdentity.ts"
import * as ConfiguredCredentials from "../../../src/credentials/ConfiguredCredentials.ts"
import { CredentialProvider } from "../../../src/credentials/CredentialProvider.ts"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import { Policy } from "../../../src/credentials/Policy.ts"
import * as ImageSecrets from "../../../src/credentials/ImageSecrets.ts"
import type { Copy, CopyTask, Endpoint } from "../../../src/domain/Copy.ts"
import { KubeClient, KubeError } from "../../../src/kube/KubeClient.ts"
import { ApiServerStore } from "../../../src/kube/ApiServerStore.ts"
import * as KubeClientMemory from "../../../src/kube/KubeClientMemory.ts"
import { Events, type JobObject, Jobs, Pods, type SecretObject, Secrets } from "../../../src/kube/Resources.ts"
import { partsOf } from "../../../src/oci/Manifest.ts"
import { subsetOf } from "../../../src/oci/PlatformSubset.ts"
import { parseProxy, type Proxies } from "../../../src/http/Proxy.ts"
import type { HttpHead } from "../../../src/http/Http.ts"
import { RegistryClient } from "../../../src/registry/RegistryClient.ts"
import { RegistryError } from "../../../src/registry/RegistryError.ts"
import * as RegistryClientMemory from "../../../src/registry/memory/RegistryClientMemory.ts"
import { pushSampleImage } from "../../../src/registry/memory/SampleImage.ts"
import { pushImageShapes } from "../../support/imageShapes.ts"
import * as Faults from "../../support/Faults.ts"
import { makePolicyFile } from "../../support/policyFile.ts"
import { createPod, runPods, setPod, skopeoIs } from "../../support/pods.ts"
import { pullQuota } from "../../support/PullQuota.ts"
import { makeSpans, type Spans, treeOf } from "../../support/spans.ts"
import { whole, type WholeObject } from "../../support/wholeObjects.ts"
import { endpoint, platforms } from "../../support/endpoints.ts"

const NAMESPACE = "jobs"
const PASSWORD = "correct-horse-battery"
const DESTINATION = endpoint("dest.test", "mirror/app")

/** The destination, with the credentials of a Secret that an Image names. */
const withSecret = (name: string): Endpoint => ({ ...DESTINATION, credentials: { _tag: "Secret", name } })

const options = { namespace: NAMESPACE, image: "quay.io/containers/skopeo:v1.9.3", instance: "release-1" }

const withCredentials = Credentials.layer(
  Effect.all([
    ConfiguredCredentials.make({
      source: Option.none(),
      destination: Option.some({ username: "robot", password: Redacted.make(PASSWORD), registries: ["dest.test"] })
    })
  ])
)

/** Credentials from Secrets of Images. */
const ownSecrets = Credentials.layer(Effect.all([ImageSecrets.make()]))

const base64 = (text: string): string => Buffer.from(text).toString("base64")

/** A Secret whose login has the name of the Secret in it. */
const createLogin = Effect.fnUntraced(function* (namespace: string, name: string, registry: string) {
  const data = { username: base64(`${namespace}/${name}`), password: base64(`password of ${namespace}/${name}`) }
  yield* (yield* KubeClient).create(Secrets, {
    metadata: { namespace, name, annotations: { "skopeo.io/registry": registry } },
    type: "kubernetes.io/basic-auth",
    data
  })
})

interface Setting {
  readonly credentials?: Layer.Layer<Credentials, never, KubeClient>
  /** Default: no policy. */
  readonly policy?: Layer.Layer<Policy>
  readonly limits?: CopyLimitsOptions
  readonly proxies?: Proxies
  readonly limiter?: (request: RegistryClientMemory.LimitedRequest) => HttpHead
  /** Whether the test creates the pods of Jobs. Otherwise each Job has a pod with a running container at once. */
  readonly playsPods?: boolean
}

/** An API server and registries with the faults that a test sets. Several engines may start and stop in one world. */
const makeWorld = (setting: Setting = {}) => {
  const registries = RegistryClientMemory.registriesOf("source.test", "dest.test", "other.test", "docker.io")
  const store = (name: string) => {
    const found = registries.get(name)
    if (found === undefined) throw new Error(`no registry ${name}`)
    return found
  }
  const digest = pushSampleImage(store("source.test"), "app", "v1", "app")
  const requests: Array<string> = []
  const server = new ApiServerStore()
  if (setting.playsPods !== true) runPods(server)
  const faults = {
    kube: Faults.of(KubeClient, [
      { method: "create", before: ({ plural }) => Effect.sync(() => requests.push(`create ${plural}`)) },
      {
        method: "delete",
        before: ({ plural }, _name, how) =>
          Effect.sync(() => requests.push(`delete ${plural}${how?.uid === undefined ? "" : " with uid"}`))
      }
    ]),
    registry: Faults.of(RegistryClient)
  }
  const layer = Layer.mergeAll(
    setting.policy ?? Policy.layerNone,
    faults.registry.layer(
      RegistryClientMemory.layer(registries, setting.limiter === undefined ? {} : { limiter: setting.limiter })
    ),
    (setting.credentials ?? Credentials.layerAnonymous).pipe(
      Layer.provideMerge(faults.kube.layer(KubeClientMemory.layer({ store: server })))
    )
  )

  /** Starts an engine in a new process. `stop` ends that process. */
  const engine = Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const context = yield* Layer.build(
      Layer.fresh(
        JobEngine.layer({ ...options, proxies: setting.proxies ?? {} }).pipe(
          Layer.provide(CopyLimits.layer(setting.limits))
        )
      )
    ).pipe(Scope.provide(scope))
    yield* settle
    return { ...Context.get(context, CopyEngine), stop: Scope.close(scope, Exit.void) }
  })

  const task = (tag = "v1", more: Partial<CopyTask> = {}): CopyTask => ({
    image: { namespace: "team", name: "app", uid: "uid-app" },
    generation: 1,
    source: endpoint("source.test", "app"),
    digest,
    platforms: [],
    destinationDigest: more.digest ?? digest,
    referrers: false,
    destination: DESTINATION,
    tag,
    onlyIfMissing: false,
    ...more
  })
  const arrive = (tag = "v1") => pushSampleImage(store("dest.test"), "mirror/app", tag, "app")
  return { arrive, digest, engine, faults, layer, requests, server, store, task }
}

/** Runs everything that is due now. */
const settle = Effect.repeat(TestClock.adjust("1 millis"), { times: 10 })

const jobs = Effect.gen(function* () {
  return (yield* (yield* KubeClient).list(Jobs, { namespace: NAMESPACE })).items
})
const isActive = (job: JobObject): boolean => (job.status?.conditions ?? []).length === 0
const jobOf = (task: CopyTask) =>
  Effect.gen(function* () {
    return Option.getOrThrow(yield* (yield* KubeClient).get(Jobs, { namespace: NAMESPACE, name: jobName(task) }))
  })
/** The whole Job at the API server. The operator reads neither the spec nor foreign labels. */
const wholeJobOf = (task: CopyTask) =>
  Effect.gen(function* () {
    return Option.getOrThrow(yield* (yield* KubeClient).get(whole(Jobs), { namespace: NAMESPACE, name: jobName(task) }))
  })
const secretOf = (task: CopyTask) =>
  Effect.gen(function* () {
    const name = (yield* jobOf(task)).metadata.annotations?.["skopeo.io/secret"] ?? ""
    return yield* (yield* KubeClient).get(Secrets, { namespace: NAMESPACE, name })
  })
const ownersOf = ({ metadata: { name } }: SecretObject) =>
  Effect.gen(function* () {
    const secret = yield* (yield* KubeClient).get(whole(Secrets), { namespace: NAMESPACE, name })
    return Option.getOrThrow(secret).metadata.ownerReferences ?? []
  })

/** Ends a Job as the cluster's Job controller does. */
const finish = (task: CopyTask, type: "Complete" | "Failed") =>
  Effect.gen(function* () {
    const kube = yield* KubeClient
    const condition = { type, status: "True", lastTransitionTime: "1970-01-01T00:00:30Z" }
    yield* kube.applyStatus(
      Jobs,
      {
        metadata: { namespace: NAMESPACE, name: jobName(task) },
        status: {
          conditions: [
            type === "Failed" ? { ...condition, reason: "BackoffLimitExceeded", message: "limit" } : condition
          ]
        }
      },
      "job-controller"
    )
    yield* settle
  })

const nameOf = (task: CopyTask) => ({ namespace: NAMESPACE, name: jobName(task) })

/** Sets the termination message of Skopeo in a Job's pod. */
const podSays = (server: ApiServerStore, task: CopyTask, message: string): void => {
  const state = { terminated: { exitCode: 1, reason: "Error", message } }
  setPod(server, nameOf(task), skopeoIs(state, { phase: "Failed" }))
}

const only = (copies: ReadonlyArray<Copy>): Copy => {
  const [copy] = copies
  assert.lengthOf(copies, 1)
  if (copy === undefined) throw new Error("no copy")
  return copy
}
const states = (copies: ReadonlyArray<Copy>) => copies.map(({ state }) => state._tag).sort()
const said = ({ state }: Copy) => (state._tag === "Failed" ? `${state.reason}: ${state.message}` : state._tag)

describe("starting a copy", () => {
  it.effect("Several starts of a copy create one Job", () => {
    const { engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      assert.isTrue(yield* start(task()))
      assert.isFalse(yield* start(task()))
      yield* settle
      assert.isFalse(yield* start(task()))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs"])
      const job = yield* jobOf(task())
      const copy = only(yield* copies(task().image))
      assert.strictEqual(copy.state._tag, "Running")
      assert.strictEqual(copy.id, job.metadata.uid)
      assert.deepStrictEqual(yield* copies({ namespace: "team", name: "another" }), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A Job with credentials gets a Secret, which the Job owns", () => {
    const { engine, layer, requests, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { start } = yield* engine
      yield* start(task())
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs", "create secrets"])
      const job = yield* jobOf(task())
      const secret = Option.getOrThrow(yield* secretOf(task()))
      assert.deepStrictEqual(
        (yield* ownersOf(secret)).map(({ kind, name, uid }) => ({ kind, name, uid })),
        [{ kind: "Job", name: job.metadata.name, uid: job.metadata.uid ?? "" }]
      )
      // A second start sends no further create.
      assert.isFalse(yield* start(task()))
      assert.lengthOf(requests, 2)
      assert.isTrue(secret.immutable)
      assert.deepStrictEqual(Object.keys(secret.data ?? {}), ["dest.json"])
      const file = Buffer.from(secret.data?.["dest.json"] ?? "", "base64").toString()
      assert.deepStrictEqual(JSON.parse(file), {
        auths: { "dest.test": { auth: Buffer.from(`robot:${PASSWORD}`).toString("base64") } }
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A Job gets no credential that the policy does not grant, and its failure names the rule and the remedy",
    () => {
      const policy = makePolicyFile("rules: [{ name: readers, operatorCredentials: [source] }]").layer
      const { engine, layer, server, task } = makeWorld({ credentials: withCredentials, policy })
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        yield* start(task())
        yield* settle
        assert.isTrue(Option.isNone(yield* secretOf(task())))
        assert.notInclude(JSON.stringify((yield* wholeJobOf(task())).spec), "authfile")
        podSays(server, task(), 'level=fatal msg="unauthorized: authentication required"')
        yield* finish(task(), "Failed")
        assert.match(
          said(only(yield* copies(task().image))),
          /^AuthenticationFailed: skopeo: unauthorized: authentication required; the operator's destination credentials are not used, because the rule readers /u
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A copy that the policy refuses when its Job is prepared has no Job", () => {
    const { engine, layer, requests, task } = makeWorld({ policy: makePolicyFile("rules: []").layer })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      assert.match(
        said(only(yield* copies(task().image))),
        /^PolicyRefused: .*the operator's policy does not accept any Image/u
      )
      assert.deepStrictEqual(requests, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("The words of a Job with a credential that a new operator may no longer use are not shown", () => {
    const file = makePolicyFile("rules: [{ name: team, operatorCredentials: [destination] }]")
    const { engine, layer, server, task } = makeWorld({ credentials: withCredentials, policy: file.layer })
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task())
      yield* settle
      assert.isTrue(Option.isSome(yield* secretOf(task())))
      yield* first.stop
      file.write("rules: [{ name: team }]")
      yield* TestClock.adjust("10 seconds")
      const second = yield* engine
      podSays(server, task(), `level=fatal msg="${PASSWORD} was refused"`)
      yield* finish(task(), "Failed")
      const words = said(only(yield* second.copies(task().image)))
      assert.notInclude(words, PASSWORD)
      assert.match(words, /^CopyFailed: /u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("A start is refused while another Image's copy writes the destination", () => {
    const { engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { start } = yield* engine
      yield* start(task())
      const other = task("v1", { image: { namespace: "team", name: "rival", uid: "uid-rival" } })
      // During the create of the Job, and while the Job runs.
      assert.strictEqual((yield* Effect.flip(start(other))).reason, "DestinationBusy")
      yield* settle
      const error = yield* Effect.flip(start(other))
      assert.strictEqual(error.reason, "DestinationBusy")
      assert.include(error.message, "team/app")
      assert.isTrue(yield* start(task("v2", { image: other.image })))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy whose Job the API server refuses fails, and can be started again after its release", () => {
    const { engine, faults, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, release, start } = yield* engine
      const refusal = { operation: "create jobs", code: 403, reason: "Forbidden", detail: "exceeded quota" }
      faults.kube.plan.push({ method: "create", nth: 1, ...Faults.failing(new KubeError(refusal)) })
      yield* start(task())
      yield* settle
      const failed = only(yield* copies(task().image))
      assert.match(said(failed), /^JobNotCreated: .*exceeded quota/u)
      assert.isFalse(yield* start(task()))
      yield* release(failed)
      assert.deepStrictEqual(yield* copies(task().image), [])
      assert.isTrue(yield* start(task()))
      yield* settle
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Running")
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy that begins at once is not announced before its end", () => {
    const { engine, faults, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const { changes, copies, start } = yield* engine
      const announced: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(changes, (image) =>
          Effect.map(copies(image), ([copy]) => announced.push(copy?.state._tag ?? "none"))
        )
      )
      faults.kube.plan.push({
        method: "create",
        when: ({ plural }) => plural === "jobs",
        ...Faults.answerDelayed("1 second")
      })
      yield* start(task())
      yield* settle
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Running")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(announced, [])
      yield* finish(task(), "Failed")
      assert.deepStrictEqual(announced, ["Failed"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A Job for Amazon ECR gets the user AWS and a token of the operator's identity", () => {
    const registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    const token = Redacted.make("ecr-token")
    const identity = Layer.succeed(CredentialProvider, {
      credential: (asked) =>
        Effect.succeed({ username: "AWS", password: asked === registry ? token : Redacted.make("") })
    })
    const credentials = Credentials.layer(Effect.all([CloudIdentity.make])).pipe(Layer.provide(identity))
    const { engine, layer, task } = makeWorld({ credentials })
    return Effect.gen(function* () {
      const { start } = yield* engine
      const copied = task("v1", {
        destination: endpoint(registry, "app", { credentials: { _tag: "AwsIdentity" } })
      })
      yield* start(copied)
      yield* settle
      assert.notInclude(JSON.stringify(yield* jobOf(copied)), "ecr-token")
      const secret = Option.getOrThrow(yield* secretOf(copied))
      assert.deepStrictEqual(Object.keys(secret.data ?? {}), ["dest.json"])
      assert.deepStrictEqual(JSON.parse(Buffer.from(secret.data?.["dest.json"] ?? "", "base64").toString()), {
        auths: { [registry]: { auth: base64("AWS:ecr-token") } }
      })
    }).pipe(Effect.provide(layer))
  })

  const { store } = makeWorld()
  for (const { name, refused } of pushImageShapes(store("source.test"), "shapes")) {
    const outcome = refused === undefined ? "gets a Job" : "gets no Job, because Skopeo does not copy the image"
    it.effect(`A copy of ${name} ${outcome}`, () => {
      const { engine, layer, requests, store, task } = makeWorld()
      const shape = pushImageShapes(store("source.test"), "shapes").find((one) => one.name === name)
      const digest = shape?.digest ?? ""
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        const shaped = task("v1", { digest, source: endpoint("source.test", "shapes") })
        yield* start(shaped)
        yield* settle
        const copy = only(yield* copies(shaped.image))
        assert.deepStrictEqual(requests, refused === undefined ? ["create jobs"] : [])
        if (refused === undefined) return assert.strictEqual(copy.state._tag, "Running")
        assert.match(said(copy), /^UnsupportedManifest: .* Skopeo copies no .*; use COPY_ENGINE=direct$/u)
        assert.include(said(copy), `Skopeo copies no ${refused}`)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect(
    "A source whose pulls are counted is not read before its Job, and the Job says what Skopeo does not copy",
    () => {
      const { engine, layer, requests, server, store, task } = makeWorld({
        limiter: () => ({
          status: 200,
          headers: { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "90;w=21600" }
        })
      })
      const shapes = pushImageShapes(store("docker.io"), "shapes")
      const digest = shapes.find(({ name }) => name === "an index of indexes")?.digest ?? ""
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        const shaped = task("v1", { digest, source: endpoint("docker.io", "shapes") })
        const access = {
          repository: { registry: "docker.io", path: "shapes" },
          tlsVerify: true,
          credential: Option.none()
        }
        yield* (yield* RegistryClient).head(access, digest)
        yield* start(shaped)
        yield* settle
        assert.deepStrictEqual(requests, ["create jobs"])
        podSays(
          server,
          shaped,
          "copying image 1/2 from manifest list: Unexpectedly received a manifest list instead of a manifest for a single image"
        )
        yield* finish(shaped, "Failed")
        assert.match(
          said(only(yield* copies(shaped.image))),
          /^UnsupportedManifest: .*Skopeo copies no index of indexes; use COPY_ENGINE=direct$/u
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A copy whose credentials must not be sent gets no Job, and fails with the reason", () => {
    const { engine, faults, layer, requests, task } = makeWorld({ credentials: withCredentials })
    faults.registry.plan.push({
      method: "delegate",
      when: ({ repository }) => repository.registry === "dest.test",
      before: ({ repository }) =>
        RegistryError.of("CredentialsNotSent", repository, "add dest.test to REGISTRY_PLAIN_HTTP")
    })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      assert.match(
        said(only(yield* copies(task().image))),
        /^CredentialsNotSent: .*add dest\.test to REGISTRY_PLAIN_HTTP/u
      )
      assert.deepStrictEqual(requests, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A Job for a registry without credentials by plain HTTP has no Secret, and its failure names the remedy",
    () => {
      const { engine, faults, layer, requests, server, task } = makeWorld({ credentials: withCredentials })
      faults.registry.plan.push({
        method: "delegate",
        when: ({ repository }) => repository.registry === "dest.test",
        after: (access) =>
          Effect.succeed({ ...access, credential: Option.none(), withheld: "add dest.test to the list" })
      })
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        yield* start(task())
        yield* settle
        assert.deepStrictEqual(requests, ["create jobs"])
        const job = yield* wholeJobOf(task())
        assert.notInclude(JSON.stringify(job), "authfile")
        podSays(server, task(), "unauthorized: authentication required")
        yield* finish(task(), "Failed")
        assert.match(said(only(yield* copies(task().image))), /^AuthenticationFailed: .*; add dest\.test to the list$/u)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A copy without the credentials of its Image gets no Job, and fails with the reason", () => {
    const { engine, layer, requests, task } = makeWorld({ credentials: ownSecrets })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task("v1", { destination: withSecret("push") }))
      yield* settle
      assert.match(
        said(only(yield* copies(task().image))),
        /^SecretNotFound: Job jobs\/\S+ to dest.test\/mirror\/app:v1 could not be created: spec.destination.credentials.secretRef.name: "push" is no Secret in namespace team/u
      )
      assert.deepStrictEqual(requests, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A Job that a crash has left without a Secret gets the credentials of its Image, not of its annotations",
    () => {
      const { engine, layer, task } = makeWorld({ credentials: ownSecrets })
      return Effect.gen(function* () {
        yield* createLogin("team", "push", "dest.test")
        yield* createLogin("other", "push", "dest.test")
        yield* createLogin("team", "stolen", "dest.test")
        const kube = yield* KubeClient
        const made = task("v1", { destination: withSecret("push") })
        const login = Option.some({ username: "robot", password: Redacted.make(PASSWORD) })
        const written = skopeoJobOf(
          made,
          {
            source: { repository: made.source.repository, tlsVerify: true, credential: Option.none() },
            destination: { repository: made.destination.repository, tlsVerify: true, credential: login }
          },
          options,
          "0badcafe"
        )
        const marks = {
          ...written.metadata.annotations,
          "skopeo.io/image": "other/app",
          "skopeo.io/destination-credentials": "secret/stolen"
        }
        yield* kube.create(Jobs, { ...written, metadata: { ...written.metadata, annotations: marks } })
        const { start } = yield* engine
        assert.isFalse(yield* start(made))
        const secret = Option.getOrThrow(yield* secretOf(made))
        assert.deepStrictEqual(JSON.parse(Buffer.from(secret.data?.["dest.json"] ?? "", "base64").toString()), {
          auths: { "dest.test": { auth: base64("team/push:password of team/push") } }
        })
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A Job that a crash has left without a Secret gets no credentials that must not be sent", () => {
    const { engine, faults, layer, requests, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { start, stop } = yield* engine
      yield* start(task())
      yield* settle
      const kube = yield* KubeClient
      yield* kube.delete(Secrets, {
        namespace: NAMESPACE,
        name: Option.getOrThrow(yield* secretOf(task())).metadata.name
      })
      yield* stop
      faults.registry.plan.push({
        method: "delegate",
        when: ({ repository }) => repository.registry === "dest.test",
        before: ({ repository }) =>
          RegistryError.of("CredentialsNotSent", repository, "add dest.test to REGISTRY_PLAIN_HTTP")
      })
      const before = requests.filter((request) => request === "create secrets").length
      const error = yield* Effect.flip((yield* engine).start(task()))
      assert.strictEqual(error.reason, "SecretNotCreated")
      assert.include(error.message, "add dest.test to REGISTRY_PLAIN_HTTP")
      assert.strictEqual(requests.filter((request) => request === "create secrets").length, before)
    }).pipe(Effect.provide(layer))
  })

  it.effect("The next Job gets its own Secret while the Secret of the last Job still exists", () => {
    const { engine, faults, layer, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const kube = yield* KubeClient
      const { copies, release, start } = yield* engine
      yield* start(task())
      yield* settle
      const { metadata, ...left } = Option.getOrThrow(yield* secretOf(task()))
      const ownerReferences = yield* ownersOf({ metadata })
      yield* finish(task(), "Failed")
      yield* release(only(yield* copies(task().image)))
      // The API server in memory collects garbage at once. Here the old Secret still exists.
      const old = { namespace: NAMESPACE, name: metadata.name }
      const linger = { ...left, metadata: { ...old, ownerReferences } }
      faults.kube.plan.push({
        method: "create",
        when: ({ plural }) => plural === "jobs",
        before: () => kube.create(Secrets, linger)
      })
      yield* start(task())
      yield* settle
      yield* kube.delete(Secrets, old)
      const job = yield* wholeJobOf(task())
      const secret = Option.getOrThrow(yield* secretOf(task()))
      assert.strictEqual((yield* ownersOf(secret))[0]?.uid, job.metadata.uid)
      assert.include(JSON.stringify(job.spec), `"secretName":"${secret.metadata.name}"`)
      assert.notStrictEqual(secret.metadata.name, metadata.name)
    }).pipe(Effect.provide(layer))
  })

  it.effect("A Job whose Secret could not be made keeps its place, and the next start makes the Secret", () => {
    const { engine, faults, layer, task } = makeWorld({ credentials: withCredentials, limits: { total: 1 } })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      const refusal = { operation: "create secrets", code: 500, reason: "InternalError", detail: "etcd" }
      const refused = {
        method: "create",
        when: ({ plural }: Pick<typeof Secrets, "plural">) => plural === "secrets",
        ...Faults.failing(new KubeError(refusal))
      } as const
      faults.kube.plan.push(refused)
      yield* start(task("v1"))
      yield* start(task("v2"))
      yield* settle
      assert.deepStrictEqual(states(yield* copies(task().image)), ["Running", "Waiting"])
      assert.strictEqual((yield* Effect.flip(start(task("v1")))).reason, "SecretNotCreated")
      faults.kube.plan.splice(faults.kube.plan.indexOf(refused), 1)
      assert.isFalse(yield* start(task("v1")))
      assert.isTrue(Option.isSome(yield* secretOf(task("v1"))))
      assert.lengthOf(yield* jobs, 1)
    }).pipe(Effect.provide(layer))
  })
})

describe("a finished copy", () => {
  it.effect("A copy has succeeded when the destination answers with its digest", () => {
    const { arrive, engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      arrive()
      yield* finish(task(), "Complete")
      assert.deepStrictEqual(only(yield* copies(task().image)).state, { _tag: "Succeeded", at: 30_000 })
      // Before the release another start makes no second copy.
      assert.isFalse(yield* start(task()))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy has failed when the destination lacks the tag, or has another digest", () => {
    const { digest, engine, layer, store, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      const other = pushSampleImage(store("dest.test"), "mirror/app", "v2", "another")
      yield* start(task("v1"))
      yield* start(task("v2"))
      yield* settle
      yield* finish(task("v1"), "Complete")
      yield* finish(task("v2"), "Complete")
      const words = (yield* copies(task().image)).map(said).sort()
      assert.match(words[0] ?? "", /^VerificationFailed: /u)
      assert.match(words[1] ?? "", /^VerificationFailed: /u)
      assert.include(words.join(), other)
      assert.include(words.join(), digest)
      assert.include(words.join(), "no such tag")
    }).pipe(Effect.provide(layer))
  })

  it.effect("The failure of a copy has the start of a long message, and no part of a password", () => {
    const { engine, layer, server, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      podSays(server, task(), `level=fatal msg="${"broken pipe: ".repeat(76)}${PASSWORD} was refused"`)
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.include(words, "broken pipe: broken pipe")
      assert.include(words, "; read the log: kubectl logs -n jobs job/copy-app-v1-")
      assert.notInclude(words, PASSWORD.slice(0, 5))
    }).pipe(Effect.provide(layer))
  })

  it.effect("The failure of a copy has the pod's last message, without passwords", () => {
    const { engine, layer, server, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      const encoded = Buffer.from(`robot:${PASSWORD}`).toString("base64")
      podSays(
        server,
        task(),
        `time="2026-11-24T00:00:00Z" level=fatal msg="pinging container registry ${PASSWORD}.test: Get \\"https://a.test/${encoded}\\": unauthorized: authentication required"\n`
      )
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.strictEqual(
        words,
        'AuthenticationFailed: skopeo: pinging container registry <redacted>.test: Get "https://a.test/<redacted>": unauthorized: authentication required'
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A copy without TLS verification by its Image alone gets no credential of the operator, and its failure says so",
    () => {
      const { engine, layer, server, task: taskOf } = makeWorld({ credentials: withCredentials })
      const task = taskOf("v1", { destination: { ...DESTINATION, tlsVerify: false } })
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        yield* start(task)
        yield* settle
        assert.isTrue(Option.isNone(yield* secretOf(task)))
        assert.notInclude(JSON.stringify((yield* wholeJobOf(task)).spec), "authfile")
        podSays(server, task, 'level=fatal msg="unauthorized: authentication required"')
        yield* finish(task, "Failed")
        assert.match(
          said(only(yield* copies(task.image))),
          /^AuthenticationFailed: skopeo: unauthorized: authentication required; the operator's credentials for dest\.test are not sent, /u
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("The failure of a copy has no credentials of a proxy, even if the proxy repeats them", () => {
    const proxies = {
      https: Result.getOrThrow(parseProxy("HTTPS_PROXY", "http://me:s3cret%20word@proxy.test:3128")),
      http: Result.getOrThrow(parseProxy("HTTP_PROXY", "http://t0ken@proxy.test:3128"))
    }
    const { engine, layer, server, task } = makeWorld({ proxies })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      const repeated = [base64("me:s3cret word"), "s3cret word", "s3cret%20word", base64("t0ken:"), "t0ken"]
      podSays(server, task(), `level=fatal msg="Get \\"https://a.test/${repeated.join("/")}\\": EOF"`)
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.strictEqual(
        words,
        `CopyFailed: skopeo: Get "https://a.test/${repeated.map(() => "<redacted>").join("/")}": EOF`
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("The failure of a copy has no message of a pod when its secrets are unknown", () => {
    const { engine, layer, server, task } = makeWorld({ credentials: ownSecrets })
    return Effect.gen(function* () {
      const kube = yield* KubeClient
      const copied = task("v1", { destination: withSecret("push") })
      yield* createLogin("team", "push", "dest.test")
      const first = yield* engine
      yield* first.start(copied)
      yield* settle
      yield* first.stop
      yield* kube.delete(Secrets, { namespace: "team", name: "push" })
      yield* TestClock.adjust("1 minute")
      podSays(server, copied, 'level=fatal msg="password of team/push: denied"\n')
      yield* finish(copied, "Failed")
      const { copies } = yield* engine
      yield* settle
      assert.strictEqual(said(only(yield* copies(copied.image))), "CopyFailed: the Job failed: limit")
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "After its release a copy is forgotten, its completed Job is deleted soon, and its failed Job stays",
    () => {
      const { arrive, engine, layer, task } = makeWorld()
      return Effect.gen(function* () {
        const { copies, release, start } = yield* engine
        yield* start(task("v1"))
        yield* start(task("v2"))
        yield* settle
        arrive("v1")
        yield* finish(task("v1"), "Complete")
        yield* finish(task("v2"), "Failed")
        for (const copy of yield* copies(task().image)) yield* release(copy)
        yield* settle
        assert.deepStrictEqual(yield* copies(task().image), [])
        const lifetime = (tag: string) =>
          Effect.map(wholeJobOf(task(tag)), ({ spec }) => (spec as Record<string, unknown>)["ttlSecondsAfterFinished"])
        assert.strictEqual(yield* lifetime("v1"), 10)
        assert.strictEqual(yield* lifetime("v2"), 86_400)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A failed copy is tried again by another Job, after the first Job is gone", () => {
    const { arrive, engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, release, start } = yield* engine
      yield* start(task())
      yield* settle
      yield* finish(task(), "Failed")
      const failed = only(yield* copies(task().image))
      yield* release(failed)
      assert.isTrue(yield* start(task()))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs", "delete jobs with uid", "create jobs"])
      const second = only(yield* copies(task().image))
      assert.strictEqual(second.state._tag, "Running")
      assert.notStrictEqual(second.id, failed.id)
      arrive()
      yield* finish(task(), "Complete")
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Succeeded")
    }).pipe(Effect.provide(layer))
  })
})

describe("a copy to a tag that is not overwritten", () => {
  const ifMissing = { onlyIfMissing: true }

  it.effect("A copy whose tag appears while it waits gets no Job, reports the digest, and frees its place", () => {
    const { engine, layer, requests, store, task } = makeWorld({ limits: { total: 1 } })
    return Effect.gen(function* () {
      const { changes, copies, release, start } = yield* engine
      yield* start(task("v1"))
      yield* start(task("v2", ifMissing))
      yield* start(task("v3", ifMissing))
      yield* settle
      const theirs = pushSampleImage(store("dest.test"), "mirror/app", "v2", "theirs")
      const announced: Array<string> = []
      yield* Effect.forkChild(Stream.runForEach(changes, ({ name }) => Effect.sync(() => announced.push(name))))
      yield* settle
      announced.length = 0
      yield* finish(task("v1"), "Failed")
      const found = yield* copies(task().image)
      assert.deepStrictEqual(states(found), ["Failed", "Present", "Running"])
      const kept = found.find(({ tag }) => tag === "v2")
      assert(kept?.state._tag === "Present")
      assert.strictEqual(kept.state.digest, theirs)
      assert.isAbove(announced.length, 0)
      assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
      assert.strictEqual(store("dest.test").manifest("mirror/app", "v2")?.digest, theirs)
      // The result stays until the release.
      assert.isFalse(yield* start(task("v2", ifMissing)))
      yield* release(kept)
      assert.deepStrictEqual(states(yield* copies(task().image)), ["Failed", "Running"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy fails when the destination does not answer, with the time that the registry names", () => {
    const refusing = ({ kind, registry }: RegistryClientMemory.LimitedRequest): HttpHead =>
      registry === "dest.test" && kind === "Head"
        ? { status: 429, headers: { "retry-after": "90" } }
        : { status: 200, headers: {} }
    const { engine, layer, requests, task } = makeWorld({ limiter: refusing })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task("v1", ifMissing))
      yield* settle
      const { state } = only(yield* copies(task().image))
      assert(state._tag === "Failed")
      assert.strictEqual(state.reason, "RateLimited")
      assert.isAtLeast(state.until ?? 0, 90_000)
      assert.deepStrictEqual(requests, [])
    }).pipe(Effect.provide(layer))
  })
})

describe("a copy of some platforms", () => {
  const arm64 = platforms("linux/arm64")
  const makeSubset = () => {
    const world = makeWorld({ credentials: withCredentials })
    const { digest, store } = world
    const index = store("source.test").manifest("app", digest)
    assert(index !== undefined)
    const subset = Result.getOrThrow(subsetOf({ ...index, size: index.bytes.length }, arm64))
    const parts = Option.getOrThrow(partsOf(subset))
    assert(parts._tag === "Index" && parts.children.length === 1 && parts.children[0] !== undefined)
    const [child] = parts.children
    const task = world.task("v1", { platforms: arm64, destinationDigest: subset.digest })
    /** The part of the copy that Skopeo makes. */
    const arrive = () => {
      const manifest = store("source.test").manifest("app", child.digest)
      assert(manifest !== undefined)
      const inner = Option.getOrThrow(partsOf(manifest))
      for (const { digest: blob } of inner._tag === "Manifest" ? inner.blobs : []) {
        store("dest.test").putBlob("mirror/app", store("source.test").blob("app", blob) ?? Buffer.alloc(0))
      }
      store("dest.test").putManifest("mirror/app", child.digest, manifest.bytes, manifest.mediaType)
    }
    const tag = () => store("dest.test").manifest("mirror/app", "v1")?.digest
    return { ...world, arrive, child, subset, tag, task }
  }

  it.effect("A copy of some platforms copies the parts, then writes the index and the tag", () => {
    const { arrive, child, engine, layer, subset, tag, task } = makeSubset()
    return Effect.gen(function* () {
      const { copies, start, supports } = yield* engine
      assert.isTrue(supports.platforms)
      yield* start(task)
      yield* settle
      const job = JSON.stringify((yield* wholeJobOf(task)).spec)
      assert.include(job, `docker://dest.test/mirror/app@${child.digest}`)
      assert.notInclude(job, "docker://dest.test/mirror/app:v1")
      arrive()
      assert.isUndefined(tag())
      yield* finish(task, "Complete")
      assert.strictEqual(tag(), subset.digest)
      const copy = only(yield* copies(task.image))
      assert.strictEqual(copy.state._tag, "Succeeded")
      assert.deepStrictEqual([copy.platforms, copy.destinationDigest], [arm64, subset.digest])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy of some platforms writes its index after a crash between the parts and the index", () => {
    const { arrive, engine, layer, subset, tag, task } = makeSubset()
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task)
      yield* settle
      yield* first.stop
      arrive()
      yield* finish(task, "Complete")
      assert.isUndefined(tag())
      const second = yield* engine
      yield* settle
      assert.strictEqual(tag(), subset.digest)
      assert.deepStrictEqual(states(yield* second.copies(task.image)), ["Succeeded"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A copy of some platforms that may not overwrite leaves a tag that appeared meanwhile, also after a crash",
    () => {
      const { arrive, engine, layer, store, tag, task } = makeSubset()
      const once = { ...task, onlyIfMissing: true }
      return Effect.gen(function* () {
        const first = yield* engine
        yield* first.start(once)
        yield* settle
        const theirs = pushSampleImage(store("dest.test"), "mirror/app", "v1", "theirs")
        yield* first.stop
        arrive()
        yield* finish(once, "Complete")
        const { copies, release } = yield* engine
        yield* settle
        assert.strictEqual(tag(), theirs)
        const copy = only(yield* copies(task.image))
        assert.deepStrictEqual(copy.state, { _tag: "Present", at: 30_000, digest: theirs })
        yield* release(copy)
        yield* settle
        assert.include(JSON.stringify((yield* wholeJobOf(once)).spec), '"ttlSecondsAfterFinished":10')
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "A copy of some platforms fails with a remedy if the operator may not write the index, and leaves the tag",
    () => {
      const { arrive, engine, faults, layer, store, tag, task } = makeSubset()
      const old = pushSampleImage(store("dest.test"), "mirror/app", "v1", "old")
      faults.registry.plan.push({
        method: "putManifest",
        before: ({ repository }) =>
          Effect.fail(RegistryError.of("AuthenticationFailed", repository, `PUT answered 403 to ${PASSWORD}`))
      })
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        yield* start(task)
        yield* settle
        arrive()
        yield* finish(task, "Complete")
        const failure = said(only(yield* copies(task.image)))
        assert.match(failure, /^AuthenticationFailed: the platforms were copied, but/u)
        for (const words of ["spec.destination.credentials", "leave spec.platforms out", "answered 403"]) {
          assert.include(failure, words)
        }
        assert.notInclude(failure, PASSWORD)
        assert.strictEqual(tag(), old)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A copy of some platforms writes the tag of a registry that withholds the tag's digest", () => {
    const { arrive, engine, faults, layer, store, subset, tag, task } = makeSubset()
    pushSampleImage(store("dest.test"), "mirror/app", "v1", "vulnerable")
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task)
      yield* settle
      arrive()
      faults.registry.plan.push({
        method: "head",
        before: ({ repository }) =>
          Effect.fail(RegistryError.of("BlockedByRegistry", repository, "HEAD answered 412", { concerns: "Reference" }))
      })
      yield* finish(task, "Complete")
      assert.strictEqual(tag(), subset.digest)
      assert.strictEqual(only(yield* copies(task.image)).state._tag, "Succeeded")
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "A copy of some platforms that may not overwrite fails if the registry withholds what the tag names",
    () => {
      const { arrive, engine, faults, layer, store, tag, task } = makeSubset()
      const once = { ...task, onlyIfMissing: true }
      return Effect.gen(function* () {
        const { copies, start } = yield* engine
        yield* start(once)
        yield* settle
        const theirs = pushSampleImage(store("dest.test"), "mirror/app", "v1", "theirs")
        arrive()
        faults.registry.plan.push({
          method: "head",
          before: ({ repository }) =>
            Effect.fail(
              RegistryError.of("BlockedByRegistry", repository, "HEAD answered 412", { concerns: "Reference" })
            )
        })
        yield* finish(once, "Complete")
        assert.match(said(only(yield* copies(task.image))), /^BlockedByRegistry: the copy cannot be verified: /u)
        assert.strictEqual(tag(), theirs)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("A copy of some platforms fails if a part is missing, and leaves the tag", () => {
    const { engine, layer, tag, task } = makeSubset()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task)
      yield* settle
      yield* finish(task, "Complete")
      assert.match(said(only(yield* copies(task.image))), /^PushRefused: the copy cannot be verified: /u)
      assert.isUndefined(tag())
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy whose destination does not answer after its Job fails after two minutes", () => {
    const { engine, faults, layer, task } = makeWorld()
    const copy = task()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(copy)
      yield* settle
      faults.registry.plan.push({ method: "head", before: () => Effect.never })
      yield* finish(copy, "Complete")
      yield* TestClock.adjust("110 seconds")
      assert.strictEqual(only(yield* copies(copy.image)).state._tag, "Running")
      yield* TestClock.adjust("20 seconds")
      assert.match(
        said(only(yield* copies(copy.image))),
        /^Unreachable: the copy cannot be verified: .*no complete answer within 2m$/u
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy of some platforms of a missing image gets no Job", () => {
    const { engine, layer, requests, task } = makeSubset()
    const gone = { ...task, digest: `sha256:${"0".repeat(64)}` }
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(gone)
      yield* settle
      assert.match(said(only(yield* copies(task.image))), /^SourceNotFound: /u)
      assert.deepStrictEqual(requests, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("A copy of all platforms is a copy of the whole image", () => {
    const { engine, layer, task: subset } = makeSubset()
    const task = { ...subset, platforms: platforms("linux/amd64", "linux/arm64"), destinationDigest: subset.digest }
    return Effect.gen(function* () {
      const { start } = yield* engine
      yield* start(task)
      yield* settle
      assert.include(JSON.stringify((yield* wholeJobOf(task)).spec), "docker://dest.test/mirror/app:v1")
    }).pipe(Effect.provide(layer))
  })
})

describe("ending a copy", () => {
  it.effect("A cancel deletes the Job of its copy, and no other Job of the name", () => {
    const { engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { cancel, copies, start } = yield* engine
      yield* start(task())
      yield* settle
      const copy = only(yield* copies(task().image))
      yield* cancel(copy)
      yield* settle
      assert.deepStrictEqual(yield* jobs, [])
      assert.deepStrictEqual(yield* copies(task().image), [])
      yield* start(task())
      yield* settle
      // The cancelled copy is gone. Its name belongs to another Job.
      yield* cancel(copy)
      yield* settle
      assert.lengthOf(yield* jobs, 1)
      assert.isTrue(requests.includes("delete jobs with uid") && !requests.includes("delete jobs"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("A Job that a user deletes is announced, frees its place, and its copy may be started again", () => {
    const { engine, layer, task } = makeWorld({ limits: { total: 1 } })
    return Effect.gen(function* () {
      const { changes, copies, start } = yield* engine
      const announced: Array<string> = []
      yield* changes.pipe(
        Stream.runForEach(({ name, namespace }) => Effect.sync(() => announced.push(`${namespace}/${name}`))),
        Effect.forkScoped
      )
      yield* start(task())
      yield* settle
      const before = announced.length
      const kube = yield* KubeClient
      yield* kube.delete(Jobs, { namespace: NAMESPACE, name: jobName(task()) })
      yield* settle
      assert.deepStrictEqual(announced.slice(before), ["team/app"])
      assert.deepStrictEqual(yield* copies(task().image), [])
      assert.isTrue(yield* start(task("v2")))
      yield* settle
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Running")
      assert.isTrue(yield* start(task()))
    }).pipe(Effect.provide(layer))
  })
})

describe("limits", () => {
  it.effect("A Job beyond the limits is created when another Job ends", () => {
    const { engine, layer, task } = makeWorld({ limits: { total: 2 } })
    const tags = ["v1", "v2", "v3", "v4", "v5"]
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      for (const tag of tags) assert.isTrue(yield* start(task(tag)))
      yield* settle
      const waiting = (yield* copies(task().image)).flatMap(({ state }) =>
        state._tag === "Waiting" ? [state.reason] : []
      )
      assert.lengthOf(waiting, 3)
      assert.include(waiting[0] ?? "", "2 copies in all")
      for (let ended = 0; ended < tags.length; ended++) {
        const active = (yield* jobs).filter(isActive)
        assert.lengthOf(active, Math.min(2, tags.length - ended))
        const tag = (yield* copies(task().image)).find((copy) => copy.state._tag === "Running")?.tag
        yield* finish(task(tag), "Failed")
      }
      assert.lengthOf(yield* jobs, 5)
    }).pipe(Effect.provide(layer))
  })
})

/** A second Job like an engine's, to the tag v2. */
const makeOther = (task: (tag: string) => CopyTask) => (job: WholeObject) => ({
  metadata: {
    namespace: NAMESPACE,
    name: jobName(task("v2")),
    labels: job.metadata.labels ?? {},
    annotations: { ...job.metadata.annotations, "skopeo.io/destination": "dest.test/mirror/app:v2" }
  }
})

describe("an API server that does not answer in time", () => {
  const unreachable = new KubeError({ operation: "create jobs", code: 0, reason: "Unreachable", detail: "no answer" })

  it.effect("A copy whose Job is deleted before its create is answered does not hang", () => {
    const { engine, faults, layer, task } = makeWorld({ limits: { total: 1 } })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      faults.kube.plan.push({ method: "create", ...Faults.answerDelayed("2 seconds") })
      yield* start(task("v1"))
      yield* settle
      yield* (yield* KubeClient).delete(Jobs, { namespace: NAMESPACE, name: jobName(task("v1")) })
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* copies(task().image), [])
      faults.kube.plan.pop()
      assert.isTrue(yield* start(task("v1")))
      yield* settle
      assert.deepStrictEqual(states(yield* copies(task().image)), ["Running"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("Creates without answers make no more Jobs than the limits allow, and each Job is known", () => {
    const { engine, faults, layer, task } = makeWorld({ limits: { total: 3 } })
    const tags = Array.from({ length: 12 }, (_, n) => `v${n}`)
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      faults.kube.plan.push({
        method: "create",
        after: () => Effect.andThen(Effect.sleep("1 minute"), Effect.fail(unreachable))
      })
      for (const tag of tags) yield* start(task(tag))
      for (let minute = 0; minute < 5; minute++) {
        yield* settle
        yield* TestClock.adjust("1 minute")
      }
      assert.lengthOf(yield* jobs, 3)
      assert.lengthOf(
        (yield* copies(task().image)).filter(({ state }) => state._tag === "Running"),
        3
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("A failed write that shortens the life of a Job is repeated", () => {
    const { arrive, engine, faults, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, release, start } = yield* engine
      yield* start(task())
      yield* settle
      arrive()
      yield* finish(task(), "Complete")
      faults.kube.plan.push({ method: "apply", ...Faults.failing(unreachable) })
      yield* release(only(yield* copies(task().image)))
      yield* settle
      assert.include(JSON.stringify((yield* wholeJobOf(task())).spec), '"ttlSecondsAfterFinished":86400')
      faults.kube.plan.pop()
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.include(JSON.stringify((yield* wholeJobOf(task())).spec), '"ttlSecondsAfterFinished":10')
    }).pipe(Effect.provide(layer))
  })

  it.effect("A failed delete of a cancelled copy's Job is repeated", () => {
    const { engine, faults, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const { cancel, copies, start } = yield* engine
      yield* start(task())
      yield* settle
      faults.kube.plan.push({ method: "delete", ...Faults.failing(unreachable) })
      yield* cancel(only(yield* copies(task().image)))
      yield* settle
      assert.lengthOf(yield* jobs, 1)
      assert.deepStrictEqual(yield* copies(task().image), [])
      faults.kube.plan.pop()
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual(yield* jobs, [])
      assert.isTrue(yield* start(task()))
    }).pipe(Effect.provide(layer))
  })
})

describe("the spans of a copy", () => {
  const outcomes = (spans: Spans) =>
    spans.all
      .filter(({ name }) => name === "copy" || name === "Job")
      .map(({ attributes, name, status }) => [name, attributes.get("outcome") ?? status._tag])
  const lasting = <E, R>(use: (world: ReturnType<typeof makeWorld>, spans: Spans) => Effect.Effect<void, E, R>) => {
    const [world, spans] = [makeWorld(), makeSpans()]
    return use(world, spans).pipe(Effect.provide(world.layer), spans.collect)
  }

  it.effect(
    "The span of a copy has the attributes of the copy, a child span for the Job, and ends after the inspection",
    () =>
      lasting(({ arrive, digest, engine, task }, spans) =>
        Effect.gen(function* () {
          const { start } = yield* engine
          yield* start(task()).pipe(Effect.withSpan("reconcile"))
          yield* settle
          assert.deepStrictEqual(outcomes(spans), [
            ["copy", "Started"],
            ["Job", "Started"]
          ])
          const [reconcile, copy, job] = ["reconcile", "copy", "Job"].map((name) =>
            spans.all.find((span) => span.name === name)
          )
          const { id, ...attributes } = Object.fromEntries(copy?.attributes ?? [])
          assert.isString(id)
          assert.strictEqual(copy?.traceId, reconcile?.traceId)
          assert.deepStrictEqual(attributes, {
            image: "team/app",
            tag: "v1",
            digest,
            source: `source.test/app@${digest}`,
            destination: "dest.test/mirror/app:v1"
          })
          assert.strictEqual(job?.attributes.get("job"), `${NAMESPACE}/${jobName(task())}`)
          arrive()
          yield* finish(task(), "Complete")
          assert.deepStrictEqual(outcomes(spans), [
            ["copy", "Succeeded"],
            ["Job", "Complete"]
          ])
          // The preparation precedes the Job. The verification follows it.
          assert.strictEqual(
            treeOf(spans.all, ({ name }) => name, copy === undefined ? [] : [copy]),
            [
              "copy",
              "  Credentials.find",
              "  Credentials.find",
              "  RegistryLimits.allowance",
              "  Job",
              "  Credentials.find",
              "  Credentials.find"
            ].join("\n")
          )
        })
      )
  )

  it.effect("The spans of a copy end as failures if the Job fails", () =>
    lasting(({ engine, task }, spans) =>
      Effect.gen(function* () {
        const { start } = yield* engine
        yield* start(task())
        yield* settle
        yield* finish(task(), "Failed")
        assert.deepStrictEqual(outcomes(spans), [
          ["copy", "Failed"],
          ["Job", "Failed"]
        ])
        assert.isTrue(spans.all.every(({ status }) => status._tag === "Ended"))
      })
    )
  )

  it.effect("The spans of a copy end when the copy is cancelled, and when the process ends", () =>
    lasting(({ engine, task }, spans) =>
      Effect.gen(function* () {
        const { cancel, copies, start, stop } = yield* engine
        yield* start(task())
        yield* settle
        yield* Effect.forEach(yield* copies(task().image), cancel)
        yield* settle
        yield* start(task("v2"))
        yield* settle
        yield* stop
        assert.deepStrictEqual(outcomes(spans), [
          ["copy", "Gone"],
          ["Job", "Gone"],
          ["copy", "Running"],
          ["Job", "Running"]
        ])
      })
    )
  )
})

describe("an engine that starts anew", () => {
  it.effect("A new engine takes over running Jobs, and counts them against the limits", () => {
    const { arrive, engine, layer, requests, task } = makeWorld({ limits: { total: 2 } })
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task("v1"))
      yield* first.start(task("v2"))
      yield* settle
      yield* first.stop
      const second = yield* engine
      assert.deepStrictEqual(states(yield* second.copies(task().image)), ["Running", "Running"])
      assert.isFalse(yield* second.start(task("v1")))
      yield* second.start(task("v3"))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
      arrive("v1")
      yield* finish(task("v1"), "Complete")
      assert.deepStrictEqual(states(yield* second.copies(task().image)), ["Running", "Running", "Succeeded"])
      assert.lengthOf((yield* jobs).filter(isActive), 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("A new engine reads the results of Jobs that ended before its start", () => {
    const { engine, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task())
      yield* settle
      yield* first.stop
      yield* finish(task(), "Failed")
      const second = yield* engine
      assert.match(said(only(yield* second.copies(task().image))), /^CopyFailed: .*limit/u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("A new engine makes the Secret of a Job that the last process could not make", () => {
    const { engine, layer, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task())
      yield* settle
      yield* first.stop
      const kube = yield* KubeClient
      const lost = Option.getOrThrow(yield* secretOf(task()))
      yield* kube.delete(Secrets, { namespace: NAMESPACE, name: lost.metadata.name })
      const second = yield* engine
      assert.isFalse(yield* second.start(task()))
      const secret = Option.getOrThrow(yield* secretOf(task()))
      assert.strictEqual((yield* ownersOf(secret))[0]?.uid, (yield* jobOf(task())).metadata.uid)
    }).pipe(Effect.provide(layer))
  })

  it.effect("An engine ignores the Jobs of another release in its namespace", () => {
    const { engine, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task())
      yield* settle
      const kube = yield* KubeClient
      const { metadata } = yield* wholeJobOf(task())
      const labels = { ...metadata.labels, "skopeo.io/instance": "release-2" }
      yield* kube.create(Jobs, { metadata: { ...makeOther(task)(yield* wholeJobOf(task())).metadata, labels } })
      const second = yield* engine
      assert.strictEqual(only(yield* second.copies(task().image)).tag, "v1")
    }).pipe(Effect.provide(layer))
  })

  it.effect("A new engine finds a Job whose labels other than the operator's own a policy has changed", () => {
    const { engine, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const first = yield* engine
      yield* first.start(task())
      yield* settle
      const { metadata } = makeOther(task)(yield* wholeJobOf(task()))
      const labels = { ...metadata.labels, "app.kubernetes.io/managed-by": "policy", team: "platform" }
      yield* (yield* KubeClient).create(Jobs, { metadata: { ...metadata, labels } })
      const second = yield* engine
      assert.sameMembers(
        (yield* second.copies(task().image)).map(({ tag }) => tag),
        ["v1", "v2"]
      )
    }).pipe(Effect.provide(layer))
  })
})

describe("a source that counts pulls", () => {
  const HOUR = 3_600_000

  const limitedWorld = (limit: number, source?: string) => {
    const quota = pullQuota({
      registry: "docker.io",
      limit,
      windowMillis: HOUR,
      ...(source === undefined ? {} : { source })
    })
    const world = makeWorld({ limiter: quota.limiter })
    // An index with one manifest costs two pulls.
    const digest = pushSampleImage(world.store("docker.io"), "library/app", "v1", "hub", { platforms: ["linux/amd64"] })
    const task = (tag: string, namespace = "team") =>
      world.task(tag, {
        image: { namespace, name: `app-${tag}`, uid: `uid-${namespace}-${tag}` },
        source: endpoint("docker.io", "library/app"),
        digest
      })
    return { ...world, quota, task }
  }

  it.effect(
    "Pulls are reserved before a Job is created; without pulls a copy waits until the reset, says so, and then gets a Job",
    () => {
      const { engine, layer, quota, requests, task } = limitedWorld(4, "8a1c2f30-user")
      return Effect.gen(function* () {
        const { changes, copies, start } = yield* engine
        const changed: Array<string> = []
        yield* Effect.forkChild(Stream.runForEach(changes, ({ name }) => Effect.sync(() => changed.push(name))))
        for (const tag of ["v1", "v2", "v3"]) yield* start(task(tag))
        yield* settle
        assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
        const waiting = only(yield* copies(task("v3").image))
        assert.deepStrictEqual(waiting.state, {
          _tag: "Waiting",
          reason: "docker.io/library/app: 0 of 4 pulls in 1h are left; no more are made until 1970-01-01T00:15:01Z",
          limited: true
        })
        assert.include(changed, "app-v3", "so that its Image says so")
        // The Jobs use their reserved pulls.
        quota.pull(4, 0)
        yield* finish(task("v1"), "Failed")
        yield* finish(task("v2"), "Failed")
        yield* TestClock.adjust("59 minutes")
        assert.lengthOf(requests, 2, "while nothing is left no Job is made")
        yield* TestClock.adjust("17 minutes")
        assert.lengthOf(requests, 3)
        assert.strictEqual(only(yield* copies(task("v3").image)).state._tag, "Running")
        assert.deepStrictEqual(quota.refused, [])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("The first copy of each namespace gets the reset pulls before any second copy", () => {
    const { engine, layer, quota, task } = limitedWorld(4, "8a1c2f30-user")
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      quota.pull(4, 0)
      for (const tag of ["a1", "a2", "a3", "a4"]) yield* start(task(tag, "many"))
      yield* start(task("b1", "few"))
      yield* TestClock.adjust("80 minutes")
      const running: Array<string> = []
      for (const [tag, namespace] of [
        ["a1", "many"],
        ["a2", "many"],
        ["a3", "many"],
        ["a4", "many"],
        ["b1", "few"]
      ] as const) {
        const { state } = only(yield* copies(task(tag, namespace).image))
        if (state._tag === "Running") running.push(tag)
      }
      assert.deepStrictEqual(running, ["a1", "b1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("Jobs from a source without a rate limit are created at once", () => {
    const { engine, layer, requests, store, task } = makeWorld()
    const digest = pushSampleImage(store("docker.io"), "library/app", "v1", "hub")
    const from = (tag: string) => task(tag, { source: endpoint("docker.io", "library/app"), digest })
    return Effect.gen(function* () {
      const { start } = yield* engine
      for (const tag of ["v1", "v2", "v3"]) yield* start(from(tag))
      yield* settle
      assert.lengthOf(requests, 3)
    }).pipe(Effect.provide(layer))
  })
})

describe("the pod of a Job", () => {
  it.effect("The end of Skopeo in a pod ends the copy, even if the Job has not ended", () => {
    const { arrive, engine, layer, server, task } = makeWorld({ playsPods: true })
    const spans = makeSpans()
    return Effect.gen(function* () {
      const { copies, release, start } = yield* engine
      yield* start(task())
      yield* settle
      createPod(server, nameOf(task()))
      setPod(server, nameOf(task()), skopeoIs({ running: {} }))
      yield* settle
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Running")
      arrive()
      setPod(server, nameOf(task()), skopeoIs({ terminated: { exitCode: 0 } }))
      yield* settle
      const copy = only(yield* copies(task().image))
      assert.strictEqual(copy.state._tag, "Succeeded")
      assert.deepStrictEqual(
        spans.all.filter(({ status }) => status._tag === "Started").map(({ name }) => name),
        []
      )
      yield* release(copy)
      yield* settle
      assert.lengthOf(yield* jobs, 1)
      // The delete of the Job ends the sidecar.
      yield* TestClock.adjust("15 seconds")
      yield* settle
      assert.deepStrictEqual(yield* jobs, [])
    }).pipe(Effect.provide(layer), spans.collect)
  })

  it.effect("A pod that does not start shows its obstacle, and a Job without pods shows its event", () => {
    const { engine, layer, server, task } = makeWorld({ playsPods: true })
    return Effect.gen(function* () {
      const kube = yield* KubeClient
      const { copies, start } = yield* engine
      for (const tag of ["v1", "v2"]) yield* start(task(tag))
      yield* settle
      createPod(server, nameOf(task("v1")))
      setPod(server, nameOf(task("v1")), skopeoIs({ waiting: { reason: "ErrImagePull", message: "no such host" } }))
      const message = 'pods "copy" is forbidden: exceeded quota: q'
      const involvedObject = { uid: (yield* jobOf(task("v2"))).metadata.uid ?? "" }
      yield* kube.create(Events, {
        metadata: { namespace: NAMESPACE, name: "said" },
        involvedObject,
        reason: "FailedCreate",
        message
      })
      yield* TestClock.adjust("5 seconds")
      yield* settle
      const waits = (yield* copies(task().image)).map(({ state, tag }) =>
        state._tag === "Waiting" ? `${tag} ${state.obstacle ?? ""} ${state.reason}` : state._tag
      )
      assert.match(
        waits[0] ?? "",
        /^v1 PodImageNotPulled .*skopeo:test cannot be pulled: ErrImagePull: no such host; /u
      )
      assert.match(waits[1] ?? "", /^v2 PodNotCreated .*it has no pod: .*exceeded quota: q; /u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("A Job whose pod never starts loses its place, and the next start creates another Job", () => {
    const { engine, layer, task } = makeWorld({ playsPods: true, limits: { total: 1 } })
    return Effect.gen(function* () {
      const { copies, release, start } = yield* engine
      yield* start(task("v1"))
      yield* start(task("v2"))
      yield* TestClock.adjust("6 minutes")
      yield* settle
      const failed = (yield* copies(task().image)).filter(({ state }) => state._tag === "Failed")
      assert.match(said(only(failed)), /^PodNotCreated: .*it has no pod/u)
      assert.deepStrictEqual(
        (yield* jobs).map(({ metadata }) => metadata.name),
        [jobName(task("v2"))]
      )
      yield* release(only(failed))
      assert.isTrue(yield* start(task("v1")))
    }).pipe(Effect.provide(layer))
  })
})

describe("a pod of an earlier Job", () => {
  const withoutContainers = { phase: "Running" }

  it.effect("A pod of an earlier Job that the watch does not show keeps the next Job waiting for two minutes", () => {
    const { engine, layer, requests, server, task } = makeWorld({ playsPods: true })
    return Effect.gen(function* () {
      const job = jobName(task())
      // The watch follows the label of this operator's instance.
      const metadata = {
        namespace: NAMESPACE,
        name: `${job}-1`,
        labels: { "batch.kubernetes.io/job-name": job },
        ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: job, uid: "uid-of-earlier-job" }]
      }
      Result.getOrThrow(server.create(Pods, { metadata }, 0))
      setPod(server, { namespace: NAMESPACE, name: job }, withoutContainers)
      const { start } = yield* engine
      yield* start(task())
      yield* start(task("v2"))
      yield* settle
      assert.deepStrictEqual(
        (yield* jobs).map(({ metadata }) => metadata.name),
        [jobName(task("v2"))]
      )
      yield* TestClock.adjust("119 seconds")
      assert.deepStrictEqual(requests, ["create jobs"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
    }).pipe(Effect.provide(layer))
  })
})

describe("a failed Job", () => {
  it.effect("A failed Job loses its Secret at once, and is deleted after its Image", () => {
    const { engine, layer, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { copies, prune, release, start } = yield* engine
      assert(prune !== undefined)
      yield* start(task())
      yield* settle
      assert.isTrue(Option.isSome(yield* secretOf(task())))
      yield* finish(task(), "Failed")
      yield* settle
      assert.isTrue(Option.isNone(yield* secretOf(task())))
      yield* release(only(yield* copies(task().image)))
      yield* settle
      assert.lengthOf(yield* jobs, 1, "its log can be read")
      yield* prune({ namespace: "team", name: "another" })
      yield* prune(task().image, task().image.uid)
      yield* settle
      assert.lengthOf(yield* jobs, 1, "its Image still exists")
      yield* prune(task().image)
      yield* settle
      assert.deepStrictEqual(yield* jobs, [])
    }).pipe(Effect.provide(layer))
  })
})

describe("an API server that refuses lists", () => {
  const forbidden = (verb: "list" | "watch", plural: string) => {
    const detail = `cannot ${verb} resource "${plural}"`
    return new KubeError({ operation: `${verb} ${plural}`, code: 403, reason: "Forbidden", detail })
  }

  it.effect(
    "No Job is created before the pods are listed, because a pod that outlives its Job may write the tag",
    () => {
      const { engine, faults, layer, requests, task } = makeWorld()
      return Effect.gen(function* () {
        const isOfPods = (resource: { readonly plural: string }) => resource.plural === Pods.plural
        faults.kube.plan.push({ method: "watch", when: isOfPods, ...Faults.delayed("30 seconds") })
        const { start } = yield* engine
        const started = yield* Effect.forkChild(start(task()), { startImmediately: true })
        // After ten seconds without an event of the streamed list the pods are listed in pages.
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(requests, [])
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(yield* Fiber.join(started))
        assert.deepStrictEqual(requests, ["create jobs"])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect.each([Jobs.plural, Pods.plural])(
    "A lasting refusal to list %s refuses all starts with the reason",
    (plural) => {
      const { engine, faults, layer, task } = makeWorld()
      return Effect.gen(function* () {
        const when = (resource: { readonly plural: string }) => resource.plural === plural
        const refused = Faults.failing(forbidden("list", plural))
        const known = faults.kube.plan.length
        faults.kube.plan.push(
          { method: "list", when, ...refused },
          // A streamed list is a watch.
          { method: "watch", when, ...refused }
        )
        const { copies, start, unavailable = Effect.succeedNone } = yield* engine
        yield* TestClock.adjust("10 seconds")
        assert.include(
          Option.getOrElse(yield* unavailable, () => ""),
          `cannot list resource "${plural}"`
        )
        assert.deepStrictEqual(yield* copies(task().image), [])
        const error = yield* Effect.flip(start(task()))
        assert.strictEqual(error.reason, "JobsForbidden")
        assert.match(error.message, new RegExp(`cannot list resource "${plural}".*; give the operator's Role`, "u"))
        faults.kube.plan.splice(known)
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* unavailable, Option.none())
        assert.isTrue(yield* start(task()))
      }).pipe(Effect.provide(layer))
    }
  )
})
