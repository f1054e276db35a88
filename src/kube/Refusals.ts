/** The lists and watches that the API server forbids now. */
import { Option } from "effect"
import type { OnRequest } from "./ListWatch.ts"

/** A single refusal does not count: a new Role takes effect after a moment. */
const LASTING = 2

export class Refusals {
  readonly #refused = new Map<string, { readonly times: number; readonly message: string }>()

  /** The observer of one reader. `reader` is its unique name. */
  of(reader: string): OnRequest {
    return Option.match({
      onNone: () => void this.#refused.delete(reader),
      onSome: ({ code, message }) => {
        if (code !== 403) return
        this.#refused.set(reader, { times: (this.#refused.get(reader)?.times ?? 0) + 1, message })
      }
    })
  }

  /** The API server's texts, if it has refused a reader more than once in a row. */
  get lasting(): Option.Option<string> {
    const messages = [...this.#refused.values()].flatMap(({ message, times }) => (times < LASTING ? [] : [message]))
    return messages.length === 0 ? Option.none() : Option.some([...new Set(messages)].join("; "))
  }
}
