/** The metrics of the Images that the operator follows: how many are ready, how many tags are copied, how fresh they are. */
import { Effect } from "effect"
import type { Instruments } from "./instruments.ts"
import { IMAGES_WITH_SERIES } from "./table.ts"

/** One Image, as its status says. */
export interface ImageSample {
  readonly namespace: string
  readonly name: string
  readonly ready: "True" | "False" | "Unknown"
  /** The reason of the condition Ready. One of a bounded number of words. */
  readonly reason: string
  /** Whether the Image waits for a person. */
  readonly isStalled: boolean
  readonly isSuspended: boolean
  /** Whether the Image's check or one of its copies waits for a registry's rate limit. */
  readonly isRateLimited: boolean
  readonly tags: Readonly<Record<TagState, number>>
  /** Absent for an Image that the operator does not keep in sync: a suspended Image, or a finished one. */
  readonly freshness: Freshness | undefined
  /** Seconds since the last successful check, or since the Image was created. Absent for an Image that is not checked again. */
  readonly checkedSeconds: number | undefined
}

/** How fresh an Image is. */
export interface Freshness {
  /**
   * When the destination last was known to have every selected tag (`status.lastInSyncAt`), or when the Image was created, in
   * seconds since the epoch.
   */
  readonly lastInSync: number
  /** The interval of the Image's checks. */
  readonly intervalSeconds: number
  /** Whether the Image should have been in sync again. */
  readonly isOverdue: boolean
}

/** The states of selected tags. `waiting` is neither at the destination nor failed. */
export const TAG_STATES = ["copied", "failed", "waiting"] as const
export type TagState = (typeof TAG_STATES)[number]

export interface ImageMetrics {
  /** Sets the effect that runs before each scrape and gives all Images, and replaces the one before. */
  readonly sampling: (sample: Effect.Effect<Iterable<ImageSample>>) => void
}

/** The most characters in the names of all Images with series. An exposition has each name seven times. */
const CHARACTERS = 60_000

/** Whether a person may look for this Image: the Image is not ready, or not fresh. */
const isTroubled = ({ freshness, isSuspended, ready }: ImageSample): boolean =>
  !isSuspended && (ready !== "True" || freshness?.isOverdue === true)

/** Namespaces alternate: a namespace with thousands of Images must not hide the Images of other namespaces. */
const alternating = (images: ReadonlyArray<ImageSample>): ReadonlyArray<ImageSample> =>
  [...Map.groupBy(images, ({ namespace }) => namespace).values()]
    .flatMap((own) => own.map((image, position) => ({ image, position })))
    .sort((a, b) => a.position - b.position)
    .map(({ image }) => image)

/** The Images with series of their own: troubled Images first, the oldest of each namespace before its others. */
const shown = (images: ReadonlyArray<ImageSample>): ReadonlyArray<ImageSample> => {
  const since = ({ freshness }: ImageSample): number => freshness?.lastInSync ?? Infinity
  // The difference of two Images without a time is NaN.
  const troubled = images.filter(isTroubled).sort((a, b) => since(a) - since(b) || 0)
  // The others keep their order, so that the same Images have series at each scrape.
  const others = images.filter((image) => !isTroubled(image))
  const most = [...alternating(troubled), ...alternating(others)].slice(0, IMAGES_WITH_SERIES)
  let characters = 0
  return most.filter(({ name, namespace }) => {
    characters += namespace.length + name.length
    return characters <= CHARACTERS
  })
}

/** The number of Images by the values of two labels. */
const countsOf = (images: ReadonlyArray<ImageSample>) =>
  Map.groupBy(images, ({ isStalled, reason }) => `${reason} ${isStalled}`)
    .values()
    .flatMap((group) => {
      const [first] = group
      return first === undefined ? [] : [{ reason: first.reason, stalled: first.isStalled, count: group.length }]
    })

/** @param perImage whether single Images have series of their own */
export const imageMetrics = (
  { gauge }: Instruments,
  perImage: boolean
): ImageMetrics & {
  /** Called before each scrape. */
  readonly sample: Effect.Effect<void>
} => {
  const images = gauge("skopeo_operator_images")
  const notReady = gauge("skopeo_operator_images_not_ready")
  const overdue = gauge("skopeo_operator_images_overdue")
  const rateLimited = gauge("skopeo_operator_images_rate_limited")
  const suspended = gauge("skopeo_operator_images_suspended")
  const withoutSeries = gauge("skopeo_operator_images_without_series")
  const tags = gauge("skopeo_operator_tags")
  const single = perImage
    ? {
        lastInSync: gauge("skopeo_operator_image_last_in_sync_timestamp_seconds"),
        interval: gauge("skopeo_operator_image_check_interval_seconds"),
        ready: gauge("skopeo_operator_image_ready"),
        tags: gauge("skopeo_operator_image_tags"),
        checked: gauge("skopeo_operator_seconds_since_last_success")
      }
    : undefined
  let sampled: Effect.Effect<Iterable<ImageSample>> = Effect.succeed([])

  const sampleTotals = (all: ReadonlyArray<ImageSample>): void => {
    const count = (is: (image: ImageSample) => boolean): number => all.filter(is).length
    for (const ready of ["True", "False", "Unknown"])
      images.set(
        { ready },
        count((image) => image.ready === ready)
      )
    for (const state of TAG_STATES) {
      tags.set(
        { state },
        all.reduce((sum, image) => sum + image.tags[state], 0)
      )
    }
    overdue.set(count(({ freshness }) => freshness?.isOverdue === true))
    rateLimited.set(count(({ isRateLimited }) => isRateLimited))
    suspended.set(count(({ isSuspended }) => isSuspended))
    notReady.reset()
    for (const { count, reason, stalled } of countsOf(
      all.filter(({ isSuspended, ready }) => !isSuspended && ready !== "True")
    )) {
      notReady.set({ reason, stalled: String(stalled) }, count)
    }
  }

  /** Gives the number of Images with series. */
  const sampleSingle = (all: ReadonlyArray<ImageSample>): number => {
    if (single === undefined) return 0
    for (const metric of Object.values(single)) metric.reset()
    const most = shown(all)
    for (const image of most) {
      const { checkedSeconds, freshness, name, namespace } = image
      if (freshness !== undefined) {
        single.lastInSync.set({ namespace, name }, freshness.lastInSync)
        single.interval.set({ namespace, name }, freshness.intervalSeconds)
      }
      single.ready.set({ namespace, name, reason: image.reason }, image.ready === "True" ? 1 : 0)
      for (const state of TAG_STATES) single.tags.set({ namespace, name, state }, image.tags[state])
      if (checkedSeconds !== undefined) single.checked.set({ namespace, name }, checkedSeconds)
    }
    return most.length
  }

  return {
    sampling: (sample) => {
      sampled = sample
    },
    sample: Effect.map(
      Effect.suspend(() => sampled),
      (samples) => {
        const all = [...samples]
        sampleTotals(all)
        withoutSeries.set(all.length - sampleSingle(all))
      }
    )
  }
}
