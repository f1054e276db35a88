/**
 * The copies of this process, by destination and by Image, without effects. DirectEngine runs them.
 *
 * Each copy is in one phase: it waits for slots, runs, or has ended. A waiting copy has a claim in the queue of CopyLimits, a
 * running copy has a claim on its slots, and an ended copy keeps only its destination until its outcome is recorded. Two copies
 * never have one destination.
 */
import { type Copy, type CopyState, type CopyTask, destinationOf, isFinished } from "../domain/Copy.ts"
import { type ImageKey, keyOf as imageKeyOf } from "../domain/ImageKey.ts"
import { formatReference } from "../oci/Reference.ts"
import { admit, type Claim, claimOf, describeWait, enqueue, type Limits, NONE_WAITING, withdraw } from "./CopyLimits.ts"

/** A copy's key: its destination. */
export const keyOf = (task: CopyTask): string => formatReference(destinationOf(task))

interface Entry {
  readonly claim: Claim
  readonly copy: Copy
}

export class CopyBoard {
  readonly #limits: Limits
  readonly #entries = new Map<string, Entry>()
  /** The same copies by Image. An Image without copies has no entry. */
  readonly #ofImage = new Map<string, Map<string, Copy>>()
  /** The digests of the blobs that the copies of an Image count, by Image. An Image without copies has no entry. */
  readonly #counted = new Map<string, Set<string>>()
  #waiting = NONE_WAITING
  /** The claims of the running copies. */
  readonly #running = new Map<string, Claim>()
  #order = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** The copy to a task's destination. */
  at(task: CopyTask): Copy | undefined {
    return this.#entries.get(keyOf(task))?.copy
  }

  /** Whether the board has this attempt, and no later attempt to its destination. */
  has(copy: Copy): boolean {
    return this.at(copy)?.id === copy.id
  }

  of(image: ImageKey): ReadonlyArray<Copy> {
    return Array.from(this.#ofImage.get(imageKeyOf(image))?.values() ?? [])
  }

  /** The copies of all Images that run or have ended. */
  begun(): ReadonlyArray<Copy> {
    const begun: Array<Copy> = []
    for (const { copy } of this.#entries.values()) if (copy.state._tag !== "Waiting") begun.push(copy)
    return begun
  }

  /** Adds a copy that waits. The destination must be free. */
  add(task: CopyTask, now: number): void {
    this.#order += 1
    const claim = claimOf(keyOf(task), this.#order, task)
    const state: CopyState = { _tag: "Waiting", reason: describeWait(this.#limits) }
    this.#put({ ...task, id: `${now}-${this.#order}`, state }, claim)
    this.#waiting = enqueue(this.#waiting, claim)
  }

  /** Starts the waiting copies that have free slots, and gives these copies. `now` is in milliseconds since the epoch. */
  admit(now: number): ReadonlyArray<Copy> {
    const { admitted, waiting } = admit(this.#waiting, this.#running.values(), this.#limits)
    this.#waiting = waiting
    return admitted.flatMap((claim): ReadonlyArray<Copy> => {
      const waited = this.#entries.get(claim.key)?.copy
      if (waited === undefined) return []
      const copy: Copy = { ...waited, begunAt: now, state: { _tag: "Running" } }
      this.#running.set(claim.key, claim)
      this.#put(copy, claim)
      return [copy]
    })
  }

  /** Sets the state of a copy that the board has. A final state frees the copy's slots. */
  change(copy: Copy, state: CopyState): void {
    const entry = this.#entries.get(keyOf(copy))
    if (entry === undefined || entry.copy.id !== copy.id) return
    const changed: Copy = { ...entry.copy, state }
    if (isFinished(changed)) this.#running.delete(entry.claim.key)
    this.#put(changed, entry.claim)
  }

  /** Removes a copy in any phase. */
  remove(copy: Copy): void {
    const key = keyOf(copy)
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.copy.id !== copy.id) return
    if (entry.copy.state._tag === "Waiting") this.#waiting = withdraw(this.#waiting, entry.claim)
    this.#running.delete(key)
    this.#entries.delete(key)
    const image = imageKeyOf(copy.image)
    const own = this.#ofImage.get(image)
    own?.delete(key)
    if (own?.size !== 0) return
    this.#ofImage.delete(image)
    this.#counted.delete(image)
  }

  /** Counts a blob for a copy. Gives false if another copy of the Image has counted the blob. */
  countBlob({ image }: CopyTask, digest: string): boolean {
    const key = imageKeyOf(image)
    const counted = this.#counted.get(key) ?? new Set<string>()
    if (counted.has(digest)) return false
    // A cancelled copy may still be on its way to its end.
    if (this.#ofImage.has(key)) this.#counted.set(key, counted.add(digest))
    return true
  }

  #put(copy: Copy, claim: Claim): void {
    this.#entries.set(claim.key, { copy, claim })
    const image = imageKeyOf(copy.image)
    const own = this.#ofImage.get(image) ?? new Map<string, Copy>()
    this.#ofImage.set(image, own.set(claim.key, copy))
  }
}
