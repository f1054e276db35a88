/**
 * Each attack of test/hostile on the operator as a pod with the memory of the chart, alone and ten at once. The attacks with names
 * of the attacker's choice are left to `npm run hostile`.
 */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { MACHINE, type PodWorld, startWorld } from "../hostile/pod.ts"
import { attacks, besiege, inBatches, megabytes, type NamedAttack } from "../hostile/suite.ts"
import { CLUSTER, describeInCluster, live, REGISTRIES } from "../support/cluster.ts"

const environment = { ...CLUSTER, ...REGISTRIES, machine: MACHINE }
const inCluster = attacks.filter(({ needsNames = false }) => !needsNames)

describeInCluster("the operator's pod under attack", { environment, programs: ["helm", "kubectl"] }, () => {
  const scope = Scope.makeUnsafe()
  let world: PodWorld
  const rows: Array<string> = []

  beforeAll(async () => {
    world = await Effect.runPromise(Scope.provide(startWorld, scope))
  })
  afterAll(async () => {
    console.log(`\nRSS MB  honest Image after s\n${rows.join("\n")}`)
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const survives = (title: string, besiegers: ReadonlyArray<NamedAttack>) =>
    it(title, () =>
      live(
        Effect.gen(function* () {
          const { peakBytes, problems, servedSeconds } = yield* besiege(world, besiegers)
          rows.push(`${String(megabytes(peakBytes)).padStart(6)}  ${servedSeconds.toFixed(1).padStart(5)}  ${title}`)
          assert.deepStrictEqual(problems, [])
        })
      )
    )

  // Fat objects take a real API server a minute, so they come with nine others only.
  for (const attack of inCluster.filter(({ atStart = false }) => !atStart)) {
    survives(`the pod holds against ${attack.name}`, [attack])
  }
  for (const batch of inBatches(inCluster)) {
    survives(`the pod holds against ${batch.length} at once: ${batch.map(({ name }) => name).join(", ")}`, batch)
  }

  it("the pod's memory by its cgroup stayed below the chart's limit, and the kernel ended no process", () =>
    live(
      Effect.gen(function* () {
        // The kubelet reports every 10 to 15 seconds.
        yield* Effect.sleep("20 seconds")
        const bytes = yield* world.cgroupBytes
        rows.push(`${String(megabytes(bytes)).padStart(6)}         the newest pod by its cgroup, with the page cache`)
        assert.isAbove(bytes, 0)
        assert.isBelow(bytes, world.target.limitBytes)
        assert.isUndefined(yield* world.target.death)
      })
    ))
})
