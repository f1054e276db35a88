/** Who waits, in order of arrival, by namespace: so that one with many does not keep back another with few. */
export class Turns {
  readonly #waiting = new Map<string, Set<string>>()

  /** How many of the same namespace have waited for longer; who waits already keeps the place. */
  take(namespace: string, name: string): number {
    const own = this.#waiting.get(namespace) ?? new Set()
    this.#waiting.set(namespace, own)
    own.add(name)
    let turn = 0
    for (const other of own) {
      if (other === name) break
      turn += 1
    }
    return turn
  }

  leave(namespace: string, name: string): void {
    const own = this.#waiting.get(namespace)
    own?.delete(name)
    if (own?.size === 0) this.#waiting.delete(namespace)
  }
}
