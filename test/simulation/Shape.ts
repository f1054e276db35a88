/** What a seed makes of a world before anything happens in it: its size, its limits, and which faults it has. */
import { type Chance, chanceOf } from "./Chance.ts"

/** Every kind of fault. A run can leave some out: that is how a story is made shorter. */
export const FAULTS = [
  /** The API server answers late, by up to 400 ms. */
  "latency",
  /** Some answers of the API server take up to 40 s. */
  "slowness",
  /** Requests to the API server fail before they are carried out, or after. */
  "errors",
  /** Status writes meet a newer version of their object. */
  "conflicts",
  /** Watches end, repeat themselves, come late, and must begin again with a list. */
  "watches",
  /** The API server is away for a while. */
  "outages",
  /** The operator's process is killed, and started again. */
  "kills",
  /** Registries are slow, silent, trickling, rate limited or broken for a while. */
  "registries",
  /** Jobs are deleted by hand, and their pods are refused, wait for a node or an image, fail, are evicted or live on. */
  "jobs",
  /** Users change what they have asked for. Without it they create Images and leave them. */
  "changes",
  /** Tags move and go at sources, and come, move and go at destinations. */
  "tags"
] as const
export type Fault = (typeof FAULTS)[number]

/** The faults of the API server and of the process: while they last, nobody can say what the operator knows. */
export const FAULTS_OF_THE_CLUSTER: ReadonlySet<Fault> = new Set([
  "latency",
  "slowness",
  "errors",
  "conflicts",
  "watches",
  "outages",
  "kills"
])

export type Engine = "direct" | "job"
export type Size = "small" | "large"

/** How long each part of a run takes, in milliseconds. */
export interface Phases {
  readonly storm: number
  /** Registries are as bad as before, all else is well: is a neighbour of their Images served? */
  readonly neighbours: number
  readonly calm: number
  readonly idle: number
  readonly longestOutage: number
}

export interface Shape {
  readonly seed: number
  readonly engine: Engine
  readonly faults: ReadonlySet<Fault>
  readonly phases: Phases
  readonly limits: { readonly total: number; readonly perRegistry: number }
  /** How many changes a watch can go back. */
  readonly history: number
  /** Images that exist at once, at most; beside the crowd. */
  readonly images: number
  /** Tags of a source's repository at the start. */
  readonly tags: number
  /** Images of one namespace that all come from one registry, which is silent for a while. */
  readonly crowd: number
  /** How often Images are checked. */
  readonly minutes: readonly [number, ...ReadonlyArray<number>]
  /** How long a Job runs, at most. */
  readonly longestJob: number
  /** Whether a namespace has a queue at a registry when another comes. */
  readonly hasQueue: boolean
  /** Whether two Images may ask for different images under one tag. */
  readonly contested: boolean
}

const MINUTE = 60_000

const PHASES: Readonly<Record<Size, Phases>> = {
  small: {
    storm: 3 * MINUTE,
    neighbours: 4 * MINUTE,
    calm: 13 * MINUTE,
    idle: 7 * MINUTE,
    longestOutage: MINUTE
  },
  large: {
    storm: 30 * MINUTE,
    neighbours: 10 * MINUTE,
    calm: 75 * MINUTE,
    idle: 60 * MINUTE,
    longestOutage: 10 * MINUTE
  }
}

/** Faults that hide others are not in most worlds. */
const RARE: Readonly<Partial<Record<Fault, number>>> = { slowness: 0.2, registries: 0.5 }

const faultsOf = (chance: Chance): ReadonlyArray<Fault> => {
  const isClusterWell = chance.happens(0.4)
  return FAULTS.filter((fault) => {
    const happens = chance.happens(RARE[fault] ?? 0.7)
    return happens && !(isClusterWell && FAULTS_OF_THE_CLUSTER.has(fault))
  })
}

export interface ShapeOptions {
  readonly seed: number
  readonly engine: Engine
  readonly size: Size
  /** The only faults there may be. Default all. */
  readonly faults?: ReadonlySet<Fault> | undefined
}

export const shapeOf = ({ engine, faults, seed, size }: ShapeOptions): Shape => {
  const chance = chanceOf(seed, "shape")
  const isLarge = size === "large"
  return {
    seed,
    engine,
    phases: PHASES[size],
    faults: new Set(faultsOf(chance).filter((fault) => faults?.has(fault) ?? true)),
    limits: { total: chance.between(2, 4), perRegistry: chance.between(1, 2) },
    history: chance.oneOf(20, 100, 1_000),
    images: isLarge ? chance.between(4, 12) : chance.between(2, 3),
    tags: isLarge ? chance.oneOf(6, 10, 30) : chance.oneOf(4, 4, 10),
    minutes: isLarge ? [1, 2, 5] : [1, 3, 5, 10],
    crowd: chance.happens(0.15) ? chance.between(11, 16) : 0,
    longestJob: chance.oneOf(5_000, 20_000, isLarge ? 120_000 : 40_000),
    hasQueue: chance.happens(0.3),
    contested: chance.happens(0.1)
  }
}
