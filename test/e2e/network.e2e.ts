/**
 * The operator and its Jobs in a cluster whose registries have certificates of a private authority and are behind a proxy
 * with a password. The proxy and the registries run on this machine, which pods can reach. Only the proxy knows
 * the addresses of the names under `test`.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import { startRegistry } from "../../src/registry/memory/EmbeddedRegistry.ts"
import { RegistryClient, type RepositoryAccess } from "../../src/registry/RegistryClient.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import { makeAuthority } from "../support/certificates.ts"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  eventually,
  image,
  install,
  kubectl,
  live,
  NAMESPACE,
  restrictedNamespace,
  uninstall
} from "../support/cluster.ts"
import { startProxy } from "../support/ConnectProxy.ts"
import { startReal } from "../support/realRegistries.ts"
import { copyImage, withPlacement } from "../support/copying.ts"

/** An address of this machine that pods reach. */
const machine = process.env["E2E_MACHINE_IN_CLUSTER"] ?? ""
const JOBS = "skopeo-operator-jobs"
const AUTHORITY = makeAuthority()
const [USER, PASSWORD] = ["me", "pass word&more"]
const USER_INFO = `${USER}:${encodeURIComponent(PASSWORD)}`
/** The forms of the proxy's password: plain, in an address, and encoded in a request and in a Secret. */
const TELLTALES = [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  Buffer.from(`${USER}:${PASSWORD}`).toString("base64"),
  Buffer.from(`http://${USER_INFO}`).toString("base64").slice(0, -4)
]
/** The host for which the proxy refuses Skopeo and no operator, so that a check works and a Job fails. */
const REFUSED = "refused.test:443"

const layers = withPlacement(RegistryClientHttp.layer({ certificates: [AUTHORITY.certificate] }))

const accessTo = (registry: string, path: string, tlsVerify = true): RepositoryAccess => ({
  repository: { registry, path },
  tlsVerify,
  credential: Option.none()
})

/** The registries, their proxy, and the operator that uses both. */
const start = Effect.fnUntraced(function* () {
  const address = machine
  const [source, plain, stranger, direct] = yield* Effect.all(
    [
      startReal("registry", { tls: AUTHORITY.issue(["source.test", "refused.test", "127.0.0.1"]) }),
      startReal("registry"),
      startReal("registry", { tls: makeAuthority("a stranger").issue(["stranger.test"]) }),
      startReal("registry", { address, tls: AUTHORITY.issue([address]) })
    ],
    { concurrency: "unbounded" }
  )
  const hosts: Readonly<Record<string, string>> = {
    "source.test:443": source.host,
    "plain.test:5000": plain.host,
    "stranger.test:443": stranger.host,
    [REFUSED]: source.host
  }
  const proxy = yield* startProxy({
    address,
    credential: `${USER}:${PASSWORD}`,
    place: (target) => hosts[target],
    // Skopeo has the user agent of Go.
    refuse: ({ headers }, target) =>
      target === REFUSED && (headers["user-agent"] ?? "").startsWith("Go-http-client") ? 407 : undefined
  })
  const seeds = yield* startRegistry()
  const digest = pushSampleImage(seeds.store, "team/app", "v1", "seed")
  for (const destination of [accessTo(source.host, "team/app"), accessTo(plain.host, "team/app", false)]) {
    yield* copyImage({ source: accessTo(seeds.host, "team/app", false), digest, destination, tag: "v1" })
  }

  const bundle = (namespace: string, data: object) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "registry-ca", namespace },
    data
  })
  const url = `http://${USER_INFO}@${proxy.host}`
  yield* apply(restrictedNamespace(NAMESPACE), restrictedNamespace(JOBS))
  yield* apply(
    bundle(NAMESPACE, { "corp.pem": AUTHORITY.certificate }),
    // Skopeo reads all files of the directory.
    bundle(JOBS, { "another.crt": makeAuthority("another").certificate, "corp.crt": AUTHORITY.certificate }),
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "proxy", namespace: NAMESPACE },
      stringData: { HTTPS_PROXY: url, HTTP_PROXY: url, NO_PROXY: `${address}/32,.svc` }
    }
  )
  yield* install(
    "config.registries.caConfigMap=registry-ca",
    "config.registries.caKey=corp.pem",
    "config.proxy.secretName=proxy",
    `config.pullJobNamespace=${JOBS}`,
    // The Jobs are inspected after their copies.
    "config.jobDeletionDelaySeconds=600"
  )
  return { address, digest, direct, plain, proxy, source }
}, Effect.provide(layers))

describeInCluster(
  "in a cluster behind a proxy",
  { environment: { ...CLUSTER, machine }, programs: ["helm", "kubectl", "registry"] },
  () => {
    const scope = Scope.makeUnsafe()
    let world: Effect.Success<ReturnType<typeof start>>

    beforeAll(async () => {
      world = await Effect.runPromise(Scope.provide(start(), scope))
    })

    afterAll(() => live(Effect.ensuring(uninstall(JOBS), Scope.close(scope, Exit.void))))

    const arrived = (path: string) =>
      Effect.flatMap(RegistryClient, (client) => client.head(accessTo(world.direct.host, path), "v1")).pipe(
        Effect.provide(layers),
        Effect.map((found) => Option.getOrUndefined(found)?.digest)
      )

    it("Jobs copy through the proxy, from registries with and without TLS, to a registry without a proxy", () =>
      live(
        Effect.gen(function* () {
          yield* apply(
            image("by-tls", {
              source: { name: "source.test/team/app", version: "v1" },
              destination: { name: `${world.direct.host}/by-tls` }
            }),
            image("by-plain-http", {
              source: { name: "plain.test:5000/team/app", version: "v1", tlsVerify: false },
              destination: { name: `${world.direct.host}/by-plain-http` }
            })
          )
          yield* kubectl("wait", "--for=condition=Ready", "image/by-tls", "image/by-plain-http", "--timeout=60s")
          assert.strictEqual(yield* arrived("by-tls"), world.digest)
          assert.strictEqual(yield* arrived("by-plain-http"), world.digest)
          // The operator reads no blobs.
          for (const { requests } of [world.source, world.plain]) {
            assert.isTrue(requests().some((line) => line.startsWith("GET /v2/team/app/blobs/")))
          }
          assert.isTrue(
            world.proxy.seen.some((line) => line.startsWith("GET http://plain.test:5000/v2/team/app/blobs/"))
          )
          const elsewhere = world.proxy.seen.filter((line) => !/(?:source|plain)\.test/u.test(line))
          assert.deepStrictEqual(elsewhere, [])
        })
      ))

    it("the conditions name an untrusted certificate, and Skopeo's error when the proxy refuses a Job", () =>
      live(
        Effect.gen(function* () {
          yield* apply(
            image("stranger", {
              source: { name: "stranger.test/team/app", version: "v1" },
              destination: { name: `${world.direct.host}/stranger` }
            }),
            image("refused", {
              source: { name: "refused.test/team/app", version: "v1" },
              destination: { name: `${world.direct.host}/refused` }
            })
          )
          const said = (name: string, pattern: RegExp) =>
            eventually(
              Effect.filterOrFail(
                column(name, "{.status.conditions[?(@.type=='Ready')]['reason','message']}"),
                (text) => pattern.test(text),
                (text) => text
              ),
              90
            )
          yield* said("stranger", /^Unreachable .*certificate is not trusted/u)
          yield* said("refused", /^Unreachable .*skopeo: .*refused\.test.*Proxy Authentication Required/u)
        })
      ))

    it("only the Secrets of Jobs have the proxy's password, and they are deleted with their Jobs", () =>
      live(
        Effect.gen(function* () {
          const jobs = yield* kubectl("get", "jobs", "-n", JOBS, "-o", "yaml")
          assert.match(jobs, /name: HTTPS_PROXY\s+valueFrom:\s+secretKeyRef:/u)
          const everything = yield* kubectl("get", "images,jobs,pods,events,configmaps,deployments", "-A", "-o", "yaml")
          const logs = yield* kubectl("logs", "-n", NAMESPACE, "deploy/skopeo-operator")
          const words = yield* kubectl("logs", "-n", JOBS, "-l", "batch.kubernetes.io/job-name", "--tail=-1")
          assert.include(words, "Writing manifest")
          for (const telltale of TELLTALES) assert.notInclude(everything + logs + words, telltale)

          const secrets = kubectl("get", "secrets", "-n", JOBS, "-o", "yaml")
          assert.include(yield* secrets, TELLTALES.at(-1) ?? "")
          yield* kubectl("delete", "images", "--all", "-n", "default", "--timeout=60s")
          yield* kubectl("delete", "jobs", "--all", "-n", JOBS, "--timeout=60s")
          yield* eventually(
            Effect.filterOrFail(
              kubectl("get", "secrets", "-n", JOBS, "-o", "name"),
              (names) => names === "",
              (names) => names
            )
          )
        })
      ))
  }
)
