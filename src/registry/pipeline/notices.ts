/** Records the notices of registries to their users, by repository. */
import { Clock, Effect } from "effect"
import { formatRepository, type Repository } from "../../oci/Reference.ts"
import type { RegistryNotice } from "../RegistryClient.ts"

interface Recorded {
  readonly notice: RegistryNotice
  readonly at: number
}

/** A notice that the registry does not repeat for this long is dropped. */
const KEPT_MILLIS = 24 * 3_600_000
/** The most notices of a repository. A registry may send a new text each time. */
const KEPT = 4
const REPOSITORIES = 10_000

export interface Notices {
  readonly record: (repository: Repository, notice: RegistryNotice) => Effect.Effect<void>
  readonly of: (repository: Repository) => Effect.Effect<ReadonlyArray<RegistryNotice>>
}

export const makeNotices = (): Notices => {
  const byRepository = new Map<string, Map<string, Recorded>>()
  return {
    record: Effect.fnUntraced(function* (named, notice) {
      const at = yield* Clock.currentTimeMillis
      const repository = formatRepository(named)
      const recorded = byRepository.get(repository) ?? new Map<string, Recorded>()
      const key = notice.message
      for (const [old, { at: then }] of recorded) if (at - then >= KEPT_MILLIS) recorded.delete(old)
      if (!recorded.has(key)) {
        if (recorded.size >= KEPT) return
        yield* Effect.logWarning("registry notice").pipe(
          Effect.annotateLogs({
            registry: named.registry,
            error: `${repository}: ${notice.message}`
          })
        )
      }
      recorded.set(key, { notice, at })
      byRepository.set(repository, recorded)
      const [oldest] = byRepository.keys()
      if (byRepository.size > REPOSITORIES && oldest !== undefined) byRepository.delete(oldest)
    }),

    of: (repository) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        [...(byRepository.get(formatRepository(repository))?.values() ?? [])].flatMap(({ at, notice }) =>
          now - at < KEPT_MILLIS ? [notice] : []
        )
      )
  }
}
