/** Helm's upgrade from a chart of the earlier Go operator's shape, with the values and the Images of its users. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import {
  apply,
  CLUSTER,
  column,
  copyPods,
  describeInCluster,
  digestAt,
  image,
  kubectl,
  live,
  NAMESPACE,
  REGISTRIES,
  removeCrd,
  repositoryAndTag,
  succeed
} from "../support/cluster.ts"
import { seed } from "../support/seeding.ts"

const EARLIER = "test/e2e/earlierChart"
const directory = mkdtempSync(join(tmpdir(), "skopeo-operator-upgrade-"))
const VALUES = join(directory, "values.yaml")

const [repository, version] = repositoryAndTag(CLUSTER.operatorImage)
const [skopeoImage, skopeoVersion] = repositoryAndTag(CLUSTER.skopeoImage)

/** A user's values of the earlier chart. Both charts get this file. */
const values = {
  image: { repository, version, imagePullPolicy: "IfNotPresent", pullSecrets: [] },
  affinity: {},
  tolerations: [],
  resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { cpu: "500m", memory: "256Mi" } },
  config: {
    source: { disabledTlsCheck: true },
    destination: { disabledTlsCheck: true, defaultRegistry: REGISTRIES.destinationInCluster },
    credentials: {
      createSecret: true,
      secretName: "registry-credentials",
      sourceUsername: "reader",
      sourcePassword: "hunter2-source",
      destinationUsername: "writer",
      destinationPassword: "hunter2-destination"
    },
    pullJobNamespace: NAMESPACE,
    skopeo: { image: skopeoImage, version: skopeoVersion },
    jobDeletionDelaySeconds: 10
  },
  monitoring: { podMonitor: { enabled: false, labels: {}, podMetricsEndpoints: [{ port: "metrics" }] } }
}

interface EarlierImage {
  readonly spec: object
  /** The tags at the source, and those that the destination has. */
  readonly tags: ReadonlyArray<string>
  readonly copied: ReadonlyArray<string>
  /** How many copies the earlier operator has recorded. */
  readonly recorded: number
}

/** Images as the earlier operator has stored them, by their name. */
const imagesOf = (run: string): Readonly<Record<string, EarlierImage>> => {
  const source = (name: string, tag: string) => ({
    name: `${REGISTRIES.sourceInCluster}/${run}/${name}`,
    version: tag
  })
  // The destination's registry is the default registry of the values.
  const destination = (name: string, tag: string) => ({ name: `${run}/copied/${name}`, version: tag })
  const ends = (name: string, tag: string) => ({ source: source(name, tag), destination: destination(name, tag) })
  const done = { tags: ["v1"], copied: ["v1"], recorded: 1 }
  return {
    oneshot: { spec: { mode: "OneShot", frequency: "5m", ...ends("oneshot", "v1") }, ...done },
    bytag: { spec: { mode: "OnceByTag", frequency: "1d12h", ...ends("bytag", "v1") }, ...done },
    bare: { spec: ends("bare", "v1"), ...done },
    emptied: { spec: { mode: "", frequency: "", allowCandidateRelease: false, ...ends("emptied", "v1") }, ...done },
    recurrent: { spec: { mode: "Recurrent", frequency: "15m", ...ends("recurrent", "v1") }, ...done, recorded: 40 },
    reccurrent: { spec: { mode: "Reccurrent", frequency: "", ...ends("reccurrent", "v1") }, ...done, recorded: 3 },
    reccurent: { spec: { mode: "Reccurent", frequency: "1w", ...ends("reccurent", "v1") }, ...done },
    pattern: {
      spec: { mode: "OneShot", allowCandidateRelease: true, frequency: "", ...ends("pattern", "v2.13.x") },
      tags: ["v2.13.0", "v2.13.1-rc1", "v2.13.1", "v2.14.0"],
      copied: ["v2.13.0", "v2.13.1-rc1"],
      recorded: 2
    },
    irsa: {
      spec: {
        source: { ...source("irsa", "v1"), useAwsIRSA: false },
        destination: { ...destination("irsa", "v1"), useAwsIRSA: false }
      },
      ...done
    },
    // The earlier operator recorded a copy when its Job was created, also if the Job then failed.
    lost: { spec: { mode: "OneShot", frequency: "5m", ...ends("lost", "v1") }, tags: ["v1"], copied: [], recorded: 1 }
  }
}

/** What remains to be copied. Everything else is at the destination before the upgrade. */
const MISSING: ReadonlyArray<readonly [name: string, tag: string]> = [
  ["lost", "v1"],
  ["pattern", "v2.13.1"]
]

const helm = (...args: ReadonlyArray<string>) => succeed("helm", [...args, "-n", NAMESPACE])
const container = kubectl(
  ...["get", "deployment", "skopeo-operator", "-n", NAMESPACE],
  ...["-o", "jsonpath={.spec.template.spec.containers[*].name}"]
)

/** The names and the uids of all Images. */
const identities = kubectl("get", "images", "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid},{end}")

const seedBoth = (run: string, images: Readonly<Record<string, EarlierImage>>) =>
  Effect.gen(function* () {
    const at = (select: (image: EarlierImage) => ReadonlyArray<string>, folder: string) =>
      Object.entries(images).flatMap(([name, each]) =>
        select(each).map((tag) => [`${folder}/${name}`, tag, `${name} ${tag}`] as const)
      )
    yield* seed(
      REGISTRIES.source,
      at(({ tags }) => tags, run)
    )
    yield* seed(
      REGISTRIES.destination,
      at(({ copied }) => copied, `${run}/copied`)
    )
  })

const history = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    performedAt: new Date(Date.UTC(2024, 10, 1, index)).toISOString().replace(".000", "")
  }))

describeInCluster(
  "an upgrade from the earlier chart",
  { environment: { ...CLUSTER, ...REGISTRIES }, programs: ["helm", "kubectl", "regctl"] },
  () => {
    beforeAll(() => {
      writeFileSync(VALUES, JSON.stringify(values))
      return live(removeCrd)
    })

    afterAll(() => {
      rmSync(directory, { recursive: true })
      return live(removeCrd)
    })

    for (const [title, install, upgrade, again] of [
      ["server-side apply", "--server-side=true", "--server-side=true", undefined],
      [
        "Helm's own merge, as Helm 3 does, and after a rollback by server-side apply",
        "--server-side=false",
        "--server-side=false",
        "--server-side=true"
      ]
    ] as const) {
      it(`the earlier chart is upgraded by ${title}: every Image is kept and Ready, and no tag is copied twice`, () =>
        live(
          Effect.gen(function* () {
            const run = `e2e-${randomUUID().slice(0, 8)}`
            const images = imagesOf(run)
            const names = Object.keys(images)
            yield* seedBoth(run, images)

            yield* Effect.addFinalizer(() =>
              Effect.gen(function* () {
                yield* helm("uninstall", "skopeo-operator", "--ignore-not-found", "--wait", "--timeout=60s")
                yield* kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")
                yield* removeCrd
              })
            )
            const earlier = ["install", "skopeo-operator", EARLIER, "--create-namespace", "-f", VALUES]
            yield* helm(...earlier, "--wait", "--timeout=60s", install)
            yield* apply(...names.map((name) => image(name, images[name]?.spec ?? {})))
            const statuses = names.map((name) => ({
              ...image(name, images[name]?.spec ?? {}),
              status: { history: history(images[name]?.recorded ?? 0) }
            }))
            const documents = statuses.map((status) => JSON.stringify(status)).join("\n---\n")
            yield* succeed("kubectl", ["replace", "--subresource=status", "-f", "-"], documents)
            const before = yield* identities
            assert.lengthOf(before.split(","), names.length + 1)

            const upgradeBy = Effect.fnUntraced(function* (method: string) {
              const newer = ["upgrade", "--install", "skopeo-operator", "charts/skopeo-operator", "-f", VALUES]
              yield* helm(...newer, "--wait", "--timeout=90s", method)
              assert.strictEqual(yield* container, "operator")
              yield* kubectl("wait", "--for=condition=Ready", "images", "--all", "--timeout=60s")
              assert.strictEqual(yield* identities, before)
              // The pods of Jobs are the copies.
              assert.lengthOf(yield* copyPods(NAMESPACE), MISSING.length)
            })
            yield* upgradeBy(upgrade)
            for (const [name, tag] of MISSING) {
              const desired = yield* digestAt(REGISTRIES.source, `${run}/${name}`, tag)
              assert.match(desired, /^sha256:/u)
              assert.strictEqual(yield* digestAt(REGISTRIES.destination, `${run}/copied/${name}`, tag), desired)
            }
            for (const [name, tag] of MISSING) {
              assert.strictEqual(yield* column(name, "{.status.history[0].tag}"), tag)
            }
            assert.match(yield* column("recurrent", "{.status.history[*].performedAt}"), /^2024-11-02T15:00:00Z/u)
            assert.match(yield* column("reccurrent", "{.status.conditions[*].message}"), /Recurrent/u)

            const keys = yield* kubectl("get", "secret", "registry-credentials", "-n", NAMESPACE, "-o", "json")
            assert.deepStrictEqual((JSON.parse(keys) as { readonly data: object }).data, {
              credentialsSourceUsername: btoa("reader"),
              credentialsSourcePassword: btoa("hunter2-source"),
              credentialsDestinationUsername: btoa("writer"),
              credentialsDestinationPassword: btoa("hunter2-destination")
            })

            if (again !== undefined) {
              yield* helm("rollback", "skopeo-operator", "1", "--wait", "--timeout=60s")
              assert.strictEqual(yield* container, "manager")
              assert.strictEqual(yield* identities, before)
              yield* upgradeBy(again)
            }

            yield* helm("uninstall", "skopeo-operator", "--wait", "--timeout=60s")
            assert.strictEqual(yield* identities, before)
          })
        ))
    }
  }
)
