/** The accounts of all registries and credentials. Their number is bounded, because each renewed credential gets a new account. */
import type { Account } from "./Account.ts"
import type { Quota } from "./Quota.ts"

/** The most accounts. Accounts with requests may exceed this number. */
const CAPACITY = 10_000

export class Accounts {
  /** From the least to the most recently used. */
  readonly #accounts = new Map<string, Account>()
  /** By registry: the account with the smallest remainder of a quota, and that remainder. */
  readonly #least = new Map<string, { readonly account: Account; readonly remaining: number }>()
  readonly #capacity: number

  constructor(capacity: number = CAPACITY) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#accounts.size
  }

  /** The account of a key. A new account replaces the least recently used account if there are too many. */
  get(key: string, make: () => Account): Account {
    const known = this.#accounts.get(key)
    if (known === undefined && this.#accounts.size >= this.#capacity) this.#dropOldest()
    const account = known ?? make()
    this.#accounts.delete(key)
    this.#accounts.set(key, account)
    return account
  }

  /** The quota of a registry with the smallest remainder, after an answer to one of its accounts. */
  leastQuota(answered: Account): Quota | undefined {
    const { registry, state } = answered
    const least = this.#least.get(registry)
    const remaining = state.quota?.remaining
    if (remaining !== undefined && (least === undefined || remaining <= least.remaining)) {
      this.#least.set(registry, { account: answered, remaining })
    } else if (least?.account === answered) {
      this.#findLeast(registry)
    }
    return this.#least.get(registry)?.account.state.quota
  }

  /** Searches all accounts. This is only necessary after the quota of the least account was renewed or lifted. */
  #findLeast(registry: string): void {
    this.#least.delete(registry)
    for (const account of this.#accounts.values()) {
      const remaining = account.registry === registry ? account.state.quota?.remaining : undefined
      if (remaining !== undefined && remaining < (this.#least.get(registry)?.remaining ?? Infinity)) {
        this.#least.set(registry, { account, remaining })
      }
    }
  }

  /**
   * Drops the least recently used account. An account with requests counts as used now. The state of a dropped account is lost:
   * the next answers of its registry give the quota and the hold again.
   */
  #dropOldest(): void {
    let left = this.#accounts.size
    for (const [key, account] of this.#accounts) {
      if (left-- === 0) return
      this.#accounts.delete(key)
      if (!account.isInUse) {
        if (this.#least.get(account.registry)?.account === account) this.#least.delete(account.registry)
        return
      }
      this.#accounts.set(key, account)
    }
  }
}
