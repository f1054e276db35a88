/** The metrics of the Images that the operator follows: how many are ready, how many tags are copied, how fresh they are. */
import { Effect } from "effect"
import * as prometheus from "prom-client"

/** One Image, as its status says. */
export interface ImageSample {
  readonly namespace: string
  readonly name: string
  readonly ready: "True" | "False" | "Unknown"
  readonly tags: Readonly<Record<TagState, number>>
  /** Seconds since the last successful check, or since the Image was created. Absent for an Image that is not checked again. */
  readonly checkedSeconds: number | undefined
}

/** The states of selected tags. `waiting` is neither at the destination nor failed. */
export const TAG_STATES = ["copied", "failed", "waiting"] as const
export type TagState = (typeof TAG_STATES)[number]

export interface ImageMetrics {
  /** Sets the effect that runs before each scrape and gives all Images, and replaces the one before. */
  readonly sampling: (sample: Effect.Effect<Iterable<ImageSample>>) => void
}

/** The most Images with a series of their own: the Images of each namespace that were checked longest ago. */
const SERIES = 1_000

interface Age extends Pick<ImageSample, "namespace" | "name"> {
  readonly checkedSeconds: number
}

/**
 * The ages with a series. Namespaces alternate, the oldest Image of each first: a namespace with thousands of Images that are
 * rarely checked, or never successfully, must not hide the Images of other namespaces.
 */
const shown = (ages: ReadonlyArray<Age>): ReadonlyArray<Age> => {
  const oldestFirst = ages.toSorted((a, b) => b.checkedSeconds - a.checkedSeconds)
  return [...Map.groupBy(oldestFirst, ({ namespace }) => namespace).values()]
    .flatMap((own) => own.map((age, position) => ({ age, position })))
    .sort((a, b) => a.position - b.position)
    .slice(0, SERIES)
    .map(({ age }) => age)
}

export const imageMetrics = (
  registry: prometheus.Registry
): ImageMetrics & {
  /** Called before each scrape. */
  readonly sample: Effect.Effect<void>
} => {
  const registers = [registry]
  const images = new prometheus.Gauge({
    name: "skopeo_operator_images",
    help: "Images, by the status of their condition Ready.",
    labelNames: ["ready"],
    registers
  })
  const tags = new prometheus.Gauge({
    name: "skopeo_operator_tags",
    help: "Selected tags of all Images, by state: copied, failed or waiting.",
    labelNames: ["state"],
    registers
  })
  const checked = new prometheus.Gauge({
    name: "skopeo_operator_seconds_since_last_success",
    help: `Seconds since the last successful check of an Image that is checked regularly, or since its creation, for the ${SERIES} Images with the longest times of their namespaces.`,
    labelNames: ["namespace", "name"],
    registers
  })
  const none: Effect.Effect<Iterable<ImageSample>> = Effect.succeed([])
  let sampled = none

  return {
    sampling: (sample) => {
      sampled = sample
    },
    sample: Effect.map(
      Effect.suspend(() => sampled),
      (samples) => {
        const all = [...samples]
        for (const ready of ["True", "False", "Unknown"]) {
          images.set({ ready }, all.filter((image) => image.ready === ready).length)
        }
        for (const state of TAG_STATES) {
          tags.set(
            { state },
            all.reduce((sum, image) => sum + image.tags[state], 0)
          )
        }
        checked.reset()
        const ages = all.flatMap(({ checkedSeconds, name, namespace }) =>
          checkedSeconds === undefined ? [] : [{ namespace, name, checkedSeconds }]
        )
        for (const { checkedSeconds, name, namespace } of shown(ages)) checked.set({ namespace, name }, checkedSeconds)
      }
    )
  }
}
