/** Who waits for a registry, by namespace, in order of arrival: a namespace with many does not keep back one with few. */
export class WaitingList {
  readonly #byNamespace = new Map<string, Set<string>>()

  /** Joins the list, and answers how many of the same namespace have waited for longer. Joining again keeps the place. */
  join(namespace: string, name: string): number {
    const waiting = this.#byNamespace.get(namespace) ?? new Set()
    this.#byNamespace.set(namespace, waiting)
    waiting.add(name)
    let position = 0
    for (const other of waiting) {
      if (other === name) break
      position += 1
    }
    return position
  }

  leave(namespace: string, name: string): void {
    const waiting = this.#byNamespace.get(namespace)
    waiting?.delete(name)
    if (waiting?.size === 0) this.#byNamespace.delete(namespace)
  }
}
