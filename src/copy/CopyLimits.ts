/** How many copies run at once, in all, per registry and per namespace, and which waiting copy is next: fair by namespace. */
import { Context, Layer, Trie } from "effect"
import type { CopyTask } from "../domain/Copy.ts"

/** The most copies at once. */
export interface Limits {
  /** The most copies in all. One more of another namespace if one namespace has all of them. */
  readonly total: number
  /** The most copies that read from or write to one registry. One more of another namespace if one namespace has all of them. */
  readonly perRegistry: number
  /** The most copies of the Images of one namespace. Absent: no limit. */
  readonly perNamespace?: number
  /** The longest time of a copy in this process, in seconds. A Job has the deadline of its template. Default 6 hours. */
  readonly deadlineSeconds?: number
}

/** The limits to change. Each is a positive whole number. */
export type CopyLimitsOptions = Partial<Limits>

/** The limits that copy engines keep. */
export class CopyLimits extends Context.Service<CopyLimits, Limits>()("skopeo-operator/copy/CopyLimits") {
  /** Defaults: 10 copies in all, 4 per registry, and no limit per namespace. */
  static readonly layer = (options: CopyLimitsOptions = {}): Layer.Layer<CopyLimits> =>
    Layer.succeed(CopyLimits, { total: 10, perRegistry: 4, ...options })
}

/** The slots that a copy takes while it runs: one in all, and one at each of its registries. */
export interface Claim {
  /** A unique key. */
  readonly key: string
  /** The copies of a namespace begin in this order. Each claim has another number. */
  readonly order: number
  readonly namespace: string
  /** The registries of the copy, each once. */
  readonly registries: ReadonlyArray<string>
}

/** The claim of a copy. A copy within one registry takes one slot of that registry. */
export const claimOf = (key: string, order: number, { destination, image, source }: CopyTask): Claim => {
  const [from, to] = [source.repository.registry, destination.repository.registry]
  return { key, order, namespace: image.namespace, registries: from === to ? [to] : [from, to] }
}

/** The claims on the same registries, in order. While the first claim does not fit, none of them fits. */
interface RegistryQueue {
  readonly registries: ReadonlyArray<string>
  /** By order. A trie, because an Image may have tens of thousands of tags, and each operation must be faster than linear. */
  readonly claims: Trie.Trie<Claim>
}

interface NamespaceQueue {
  readonly namespace: string
  readonly queues: ReadonlyArray<RegistryQueue>
}

/** All waiting claims. The namespace that was admitted longest ago comes first. No namespace is without claims. */
export type Waiting = ReadonlyArray<NamespaceQueue>

export const NONE_WAITING: Waiting = []

const isOn = (registries: ReadonlyArray<string>) => (queue: RegistryQueue) =>
  queue.registries.join() === registries.join()

/** The key of a claim. A trie has its keys in the order of their characters. */
const positionOf = ({ order }: Claim): string => String(order).padStart(16, "0")

const firstOf = ({ claims }: RegistryQueue): ReadonlyArray<Claim> => {
  const [first] = Trie.values(claims)
  return first === undefined ? [] : [first]
}

/** The waiting claims, by namespace and queue. */
export const claimsOf = (waiting: Waiting): ReadonlyArray<Claim> =>
  waiting.flatMap(({ queues }) => queues.flatMap(({ claims }) => [...Trie.values(claims)]))

/** Adds a claim. A namespace without waiting claims comes after the namespaces that have some. */
export const enqueue = (waiting: Waiting, claim: Claim): Waiting => {
  const { namespace, registries } = claim
  const index = waiting.findIndex((queue) => queue.namespace === namespace)
  const queues = waiting[index]?.queues ?? []
  const at = queues.findIndex(isOn(registries))
  const claims = Trie.insert(queues[at]?.claims ?? Trie.empty<Claim>(), positionOf(claim), claim)
  const queue = { registries, claims }
  const own = { namespace, queues: at === -1 ? [...queues, queue] : queues.with(at, queue) }
  return index === -1 ? [...waiting, own] : waiting.with(index, own)
}

/** Removes a claim. */
export const withdraw = (waiting: Waiting, claim: Claim): Waiting =>
  waiting.flatMap((own) => (own.namespace === claim.namespace ? without(own, claim) : [own]))

/** A namespace without one of its claims; none if no claim is left. */
const without = ({ namespace, queues }: NamespaceQueue, claim: Claim): ReadonlyArray<NamespaceQueue> => {
  const isChanged = isOn(claim.registries)
  const left = queues.flatMap((queue) => {
    if (!isChanged(queue)) return [queue]
    const claims = Trie.remove(queue.claims, positionOf(claim))
    return Trie.isEmpty(claims) ? [] : [{ ...queue, claims }]
  })
  return left.length === 0 ? [] : [{ namespace, queues: left }]
}

/** The result of {@link admit}. */
export interface Admission {
  /** The claims that begin now, in order. */
  readonly admitted: ReadonlyArray<Claim>
  readonly waiting: Waiting
}

/**
 * Decides which of the waiting claims may begin, given the running claims.
 *
 * - The limits are kept. Only if one namespace has all slots of a limit above one, one copy of another namespace runs beside
 *   them: slow copies of one namespace hold no other namespace back.
 * - A claim takes all its slots at once or none: a claim never holds a slot of one registry while it waits for a slot of another
 *   registry.
 * - No claim waits that fits: a claim of a full registry is passed over for a later claim of a free one.
 * - Namespaces alternate. Of the namespaces with a claim that fits, the one that was admitted longest ago is next, with the
 *   first of its claims that fits.
 *
 * A claim that fits is therefore passed over at most once for each other namespace. A claim between two registries that are
 * never free at the same time waits for as long as other claims keep them full: a slot that is held for the claim would be
 * unused.
 */
export const admit = (waiting: Waiting, running: Iterable<Claim>, limits: Limits): Admission => {
  const slots = freeSlots(running, limits)
  const admitted: Array<Claim> = []
  const passedOver: Array<NamespaceQueue> = []
  const namespaces = [...waiting]
  let next: NamespaceQueue | undefined
  while (slots.isOpen() && (next = namespaces.shift()) !== undefined) {
    const { namespace, queues } = next
    const [first] = queues
      .filter(({ registries }) => slots.fit(namespace, registries))
      .flatMap(firstOf)
      .sort((a, b) => a.order - b.order)
    if (first === undefined) {
      passedOver.push(next)
      continue
    }
    slots.take(first)
    admitted.push(first)
    namespaces.push(...without(next, first))
  }
  return { admitted, waiting: admitted.length === 0 ? waiting : [...passedOver, ...namespaces] }
}

/** The running claims of one limit, by namespace. */
class Slots {
  readonly #running = new Map<string, number>()
  readonly #most: number
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  take(namespace: string): void {
    this.#taken += 1
    this.#running.set(namespace, this.countOf(namespace) + 1)
  }

  countOf(namespace: string): number {
    return this.#running.get(namespace) ?? 0
  }

  /** Whether a copy of some namespace fits. */
  get isOpen(): boolean {
    return this.#taken < this.#most || this.#isHeldByOne
  }

  fits(namespace: string): boolean {
    return this.#taken < this.#most || (this.#isHeldByOne && this.countOf(namespace) === 0)
  }

  get #isHeldByOne(): boolean {
    return this.#most > 1 && this.#taken === this.#most && this.#running.size === 1
  }
}

/** The slots that the running claims leave free. */
const freeSlots = (running: Iterable<Claim>, { perNamespace = Infinity, perRegistry, total }: Limits) => {
  const inAll = new Slots(total)
  const registries = new Map<string, Slots>()
  const atRegistry = (registry: string): Slots => {
    const slots = registries.get(registry) ?? new Slots(perRegistry)
    registries.set(registry, slots)
    return slots
  }
  const slots = {
    isOpen: (): boolean => inAll.isOpen,
    fit: (namespace: string, registries: ReadonlyArray<string>): boolean =>
      inAll.countOf(namespace) < perNamespace &&
      inAll.fits(namespace) &&
      registries.every((registry) => atRegistry(registry).fits(namespace)),
    take: ({ namespace, registries }: Claim): void => {
      inAll.take(namespace)
      for (const registry of registries) atRegistry(registry).take(namespace)
    }
  }
  for (const claim of running) slots.take(claim)
  return slots
}

/** Why a claim waits, as a text for users. */
export const describeWait = ({ perNamespace = Infinity, perRegistry, total }: Limits): string => {
  const ofNamespace = perNamespace === Infinity ? "" : `, ${perNamespace} per namespace`
  return `waiting for a free slot (${total} copies in all, ${perRegistry} per registry${ofNamespace})`
}
