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
import * as Faults from "../../support/Faults.ts"
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

/** A Secret with a login that tells which Secret it is from. */
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
  readonly limits?: CopyLimitsOptions
  readonly proxies?: Proxies
  readonly limiter?: (request: RegistryClientMemory.LimitedRequest) => HttpHead
  /** Whether a test plays the pods of Jobs itself. Else each Job has one at once, and its container runs. */
  readonly playsPods?: boolean
}

/** The world that engines come and go in: an API server and registries, with the faults that a test gives them. */
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
  const layer = Layer.merge(
    faults.registry.layer(
      RegistryClientMemory.layer(registries, setting.limiter === undefined ? {} : { limiter: setting.limiter })
    ),
    (setting.credentials ?? Credentials.layerAnonymous).pipe(
      Layer.provideMerge(faults.kube.layer(KubeClientMemory.layer({ store: server })))
    )
  )

  /** Starts an engine of a new process; `stop` ends that process. */
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

/** Lets everything that is due happen. */
const settle = Effect.repeat(TestClock.adjust("1 millis"), { times: 10 })

const jobs = Effect.gen(function* () {
  return (yield* (yield* KubeClient).list(Jobs, { namespace: NAMESPACE })).items
})
const isActive = (job: JobObject): boolean => (job.status?.conditions ?? []).length === 0
const jobOf = (task: CopyTask) =>
  Effect.gen(function* () {
    return Option.getOrThrow(yield* (yield* KubeClient).get(Jobs, { namespace: NAMESPACE, name: jobName(task) }))
  })
/** The Job as the API server has it: the operator keeps neither its spec nor the labels of others. */
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

/** What the cluster's Job controller does when a Job has ended. */
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

/** The last words of the container of a Job's pod. */
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
  it.effect("creates its Job once, however often it is told", () => {
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

  it.effect("creates a Secret after the Job, owned by it, if there are credentials", () => {
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
      // Told again, it asks the API server for nothing more.
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

  it.effect("refuses a destination that another Image's copy writes", () => {
    const { engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { start } = yield* engine
      yield* start(task())
      const other = task("v1", { image: { namespace: "team", name: "rival", uid: "uid-rival" } })
      // While the Job is being made, and while it runs.
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

  it.effect("says so when the API server refuses the Job, and tries again once that is recorded", () => {
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

  it.effect("announces no copy that begins at once, and runs for its Image from then on: only its end is news", () => {
    const { engine, faults, layer, task } = makeWorld()
    return Effect.gen(function* () {
      const { changes, copies, start } = yield* engine
      const told: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(changes, (image) =>
          Effect.map(copies(image), ([copy]) => told.push(copy?.state._tag ?? "none"))
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
      assert.deepStrictEqual(told, [])
      yield* finish(task(), "Failed")
      assert.deepStrictEqual(told, ["Failed"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives a Job for Amazon ECR the user AWS and the token of the operator's identity", () => {
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

  it.effect("makes no Job without the credentials that its Image asks for, and says why", () => {
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

  it.effect("equips a Job that a crash has left without its Secret with what its Image says, not its marks", () => {
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
  })

  it.effect("gives the next Job a Secret of its own while the cluster has yet to sweep the last one's", () => {
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
      // The in-memory cluster sweeps at once: this one has its Secret still when the next Job is made.
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

  it.effect("keeps the place of a Job whose Secret could not be made, and makes that when told again", () => {
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
  it.effect("has succeeded when the destination answers with its digest", () => {
    const { arrive, engine, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      arrive()
      yield* finish(task(), "Complete")
      assert.deepStrictEqual(only(yield* copies(task().image)).state, { _tag: "Succeeded", at: 30_000 })
      // Not yet recorded: telling it again makes no second copy.
      assert.isFalse(yield* start(task()))
      yield* settle
      assert.deepStrictEqual(requests, ["create jobs"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("has failed when the destination has no such tag, or another digest there", () => {
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

  it.effect("that failed tells of long last words the beginning, and no half of a password", () => {
    const { engine, layer, server, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      podSays(server, task(), `level=fatal msg="${"long ".repeat(198)}${PASSWORD} was refused"`)
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.include(words, "long long")
      assert.notInclude(words, PASSWORD.slice(0, 5))
    }).pipe(Effect.provide(layer))
  })

  it.effect("that failed tells the pod's last words, without passwords", () => {
    const { engine, layer, server, task } = makeWorld({ credentials: withCredentials })
    return Effect.gen(function* () {
      const { copies, start } = yield* engine
      yield* start(task())
      yield* settle
      const encoded = Buffer.from(`robot:${PASSWORD}`).toString("base64")
      podSays(
        server,
        task(),
        `time="2026-11-24T00:00:00Z" level=fatal msg="trying ${PASSWORD} and ${encoded}: unauthorized: authentication required"\n`
      )
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.strictEqual(
        words,
        "AuthenticationFailed: skopeo: trying <redacted> and <redacted>: unauthorized: authentication required"
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "to a registry that an Image alone does not verify had no credential of the operator, and says so where one is wanted",
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

  it.effect("that failed tells nothing of what a proxy repeats of its credentials", () => {
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
      podSays(server, task(), `level=fatal msg="the proxy denies ${repeated.join(", ")}"`)
      yield* finish(task(), "Failed")
      const words = said(only(yield* copies(task().image)))
      assert.strictEqual(words, `CopyFailed: skopeo: the proxy denies ${repeated.map(() => "<redacted>").join(", ")}`)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that failed tells no pod's words when nobody knows by now which secrets could be in them", () => {
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

  it.effect("is forgotten once recorded; a Job that succeeded then goes soon, one that failed stays", () => {
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
  })

  it.effect("that failed is tried again by another Job, after the first is gone", () => {
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

  it.effect("gets none when the tag has come while it waited, tells what is there, and gives its place back", () => {
    const { engine, layer, requests, store, task } = makeWorld({ limits: { total: 1 } })
    return Effect.gen(function* () {
      const { changes, copies, release, start } = yield* engine
      yield* start(task("v1"))
      yield* start(task("v2", ifMissing))
      yield* start(task("v3", ifMissing))
      yield* settle
      const theirs = pushSampleImage(store("dest.test"), "mirror/app", "v2", "theirs")
      const told: Array<string> = []
      yield* Effect.forkChild(Stream.runForEach(changes, ({ name }) => Effect.sync(() => told.push(name))))
      yield* settle
      told.length = 0
      yield* finish(task("v1"), "Failed")
      const found = yield* copies(task().image)
      assert.deepStrictEqual(states(found), ["Failed", "Present", "Running"])
      const kept = found.find(({ tag }) => tag === "v2")
      assert(kept?.state._tag === "Present")
      assert.strictEqual(kept.state.digest, theirs)
      assert.isAbove(told.length, 0)
      assert.deepStrictEqual(requests, ["create jobs", "create jobs"])
      assert.strictEqual(store("dest.test").manifest("mirror/app", "v2")?.digest, theirs)
      // It is news until it is recorded.
      assert.isFalse(yield* start(task("v2", ifMissing)))
      yield* release(kept)
      assert.deepStrictEqual(states(yield* copies(task().image)), ["Failed", "Running"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails when the destination does not tell, with the time that the registry names", () => {
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
    /** What Skopeo does of it. */
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

  it.effect("is made by its parts, and then named as a whole", () => {
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

  it.effect("is named after a crash between the two", () => {
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

  it.effect("leaves a tag as it is that has come while its parts were copied, after a crash too, if told to", () => {
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
  })

  it.effect("fails with what to do where the operator may not write the index, and leaves the tag as it was", () => {
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
  })

  it.effect("fails where a part has not arrived, and leaves the tag as it was", () => {
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

  it.effect("makes no Job of an image that has gone", () => {
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

  it.effect("that leaves nothing out is one of the whole", () => {
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
  it.effect("that runs deletes its Job, and no other that has taken the name", () => {
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
      // The copy is gone; its name stands for another.
      yield* cancel(copy)
      yield* settle
      assert.lengthOf(yield* jobs, 1)
      assert.isTrue(requests.includes("delete jobs with uid") && !requests.includes("delete jobs"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("by hand is told, gives its place back, and the copy may be started again", () => {
    const { engine, layer, task } = makeWorld({ limits: { total: 1 } })
    return Effect.gen(function* () {
      const { changes, copies, start } = yield* engine
      const told: Array<string> = []
      yield* changes.pipe(
        Stream.runForEach(({ name, namespace }) => Effect.sync(() => told.push(`${namespace}/${name}`))),
        Effect.forkScoped
      )
      yield* start(task())
      yield* settle
      const before = told.length
      const kube = yield* KubeClient
      yield* kube.delete(Jobs, { namespace: NAMESPACE, name: jobName(task()) })
      yield* settle
      assert.deepStrictEqual(told.slice(before), ["team/app"])
      assert.deepStrictEqual(yield* copies(task().image), [])
      assert.isTrue(yield* start(task("v2")))
      yield* settle
      assert.strictEqual(only(yield* copies(task().image)).state._tag, "Running")
      assert.isTrue(yield* start(task()))
    }).pipe(Effect.provide(layer))
  })
})

describe("limits", () => {
  it.effect("let as many Jobs run as there is room for; the next starts when one ends", () => {
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

/** A second Job beside one that an engine made, to the tag v2. */
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

  it.effect("hangs no copy whose Job is deleted before its create is answered", () => {
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

  it.effect("gets no more Jobs than there are places, and each of them is known", () => {
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

  it.effect("is asked again to shorten the life of a Job whose copy is recorded", () => {
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

  it.effect("is asked again to delete the Job of a copy that is cancelled", () => {
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

  it.effect("say which copy they are of, hold its Job, and last until it is known how the Job ended", () =>
    lasting(({ arrive, digest, engine, task }, spans) =>
      Effect.gen(function* () {
        const { start } = yield* engine
        yield* start(task())
        yield* settle
        assert.deepStrictEqual(outcomes(spans), [
          ["copy", "Started"],
          ["Job", "Started"]
        ])
        const [copy, job] = ["copy", "Job"].map((name) => spans.all.find((span) => span.name === name))
        const { attempt, ...attributes } = Object.fromEntries(copy?.attributes ?? [])
        assert.isString(attempt)
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
        // What prepares the Job comes before it, what verifies its copy after.
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

  it.effect("end as a failure where the Job fails", () =>
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

  it.effect("end with a copy that is cancelled, and with the process", () =>
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
  it.effect("takes over the Jobs that run, and counts them", () => {
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

  it.effect("finds out what became of Jobs that ended meanwhile", () => {
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

  it.effect("gives a Job the Secret that its predecessor could not", () => {
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

  it.effect("leaves alone the Jobs of another release in its namespace", () => {
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
    // An index of one manifest: two pulls.
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
    "is charged before a Job is made; who finds nothing left waits, says until when, and gets a Job then",
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
        // The Jobs pull what they were charged.
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

  it.effect("has the first of each namespace first", () => {
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

  it.effect("that says nothing of a limit has Jobs made at once", () => {
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
  it.effect("that runs Skopeo no more is the end of the copy, though the Job has not ended", () => {
    const { arrive, engine, layer, server, task } = makeWorld({ playsPods: true })
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
      yield* release(copy)
      yield* settle
      assert.lengthOf(yield* jobs, 1)
      // What lives on in the pod is ended with the Job.
      yield* TestClock.adjust("15 seconds")
      yield* settle
      assert.deepStrictEqual(yield* jobs, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that does not start says why, and a Job without one what its events say", () => {
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

  it.effect("that never starts costs the Job its place, and the next try makes another", () => {
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
  it.effect("has lost its Secret, and goes with its Image", () => {
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
      assert.lengthOf(yield* jobs, 1, "its Image is not gone")
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

  it.effect("no Job is made before the pods are listed, because a pod that outlives its Job may write the tag", () => {
    const { engine, faults, layer, requests, task } = makeWorld()
    return Effect.gen(function* () {
      const isOfPods = (resource: { readonly plural: string }) => resource.plural === Pods.plural
      faults.kube.plan.push({ method: "watch", when: isOfPods, ...Faults.delayed("30 seconds") })
      const { start } = yield* engine
      const started = yield* Effect.forkChild(start(task()), { startImmediately: true })
      // After ten silent seconds the pods are listed in pages.
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(requests, [])
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(yield* Fiber.join(started))
      assert.deepStrictEqual(requests, ["create jobs"])
    }).pipe(Effect.provide(layer))
  })

  it.effect.each([Jobs.plural, Pods.plural])(
    "of %s lastingly keeps copies from being started, and says so",
    (plural) => {
      const { engine, faults, layer, task } = makeWorld()
      return Effect.gen(function* () {
        const when = (resource: { readonly plural: string }) => resource.plural === plural
        const refused = Faults.failing(forbidden("list", plural))
        const known = faults.kube.plan.length
        faults.kube.plan.push(
          { method: "list", when, ...refused },
          // A list as a stream is a watch.
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
