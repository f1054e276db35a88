/**
 * What the operator remembers of each Image between two reconciles: one record for a name, of its newest uid, with nothing
 * that the registries could not be asked again. Losing a record costs one check.
 */
import type { CopyTask, ImageIdentity } from "../domain/Copy.ts"
import type { ImageHeader } from "../domain/Image.ts"
import type { Observed, Warning } from "../domain/plan/facts.ts"
import type { ImageKey } from "../copy/CopyEngine.ts"
import type { AnsweredClient } from "./check/AnsweredClient.ts"

/** What the last check found, kept while copies remain. */
export interface LastCheck {
  readonly observed: Observed
  readonly warnings: ReadonlyArray<Warning>
}

interface Remembered {
  readonly uid: string
  lastCheck?: LastCheck
  /** What registries answered a check of this generation that a rate limit interrupted. */
  interrupted?: { readonly generation: number; readonly client: AnsweredClient }
  /** Its number among the Images that have begun to wait for a registry. */
  waitingSince?: number
}

/** Answers beyond this are forgotten, those of the check first that has waited for longest. */
const ANSWERS_BYTES = 64 * 1024 * 1024

/**
 * Results of checks beyond so many tags are forgotten, the oldest first: some 40 MB. The newest is kept, however many tags it
 * has: without it each end of a copy would cause a check.
 */
const CHECKED_TAGS = 100_000

export class ImageMemory {
  readonly #namespaces = new Map<string, Map<string, Remembered>>()
  /** Records with an interrupted check, in the order in which those were kept. */
  readonly #interrupted = new Map<Remembered, number>()
  readonly #answersBytes: number
  /** Records with a last check and how many tags that has, in the order in which those were remembered. */
  readonly #checked = new Map<Remembered, number>()
  readonly #checkedTags: number
  #waiting = 0

  constructor({
    answersBytes = ANSWERS_BYTES,
    checkedTags = CHECKED_TAGS
  }: { readonly answersBytes?: number; readonly checkedTags?: number } = {}) {
    this.#answersBytes = answersBytes
    this.#checkedTags = checkedTags
  }

  lastCheck(image: ImageIdentity): LastCheck | undefined {
    return this.#find(image)?.lastCheck
  }

  /** Remembers a check that came to its end. The answers of a later one that was interrupted stay. */
  checked(image: ImageIdentity, lastCheck: LastCheck): void {
    const record = this.#record(image)
    this.#dropCheck(record)
    record.lastCheck = lastCheck
    const { companions = [], tags } = lastCheck.observed
    this.#checked.set(record, tags.length + companions.length)
    let count = [...this.#checked.values()].reduce((sum, size) => sum + size, 0)
    for (const [oldest, size] of this.#checked) {
      if (count <= this.#checkedTags || oldest === record) break
      this.#dropCheck(oldest)
      count -= size
    }
  }

  /** Remembers what copies have changed since the last check, if that is remembered. */
  updated(image: ImageIdentity, observed: Observed): void {
    const { warnings } = this.lastCheck(image) ?? {}
    if (warnings !== undefined) this.checked(image, { observed, warnings })
  }

  /** Forgets the last check of an Image, and nothing else. */
  forgetCheck(image: ImageIdentity): void {
    const record = this.#find(image)
    if (record !== undefined) this.#dropCheck(record)
  }

  /** Takes out the answers of a check that was interrupted, unless the Image's spec has changed since. */
  takeInterrupted(image: ImageHeader): AnsweredClient | undefined {
    const record = this.#find(image)
    const interrupted = record?.interrupted
    if (record === undefined || interrupted === undefined) return undefined
    this.#dropAnswers(record)
    return interrupted.generation === image.generation ? interrupted.client : undefined
  }

  /** Keeps the answers of a check that was interrupted, until it is resumed. */
  keepInterrupted(image: ImageHeader, client: AnsweredClient): void {
    const record = this.#record(image)
    this.#dropAnswers(record)
    record.interrupted = { generation: image.generation, client }
    this.#interrupted.set(record, client.bytes)
    let bytes = [...this.#interrupted.values()].reduce((sum, size) => sum + size, 0)
    for (const [oldest, size] of this.#interrupted) {
      if (bytes <= this.#answersBytes) break
      this.#dropAnswers(oldest)
      bytes -= size
    }
  }

  /** A copy has written its tag: a check that is resumed asks for that again. */
  arrived({ destination, destinationDigest, image, tag }: CopyTask): void {
    this.#find(image)?.interrupted?.client.written(destination.repository, tag, destinationDigest)
  }

  /** Lets an Image wait, and answers how many of its namespace have waited for longer. Waiting on keeps the place. */
  wait(image: ImageIdentity): number {
    const record = this.#record(image)
    record.waitingSince ??= this.#waiting++
    let position = 0
    for (const { waitingSince } of this.#namespaces.get(image.namespace)?.values() ?? []) {
      if (waitingSince !== undefined && waitingSince < record.waitingSince) position += 1
    }
    return position
  }

  /** Forgets an Image that is gone, or for which nothing remains to be done. */
  forget({ name, namespace }: ImageKey): void {
    const records = this.#namespaces.get(namespace)
    const record = records?.get(name)
    if (record !== undefined) {
      this.#dropAnswers(record)
      this.#dropCheck(record)
    }
    records?.delete(name)
    if (records?.size === 0) this.#namespaces.delete(namespace)
  }

  #find({ name, namespace, uid }: ImageIdentity): Remembered | undefined {
    const record = this.#namespaces.get(namespace)?.get(name)
    return record?.uid === uid ? record : undefined
  }

  /** The record of an Image; it takes the place of one that an earlier Image of the name had. */
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

  #dropCheck(record: Remembered): void {
    delete record.lastCheck
    this.#checked.delete(record)
  }

  #dropAnswers(record: Remembered): void {
    delete record.interrupted
    this.#interrupted.delete(record)
  }
}
