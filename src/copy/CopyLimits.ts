/** How many copies are made at once, and which of those that wait are next: in all, per registry, fair by namespace. */
import { Context, Layer } from "effect"
import type { CopyTask } from "../domain/Copy.ts"

/** Copies at once. */
export interface Limits {
  /** In all. */
  readonly total: number
  /** That read from or write to one registry. */
  readonly perRegistry: number
}

export type CopyLimitsOptions = Partial<Limits>

/** The limits that engines keep. */
export class CopyLimits extends Context.Service<CopyLimits, Limits>()("skopeo-operator/copy/CopyLimits") {
  /** Defaults: 10 copies in all, 4 per registry. */
  static readonly layer = ({ perRegistry = 4, total = 10 }: CopyLimitsOptions = {}): Layer.Layer<CopyLimits> =>
    Layer.succeed(CopyLimits, { total, perRegistry })
}

/** What a copy counts against, while it is made: a place in all, and one at each of its registries. */
export interface Claim {
  /** Tells it from all others. */
  readonly key: string
  readonly namespace: string
  /** Each once. */
  readonly registries: ReadonlyArray<string>
}

export const claimOf = (key: string, { destination, image, source }: CopyTask): Claim => {
  const [from, to] = [source.repository.registry, destination.repository.registry]
  return { key, namespace: image.namespace, registries: from === to ? [to] : [from, to] }
}

/** Claims that wait, in the order in which they came; there is no queue without any. */
interface NamespaceQueue {
  readonly namespace: string
  readonly claims: ReadonlyArray<Claim>
}

/** All claims that wait. The namespace that was admitted longest ago comes first. */
export type Waiting = ReadonlyArray<NamespaceQueue>

export const NONE_WAITING: Waiting = []

/** A namespace that has had nothing waiting comes after those that have. */
export const enqueue = (waiting: Waiting, claim: Claim): Waiting => {
  const index = waiting.findIndex(({ namespace }) => namespace === claim.namespace)
  const queue = waiting[index]
  return queue === undefined
    ? [...waiting, { namespace: claim.namespace, claims: [claim] }]
    : waiting.with(index, { ...queue, claims: [...queue.claims, claim] })
}

/** Takes a claim out that is no longer made. */
export const withdraw = (waiting: Waiting, { key, namespace }: Claim): Waiting =>
  waiting.flatMap((queue) => {
    if (queue.namespace !== namespace) return [queue]
    const claims = queue.claims.filter((claim) => claim.key !== key)
    return claims.length === 0 ? [] : [{ namespace, claims }]
  })

export interface Admission {
  /** Those that begin now, in order. */
  readonly admitted: ReadonlyArray<Claim>
  readonly waiting: Waiting
}

/**
 * Which of the claims that wait may begin, given those that have begun.
 *
 * - Never more than the limits allow. A claim takes all its places at once, or none: it never holds the place of one
 *   registry while it waits for another's.
 * - Nothing waits that could begin: a claim whose registry is full is passed over for a later one whose is not.
 * - Namespaces take turns. A place goes to the namespace that was admitted longest ago, of those with a claim that fits;
 *   within a namespace, to the first that fits.
 *
 * So a claim that fits is passed over at most once for each other namespace. One between two registries that are never
 * both free at the same moment waits for as long as others keep them so: to hold a place for it would leave that unused.
 */
export const admit = (waiting: Waiting, running: Iterable<Claim>, limits: Limits): Admission => {
  const places = placesBeside(running, limits)
  const admitted: Array<Claim> = []
  const passedOver: Array<NamespaceQueue> = []
  // What did not fit before does not fit later: each queue is read once.
  const turns = waiting.map((queue) => ({ ...queue, from: 0 }))
  let next: (typeof turns)[number] | undefined
  while (places.total > 0 && (next = turns.shift()) !== undefined) {
    const { claims, from, namespace } = next
    const index = claims.findIndex((claim, at) => at >= from && places.fit(claim))
    const claim = claims[index]
    if (claim === undefined) {
      passedOver.push({ namespace, claims })
      continue
    }
    places.take(claim)
    admitted.push(claim)
    if (claims.length > 1) turns.push({ namespace, claims: claims.toSpliced(index, 1), from: index })
  }
  if (admitted.length === 0) return { admitted, waiting }
  return { admitted, waiting: [...passedOver, ...turns.map(({ claims, namespace }) => ({ namespace, claims }))] }
}

/** The places that are free beside those of the claims that have begun. */
const placesBeside = (running: Iterable<Claim>, limits: Limits) => {
  const atRegistry = new Map<string, number>()
  const places = {
    total: limits.total,
    fit: ({ registries }: Claim): boolean =>
      registries.every((registry) => (atRegistry.get(registry) ?? 0) < limits.perRegistry),
    take: ({ registries }: Claim): void => {
      places.total -= 1
      for (const registry of registries) atRegistry.set(registry, (atRegistry.get(registry) ?? 0) + 1)
    }
  }
  for (const claim of running) places.take(claim)
  return places
}

/** What a claim waits for, in a user's words. */
export const describeWait = ({ perRegistry, total }: Limits): string =>
  `waiting for a free slot (${total} copies in all, ${perRegistry} per registry)`
