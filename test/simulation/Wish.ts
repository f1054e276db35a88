/** The specs of Images as oracles read them. This file follows the documentation and uses no code that is tested. */
import { contentOf, type Registry } from "./Registries.ts"

/** The spec of an Image. */
export interface Wish {
  readonly mode: "OneShot" | "Recurrent"
  /** `v1.0.x` and the like are patterns. */
  readonly version: string
  readonly source: { readonly registry: string; readonly path: string }
  readonly destination: { readonly registry: string; readonly path: string; readonly tag?: string }
  readonly minutes: number
  readonly suspend: boolean
  /** Empty means all. */
  readonly platforms: ReadonlyArray<string>
  readonly referrers: boolean
}

export const specOf = (wish: Wish) => ({
  mode: wish.mode,
  frequency: `${wish.minutes}m`,
  suspend: wish.suspend,
  ...(wish.platforms.length === 0 ? {} : { platforms: wish.platforms }),
  ...(wish.referrers ? { referrers: true } : {}),
  source: { name: `${wish.source.registry}/${wish.source.path}`, version: wish.version },
  destination: {
    name: `${wish.destination.registry}/${wish.destination.path}`,
    ...(wish.destination.tag === undefined ? {} : { version: wish.destination.tag })
  }
})

export const describeWish = (wish: Wish): string =>
  [
    `${wish.mode} ${wish.source.registry}/${wish.source.path}:${wish.version}`,
    `-> ${wish.destination.registry}/${wish.destination.path}${wish.destination.tag === undefined ? "" : `:${wish.destination.tag}`}`,
    `every ${wish.minutes}m`,
    ...(wish.platforms.length === 0 ? [] : [`platforms ${wish.platforms.join(",")}`]),
    ...(wish.referrers ? ["referrers"] : []),
    ...(wish.suspend ? ["suspended"] : [])
  ].join(" ")

/** Whether the version is a pattern. */
export const isPattern = ({ version }: Wish): boolean => version.includes("x")

/** Whether an Image may overwrite a tag of the destination. */
export const overwrites = (wish: Wish): boolean => wish.mode === "Recurrent" || !isPattern(wish)

/** Whether an Image selects a tag of the source. */
const selects = (wish: Wish, tag: string): boolean => {
  if (!isPattern(wish)) return tag === wish.version
  const wanted = wish.version.slice(1).split(".")
  const parts = /^v(\d+)\.(\d+)\.(\d+)$/u.exec(tag)?.slice(1)
  return parts !== undefined && wanted.every((part, index) => part === "x" || part === parts[index])
}

/** The tag of the source that an Image copies to a tag of the destination. `undefined` if there is none. */
export const sourceTagOf = (wish: Wish, destinationTag: string): string | undefined => {
  if (isPattern(wish)) return selects(wish, destinationTag) ? destinationTag : undefined
  return destinationTag === (wish.destination.tag ?? wish.version) ? wish.version : undefined
}

/** The selected tags of an Image's source, each with its name at the destination. */
export const selectedTags = (
  wish: Wish,
  source: Registry
): ReadonlyArray<{ readonly from: string; readonly to: string }> =>
  (source.tags(wish.source.path) ?? [])
    .filter((tag) => selects(wish, tag))
    .map((tag) => ({ from: tag, to: isPattern(wish) ? tag : (wish.destination.tag ?? tag) }))

/** Whether an image has every platform of the spec. */
export const hasPlatforms = (wish: Wish, source: Registry, digest: string): boolean => {
  const manifest = source.manifest(wish.source.path, digest)
  if (manifest === undefined) return false
  const there = new Set(contentOf(manifest.bytes).children.map(({ platform }) => platform))
  return wish.platforms.every((platform) => there.has(platform))
}

/** Whether the destination's image is the source's image, or the part of it with the platforms of the spec. */
export const isAsked = (
  wish: Wish,
  source: Registry,
  sourceDigest: string,
  destination: Registry,
  digest: string
): boolean => {
  if (wish.platforms.length === 0) return sourceDigest === digest
  const whole = source.manifest(wish.source.path, sourceDigest)
  const part = destination.manifest(wish.destination.path, digest)
  if (whole === undefined || part === undefined) return false
  const children = contentOf(whole.bytes).children.filter(({ platform }) => wish.platforms.includes(platform))
  const copied = contentOf(part.bytes).children
  return (
    children.length > 0 &&
    children.length === copied.length &&
    children.every((child, index) => child.digest === copied[index]?.digest)
  )
}

/** All versions of all specs, with their times. */
export class Wishes {
  readonly #changes = new Map<string, Array<{ readonly at: number; readonly wish: Wish | undefined }>>()

  /** The Image that was changed last. */
  lastChanged: { readonly image: string } | undefined

  set(image: string, wish: Wish | undefined, at: number): void {
    this.lastChanged = { image }
    const changes = this.#changes.get(image) ?? []
    this.#changes.set(image, changes)
    changes.push({ at, wish })
  }

  get(image: string): Wish | undefined {
    return this.#changes.get(image)?.at(-1)?.wish
  }

  /** The specs that an Image has had since a time. */
  since(image: string, since: number): ReadonlyArray<Wish> {
    const changes = this.#changes.get(image) ?? []
    return changes.flatMap(({ wish }, index) => {
      const until = changes[index + 1]?.at ?? Number.POSITIVE_INFINITY
      return wish !== undefined && until >= since ? [wish] : []
    })
  }

  /** The existing Images. */
  get images(): ReadonlyArray<readonly [string, Wish]> {
    return [...this.#changes].flatMap(([image, changes]) => {
      const wish = changes.at(-1)?.wish
      return wish === undefined ? [] : [[image, wish] as const]
    })
  }

  /** When an Image got its present spec. */
  changedAt(image: string): number {
    return this.#changes.get(image)?.at(-1)?.at ?? 0
  }

  /** All Images, including deleted Images. */
  get names(): ReadonlyArray<string> {
    return [...this.#changes.keys()]
  }
}
