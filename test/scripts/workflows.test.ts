/** The workflows of GitHub and the Dockerfile: what they use is fixed, and what they run exists. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parse } from "yaml"
import packageJson from "../../package.json" with { type: "json" }
import { shipped } from "../../scripts/bundle/shipped.ts"

const root = new URL("../../", import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, root), "utf8")

const Step = Schema.Struct({ uses: Schema.optionalKey(Schema.String), run: Schema.optionalKey(Schema.String) })
const Job = Schema.Struct({
  "timeout-minutes": Schema.Number,
  permissions: Schema.Record(Schema.String, Schema.Literals(["read", "write"])),
  steps: Schema.NonEmptyArray(Step)
})
const Workflow = Schema.Struct({
  /** No permission, unless a job names it. */
  permissions: Schema.Struct({}),
  jobs: Schema.Record(Schema.String, Job)
})

const FOLDER = ".github/workflows/"
const texts = readdirSync(new URL(FOLDER, root)).map((name) => [name, read(`${FOLDER}${name}`)] as const)
const jobs = texts.flatMap(([name, text]) =>
  Object.entries(Schema.decodeUnknownSync(Workflow)(parse(text)).jobs).map(
    ([job, content]) => [`${name}: ${job}`, content] as const
  )
)

const job = (name: string): typeof Job.Type => {
  const found = jobs.find(([title]) => title === name)?.[1]
  assert(found !== undefined, `${name} is a job`)
  return found
}

describe("a workflow", () => {
  it("has a time limit and named permissions for each job", () => {
    // Decoding has checked the jobs.
    assert.includeMembers(
      jobs.map(([name]) => name),
      ["ci.yml: cluster", "release.yml: release"]
    )
    for (const [name, content] of jobs) assert.isAtMost(content["timeout-minutes"], 60, name)
  })

  it("uses each action at a commit, with the version as a comment, and everywhere the same commit", () => {
    const lines = texts.flatMap(([name, text]) => [...text.matchAll(/^.*\buses:.*$/gmu)].map(([line]) => [name, line]))
    const used = lines.map(([name, line = ""]) => {
      const [, action = "", commit = ""] =
        /^ +(?:- )?uses: ([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$/u.exec(line) ?? []
      assert.notStrictEqual(action, "", `${name}: ${line}`)
      return [action, commit] as const
    })
    const steps = jobs.flatMap(([, { steps }]) => steps.filter(({ uses }) => uses !== undefined))
    assert.lengthOf(used, steps.length)
    const commits = new Map(used)
    for (const [action, commit] of used) assert.strictEqual(commit, commits.get(action), action)
  })

  it("runs scripts of the package that exist", () => {
    const commands = jobs.flatMap(([, { steps }]) => steps.flatMap(({ run = "" }) => run))
    const scripts = commands.flatMap((command) => [...command.matchAll(/\bnpm (?:run )?(?:--silent )?([\w:]+)/gu)])
    const own = new Set(["ci", "install", "publish", "sbom"])
    const named = scripts.map(([, name = ""]) => name).filter((name) => !own.has(name))
    assert.includeMembers(named, ["check", "test", "test:e2e"])
    assert.containsAllKeys(packageJson.scripts, named)
    const files = commands.flatMap((command) => [...command.matchAll(/\bnode (scripts\/\S+\.ts)\b/gu)])
    assert.isNotEmpty(files)
    for (const [, file = ""] of files) assert.isNotEmpty(read(file), file)
  })
})

describe("the release", () => {
  it("publishes nothing before the checks pass and all is built, npm after all else that may fail, and `latest` last", () => {
    const { jobs: raw } = Schema.decodeUnknownSync(
      Schema.Struct({
        jobs: Schema.Record(
          Schema.String,
          Schema.Struct({ needs: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])) })
        )
      })
    )(parse(read(`${FOLDER}release.yml`)))
    const needs = (name: string): ReadonlyArray<string> =>
      [raw[name]?.needs ?? []].flat().flatMap((before) => [before, ...needs(before)])
    for (const name of Object.keys(raw)) {
      if (name !== "check") assert.include(needs(name), "check", name)
    }
    assert.includeMembers([...needs("index")], ["image", "binaries"])
    assert.includeMembers([...needs("npm")], ["image", "index", "chart", "binaries"])
    const beforeLatest = new Set(needs("latest"))
    assert.deepStrictEqual(beforeLatest, new Set(Object.keys(raw).filter((name) => name !== "latest")))
    // No other job has the tag.
    const lines = read(`${FOLDER}release.yml`).split("\n")
    assert.lengthOf(
      lines.filter((line) => line.includes("$IMAGE:latest")),
      1
    )
  })

  it("may write only what a job publishes", () => {
    const writes = (name: string) =>
      Object.entries(job(`release.yml: ${name}`).permissions).flatMap(([scope, may]) => (may === "write" ? scope : []))
    assert.deepStrictEqual(
      Object.fromEntries(
        ["check", "image", "index", "chart", "binaries", "npm", "release", "repository", "latest"].map((name) => [
          name,
          writes(name)
        ])
      ),
      {
        check: [],
        image: ["packages"],
        index: ["packages", "id-token"],
        chart: ["packages", "id-token", "attestations"],
        binaries: [],
        npm: ["id-token"],
        release: ["contents", "id-token", "attestations"],
        repository: ["pages", "id-token"],
        latest: ["packages"]
      }
    )
  })
})

describe("the Dockerfile", () => {
  const dockerfile = read("Dockerfile")

  it("builds from the pinned Node.js by its digest, and the image has no other base", () => {
    const [, image, version] =
      /^ARG NODE_IMAGE=(docker\.io\/library\/node:(\d+\.\d+\.\d+)-\S+@sha256:[0-9a-f]{64})$/mu.exec(dockerfile) ?? []
    assert.isDefined(image)
    assert.strictEqual(version, packageJson.devDependencies.node)
    assert.deepStrictEqual(
      [...dockerfile.matchAll(/^FROM (\S+)/gmu)].map(([, base]) => base),
      ["${NODE_IMAGE}", "scratch"]
    )
  })

  it("starts with a heap that fits into the memory that the chart requests", () => {
    const flags = shipped("")
    const megabytes = (name: string): number => {
      const flag = flags.find((each) => each.startsWith(`${name}=`))
      assert(flag !== undefined, name)
      return Number(flag.slice(name.length + 1))
    }
    const { resources } = Schema.decodeUnknownSync(
      Schema.Struct({
        resources: Schema.Struct({
          requests: Schema.Struct({ memory: Schema.TemplateLiteral([Schema.Number, "Mi"]) }),
          limits: Schema.Struct({ memory: Schema.TemplateLiteral([Schema.Number, "Mi"]) })
        })
      })
    )(parse(read("charts/skopeo-operator/values.yaml")))
    const [requested, limit] = [resources.requests.memory, resources.limits.memory].map((text) => Number.parseInt(text))
    // V8 has three semi-spaces. Node.js itself takes 45 MB.
    const initial = megabytes("--initial-old-space-size") + 3 * megabytes("--max-semi-space-size")
    assert.isBelow(initial + 45, requested ?? 0)
    assert.isBelow(requested ?? 0, limit ?? 0)
    // V8 takes its upper bound from the container's limit, which a flag here would replace in every installation.
    assert.deepStrictEqual(
      flags.filter((flag) => flag.startsWith("--max-old-space-size")),
      []
    )
  })
})
