/** The shape of a world, made from a seed: its size, its limits and its faults. */
import { type Chance, chanceOf } from "./Chance.ts"

const CLUSTER_FAULTS = [
  /** The API server answers late, by up to 400 ms. */
  "latency",
  /** Some answers of the API server take up to 40 s. */
  "slowness",
  /** Requests to the API server fail before or after the API server executes them. */
  "errors",
  /** Status writes meet a newer version of their object. */
  "conflicts",
  /** Watches end, repeat events, are late, and have expired versions. */
  "watches",
  /** The API server is away for a while. */
  "outages",
  /** The operator's processes are killed or stopped, and started again. */
  "kills"
] as const

/** All kinds of faults. A run with fewer kinds has a shorter story. */
export const FAULTS = [
  ...CLUSTER_FAULTS,
  /** Registries are slow, silent, trickling, rate limited, broken, endless or lying for a while. */
  "registries",
  /** Users delete Jobs. Pods are refused, wait for a node or an image, fail, are evicted, or still run after their deletion. */
  "jobs",
  /** Users change and delete Images. Without this fault users only create Images. */
  "changes",
  /** Tags move and are deleted at sources. Tags appear, move and are deleted at destinations. */
  "tags"
] as const
export type Fault = (typeof FAULTS)[number]

/** The faults of the API server and of the processes. While they last, the operator's knowledge may be arbitrarily old. */
export const FAULTS_OF_THE_CLUSTER: ReadonlySet<Fault> = new Set(CLUSTER_FAULTS)

export type Engine = "direct" | "job"
export type Size = "small" | "large"

/** The duration of each part of a run, in milliseconds. */
export interface Phases {
  readonly storm: number
  /** Registries still have bad weather, and nothing else is wrong. Oracles check that Images of other registries are copied. */
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
  /** The number of changes in the API server's history. */
  readonly history: number
  /** The most Images at once, without the crowd. */
  readonly images: number
  /** The number of tags in each source repository at the start. */
  readonly tags: number
  /** The number of Images of one namespace with the same source registry, which is silent for a while. */
  readonly crowd: number
  /** The frequencies of Images, in minutes. */
  readonly minutes: readonly [number, ...ReadonlyArray<number>]
  /** The longest run of a Job. */
  readonly longestJob: number
  /** Whether a namespace with one copy meets another namespace's queue at the same registry. */
  readonly hasQueue: boolean
  /** The number of the operator's processes. Of two processes the elected one works. */
  readonly processes: 1 | 2
  /** Whether two Images may ask for different images under one tag. */
  readonly contested: boolean
  /** Whether the operator has a policy, which refuses a registry now and then. */
  readonly hasPolicy: boolean
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

/** The probabilities of faults that hide other faults. */
const RARE: Readonly<Partial<Record<Fault, number>>> = { slowness: 0.2, registries: 0.5 }

/** The additional Images of a contested world. Few Images rarely ask for one tag. */
const RIVALS = 3

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
  const shape = {
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
    contested: chance.happens(0.1),
    processes: chance.happens(0.2) ? 2 : 1,
    hasPolicy: chance.happens(0.2)
  } satisfies Shape
  return shape.contested ? { ...shape, images: shape.images + RIVALS } : shape
}
