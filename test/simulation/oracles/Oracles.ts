/** The oracles that watch a run. The oracles that check the end of a run are in other files of this folder. */
import type { ImageEvent } from "../../../src/domain/plan/events.ts"
import { Images, Jobs } from "../../../src/kube/Resources.ts"
import type { JobBody } from "../JobBody.ts"
import type { World } from "../World.ts"
import { watchCopies } from "./copies.ts"
import { watchReconciles } from "./reconciles.ts"
import { lookForSecrets } from "./secrets.ts"
import { jobIsAsked, watchWrites } from "./writes.ts"

export type Oracles = ReturnType<typeof make>

export const make = (world: World) => {
  watchWrites(world)
  const copies = watchCopies(world)
  const listen = (resource: typeof Images | typeof Jobs): void => {
    world.apiServer.watch(resource, {}, 0, ({ object, type }) => {
      if (type !== "DELETED") lookForSecrets(world, resource.kind, JSON.stringify(object))
    })
  }
  listen(Images)
  listen(Jobs)
  return {
    ...copies,
    ...watchReconciles(world),
    jobChanged: (type: "ADDED" | "MODIFIED" | "DELETED", job: JobBody): void => {
      copies.jobChanged(type, job)
      if (type === "ADDED") jobIsAsked(world, job)
    },
    events: (events: ReadonlyArray<ImageEvent>) => lookForSecrets(world, "an Event", JSON.stringify(events)),
    log: (line: string) => lookForSecrets(world, "a log line", line)
  }
}
