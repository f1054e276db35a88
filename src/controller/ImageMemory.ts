/**
 * The memory of the operator between two reconciles of an Image: one record per name, of the newest uid. A record has only
 * facts that the registries can give again. A lost record costs one check.
 */
import { BoundedMap } from "../collections/BoundedMap.ts"
import type { CopyTask, ImageIdentity } from "../domain/Copy.ts"
import type { ImageHeader } from "../domain/Image.ts"
import type { Observed, Warning } from "../domain/plan/facts.ts"
import type { ImageKey } from "../domain/ImageKey.ts"
import { type AnsweredClient, makeTagLists, type TagLists } from "./check/AnsweredClient.ts"

/** The facts of the last check, kept while copies remain. */
export interface LastCheck {
  readonly observed: Observed
  readonly warnings: ReadonlyArray<Warning>
}

/** The answers to a check that a rate limit interrupted. */
interface Interrupted {
  /** The generation of the Image that was checked. */
  readonly generation: number
  readonly client: AnsweredClient
}

interface Remembered {
  readonly uid: string
  /** The Image's number in the order in which Images began to wait for a registry. */
  waitingSince?: number
}

/** The most bytes of answers to interrupted checks, without their lists of tags. */
const ANSWERS_BYTES = 16 * 1024 * 1024

/** The most bytes of lists of tags that checks remember. */
const LISTS_BYTES = 16 * 1024 * 1024

/** The most tags of remembered checks: some 20 MB. */
const CHECKED_TAGS = 50_000

export class ImageMemory {
  /** The lists of tags of the checks that run or were interrupted. */
  readonly tagLists: TagLists = makeTagLists(LISTS_BYTES)
  readonly #namespaces = new Map<string, Map<string, Remembered>>()
  readonly #interrupted: BoundedMap<Remembered, Interrupted>
  readonly #checks: BoundedMap<Remembered, LastCheck>
  #waiting = 0

  constructor({
    answersBytes = ANSWERS_BYTES,
    checkedTags = CHECKED_TAGS
  }: { readonly answersBytes?: number; readonly checkedTags?: number } = {}) {
    this.#interrupted = new BoundedMap({ capacity: answersBytes, weigh: ({ client }) => client.bytes })
    this.#checks = new BoundedMap({
      capacity: checkedTags,
      // The newest check is kept, however many tags it has. Without the check each end of a copy would cause a check.
      weigh: ({ observed: { companions = [], tags } }) => Math.min(tags.length + companions.length, checkedTags)
    })
  }

  lastCheck(image: ImageIdentity): LastCheck | undefined {
    const record = this.#find(image)
    return record && this.#checks.get(record)
  }

  /** Remembers a finished check. The answers of a later check that was interrupted stay. */
  checked(image: ImageIdentity, lastCheck: LastCheck): void {
    this.#checks.set(this.#record(image), lastCheck)
  }

  /** Adds the changes by copies to the result of the last check. Does nothing if no result is remembered. */
  updated(image: ImageIdentity, observed: Observed): void {
    const { warnings } = this.lastCheck(image) ?? {}
    if (warnings !== undefined) this.checked(image, { observed, warnings })
  }

  /** Forgets the last check of an Image, and nothing else. */
  forgetCheck(image: ImageIdentity): void {
    const record = this.#find(image)
    if (record !== undefined) this.#checks.delete(record)
  }

  /** Removes and gives the answers of an interrupted check. Gives none if the Image's spec has changed since. */
  takeInterrupted(image: ImageHeader): AnsweredClient | undefined {
    const record = this.#find(image)
    const interrupted = record && this.#interrupted.get(record)
    if (record === undefined || interrupted === undefined) return undefined
    this.#interrupted.delete(record)
    return interrupted.generation === image.generation ? interrupted.client : undefined
  }

  /** Keeps the answers of an interrupted check until the check is resumed. */
  keepInterrupted(image: ImageHeader, client: AnsweredClient): void {
    this.#interrupted.set(this.#record(image), { generation: image.generation, client })
  }

  /** A copy has written its tag. A check that is resumed asks for that tag again. */
  arrived({ destination, destinationDigest, image, tag }: CopyTask): void {
    const record = this.#find(image)
    if (record === undefined) return
    this.#interrupted.get(record)?.client.written(destination.repository, tag, destinationDigest)
  }

  /**
   * Gives an Image's position: how many Images of the same namespace have waited longer. An Image that already waits keeps its
   * position.
   */
  wait(image: ImageIdentity): number {
    const record = this.#record(image)
    record.waitingSince ??= this.#waiting++
    let position = 0
    for (const { waitingSince } of this.#namespaces.get(image.namespace)?.values() ?? []) {
      if (waitingSince !== undefined && waitingSince < record.waitingSince) position += 1
    }
    return position
  }

  /** Forgets an Image that is gone or that has no work left. */
  forget({ name, namespace }: ImageKey): void {
    const records = this.#namespaces.get(namespace)
    const record = records?.get(name)
    if (record !== undefined) {
      this.#interrupted.delete(record)
      this.#checks.delete(record)
    }
    records?.delete(name)
    if (records?.size === 0) this.#namespaces.delete(namespace)
  }

  #find({ name, namespace, uid }: ImageIdentity): Remembered | undefined {
    const record = this.#namespaces.get(namespace)?.get(name)
    return record?.uid === uid ? record : undefined
  }

  /** The record of an Image. A new record replaces the record of an earlier Image of the same name. */
  #record(image: ImageIdentity): Remembered {
    const known = this.#find(image)
    if (known !== undefined) return known
    this.forget(image)
    const record: Remembered = { uid: image.uid }
    const records = this.#namespaces.get(image.namespace) ?? new Map<string, Remembered>()
    records.set(image.name, record)
    this.#namespaces.set(image.namespace, records)
    return record
  }
}
