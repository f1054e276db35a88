/** The world outside of the operator's process, which outlives the process: registries, the API server, and the specs of Images. */
import { Latch } from "effect"
import { ApiServerStore } from "../../src/kube/ApiServerStore.ts"
import { Images } from "../../src/kube/Resources.ts"
import { type Chance, chanceOf } from "./Chance.ts"
import { Chronicle } from "./Chronicle.ts"
import type { Ending, OperatorProcess } from "./OperatorProcess.ts"
import { Registry, type TagWrite } from "./Registries.ts"
import { type Fault, FAULTS_OF_THE_CLUSTER, type Shape } from "./Shape.ts"
import type { SimulatedTime } from "./SimulatedTime.ts"
import { describeWish, specOf, type Wish, Wishes } from "./Wish.ts"

/** Four registries with weather, and two registries that always work. */
export const REGISTRIES = {
  hub: "hub.test",
  quay: "quay.test",
  corp: "corp.test",
  edge: "edge.test",
  wellSource: "well.test",
  wellDestination: "vault.test"
} as const

/** The namespace of Jobs. */
export const JOBS = "jobs"

/** The operator's password for one registry. It must not appear in any text that others can read. */
export const PASSWORD = "Planted-Passw0rd"

/** Counts of the operator's work, as seen from outside of its process. */
export interface Counters {
  /** Reconciles by Image. */
  readonly reconciles: Map<string, number>
  /** By Image: when the running reconcile began. */
  readonly reconciling: Map<string, number>
  /** Successful writes of the status, by Image. */
  readonly statusWrites: Map<string, number>
  /** The times of the reconciles of the crowd's Images. */
  readonly crowd: Array<number>
  /** Requests to registries. */
  requests: number
  queueDepth: number
}

export class World {
  readonly shape: Shape
  readonly time: SimulatedTime
  readonly chronicle: Chronicle
  readonly apiServer: ApiServerStore
  readonly registries: ReadonlyMap<string, Registry>
  readonly wishes = new Wishes()
  readonly counters: Counters = {
    reconciles: new Map(),
    reconciling: new Map(),
    statusWrites: new Map(),
    crowd: [],
    requests: 0,
    queueDepth: 0
  }
  /** Whether there are faults. */
  isStormy = true
  /** The last time when the API server or the operator's process had a fault. */
  lastTrouble = Number.NEGATIVE_INFINITY
  /** The running processes of the operator. */
  readonly processes = new Set<OperatorProcess>()
  /** Open while the API server is away. All watches end then. */
  readonly outage = Latch.makeUnsafe()
  #isAway = false
  readonly #onWrite: Array<(write: TagWrite) => void> = []

  /** The destination that the policy refuses, and since when. */
  refused: { readonly registry: string; readonly since: number } | undefined

  constructor(shape: Shape, time: SimulatedTime, isFull = false) {
    this.shape = shape
    this.time = time
    this.chronicle = new Chronicle(time, isFull)
    this.apiServer = new ApiServerStore({ history: shape.history })
    const hear = (write: TagWrite): void => this.#onWrite.forEach((listener) => listener(write))
    this.registries = new Map(Object.values(REGISTRIES).map((name) => [name, new Registry(name, time, hear)]))
  }

  /** Whether the API server is away. */
  get isAway(): boolean {
    return this.#isAway
  }

  set isAway(isAway: boolean) {
    this.#isAway = isAway
    this.lastTrouble = this.now
    this.chronicle.note(isAway ? "the API server is away" : "the API server is back")
    if (isAway) this.outage.openUnsafe()
    else this.outage.closeUnsafe()
  }

  get now(): number {
    return this.time.now
  }

  chance(part: string): Chance {
    return chanceOf(this.shape.seed, part)
  }

  registry(name: string): Registry {
    const found = this.registries.get(name)
    if (found === undefined) throw new Error(`there is no registry ${name}`)
    return found
  }

  /** Whether there are faults of a kind now. */
  has(fault: Fault): boolean {
    return this.isStormy && this.shape.faults.has(fault)
  }

  onWrite(listener: (write: TagWrite) => void): void {
    this.#onWrite.push(listener)
  }

  /** The time since which the API server and the operator's process have had no fault. */
  get wellSince(): number {
    const isUnwell = [...FAULTS_OF_THE_CLUSTER].some((fault) => this.has(fault))
    return isUnwell ? Number.POSITIVE_INFINITY : this.lastTrouble
  }

  /** A user writes an Image. */
  apply(image: string, wish: Wish, why: string): void {
    const before = this.wishes.get(image)
    if (before !== undefined && describeWish(before) === describeWish(wish)) return
    this.chronicle.note(`${why} ${image}: ${describeWish(wish)}`)
    this.apiServer.apply(Images, { metadata: nameOf(image), spec: specOf(wish) }, this.now)
    if (this.apiServer.get(Images, nameOf(image)) === undefined) throw new Error(`${image} was refused`)
    this.wishes.set(image, wish, this.now)
  }

  /** A user deletes an Image. */
  remove(image: string): void {
    this.chronicle.note(`delete ${image}`)
    this.apiServer.delete(Images, nameOf(image), this.now)
    this.wishes.set(image, undefined, this.now)
  }

  /** The administrator writes a policy that refuses one destination, or none. */
  refuse(registry: string | undefined): void {
    if (this.refused?.registry === registry) return
    this.chronicle.note(registry === undefined ? "the policy accepts all" : `the policy refuses ${registry}`)
    this.refused = registry === undefined ? undefined : { registry, since: this.now }
  }

  /** The file of the policy. */
  get policy(): string {
    const deny =
      this.refused === undefined ? "" : `- { name: refused, deny: true, destinations: [${this.refused.registry}] }\n`
    return `rules:\n${deny}- { name: all, operatorCredentials: [source, destination] }\n`
  }

  /** Ends a process of the operator. */
  endProcess(process: OperatorProcess, ending: Ending, why: string): void {
    this.chronicle.note(`${process.identity} is ${ending === "Kill" ? "killed" : "stopped"} ${why}`)
    process.end(ending)
  }
}

export const nameOf = (image: string): { readonly namespace: string; readonly name: string } => {
  const slash = image.indexOf("/")
  return { namespace: image.slice(0, slash), name: image.slice(slash + 1) }
}

export const count = (counts: Map<string, number>, key: string): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1)

export const countOf = (counts: ReadonlyMap<string, number>, key: string): number => counts.get(key) ?? 0
