/** Helpers of tests in a real cluster: run programs, apply manifests, install and uninstall the chart. */
import { afterAll, beforeAll, describe } from "@effect/vitest"
import { execFile, type ExecFileException } from "node:child_process"
import { Effect, Schedule, type Scope } from "effect"
import { onPath } from "./programs.ts"

/** The environment of every test in a cluster. */
export const CLUSTER = {
  kubeconfig: process.env["KUBECONFIG"] ?? "",
  operatorImage: process.env["E2E_OPERATOR_IMAGE"] ?? "",
  skopeoImage: process.env["E2E_SKOPEO_IMAGE"] ?? ""
}

/** The addresses of a source registry and a destination registry over plain HTTP, for this machine and for pods. */
export const REGISTRIES = {
  source: process.env["E2E_SOURCE"] ?? "",
  sourceInCluster: process.env["E2E_SOURCE_IN_CLUSTER"] ?? "",
  destination: process.env["E2E_DESTINATION"] ?? "",
  destinationInCluster: process.env["E2E_DESTINATION_IN_CLUSTER"] ?? ""
}

/** The values of the chart for registries over plain HTTP. */
export const PLAIN_HTTP = ["config.source.disabledTlsCheck=true", "config.destination.disabledTlsCheck=true"]

/** The namespace of the operator. */
export const NAMESPACE = "skopeo-operator"

/** A namespace of their own for Jobs, in the tests that give them one. */
export const JOB_NAMESPACE = "skopeo-operator-jobs"

/** Tests that need variables and programs. If one is missing, the tests are skipped and their name has the reason. */
export const describeInCluster = (
  title: string,
  needs: { readonly environment: Readonly<Record<string, string>>; readonly programs: ReadonlyArray<string> },
  tests: () => void
): void => {
  const missing = [
    ...Object.entries(needs.environment).flatMap(([name, value]) => (value === "" ? [name] : [])),
    ...needs.programs.filter((program) => !onPath(program))
  ]
  const name = missing.length === 0 ? title : `${title} (skipped: ${missing.join(", ")} missing)`
  describe.skipIf(missing.length > 0)(name, tests)
}

const root = new URL("../../", import.meta.url).pathname

interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** Runs a program to its end. Does not fail if the program does. */
export const run = (program: string, args: ReadonlyArray<string>, input = "") =>
  Effect.callback<Output>((resume) => {
    const child = execFile(
      program,
      [...args],
      { cwd: root, maxBuffer: 64 * 1024 * 1024 },
      (error: ExecFileException | null, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
        resume(Effect.succeed({ stdout, stderr, code }))
      }
    )
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(input)
    return Effect.sync(() => child.kill())
  })

export const succeed = (program: string, args: ReadonlyArray<string>, input?: string) =>
  Effect.flatMap(run(program, args, input), ({ code, stderr, stdout }) =>
    code === 0 ? Effect.succeed(stdout) : Effect.die(new Error(`${program} ${args.join(" ")}: ${stderr}${stdout}`))
  )

export const kubectl = (...args: ReadonlyArray<string>) => succeed("kubectl", args)

export const apply = (...objects: ReadonlyArray<object>) =>
  succeed("kubectl", ["apply", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"))

export const image = (name: string, spec: object) => ({
  apiVersion: "skopeo.io/v1alpha1",
  kind: "Image",
  metadata: { name, namespace: "default" },
  spec
})

/** The value of an Image at a JSONPath. */
export const column = (name: string, path: string) => kubectl("get", "image", name, "-o", `jsonpath=${path}`)

/** The repository and the tag of an image, as the values of the chart have them. */
export const repositoryAndTag = (name: string): readonly [repository: string, tag: string] => {
  const [repository = "", tag = ""] = name.split(/:(?=[^:/]*$)/u)
  return [repository, tag]
}

/** The digest of a tag at a registry without TLS, as this machine reaches the registry. Empty if there is no such tag. */
export const digestAt = (registry: string, path: string, tag: string) =>
  Effect.map(
    run("regctl", ["image", "digest", "--host", `reg=${registry},tls=disabled`, `${registry}/${path}:${tag}`]),
    ({ stdout }) => stdout.trim()
  )

/** The pods that Jobs of a namespace have started, also of Jobs that are deleted since. */
export const copyPods = (namespace: string) =>
  Effect.map(
    kubectl(
      ...["get", "events", "-n", namespace, "--field-selector", "involvedObject.kind=Job,reason=SuccessfulCreate"],
      ...["-o", "jsonpath={range .items[*]}{.message}{'\\n'}{end}"]
    ),
    (text) => text.split("\n").filter((line) => line !== "")
  )

/** Deletes the CRD, and every Image with it, because Helm keeps the CRD of an earlier test. */
export const removeCrd = kubectl("delete", "crd", "images.skopeo.io", "--ignore-not-found", "--timeout=60s")

/** Retries an effect until it succeeds, for a minute by default. */
export const eventually = <A, E>(effect: Effect.Effect<A, E>, seconds = 60) =>
  effect.pipe(
    Effect.retry({ schedule: Schedule.spaced("250 millis"), times: seconds * 4 }),
    Effect.sandbox,
    Effect.orDie
  )

export const live = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** A namespace that admits pods of the restricted profile only. */
export const restrictedNamespace = (name: string) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } }
})

/** Helm's arguments for the images of the cluster, and for other values of the chart. */
export const operatorValues = (...values: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [operatorRepository, operatorTag] = repositoryAndTag(CLUSTER.operatorImage)
  const [skopeoRepository, skopeoTag] = repositoryAndTag(CLUSTER.skopeoImage)
  return [
    `image.repository=${operatorRepository}`,
    `image.version=${operatorTag}`,
    `config.skopeo.image=${skopeoRepository}`,
    `config.skopeo.version=${skopeoTag}`,
    ...values
  ].flatMap((value) => ["--set", value])
}

/** Installs the chart into its namespace, and waits until the operator is ready. */
export const install = (...values: ReadonlyArray<string>) =>
  succeed("helm", [
    ...["upgrade", "--install", "skopeo-operator", "charts/skopeo-operator"],
    ...["-n", NAMESPACE, "--wait", "--timeout", "120s"],
    ...operatorValues(...values)
  ])

/** Installs the operator with values of the chart before the tests of a `describe`, and removes the operator after the tests. */
export const withOperator = (...values: ReadonlyArray<string>): void => {
  beforeAll(() => live(Effect.andThen(apply(restrictedNamespace(NAMESPACE)), install(...values))))
  afterAll(() => live(uninstall()))
}

/** Deletes the Images, the operator and the namespaces. */
export const uninstall = (...others: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* kubectl("delete", "images", "--all", "-n", "default", "--timeout=60s")
    yield* succeed("helm", ["uninstall", "skopeo-operator", "-n", NAMESPACE, "--wait", "--timeout", "60s"])
    yield* kubectl("delete", "namespace", NAMESPACE, ...others, "--timeout=120s")
  })
