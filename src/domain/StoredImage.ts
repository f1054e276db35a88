/** An Image as the API server stores it, decoded once per version. */
import { Result } from "effect"
import type { Image, ImageHeader, ImageSpec, ImageStatus } from "./Image.ts"
import { decodeImage, decodeHeader } from "./ImageDecoder.ts"
import { formatRepository } from "../oci/Reference.ts"
import { millisOf } from "../text/instant.ts"
import type { Problem } from "./Problem.ts"
import { type Mirror, type MirrorDefaults, parseMirror } from "./Mirror.ts"

/** An Image, or the header and the problems of an Image with an invalid spec. */
export type StoredImage = ReadableImage | UnreadableImage

/** The fields of every stored Image. */
export interface StoredImageHeader extends ImageHeader {
  /** The version for a write of the status, which the API server refuses if the Image has changed. */
  readonly resourceVersion: string
  /** Whether the Image is being deleted and waits for its finalizers. */
  readonly isDeleting: boolean
  /** The time of the creation, in milliseconds since the epoch. */
  readonly createdAt: number
}

/** A stored Image with an invalid spec. */
export interface UnreadableImage extends StoredImageHeader {
  readonly _tag: "Unreadable"
  /** All problems of the spec. */
  readonly problems: ReadonlyArray<Problem>
}

/** A stored Image with a valid spec. */
export class ReadableImage implements StoredImageHeader, Image {
  readonly _tag = "Readable"
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly generation: number
  readonly status: ImageStatus
  readonly resourceVersion: string
  readonly isDeleting: boolean
  readonly createdAt: number
  readonly spec: ImageSpec
  declare readonly requestedAt?: string
  readonly notices: ReadonlyArray<string>
  /** The complete names of the repositories, such as `docker.io/library/node`. */
  readonly source: string
  readonly destination: string
  /** The one tag that the Image writes. `undefined` for a pattern or a range. */
  readonly destinationTag: string | undefined
  readonly #defaults: MirrorDefaults
  #mirror: WeakRef<Mirror> | undefined

  constructor(header: StoredImageHeader, spec: ImageSpec, mirror: Mirror, defaults: MirrorDefaults) {
    this.namespace = header.namespace
    this.name = header.name
    this.uid = header.uid
    this.generation = header.generation
    this.status = header.status
    this.resourceVersion = header.resourceVersion
    this.isDeleting = header.isDeleting
    this.createdAt = header.createdAt
    this.spec = spec
    if (header.requestedAt !== undefined) this.requestedAt = header.requestedAt
    this.notices = header.notices
    this.source = formatRepository(mirror.source.repository)
    this.destination = formatRepository(mirror.destination.repository)
    this.destinationTag = mirror.tags._tag === "Exact" ? mirror.tags.destinationTag : undefined
    this.#defaults = defaults
  }

  /**
   * The spec with every text parsed and every expression compiled. It is cached until memory is needed, and then
   * parsed again. It needs a third of an Image's memory, or nine tenths with expressions, and most Images are rarely
   * checked.
   */
  get mirror(): Mirror {
    const known = this.#mirror?.deref()
    if (known !== undefined) return known
    const mirror = Result.getOrThrow(parseMirror(this.spec, this.#defaults))
    this.#mirror = new WeakRef(mirror)
    return mirror
  }
}

/** The object of an Image. Its metadata is decoded, and all other fields are as they were written. */
export interface UnreadImage {
  readonly metadata: {
    readonly resourceVersion?: string
    readonly creationTimestamp?: string
    readonly deletionTimestamp?: string
  }
  readonly spec?: unknown
  readonly status?: unknown
}

/**
 * Decodes an Image. Total: an invalid Image has a value too. `defaults` are the operator's configuration.
 *
 * @example
 * ```ts
 * const image = readStoredImage(object, { destinationRegistry: "registry.corp" })
 * if (image._tag === "Unreadable") console.error(image.problems.map(formatProblem).join("\n"))
 * ```
 */
export const readStoredImage = (object: UnreadImage, defaults: MirrorDefaults = {}): StoredImage => {
  const decoded = decodeImage(object)
  const { generation, name, namespace, notices, requestedAt, status, uid } = Result.getOrElse(decoded, () =>
    decodeHeader(object)
  )
  const { creationTimestamp, deletionTimestamp, resourceVersion = "" } = object.metadata
  const header: StoredImageHeader = {
    namespace,
    name,
    uid,
    generation,
    status: compact(status),
    ...(requestedAt === undefined ? {} : { requestedAt }),
    notices,
    resourceVersion,
    isDeleting: deletionTimestamp !== undefined,
    createdAt: millisOf(creationTimestamp)
  }
  return Result.flatMap(decoded, (image) =>
    Result.map(parseMirror(image.spec, defaults), (mirror) => new ReadableImage(header, image.spec, mirror, defaults))
  ).pipe(Result.getOrElse((problems): UnreadableImage => ({ _tag: "Unreadable", ...header, problems })))
}

/** Copies a status to save 300 bytes: Schema makes arrays with spare capacity, and JSON's parser does not. */
const compact = (status: ImageStatus): ImageStatus => JSON.parse(JSON.stringify(status))
