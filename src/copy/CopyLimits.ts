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
  /** The copies of a namespace begin in this order. */
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
  readonly claims: ReadonlyArray<Claim>
}

interface NamespaceQueue {
  readonly namespace: string
  readonly routes: ReadonlyArray<Route>
}

/** All claims that wait. The namespace that was admitted longest ago comes first; there is none without claims. */
export type Waiting = ReadonlyArray<NamespaceQueue>

export const NONE_WAITING: Waiting = []

const isOn = (registries: ReadonlyArray<string>) => (route: Route) => route.registries.join() === registries.join()

/** A namespace that has had nothing waiting comes after those that have. */
export const enqueue = (waiting: Waiting, claim: Claim): Waiting => {
  const { namespace, order, registries } = claim
  const index = waiting.findIndex((queue) => queue.namespace === namespace)
  const routes = waiting[index]?.routes ?? []
  const at = routes.findIndex(isOn(registries))
  const claims = routes[at]?.claims ?? []
  const before = claims.findLastIndex((other) => other.order < order)
  const route = { registries, claims: claims.toSpliced(before + 1, 0, claim) }
  const queue = { namespace, routes: at === -1 ? [...routes, route] : routes.with(at, route) }
  return index === -1 ? [...waiting, queue] : waiting.with(index, queue)
}

/** Takes a claim out that is no longer made. */
export const withdraw = (waiting: Waiting, { key, namespace, registries }: Claim): Waiting =>
  waiting.flatMap((queue) =>
    queue.namespace === namespace
      ? queueOf(namespace, queue.routes, isOn(registries), (claims) => claims.filter((claim) => claim.key !== key))
      : [queue]
  )

/** A queue after one of its routes has changed; none if that leaves nothing in it. */
const queueOf = (
  namespace: string,
  routes: ReadonlyArray<Route>,
  isChanged: (route: Route) => boolean,
  change: (claims: ReadonlyArray<Claim>) => ReadonlyArray<Claim>
): ReadonlyArray<NamespaceQueue> => {
  const changed = routes.flatMap((route) => {
    const claims = isChanged(route) ? change(route.claims) : route.claims
    return claims.length === 0 ? [] : [{ registries: route.registries, claims }]
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
      .flatMap(({ claims }) => claims.slice(0, 1))
      .sort((a, b) => a.order - b.order)
    if (first === undefined) {
      passedOver.push(queue)
      continue
    }
    places.take(first.registries)
    admitted.push(first)
    turns.push(...queueOf(queue.namespace, queue.routes, isOn(first.registries), (claims) => claims.slice(1)))
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
