/** The oracles of leftovers: nothing stays of deleted Images and of finished copies. */
import { Effect } from "effect"
import { Images, Jobs, Secrets } from "../../../src/kube/Resources.ts"
import { bodyOf, imageIn, isActive } from "../JobBody.ts"
import type { Operator } from "../Process.ts"
import { JOBS, nameOf, type World } from "../World.ts"
import { readImage } from "./settled.ts"

export const orphans = Effect.fnUntraced(function* (world: World, { copies }: Operator) {
  const { apiServer, chronicle, wishes } = world
  for (const image of wishes.names) {
    const known = copies === undefined ? [] : yield* Effect.orElseSucceed(copies(nameOf(image)), () => [])
    if (known.length === 0) continue
    const isGone = wishes.get(image) === undefined
    const isFailing = !isGone && readImage(world, image).status.checkFailure !== undefined
    chronicle.report(
      isFailing ? "released" : "orphans",
      `${image} ${isGone ? "is gone" : "has settled"}, and the engine has ${known.length} copies of it`
    )
  }
  for (const object of apiServer.list(Jobs, { namespace: JOBS }).items) {
    const job = bodyOf(object)
    const uid = String((object.metadata["labels"] as Record<string, string>)["skopeo.io/image-uid"])
    const isOrphan = !apiServer.list(Images, {}).items.some(({ metadata }) => metadata.uid === uid)
    const name = `Job ${job.metadata.name} of ${imageIn(job)}${isOrphan ? ", which is gone," : ""}`
    if (isActive(job)) chronicle.report("orphans", `${name} is active`)
    else if (isOrphan || job.status?.conditions?.some(({ type }) => type === "Complete"))
      chronicle.report("leftovers", `${name} has ended and is kept`)
  }
  const secrets = apiServer.list(Secrets, { namespace: JOBS }).items.length
  const jobs = apiServer.list(Jobs, { namespace: JOBS }).items.length
  if (secrets > jobs) chronicle.report("orphans", `${secrets} Secrets for ${jobs} Jobs`)
  if (world.counters.queueDepth !== 0) chronicle.report("orphans", `${world.counters.queueDepth} Images in the queue`)
})
