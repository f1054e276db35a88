/** Upgrades from the last release to the present chart with Images in flight, back to the release, and forward again. */
import { assert, beforeAll, afterAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import {
  apply,
  CLUSTER,
  column,
  copyPods,
  describeInCluster,
  digestAt,
  eventually,
  image,
  kubectl,
  live,
  operatorValues,
  PLAIN_HTTP,
  REGISTRIES,
  removeCrd,
  repositoryAndTag,
  run,
  succeed
} from "../support/cluster.ts"
import { startHoldingProxy } from "../support/HoldingProxy.ts"
import { seed } from "../support/seeding.ts"
import released from "./released/release.json" with { type: "json" }

const environment = {
  ...CLUSTER,
  ...REGISTRIES,
  machine: process.env["E2E_MACHINE_IN_CLUSTER"] ?? "",
  releasedImage: process.env["E2E_RELEASED_IMAGE"] ?? ""
}
/** A namespace of its own: the last test compares the requests of the operator of the other namespace with the present chart. */
const RELEASES = "skopeo-operator-releases"
const RELEASED = `test/e2e/released/skopeo-operator-${released.version}.tgz`

const helm = (command: string, ...args: ReadonlyArray<string>) => [
  ...[command, "skopeo-operator", ...args],
  ...["-n", RELEASES]
]

const valuesFor = (name: string): ReadonlyArray<string> => {
  const [repository, version] = repositoryAndTag(name)
  return operatorValues(`image.repository=${repository}`, `image.version=${version}`, ...PLAIN_HTTP)
}

const operatorImage = kubectl(
  ...["get", "deployment", "skopeo-operator", "-n", RELEASES],
  ...["-o", "jsonpath={.spec.template.spec.containers[0].image}"]
)

/** The Jobs of the pods. A pod's name is its Job's name with a suffix. */
const jobsOf = (pods: ReadonlyArray<string>) => new Set(pods.map((line) => line.replace(/-[^-]*$/u, "")))

const RUN = `e2e-${randomUUID().slice(0, 8)}`
const ends = (name: string, version: string) => ({
  source: { name: `${REGISTRIES.sourceInCluster}/${RUN}/${name}`, version },
  destination: { name: `${REGISTRIES.destinationInCluster}/${RUN}/copied/${name}`, version }
})

/** Asserts that the destination has the tag as the source has it. */
const assertCopied = (name: string, tag: string) =>
  Effect.gen(function* () {
    const desired = yield* digestAt(REGISTRIES.source, `${RUN}/${name}`, tag)
    assert.match(desired, /^sha256:/u)
    assert.strictEqual(yield* digestAt(REGISTRIES.destination, `${RUN}/copied/${name}`, tag), desired)
  })

/** Applies an Image of one tag, and waits until the tag is copied. */
const copyNew = (name: string) =>
  Effect.gen(function* () {
    yield* apply(image(name, ends(name, "v1")))
    yield* kubectl("wait", "--for=condition=Ready", `image/${name}`, "--timeout=40s")
    yield* assertCopied(name, "v1")
  })

const readyWithTags = (name: string) => column(name, `{.status.tags} {.status.conditions[?(@.type=="Ready")].status}`)

/** More than the copies at once of one registry, so that some wait. */
const WAVE = Array.from({ length: 20 }, (_, index) => `v1.0.${index}`)

describeInCluster("releases", { environment, programs: ["helm", "kubectl", "regctl"] }, () => {
  beforeAll(() => live(removeCrd))
  afterAll(() =>
    live(
      Effect.gen(function* () {
        yield* succeed("helm", helm("uninstall", "--ignore-not-found", "--wait", "--timeout", "60s"))
        yield* kubectl("delete", "namespace", RELEASES, "--ignore-not-found", "--timeout=120s")
        yield* removeCrd
      })
    )
  )

  it("an upgrade from the last release during copies, a rollback and another upgrade copy each tag exactly once", () =>
    live(
      Effect.gen(function* () {
        yield* seed(REGISTRIES.source, [
          ...WAVE.map((tag) => [`${RUN}/wave`, tag, `wave ${tag}`] as const),
          ...["done", "slow", "old", "new"].map((name) => [`${RUN}/${name}`, "v1", name] as const),
          [`${RUN}/moving`, "v1", "moving"]
        ])
        yield* succeed(
          "helm",
          helm("install", RELEASED, "--create-namespace", "--wait", ...valuesFor(environment.releasedImage))
        )
        const moving = { mode: "Recurrent", frequency: "10s", ...ends("moving", "v1") }
        yield* apply(image("moving", moving))
        yield* copyNew("done")
        // One copy waits for its source from before the upgrade until after it.
        const proxy = yield* startHoldingProxy(REGISTRIES.source, environment.machine)
        const slow = `${RUN}/slow`
        proxy.hold(slow)
        yield* apply(
          image("slow", { ...ends("slow", "v1"), source: { name: `${proxy.host}/${slow}`, version: "v1" } }),
          image("wave", ends("wave", "v1.0.x"))
        )
        yield* eventually(Effect.suspend(() => (proxy.isHolding(slow) ? Effect.void : Effect.fail("not yet"))))
        // Of the others some are copied, some are under way, and some wait.
        yield* eventually(
          Effect.filterOrFail(
            readyWithTags("wave"),
            (text) => /^[3-9]\/20 /u.test(text),
            (text) => text
          )
        )

        yield* succeed("helm", helm("upgrade", "charts/skopeo-operator", "--wait", ...valuesFor(CLUSTER.operatorImage)))
        assert.strictEqual(yield* operatorImage, CLUSTER.operatorImage)
        proxy.release(slow)
        yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=60s")
        assert.strictEqual(yield* readyWithTags("wave"), "20/20 True")
        yield* assertCopied("slow", "v1")
        yield* Effect.forEach(["v1.0.0", "v1.0.19"], (tag) => assertCopied("wave", tag))
        const copies = WAVE.length + 3
        const pods = yield* copyPods(RELEASES)
        assert.lengthOf(pods, copies)
        assert.strictEqual(jobsOf(pods).size, copies)
        const log = yield* kubectl("logs", "deployment/skopeo-operator", "-n", RELEASES)
        assert.include(log, '"message":"copy started","image":"default/wave"')
        assert.notInclude(log, '"message":"copy started","image":"default/slow"')
        assert.include(log, '"message":"copied","image":"default/slow"')

        yield* succeed("helm", helm("rollback", "1", "--wait"))
        assert.strictEqual(yield* operatorImage, environment.releasedImage)
        yield* copyNew("old")
        yield* seed(REGISTRIES.source, [[`${RUN}/moving`, "v1", "moved"]])
        yield* eventually(assertCopied("moving", "v1").pipe(Effect.sandbox))
        yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=30s")
        assert.strictEqual(yield* readyWithTags("wave"), "20/20 True")

        // An image that does not exist: Helm goes back to the release, whose operator is there again.
        const missing = valuesFor("localhost/skopeo-operator:missing")
        const broken = helm("upgrade", "charts/skopeo-operator", "--atomic", "--timeout", "8s", ...missing)
        assert.notStrictEqual((yield* run("helm", broken)).code, 0)
        assert.strictEqual(yield* operatorImage, environment.releasedImage)

        yield* succeed(
          "helm",
          helm("upgrade", "charts/skopeo-operator", "--atomic", ...valuesFor(CLUSTER.operatorImage))
        )
        yield* copyNew("new")
        yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=30s")
        assert.lengthOf(yield* copyPods(RELEASES), copies + 3)
        yield* succeed("helm", helm("uninstall", "--wait", "--timeout", "60s"))
        assert.strictEqual(yield* readyWithTags("wave"), "20/20 True")
      })
    ))
})
