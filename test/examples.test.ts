/** The examples of the documents work: manifests, policies, values of the chart, and commands. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { type Document, parseAllDocuments } from "yaml"
import { chartValues } from "../scripts/documents/chartValues.ts"
import { DEFAULT_TEMPLATE, parseJobTemplate } from "../src/copy/job/JobTemplate.ts"
import { admitImage } from "../src/domain/ImageDecoder.ts"
import { parseMirror } from "../src/domain/Mirror.ts"
import { EVENTS } from "../src/domain/plan/events.ts"
import { parsePolicy } from "../src/domain/policy/parsePolicy.ts"
import { formatProblem } from "../src/domain/Problem.ts"
import { startRegistry } from "../src/registry/memory/EmbeddedRegistry.ts"
import { pushSampleImage } from "../src/registry/memory/SampleImage.ts"
import { file, run } from "./support/commandLine.ts"
import { commandsOf, DOCUMENTS, type Example, examplesIn, readDocument, wordsOf } from "./support/markdown.ts"

const values = chartValues(readDocument("charts/skopeo-operator/values.yaml"))

/** Whether the chart has a value, or a group of values, or a value that a user fills, such as annotations. */
const isValue = (path: string): boolean =>
  values.some(
    ({ path: known, value }) =>
      known === path ||
      known.startsWith(`${path}.`) ||
      ((value === "{}" || value === "[]") && path.startsWith(`${known}.`))
  )

const pathsOf = (value: unknown, path = ""): ReadonlyArray<string> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isFilled(path)
    ? Object.entries(value).flatMap(([key, child]) => pathsOf(child, path === "" ? key : `${path}.${key}`))
    : [path]
const isFilled = (path: string): boolean => values.some((known) => known.path === path && known.value !== undefined)

interface Manifest {
  readonly at: string
  readonly document: Document
}

const manifests: ReadonlyArray<Manifest> = examplesIn("yaml").flatMap(({ at, text }) =>
  parseAllDocuments(text).map((document, index) => ({ at: `${at} ${index + 1}`, document }))
)

type Kind =
  | "Image"
  | "policy"
  | "values"
  | "Job template"
  | "pipeline"
  | "alerts"
  | "Prometheus"
  | "event exporter"
  | "Flux or Argo"
  | "ClusterRole"

const kindOf = ({ document }: Manifest): Kind | undefined => {
  if (document.get("kind") === "Image") return "Image"
  if (document.get("kind") === "ClusterRole") return "ClusterRole"
  if (document.has("rules") && !document.has("config")) return "policy"
  if (document.has("backoffLimit")) return "Job template"
  if (document.has("groups")) return "alerts"
  if (document.has("scrape_configs")) return "Prometheus"
  if (document.has("route")) return "event exporter"
  if (/^(?:argoproj\.io|[a-z.]+\.fluxcd\.io)\//u.test(String(document.get("apiVersion")))) return "Flux or Argo"
  if (document.has("jobs") || document.has("mirror")) return "pipeline"
  return pathsOf(document.toJS()).every(isValue) ? "values" : undefined
}

const ofKind = (kind: Kind) =>
  manifests.filter((manifest) => kindOf(manifest) === kind).map((manifest) => [manifest.at, manifest.document] as const)

describe("the documents' YAML", () => {
  it.each(manifests.map((manifest) => [manifest.at, manifest] as const))(
    "the YAML at %s has no mistake, and its kind is known",
    (_, manifest) => {
      assert.deepStrictEqual(manifest.document.errors, [])
      assert.isDefined(kindOf(manifest))
    }
  )

  it("the documents have many examples of each kind", () => {
    assert.isAtLeast(ofKind("Image").length, 15)
    assert.isAtLeast(ofKind("policy").length, 5)
    assert.isAtLeast(ofKind("values").length, 2)
    assert.lengthOf(ofKind("Job template"), 1)
  })

  it.each(ofKind("Image"))("the Image at %s is accepted", (_, document) => {
    const parsed = Result.flatMap(admitImage(document.toJS()), ({ spec }) => parseMirror(spec))
    assert.deepStrictEqual(Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : [], [])
  })

  it.each(ofKind("policy"))("the policy at %s is accepted", (_, document) => {
    const parsed = parsePolicy(document.toString())
    assert.deepStrictEqual(Result.isFailure(parsed) ? parsed.failure.map(formatProblem) : [], [])
  })

  it.each(ofKind("event exporter"))("the event exporter at %s matches reasons of Events only", (_, document) => {
    const [, reasons = ""] = /reason: \^\((.*)\)\$/u.exec(document.toString()) ?? []
    assert.isAbove(reasons.split("|").length, 1)
    for (const reason of reasons.split("|")) assert.property(EVENTS, reason)
  })

  it.each(ofKind("Job template"))("the settings of Jobs at %s are the defaults", (_, document) => {
    assert.deepStrictEqual(Result.getOrThrow(parseJobTemplate(JSON.stringify(document.toJS()))), DEFAULT_TEMPLATE)
  })
})

const shell = [...examplesIn("sh"), ...examplesIn("bash")]

interface Command {
  readonly at: string
  readonly line: string
}

const commands: ReadonlyArray<Command> = shell.flatMap(({ at, text }: Example) =>
  commandsOf(text).map((line) => ({ at, line }))
)

/** The command lines of the program, in shell blocks and in the pipelines of the recipes. */
const ours: ReadonlyArray<Command> = [
  ...commands,
  ...examplesIn("yaml").flatMap(({ at, text }) => text.split("\n").map((line) => ({ at, line })))
].flatMap(({ at, line }) => {
  const [, given] = /(?:^|\s)(?:npx )?(?:skopeo-operator|\S*main\.cjs) ([a-z-]+(?: .*)?)$/u.exec(line) ?? []
  const isOurs = given !== undefined && !/(?:helm|kubectl|docker build) /u.test(line)
  return isOurs ? [{ at, line: given.replace(/\]$/u, "") }] : []
})

/** A variable with a mistake: a valid command line is parsed, and then ends because of the variable, before any request. */
const BROKEN = { REGISTRY_LIMITS: "no limit", KUBECONFIG: "/nowhere", HOME: "/nowhere" }
const PASSED = /REGISTRY_LIMITS|kubeconfig|cannot be read|does not exist/u

describe("the documents' commands", () => {
  it("the documents have many command lines of the program", () => assert.isAtLeast(ours.length, 15))

  it.effect.each(ours.map(({ at, line }) => [`${line} (${at})`, line] as const))(
    "the program knows the command line %s",
    ([, line]) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(wordsOf(line), BROKEN)
        assert.isTrue(code === 0 || PASSED.test(stderr), `${stdout}${stderr}`)
      })
  )

  it.effect("a command line with an unknown flag would be found", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run(wordsOf("sync -f image.yaml --ouput json"), BROKEN)
      assert.isFalse(code === 0 || PASSED.test(stderr))
    })
  )

  const settings = commands.flatMap(({ at, line }) =>
    line.startsWith("helm ")
      ? [...line.matchAll(/--set '?([^=\s']+)=/gu)].map(([, path = ""]) => [path, at] as const)
      : []
  )

  it("the documents have many --set of the chart", () => assert.isAtLeast(settings.length, 5))

  it.each(settings)("the chart has the value %s, which is set at %s", (path) => {
    assert.isTrue(isValue(path))
  })

  const scripts = commands.flatMap(({ at, line }) =>
    [...line.matchAll(/npm (?:run )?(?:--silent )?(test|[a-z]+(?::[a-z]+)?)/gu)].flatMap(([, script = ""]) =>
      script === "ci" || script === "install" ? [] : [[script, at] as const]
    )
  )

  it.each(scripts)("package.json has the script %s, which is run at %s", (script) => {
    const { scripts: known } = JSON.parse(readDocument("package.json")) as { readonly scripts: Record<string, string> }
    assert.property(known, script)
  })
})

describe("the README's quick start without a cluster", () => {
  const [, section = ""] = /^## Quick start without a cluster\n([^]*?)^## /mu.exec(readDocument("README.md")) ?? []
  const [, yaml = ""] = /^```yaml\n([^]*?)^```$/mu.exec(section) ?? []
  const lines = [...section.matchAll(/^```sh\n([^]*?)^```$/gmu)]
    .flatMap(([, text = ""]) => commandsOf(text))
    .flatMap((line) => (line.startsWith("skopeo-operator ") ? [line.replace("skopeo-operator ", "")] : []))

  it.live("the README's quick start copies the two newest tags, and nothing a second time", () =>
    Effect.gen(function* () {
      const [source, destination] = [yield* startRegistry(), yield* startRegistry()]
      for (const tag of ["3.21.3", "3.22.0", "3.22.1", "3.22.2", "latest"]) {
        pushSampleImage(source.store, "library/alpine", tag, tag)
      }
      const local = (text: string) =>
        text.replaceAll("docker.io/", `${source.host}/`).replaceAll("localhost:5000/", `${destination.host}/`)
      const manifest = yield* file("image.yaml", local(yaml))
      assert.isAtLeast(lines.length, 2)
      for (const line of lines) {
        const words = wordsOf(local(line)).map((word) => (word === "image.yaml" ? manifest : word))
        const { code, stderr } = yield* run(words)
        // A plan with changes has its own exit code.
        assert.strictEqual(code, line.startsWith("plan ") ? 3 : 0, stderr)
      }
      assert.deepStrictEqual(destination.store.tags("library/alpine"), ["3.22.1", "3.22.2"])
      const before = destination.requests.length
      assert.strictEqual((yield* run(["sync", "-f", manifest])).code, 0)
      assert.notMatch(destination.requests.slice(before).join("\n"), /^(?:PUT|POST|PATCH) /mu)
    }).pipe(Effect.scoped)
  )
})

it("every document of the folder docs is linked in the README or in a document that the README links", () => {
  const linked = DOCUMENTS.map(readDocument).join("\n")
  for (const document of DOCUMENTS.filter((path) => /^docs\/[^/]+\.md$/u.test(path))) {
    assert.include(linked, document.replace("docs/", ""))
  }
})
