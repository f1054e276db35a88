/**
 * The operator in a real cluster, installed by its chart from an image of its Dockerfile. The tests run in any cluster of
 * KUBECONFIG. E2E_* name the images and the registries (see CONTRIBUTING.md).
 */
import { afterAll, assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { RegistryStore } from "../../src/registry/memory/RegistryStore.ts"
import * as RegistryClientHttp from "../../src/registry/RegistryClientHttp.ts"
import { pushSampleImage } from "../../src/registry/memory/SampleImage.ts"
import {
  apply,
  CLUSTER,
  column,
  describeInCluster,
  digestAt,
  eventually,
  image,
  kubectl,
  live,
  NAMESPACE,
  PLAIN_HTTP,
  REGISTRIES,
  run,
  succeed,
  withOperator
} from "../support/cluster.ts"
import { background } from "../support/background.ts"
import { freePort } from "../support/freePort.ts"
import { blobsOf, seed as seedAt } from "../support/seeding.ts"
import { isSignedByTag, makeSigner, signByTag } from "../support/signatures.ts"

const environment = {
  ...CLUSTER,
  ...REGISTRIES,
  // A registry with the password of test/e2e/htpasswd.
  private: process.env["E2E_PRIVATE"] ?? "",
  privateInCluster: process.env["E2E_PRIVATE_IN_CLUSTER"] ?? ""
}
const ROBOT = { username: "robot", password: "hunter2-destination" }

/** A unique name of this run, because registries outlive a run and keep its copies. */
const RUN = `e2e-${randomUUID().slice(0, 8)}`
const directory = mkdtempSync(join(tmpdir(), "skopeo-operator-e2e-"))

const sourceName = (path: string) => `${environment.sourceInCluster}/${path}`
const destinationName = (path: string) => `${environment.destinationInCluster}/${path}`

/** Pushes sample images to the source with `sync`. */
const seed = (images: Parameters<typeof seedAt>[1]) => seedAt(environment.source, images)

/** Pushes one image, and gives the digests of its blobs. */
const seedWithBlobs = Effect.fnUntraced(function* (path: string, tag: string, content: string) {
  yield* seed([[path, tag, content]])
  const store = new RegistryStore()
  pushSampleImage(store, path, tag, content)
  return blobsOf(store, path, tag)
})

describeInCluster("in a cluster", { environment, programs: ["helm", "kubectl", "promtool", "regctl"] }, () => {
  withOperator(...PLAIN_HTTP, `config.registries.plainHttp={${environment.privateInCluster}}`)

  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("the operator copies a pattern and a Recurrent tag with Jobs of Skopeo, and its columns show the progress", () =>
    live(
      Effect.gen(function* () {
        yield* seed([
          [`${RUN}/story/argocd`, "v2.13.0", "a"],
          [`${RUN}/story/argocd`, "v2.13.10", "b"],
          [`${RUN}/story/argocd`, "v2.14.0", "c"],
          [`${RUN}/story/nginx-ingress`, "3.7-alpine", "d"]
        ])
        yield* apply(
          image("argocd", {
            mode: "OneShot",
            source: { name: sourceName(`${RUN}/story/argocd`), version: "v2.13.x" },
            destination: { name: destinationName(`${RUN}/story/argocd`), version: "v2.13.x" }
          }),
          image("nginx-alpine", {
            frequency: "10s",
            mode: "Recurrent",
            source: { name: sourceName(`${RUN}/story/nginx-ingress`), version: "3.7-alpine" },
            destination: { name: destinationName(`${RUN}/story/copied/nginx`), version: "3.7-alpine" }
          })
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/argocd", "image/nginx-alpine", "--timeout=60s")
        for (const tag of ["v2.13.0", "v2.13.10"]) {
          const desired = yield* digestAt(environment.source, `${RUN}/story/argocd`, tag)
          assert.match(desired, /^sha256:/u)
          assert.strictEqual(yield* digestAt(environment.destination, `${RUN}/story/argocd`, tag), desired)
        }
        assert.strictEqual(yield* digestAt(environment.destination, `${RUN}/story/argocd`, "v2.14.0"), "")
        const table = yield* kubectl("get", "images")
        assert.match(table, /^NAME +SOURCE +VERSION +MODE +TAGS +READY +STATUS +AGE$/mu)
        assert.match(table, /^argocd .* v2\.13\.x +OneShot +2\/2 +True +Copied/mu)

        // The tag moves at the source, and is copied.
        yield* seed([[`${RUN}/story/nginx-ingress`, "3.7-alpine", "moved"]])
        const moved = yield* digestAt(environment.source, `${RUN}/story/nginx-ingress`, "3.7-alpine")
        yield* eventually(
          Effect.filterOrFail(
            digestAt(environment.destination, `${RUN}/story/copied/nginx`, "3.7-alpine"),
            (digest) => digest === moved,
            () => "not yet"
          )
        )
        // Finished Jobs are deleted soon after their copy is recorded.
        yield* eventually(
          Effect.filterOrFail(
            kubectl("get", "jobs", "-n", NAMESPACE, "-o", "name"),
            (jobs) => !jobs.includes("copy-argocd"),
            () => "not yet"
          )
        )
      })
    ))

  it("a failed Job has Skopeo's error in the condition, is retried later, and the Image becomes Ready", () =>
    live(
      Effect.gen(function* () {
        const path = `${RUN}/words/app`
        const blobs = yield* seedWithBlobs(path, "1.0.0", "words")
        // The source has the manifest and lacks a layer, which only the Job notices.
        const lost = blobs.at(-1) ?? ""
        const regctl = ["--host", `reg=${environment.source},tls=disabled`]
        yield* succeed("regctl", ["blob", "delete", ...regctl, `${environment.source}/${path}`, lost])
        yield* apply(
          image("words", {
            source: { name: sourceName(path), version: "1.0.0" },
            destination: { name: destinationName(path) }
          })
        )
        const message = yield* eventually(
          Effect.filterOrFail(
            column("words", "{.status.conditions[?(@.type=='Ready')].message}"),
            (text) => text.includes("skopeo: "),
            (text) => text
          ),
          90
        )
        assert.match(message, /^0 of 1 tag is copied; 1\.0\.0 failed: skopeo: .*blob/u)
        assert.strictEqual(yield* column("words", "{.status.conditions[?(@.type=='Ready')].status}"), "False")
        assert.strictEqual(yield* column("words", "{.status.failures[0].attempts}"), "1")
        assert.strictEqual(yield* digestAt(environment.destination, path, "1.0.0"), "")

        yield* seed([[path, "1.0.0", "pushed again, whole"]])
        yield* kubectl("wait", "--for=condition=Ready", "image/words", "--timeout=90s")
        assert.strictEqual(
          yield* digestAt(environment.destination, path, "1.0.0"),
          yield* digestAt(environment.source, path, "1.0.0")
        )
      })
    ))

  it("an Image of a failing registry has the cause in its condition, and other Images are copied", () =>
    live(
      Effect.gen(function* () {
        yield* seed([[`${RUN}/reasons/good`, "1.0.0", "good"]])
        const good = { name: sourceName(`${RUN}/reasons/good`), version: "1.0.0" }
        yield* apply(
          image("no-such-tag", {
            source: { ...good, version: "9.9.9" },
            destination: { name: destinationName(`${RUN}/reasons/none`) }
          }),
          image("no-such-host", {
            source: { name: "nowhere.registry.invalid/a", version: "1" },
            destination: { name: destinationName(`${RUN}/reasons/none`) }
          }),
          image("bad-name", {
            source: { ...good, name: sourceName("Reasons/Good") },
            destination: { name: destinationName(`${RUN}/reasons/none`) }
          }),
          image("good", { source: good, destination: { name: destinationName(`${RUN}/reasons/good`) } })
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/good", "--timeout=60s")
        yield* kubectl("wait", "--for=condition=Stalled", "image/bad-name", "--timeout=30s")
        const reason = "{.status.conditions[?(@.type=='Ready')].reason}"
        const message = "{.status.conditions[?(@.type=='Ready')].message}"
        assert.strictEqual(yield* column("bad-name", reason), "InvalidReference")
        assert.include(yield* column("bad-name", message), "spec.source.name")
        yield* eventually(
          Effect.filterOrFail(
            column("no-such-tag", reason),
            (text) => text === "SourceNotFound",
            (text) => text
          )
        )
        yield* eventually(
          Effect.filterOrFail(
            column("no-such-host", reason),
            (text) => text === "Unreachable",
            (text) => text
          )
        )
      })
    ))

  it("Jobs copy cosign's signatures, and only the selected platforms of an image", () =>
    live(
      Effect.gen(function* () {
        const path = `${RUN}/signed/app`
        yield* seed([[path, "1.0.0", "signed"]])
        const digest = yield* digestAt(environment.source, path, "1.0.0")
        const signer = makeSigner()
        const accessTo = (registry: string, repository: string) => ({
          repository: { registry, path: repository },
          tlsVerify: false,
          credential: Option.none()
        })
        yield* Effect.provide(signByTag(accessTo(environment.source, path), digest, signer), RegistryClientHttp.layer())
        const source = { name: sourceName(path), version: "1.0.0" }
        yield* apply(
          image("signed", { referrers: true, source, destination: { name: destinationName(path) } }),
          image("one-platform", {
            platforms: ["linux/arm64"],
            source,
            destination: { name: destinationName(`${path}-arm64`) }
          })
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/signed", "image/one-platform", "--timeout=90s")
        assert.strictEqual(yield* digestAt(environment.destination, path, "1.0.0"), digest)
        assert.isTrue(
          yield* Effect.provide(
            isSignedByTag(accessTo(environment.destination, path), digest, signer),
            RegistryClientHttp.layer()
          )
        )
        const listed = yield* succeed("regctl", [
          ...["manifest", "get", "--host", `reg=${environment.destination},tls=disabled`],
          ...["--format", "{{range .Manifests}}{{.Platform.Architecture}} {{end}}"],
          `${environment.destination}/${path}-arm64:1.0.0`
        ])
        assert.strictEqual(listed.trim(), "arm64")
      })
    ))

  it("the operator uses an Image's own Secret, and names the annotation that a password needs", () =>
    live(
      Effect.gen(function* () {
        const path = `${RUN}/private/app`
        yield* seed([[path, "1.0.0", "private"]])
        const auth = Buffer.from(`${ROBOT.username}:${ROBOT.password}`).toString("base64")
        const secret = (name: string, type: string, stringData: object, annotations = {}) => ({
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name, namespace: "default", annotations },
          type,
          stringData
        })
        const config = { auths: { [environment.privateInCluster]: { auth } } }
        const privateImage = (name: string, secretName: string) =>
          image(name, {
            source: { name: sourceName(path), version: "1.0.0" },
            destination: {
              name: `${environment.privateInCluster}/${path}-${name}`,
              credentials: { secretRef: { name: secretName } }
            }
          })
        yield* apply(
          secret("push", "kubernetes.io/dockerconfigjson", { ".dockerconfigjson": JSON.stringify(config) }),
          secret("unbound", "kubernetes.io/basic-auth", ROBOT),
          secret("bound", "kubernetes.io/basic-auth", ROBOT, {
            "skopeo.io/registry": environment.privateInCluster
          }),
          privateImage("docker-config", "push"),
          privateImage("basic-auth", "bound"),
          privateImage("unbound", "unbound")
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/docker-config", "image/basic-auth", "--timeout=60s")
        yield* kubectl("wait", "--for=condition=Stalled", "image/unbound", "--timeout=30s")
        assert.include(
          yield* column("unbound", "{.status.conditions[?(@.type=='Ready')].message}"),
          "skopeo.io/registry"
        )
        const everything = yield* kubectl("get", "images,jobs,pods,events", "-A", "-o", "yaml")
        const logs = yield* kubectl("logs", "-n", NAMESPACE, "deploy/skopeo-operator")
        for (const secretText of [ROBOT.password, auth]) assert.notInclude(everything + logs, secretText)
        yield* kubectl("delete", "image/unbound", "secret/push", "secret/bound", "secret/unbound", "-n", "default")
      })
    ))

  it("the condition of an Image with a wrong password says so, and the Image is copied once its Secret is corrected", () =>
    live(
      Effect.gen(function* () {
        const path = `${RUN}/wrong-password/app`
        yield* seed([[path, "1.0.0", "wrong password"]])
        const secret = (password: string) => ({
          apiVersion: "v1",
          kind: "Secret",
          metadata: {
            name: "corrected",
            namespace: "default",
            annotations: { "skopeo.io/registry": environment.privateInCluster }
          },
          type: "kubernetes.io/basic-auth",
          stringData: { username: ROBOT.username, password }
        })
        yield* apply(
          secret("a-wrong-password"),
          image("wrong-password", {
            source: { name: sourceName(path), version: "1.0.0" },
            destination: {
              name: `${environment.privateInCluster}/${path}`,
              credentials: { secretRef: { name: "corrected" } }
            }
          })
        )
        const ready = "{range .status.conditions[?(@.type=='Ready')]}{.status} {.reason} {.message}{end}"
        const text = yield* eventually(
          Effect.filterOrFail(
            column("wrong-password", ready),
            (text) => text.startsWith("False "),
            (text) => text
          )
        )
        assert.match(text, /^False AuthenticationFailed .*the credentials for this registry were refused/u)
        assert.notInclude(text, "a-wrong-password")
        yield* apply(secret(ROBOT.password))
        yield* kubectl("wait", "--for=condition=Ready", "image/wrong-password", "--timeout=90s")
        yield* kubectl("delete", "secret/corrected", "-n", "default")
      })
    ))

  it("the API server refuses an invalid Image with the field", () =>
    live(
      Effect.gen(function* () {
        const refused = (name: string, spec: object) =>
          Effect.gen(function* () {
            const file = join(directory, `${name}.yaml`)
            writeFileSync(file, JSON.stringify(image(name, spec)))
            const { code, stderr } = yield* run("kubectl", ["apply", "-f", file])
            assert.notStrictEqual(code, 0)
            return stderr
          })
        const source = { name: "quay.io/a/b", version: "v1.x" }
        const destination = { name: "registry.corp/a/b" }
        assert.match(yield* refused("mode", { mode: "Reccurrent", source, destination }), /spec\.mode.*Recurrent/su)
        assert.match(yield* refused("unknown", { souce: source, source, destination }), /souce/u)
        assert.match(
          yield* refused("version", { source, destination: { ...destination, version: "v2" } }),
          /spec\.destination\.version.*each tag keeps its name/su
        )
      })
    ))

  it("a real Prometheus scrapes the reload counter, the reconciles and the process", () =>
    live(
      Effect.gen(function* () {
        yield* seed([[`${RUN}/metrics/app`, "1.0.0", "m"]])
        yield* apply(
          image("metrics", {
            source: { name: sourceName(`${RUN}/metrics/app`), version: "1.0.0" },
            destination: { name: destinationName(`${RUN}/metrics/app`) }
          })
        )
        yield* kubectl("wait", "--for=condition=Ready", "image/metrics", "--timeout=60s")
        const [metricsPort, port] = [yield* freePort, yield* freePort]
        yield* background(
          "kubectl",
          ["port-forward", "-n", NAMESPACE, "deploy/skopeo-operator", `${metricsPort}:8080`],
          /Forwarding from/u
        )
        const config = join(directory, "prometheus.yml")
        writeFileSync(
          config,
          JSON.stringify({
            global: { scrape_interval: "1s" },
            scrape_configs: [{ job_name: "operator", static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }]
          })
        )
        yield* background(
          "prometheus",
          [
            `--config.file=${config}`,
            `--storage.tsdb.path=${join(directory, "prometheus")}`,
            `--web.listen-address=127.0.0.1:${port}`
          ],
          /Server is ready/u
        )
        const query = (expression: string) =>
          Effect.flatMap(run("promtool", ["query", "instant", `http://127.0.0.1:${port}`, expression]), ({ stdout }) =>
            stdout.includes("=> ") ? Effect.succeed(stdout) : Effect.fail("no data yet")
          )
        const reloads = `skopeo_operator_reload_total{image="${sourceName(`${RUN}/metrics/app`)}:1.0.0"}`
        assert.match(yield* eventually(query(reloads)), /=> 1 /u)
        yield* eventually(query('controller_runtime_reconcile_total{result="success"} > 0'))
        yield* eventually(query("process_resident_memory_bytes > 0"))
        const exposition = yield* kubectl(
          "get",
          "--raw",
          `/api/v1/namespaces/${NAMESPACE}/pods/${(yield* kubectl("get", "pods", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator", "-o", "jsonpath={.items[0].metadata.name}")).trim()}:8080/proxy/metrics`
        )
        assert.include(exposition, "workqueue_depth")
      })
    ))
})
