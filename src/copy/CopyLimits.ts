/** How many copies are made at once, and which of those that wait are next: in all, per registry, fair by namespace. */
import { Context, Layer, Trie } from "effect"
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
  /** The copies of a namespace begin in this order. No two claims have the same. */
  readonly order: number
  readonly namespace: string
  /** Each once. */
  readonly registries: ReadonlyArray<string>
}

export const claimOf = (key: string, order: number, { destination, image, source }: CopyTask): Claim => {
  const [from, to] = [source.repository.registry, destination.repository.registry]
  return { key, order, namespace: image.namespace, registries: from === to ? [to] : [from, to] }
}

/** Claims on the same registries, in their order: while the first does not fit, none does. */
interface Route {
  readonly registries: ReadonlyArray<string>
  /** By order. A list has tens of thousands of tags, so none of what is done to it takes time in proportion to its length. */
  readonly claims: Trie.Trie<Claim>
}

interface NamespaceQueue {
  readonly namespace: string
  readonly routes: ReadonlyArray<Route>
}

/** All claims that wait. The namespace that was admitted longest ago comes first; there is none without claims. */
export type Waiting = ReadonlyArray<NamespaceQueue>

export const NONE_WAITING: Waiting = []

const isOn = (registries: ReadonlyArray<string>) => (route: Route) => route.registries.join() === registries.join()

/** Keys of a trie come in the order of their characters. */
const positionOf = ({ order }: Claim): string => String(order).padStart(16, "0")

const firstOf = ({ claims }: Route): ReadonlyArray<Claim> => {
  const [first] = Trie.values(claims)
  return first === undefined ? [] : [first]
}

/** The claims that wait, by namespace and route. */
export const claimsOf = (waiting: Waiting): ReadonlyArray<Claim> =>
  waiting.flatMap(({ routes }) => routes.flatMap(({ claims }) => [...Trie.values(claims)]))

/** A namespace that has had nothing waiting comes after those that have. */
export const enqueue = (waiting: Waiting, claim: Claim): Waiting => {
  const { namespace, registries } = claim
  const index = waiting.findIndex((queue) => queue.namespace === namespace)
  const routes = waiting[index]?.routes ?? []
  const at = routes.findIndex(isOn(registries))
  const claims = Trie.insert(routes[at]?.claims ?? Trie.empty<Claim>(), positionOf(claim), claim)
  const route = { registries, claims }
  const queue = { namespace, routes: at === -1 ? [...routes, route] : routes.with(at, route) }
  return index === -1 ? [...waiting, queue] : waiting.with(index, queue)
}

/** Takes a claim out that is no longer made. */
export const withdraw = (waiting: Waiting, claim: Claim): Waiting =>
  waiting.flatMap((queue) => (queue.namespace === claim.namespace ? without(queue, claim) : [queue]))

/** A queue without one of its claims; none if that leaves nothing in it. */
const without = ({ namespace, routes }: NamespaceQueue, claim: Claim): ReadonlyArray<NamespaceQueue> => {
  const isChanged = isOn(claim.registries)
  const changed = routes.flatMap((route) => {
    if (!isChanged(route)) return [route]
    const claims = Trie.remove(route.claims, positionOf(claim))
    return Trie.isEmpty(claims) ? [] : [{ ...route, claims }]
  })
  return changed.length === 0 ? [] : [{ namespace, routes: changed }]
}

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
  const turns = [...waiting]
  let queue: NamespaceQueue | undefined
  while (places.total > 0 && (queue = turns.shift()) !== undefined) {
    const [first] = queue.routes
      .filter(({ registries }) => places.fit(registries))
      .flatMap(firstOf)
      .sort((a, b) => a.order - b.order)
    if (first === undefined) {
      passedOver.push(queue)
      continue
    }
    places.take(first.registries)
    admitted.push(first)
    turns.push(...without(queue, first))
  }
  return { admitted, waiting: admitted.length === 0 ? waiting : [...passedOver, ...turns] }
}

/** The places that are free beside those of the claims that have begun. */
const placesBeside = (running: Iterable<Claim>, limits: Limits) => {
  const atRegistry = new Map<string, number>()
  const places = {
    total: limits.total,
    fit: (registries: ReadonlyArray<string>): boolean =>
      registries.every((registry) => (atRegistry.get(registry) ?? 0) < limits.perRegistry),
    take: (registries: ReadonlyArray<string>): void => {
      places.total -= 1
      for (const registry of registries) atRegistry.set(registry, (atRegistry.get(registry) ?? 0) + 1)
    }
  }
  for (const { registries } of running) places.take(registries)
  return places
}

/** What a claim waits for, in a user's words. */
export const describeWait = ({ perRegistry, total }: Limits): string =>
  `waiting for a free slot (${total} copies in all, ${perRegistry} per registry)`
