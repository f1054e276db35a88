/** The chart as users get it: from a chart repository, from a registry, and from a mirror that the operator has made itself. */
import { afterAll, afterEach, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { parse } from "yaml"
import {
  CLUSTER,
  copyPods,
  describeInCluster,
  digestAt,
  kubectl,
  live,
  NAMESPACE,
  operatorValues,
  PLAIN_HTTP,
  REGISTRIES,
  removeCrd,
  succeed
} from "../support/cluster.ts"
import { blocksOf, commandsOf, sectionOf, wordsOf } from "../support/markdown.ts"
import { seed } from "../support/seeding.ts"

const RUN = `e2e-${randomUUID().slice(0, 8)}`
const directory = mkdtempSync(join(tmpdir(), "skopeo-operator-distribution-"))
const charts = join(directory, "charts")
/** Helm's own files, so that the repositories of this machine's user are left alone. */
const home = ["CACHE", "CONFIG", "DATA"].map((kind) => `HELM_${kind}_HOME=${join(directory, kind)}`)
const helm = (...args: ReadonlyArray<string>) => succeed("env", [...home, "helm", ...args])

const { version } = parse(readFileSync("charts/skopeo-operator/Chart.yaml", "utf8")) as { readonly version: string }
const CRD = "customresourcedefinition.apiextensions.k8s.io/images.skopeo.io\n"

/** The commands of the first release's README. */
const COMMANDS = [
  "helm repo add skopeo-operator https://tchoupinax.github.io/skopeo-operator",
  "helm repo update",
  "helm upgrade --install skopeo-operator skopeo-operator/skopeo-operator"
]

/** Serves the directory of the charts on loopback. */
const serve = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer(({ url = "" }, response) => {
      try {
        response.end(readFileSync(join(charts, url.replace("/skopeo-operator/", ""))))
      } catch {
        response.writeHead(404).end()
      }
    }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/skopeo-operator`
  })
)

const releaseChart = (...args: ReadonlyArray<string>) =>
  Effect.map(succeed(process.execPath, ["scripts/releaseChart.ts", "--directory", charts, ...args]), (text) =>
    text.trim()
  )

const replicas = (namespace: string) =>
  kubectl("get", "deployment", "skopeo-operator", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}")

/** The images of containers and Jobs in manifests. */
const imagesIn = (text: string): ReadonlyArray<string> => {
  const variable = (name: string) => new RegExp(`name: ${name}\\n\\s+value: "?([^"\\n]+)`, "u").exec(text)?.[1] ?? ""
  const containers = [...text.matchAll(/^\s+image: "?([^"\n]+?)"?$/gmu)].map(([, name = ""]) => name)
  return [...containers, `${variable("SKOPEO_IMAGE")}:${variable("SKOPEO_VERSION")}`]
}

const recipe = sectionOf("docs/recipes.md", "Mirror the operator itself")
/** The recipe with registries of this run for its sources and for its mirror. */
const recipeFor = (text: string, source: string, mirror: string): string =>
  text
    .replaceAll(/\b(?:ghcr|quay)\.io\//gu, `${source}/${RUN}/`)
    .replaceAll("registry.example.com/", `${mirror}/${RUN}/mirror/`)

describeInCluster(
  "the distribution of the chart",
  { environment: { ...CLUSTER, ...REGISTRIES }, programs: ["env", "helm", "kubectl", "regctl"] },
  () => {
    beforeAll(() => live(removeCrd))
    afterEach(() =>
      live(
        Effect.gen(function* () {
          for (const namespace of ["default", NAMESPACE]) {
            yield* helm("uninstall", "skopeo-operator", "-n", namespace, "--ignore-not-found", "--wait")
          }
          yield* kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
          yield* removeCrd
        })
      )
    )
    afterAll(() => rmSync(directory, { recursive: true, force: true }))

    it("the three commands of the first README install the chart from a repository made by npm run release:chart", () =>
      live(
        Effect.gen(function* () {
          const url = yield* serve
          yield* releaseChart("--url", url)
          for (const command of COMMANDS) {
            const [program, ...args] = wordsOf(command.replace("https://tchoupinax.github.io/skopeo-operator", url))
            assert.strictEqual(program, "helm")
            yield* helm(...args)
          }
          const manifest = yield* helm("get", "manifest", "skopeo-operator")
          assert.strictEqual(yield* kubectl("get", "crd", "images.skopeo.io", "-o", "name"), CRD)
          assert.deepStrictEqual(imagesIn(manifest), imagesIn(yield* helm("template", "charts/skopeo-operator")))

          // The image of the default values is not at hand here.
          yield* helm(...wordsOf(COMMANDS.at(-1) ?? "").slice(1), "--wait", "--timeout=60s", ...operatorValues())
          assert.strictEqual(yield* replicas("default"), "1")
        })
      ))

    it("the operator's mirror has its two images and its chart, and the chart is installed from there", () =>
      live(
        Effect.gen(function* () {
          // What a release publishes: two images, and the chart as an OCI artifact.
          const [operator = "", skopeo = ""] = imagesIn(yield* helm("template", "charts/skopeo-operator"))
          const published = [operator, skopeo].map((name) => name.split(/\/|:/u).slice(1))
          yield* seed(
            REGISTRIES.source,
            published.map((parts) => [`${RUN}/${parts.slice(0, -1).join("/")}`, parts.at(-1) ?? "", "image"] as const)
          )
          const owner = `oci://${REGISTRIES.source}/${RUN}/tchoupinax/charts`
          yield* helm("push", yield* releaseChart(), owner, "--plain-http")

          // The command copies them before there is an operator.
          const manifests = blocksOf(recipe, "yaml").join("---\n")
          const file = join(directory, "operator.yaml")
          writeFileSync(file, recipeFor(manifests, REGISTRIES.source, REGISTRIES.destination))
          yield* succeed("env", [
            ...["DISABLE_SRC_TLS_VERIFICATION=true", "DISABLE_DEST_TLS_VERIFICATION=true"],
            ...[process.execPath, "src/main.ts", "sync", "-f", file]
          ])

          // The recipe's command takes the chart and both images from the mirror.
          const install = blocksOf(recipe, "sh")
            .flatMap(commandsOf)
            .find((line) => line.startsWith("helm upgrade --install "))
          const local = recipeFor(install ?? "", REGISTRIES.source, REGISTRIES.destination)
          const [, , , ...args] = wordsOf(local)
          const mirrored = imagesIn(yield* helm("template", ...args, "--plain-http"))
          assert.lengthOf(mirrored, 2)
          for (const name of mirrored) {
            const [, path = "", tag = ""] = /^[^/]*\/(.*):([^:]*)$/u.exec(name) ?? []
            assert.match(path, new RegExp(`^${RUN}/mirror/`, "u"))
            assert.match(yield* digestAt(REGISTRIES.destination, path, tag), /^sha256:/u)
          }

          // The images are samples, so that the cluster's own take their place. The manifests are applied: nothing remains to be
          // copied to the mirror. To another place the Jobs copy the chart as well.
          yield* helm(
            ...wordsOf(local).slice(1),
            "--plain-http",
            "--wait",
            "--timeout=60s",
            ...operatorValues(...PLAIN_HTTP)
          )
          const inCluster = recipeFor(manifests, REGISTRIES.sourceInCluster, REGISTRIES.destinationInCluster)
          yield* succeed("kubectl", ["apply", "-f", "-"], inCluster)
          yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=60s")
          assert.lengthOf(yield* copyPods(NAMESPACE), 0)
          const elsewhere = inCluster
            .replaceAll("/mirror/", "/elsewhere/")
            .replaceAll(/ name: (?=skopeo)/gu, " name: also-")
          yield* succeed("kubectl", ["apply", "-f", "-"], elsewhere)
          yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=60s")
          assert.lengthOf(yield* copyPods(NAMESPACE), 3)
          const chart = "tchoupinax/charts/skopeo-operator"
          assert.strictEqual(
            yield* digestAt(REGISTRIES.destination, `${RUN}/elsewhere/${chart}`, version),
            yield* digestAt(REGISTRIES.source, `${RUN}/${chart}`, version)
          )
        })
      ))
  }
)
