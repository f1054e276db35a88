/**
 * The container image: its files, its size, and how it runs. `E2E_OPERATOR_ARCHIVE` is the image as `docker save` writes it, and
 * the cluster's nodes have the same image as `E2E_OPERATOR_IMAGE`.
 */
import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import { Clock, Effect, Schema } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import { Leases } from "../../src/kube/Resources.ts"
import { shipped } from "../../scripts/bundle/shipped.ts"
import {
  apply,
  CLUSTER,
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
import { follow, withClient } from "../support/following.ts"
import { seed } from "../support/seeding.ts"

const ARCHIVE = process.env["E2E_OPERATOR_ARCHIVE"] ?? ""

/** A unique name of this run, because registries outlive a run and keep its copies. */
const RUN = `e2e-${randomUUID().slice(0, 8)}`

const MEGABYTE = 1e6
const NODE = "/usr/local/bin/node"
const RESTART_MILLIS = 10_000

const Manifest = Schema.fromJsonString(
  Schema.NonEmptyArray(Schema.Struct({ Config: Schema.String, Layers: Schema.NonEmptyArray(Schema.String) }))
)
const ImageConfig = Schema.fromJsonString(
  Schema.Struct({
    config: Schema.Struct({
      User: Schema.String,
      WorkingDir: Schema.String,
      Entrypoint: Schema.Array(Schema.String),
      Cmd: Schema.Array(Schema.String)
    })
  })
)

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "skopeo-operator-image-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** The unpacked archive: its layers and the image's configuration. */
const unpacked = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  yield* succeed("tar", ["-xf", ARCHIVE, "-C", directory])
  const [manifest] = Schema.decodeUnknownSync(Manifest)(readFileSync(join(directory, "manifest.json"), "utf8"))
  const text = readFileSync(join(directory, manifest.Config), "utf8")
  return {
    layers: manifest.Layers.map((layer) => join(directory, layer)),
    config: Schema.decodeUnknownSync(ImageConfig)(text).config
  }
})

const isGzip = (file: string): boolean => {
  const start = Buffer.alloc(2)
  const descriptor = openSync(file, "r")
  readSync(descriptor, start)
  closeSync(descriptor)
  return start.readUInt16BE(0) === 0x1f8b
}

/** The size of a file as a registry holds it: a layer is compressed by gzip, unless it is already. */
const compressedSize = (file: string) =>
  Effect.promise(async () => {
    if (isGzip(file)) return statSync(file).size
    let size = 0
    await pipeline(createReadStream(file), createGzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) size += chunk.length
    })
    return size
  })

const restricted = (user: number) => ({
  runAsNonRoot: true,
  runAsUser: user,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" }
})

/** A command of the operator's pod. */
const inOperator = (...command: ReadonlyArray<string>) =>
  kubectl("exec", "-n", NAMESPACE, "deployment/skopeo-operator", "--", ...command)

describeInCluster("the image as a file", { environment: { archive: ARCHIVE }, programs: ["tar"] }, () => {
  it("has Node.js, its shared libraries, their licences and the program, and nothing else", () =>
    live(
      Effect.gen(function* () {
        const { layers } = yield* unpacked
        const listed = yield* Effect.forEach(layers, (layer) => succeed("tar", ["-tf", layer]))
        const files = listed
          .flatMap((text) => text.trim().split("\n"))
          .map((path) => path.replace(/^(?:\.\/|\/)/u, ""))
          .filter((path) => path !== "" && !path.endsWith("/"))
        const isOfRuntime = (path: string): boolean =>
          [NODE.slice(1), "usr/local/LICENSE"].includes(path) ||
          /^usr\/share\/doc\/lib[\w+-]+\/copyright$/u.test(path) ||
          /^(?:usr\/)?lib(?:64)?\/(?:[\w-]+\/)?[\w.+-]+\.so(?:\.\d+)*$/u.test(path)
        assert.include(files, NODE.slice(1))
        assert.include(files, "app/main.cjs")
        assert.deepStrictEqual(
          files.filter((path) => !path.startsWith("app/") && !isOfRuntime(path)),
          []
        )
      })
    ))

  it("is at most 60 MB compressed, of which at most 3 MB are the program", () =>
    live(
      Effect.gen(function* () {
        const { layers } = yield* unpacked
        const sizes = yield* Effect.forEach(layers, compressedSize)
        const size = sizes.reduce((sum, each) => sum + each, 0)
        const directory = yield* temporaryDirectory
        for (const layer of layers) yield* run("tar", ["-xf", layer, "-C", directory, "--wildcards", "*app/*"])
        const program = join(directory, "program.tar")
        yield* succeed("tar", ["-cf", program, "-C", directory, "app"])
        const ours = yield* compressedSize(program)
        console.info(`the image: ${(size / MEGABYTE).toFixed(1)} MB, the program: ${(ours / MEGABYTE).toFixed(2)} MB`)
        assert.isAtMost(size, 60 * MEGABYTE)
        assert.isAtMost(ours, 3 * MEGABYTE)
        assert.isAbove(ours, MEGABYTE)
      })
    ))

  it("starts Node.js by its path as a user who is not root", () =>
    live(
      Effect.gen(function* () {
        const { config } = yield* unpacked
        assert.deepStrictEqual(config, {
          User: "65532:65532",
          WorkingDir: "/work",
          Entrypoint: [NODE, ...shipped("/app")],
          Cmd: ["operator"]
        })
      })
    ))
})

describeInCluster(
  "the image as a container",
  { environment: { ...CLUSTER, ...REGISTRIES }, programs: ["helm", "kubectl", "regctl"] },
  () => {
    withOperator(...PLAIN_HTTP)

    it("`sync -f image.yaml` copies with the files of a user in /work, as that user, and with a read-only root", () =>
      live(
        Effect.gen(function* () {
          const namespace = `container-line-${RUN}`
          yield* seed(REGISTRIES.source, [[`${RUN}/line`, "1.0.0", "line"]])
          const manifest = image("line", {
            source: { name: `${REGISTRIES.sourceInCluster}/${RUN}/line`, version: "1.0.0", tlsVerify: false },
            destination: { name: `${REGISTRIES.destinationInCluster}/${RUN}/line-copied`, tlsVerify: false }
          })
          yield* Effect.addFinalizer(() => kubectl("delete", "namespace", namespace, "--wait=false"))
          yield* apply(restrictedNamespace(namespace), {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "files", namespace },
            data: { "image.yaml": JSON.stringify(manifest), "broken.yaml": "kind: Image\nspec: 1\n" }
          })
          /** The pod of `docker run --user 1000 -v "$PWD:/work" IMAGE ARGUMENTS`. */
          const containerLine = Effect.fnUntraced(function* (name: string, ...args: ReadonlyArray<string>) {
            yield* apply({
              apiVersion: "v1",
              kind: "Pod",
              metadata: { name, namespace },
              spec: {
                restartPolicy: "Never",
                automountServiceAccountToken: false,
                containers: [
                  {
                    name: "line",
                    image: CLUSTER.operatorImage,
                    args,
                    securityContext: restricted(1000),
                    volumeMounts: [{ name: "files", mountPath: "/work", readOnly: true }]
                  }
                ],
                volumes: [{ name: "files", configMap: { name: "files" } }]
              }
            })
            const code = yield* eventually(
              Effect.filterOrFail(
                kubectl(
                  ...["get", "pod", name, "-n", namespace, "-o"],
                  "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
                ),
                (text) => text !== "",
                () => "not yet"
              )
            )
            return { code: Number(code), output: yield* kubectl("logs", name, "-n", namespace) }
          })
          const synced = yield* containerLine("sync", "sync", "-f", "image.yaml")
          assert.strictEqual(synced.code, 0, synced.output)
          const again = yield* containerLine("plan", "plan", "-f", "image.yaml")
          assert.strictEqual(again.code, 0, again.output)
          const broken = yield* containerLine("broken", "sync", "-f", "broken.yaml")
          assert.strictEqual(broken.code, 2, broken.output)
          assert.include(broken.output, "broken.yaml")
          const version = yield* containerLine("version", "--version")
          assert.include(version.output, packageJson.version)
        })
      ))

    it("the operator starts from compiled code that V8 accepts", () =>
      live(
        Effect.gen(function* () {
          const script = `
            const before = performance.now()
            process.argv.push("--version")
            process.once("exit", () => {
              const scripts = [...require("/app/start.cjs").scripts.values()]
              console.log(JSON.stringify(scripts.map(({ cachedDataRejected }) => cachedDataRejected ?? null)))
              console.log(Math.round(performance.now() - before))
            })
            require("/app/main.cjs")`
          const output = yield* inOperator(NODE, ...shipped("/app").slice(0, -1), "--eval", script, "skopeo-operator")
          const [rejected = "", millis = ""] = output.trim().split("\n").slice(-2)
          console.info(`--version in the pod: ${millis} ms after the start of Node.js`)
          const answers = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.NonEmptyArray(Schema.Unknown)))(
            rejected
          )
          assert.deepStrictEqual(new Set(answers), new Set([false]))
        })
      ))

    it("V8's heap has its bound within the memory of the container", () =>
      live(
        Effect.gen(function* () {
          const limit = yield* kubectl(
            ...["get", "deployment", "skopeo-operator", "-n", NAMESPACE, "-o"],
            "jsonpath={.spec.template.spec.containers[0].resources.limits.memory}"
          )
          const [, mebibytes] = /^(\d+)Mi$/u.exec(limit) ?? []
          assert.isDefined(mebibytes, limit)
          const expression = "[process.constrainedMemory(), v8.getHeapStatistics().heap_size_limit].join()"
          const output = yield* inOperator(NODE, ...shipped("/app").slice(0, -1), "--print", expression)
          const [seen = 0, heap = 0] = output.trim().split(",").map(Number)
          assert.strictEqual(seen, Number(mebibytes) * 1024 * 1024)
          // The rest is for buffers, and for Node.js itself, which takes 45 MB.
          assert.isAtMost(heap, 0.75 * seen)
          assert.isAtLeast(heap, 0.5 * seen)
        })
      ))

    it("SIGTERM ends the operator with exit code 0, and the Lease is released", () =>
      withClient(
        Effect.gen(function* () {
          const seen = yield* follow(Leases, NAMESPACE)
          const holders = () => seen.map(({ object }) => object.spec?.holderIdentity ?? "")
          yield* eventually(
            Effect.filterOrFail(
              Effect.sync(() => holders().at(-1) ?? ""),
              (holder) => holder !== "",
              () => "no leader"
            )
          )
          const pod = yield* kubectl(
            ...["get", "pods", "-n", NAMESPACE, "-l", "kubernetes.io/name=skopeo-operator", "-o"],
            "jsonpath={.items[0].metadata.name}"
          )
          const stopped = yield* Clock.currentTimeMillis
          yield* inOperator(NODE, "--eval", 'process.kill(1, "SIGTERM")')
          const code = yield* eventually(
            Effect.filterOrFail(
              kubectl(
                ...["get", "pod", pod, "-n", NAMESPACE, "-o"],
                "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}"
              ),
              (text) => text !== "",
              () => "still running"
            )
          )
          const took = (yield* Clock.currentTimeMillis) - stopped
          console.info(`SIGTERM: ended and started again after ${took} ms`)
          assert.strictEqual(code, "0")
          assert.isAtMost(took, RESTART_MILLIS)
          assert.include(holders(), "", "the leader released its Lease")
        })
      ))
  }
)
