/**
 * The memory of the operator between two reconciles of an Image: one record per name, of the newest uid. A record has only
 * facts that the registries can give again. A lost record costs one check.
 */
import type { ImageIdentity } from "../domain/Copy.ts"
import type { ImageHeader } from "../domain/Image.ts"
import type { Observed, Warning } from "../domain/plan/facts.ts"
import type { ImageKey } from "../copy/CopyEngine.ts"
import type { AnsweredClient } from "./check/AnsweredClient.ts"

/** The facts of the last check, kept while copies remain. */
export interface LastCheck {
  readonly observed: Observed
  readonly warnings: ReadonlyArray<Warning>
}

interface Remembered {
  readonly uid: string
  lastCheck?: LastCheck
  /** The answers to a check of this generation that a rate limit interrupted. */
  interrupted?: { readonly generation: number; readonly client: AnsweredClient }
  /** The Image's number in the order in which Images began to wait for a registry. */
  waitingSince?: number
}

/** The most bytes of answers. Beyond them the answers of the check that has waited longest are dropped first. */
const ANSWERS_BYTES = 64 * 1024 * 1024

export class ImageMemory {
  readonly #namespaces = new Map<string, Map<string, Remembered>>()
  /** The bytes of each record with an interrupted check, in the order in which the checks were kept. */
  readonly #interrupted = new Map<Remembered, number>()
  readonly #answersBytes: number
  #waiting = 0

  constructor({ answersBytes = ANSWERS_BYTES }: { readonly answersBytes?: number } = {}) {
    this.#answersBytes = answersBytes
  }

  lastCheck(image: ImageIdentity): LastCheck | undefined {
    return this.#find(image)?.lastCheck
  }

  /** Remembers a finished check, and drops the answers of an interrupted one. */
  checked(image: ImageIdentity, lastCheck: LastCheck): void {
    const record = this.#record(image)
    this.#dropAnswers(record)
    record.lastCheck = lastCheck
  }

  /** Removes and gives the answers of an interrupted check. Gives none if the Image's spec has changed since. */
  takeInterrupted(image: ImageHeader): AnsweredClient | undefined {
    const record = this.#find(image)
    const interrupted = record?.interrupted
    if (record === undefined || interrupted === undefined) return undefined
    this.#dropAnswers(record)
    return interrupted.generation === image.generation ? interrupted.client : undefined
  }

  /** Keeps the answers of an interrupted check until the check is resumed. */
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
    if (record !== undefined) this.#dropAnswers(record)
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

  #dropAnswers(record: Remembered): void {
    delete record.interrupted
    this.#interrupted.delete(record)
  }
}
