/** The oracle `idle`: while nothing happens, the operator only makes due checks. */
import { isPattern, selectedTags, type Wish } from "../Wish.ts"
import { countOf, type World } from "../World.ts"
import { isReady } from "./settled.ts"

/** The most retries in an hour. Pauses double up to a quarter of an hour. */
const RETRIES_AN_HOUR = 14

interface Account {
  readonly at: number
  readonly reconciles: ReadonlyMap<string, number>
  readonly statusWrites: ReadonlyMap<string, number>
  readonly requests: number
}

export const begin = ({ counters, now }: World): Account => ({
  at: now,
  reconciles: new Map(counters.reconciles),
  statusWrites: new Map(counters.statusWrites),
  requests: counters.requests
})

/** The most checks that are due. */
const checksOf = (world: World, image: string, wish: Wish, millis: number): number => {
  if (wish.suspend) return 0
  const isOnce = wish.mode === "OneShot" && !isPattern(wish)
  const regular = isOnce ? 0 : Math.ceil(millis / (wish.minutes * 60_000)) + 1
  return regular + (isReady(world, image) ? 0 : RETRIES_AN_HOUR)
}

/** The most requests of a check: lists of both sides, and for each tag its digests, its referrers and its signatures. */
const requestsOf = (world: World, wish: Wish): number => {
  const tags = selectedTags(wish, world.registry(wish.source.registry)).length
  return 4 + Math.max(1, tags) * (wish.referrers ? 12 : 3)
}

export const end = (world: World, before: Account): void => {
  const { chronicle, counters, wishes } = world
  const millis = world.now - before.at
  let requests = 0
  for (const image of wishes.names) {
    const wish = wishes.get(image)
    const reconciles = countOf(counters.reconciles, image) - countOf(before.reconciles, image)
    const writes = countOf(counters.statusWrites, image) - countOf(before.statusWrites, image)
    if (wish === undefined) {
      if (reconciles > 0) chronicle.report("idle", `${image} is deleted, and was reconciled ${reconciles} times`)
      continue
    }
    const due = checksOf(world, image, wish, millis)
    requests += due * requestsOf(world, wish)
    if (reconciles > due) chronicle.report("idle", `${image} was reconciled ${reconciles} times, and ${due} were due`)
    if (writes > due)
      chronicle.report("idle", `the status of ${image} was written ${writes} times, and ${due} were due`)
  }
  const asked = counters.requests - before.requests
  if (asked > requests) chronicle.report("idle", `registries got ${asked} requests, and ${requests} were due`)
}
