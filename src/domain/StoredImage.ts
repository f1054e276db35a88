/** An Image as the API server has it, read once for each of its versions. */
import { Result } from "effect"
import type { Image, ImageHeader, ImageSpec, ImageStatus } from "./Image.ts"
import { decodeImage, decodeHeader } from "./ImageDecoder.ts"
import { formatRepository } from "../oci/Reference.ts"
import type { Problem } from "./Problem.ts"
import { type Mirror, type MirrorDefaults, parseMirror } from "./Mirror.ts"

/** An Image, or what is known of one whose spec cannot be read. */
export type StoredImage = ReadableImage | UnreadableImage

/** What is known of every Image that is stored. */
interface StoredHeader extends ImageHeader {
  /** Guards a write of the status: it is refused if the Image has changed since. */
  readonly resourceVersion: string
  /** Whether the Image is deleted and waits for its finalizers. */
  readonly isDeleting: boolean
}

export interface UnreadableImage extends StoredHeader {
  readonly _tag: "Unreadable"
  /** Everything that is wrong with the spec. */
  readonly problems: ReadonlyArray<Problem>
}

export class ReadableImage implements StoredHeader, Image {
  readonly _tag = "Readable"
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly generation: number
  readonly status: ImageStatus
  readonly resourceVersion: string
  readonly isDeleting: boolean
  readonly spec: ImageSpec
  readonly notices: ReadonlyArray<string>
  /** The two repositories, written out, such as `docker.io/library/node`. */
  readonly source: string
  readonly destination: string
  readonly #defaults: MirrorDefaults
  #mirror: WeakRef<Mirror> | undefined

  constructor(header: StoredHeader, spec: ImageSpec, mirror: Mirror, defaults: MirrorDefaults) {
    this.namespace = header.namespace
    this.name = header.name
    this.uid = header.uid
    this.generation = header.generation
    this.status = header.status
    this.resourceVersion = header.resourceVersion
    this.isDeleting = header.isDeleting
    this.spec = spec
    this.notices = header.notices
    this.source = formatRepository(mirror.source.repository)
    this.destination = formatRepository(mirror.destination.repository)
    this.#defaults = defaults
  }

  /**
   * The spec with every text in it parsed and every expression compiled. It is kept until memory is needed, and parsed again
   * after that: it is a third of what an Image takes, nine tenths with expressions, and most Images are checked seldom or never.
   */
  get mirror(): Mirror {
    const known = this.#mirror?.deref()
    if (known !== undefined) return known
    const mirror = Result.getOrThrow(parseMirror(this.spec, this.#defaults))
    this.#mirror = new WeakRef(mirror)
    return mirror
  }
}

/** The object of an Image: its metadata is known, the rest is as it was written. */
export interface UnreadImage {
  readonly metadata: { readonly resourceVersion?: string; readonly deletionTimestamp?: string }
  readonly spec?: unknown
  readonly status?: unknown
}

/** Reads an Image. Total: one that cannot be read is a value too. `defaults` are the operator's configuration. */
export const readStoredImage = (object: UnreadImage, defaults: MirrorDefaults = {}): StoredImage => {
  const decoded = decodeImage(object)
  const { generation, name, namespace, notices, status, uid } = Result.getOrElse(decoded, () => decodeHeader(object))
  const { deletionTimestamp, resourceVersion = "" } = object.metadata
  const isDeleting = deletionTimestamp !== undefined
  const header = { namespace, name, uid, generation, status: compact(status), notices, resourceVersion, isDeleting }
  return Result.flatMap(decoded, (image) =>
    Result.map(parseMirror(image.spec, defaults), (mirror) => new ReadableImage(header, image.spec, mirror, defaults))
  ).pipe(Result.getOrElse((problems): UnreadableImage => ({ _tag: "Unreadable", ...header, problems })))
}

/** The arrays that Schema makes have room for more than is in them, 300 bytes in all; those of JSON's parser have none. */
const compact = (status: ImageStatus): ImageStatus => JSON.parse(JSON.stringify(status))
