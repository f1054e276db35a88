/** What registries' answers tell their users beside what was asked for: kept by repository, for whoever asks. */
import { Clock, Effect, Redacted } from "effect"
import { formatRepository } from "../../oci/Reference.ts"
import { excerpt } from "../../text/line.ts"
import type { RegistryNotice, RepositoryAccess } from "../RegistryClient.ts"
import { withoutBrought, withoutSecrets } from "../RepositoryAccess.ts"

interface Kept {
  readonly notice: RegistryNotice
  readonly at: number
}

/** What a registry has not said for so long no longer holds. */
const KEPT_MILLIS = 24 * 3_600_000
/** Of each kind: a registry that says something else each time must not hide what is told of it. */
const KEPT_OF_A_KIND = 4
const REPOSITORIES = 10_000

export const make = () => {
  const byRepository = new Map<string, Map<string, Kept>>()

  const add = (access: RepositoryAccess, notice: RegistryNotice): Effect.Effect<void> =>
    Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const repository = formatRepository(access.repository)
      const kept = byRepository.get(repository) ?? new Map<string, Kept>()
      const key = `${notice._tag} ${notice.message}`
      for (const [old, { at: then }] of kept) if (at - then >= KEPT_MILLIS) kept.delete(old)
      if (!kept.has(key)) {
        const alike = [...kept.values()].filter(({ notice: { _tag } }) => _tag === notice._tag)
        if (alike.length >= KEPT_OF_A_KIND) return
        yield* Effect.logWarning(`${repository}: ${notice.message}`)
      }
      kept.set(key, { notice, at })
      byRepository.set(repository, kept)
      const [oldest] = byRepository.keys()
      if (byRepository.size > REPOSITORIES && oldest !== undefined) byRepository.delete(oldest)
    })

  return {
    add,

    /**
     * Looks for `Warning: 299 - "…"` in an answer, by which a registry speaks to whoever uses it; what the request brought
     * to prove who asks is left out.
     */
    heed: (
      access: RepositoryAccess,
      headers: Readonly<Record<string, string | undefined>>,
      brought: Redacted.Redacted | undefined
    ): Effect.Effect<void> => {
      const warning = headers["warning"]
      if (warning === undefined) return Effect.void
      const header = brought === undefined ? undefined : Redacted.value(brought)
      const texts = [...warning.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/gu)].map(([, text = ""]) =>
        excerpt(withoutSecrets(withoutBrought(text.replaceAll(/\\(.)/gu, "$1"), header), access))
      )
      return Effect.forEach(
        texts.filter((text) => text !== ""),
        (text) => add(access, { _tag: "Warning", message: `${access.repository.registry} says: ${text}` }),
        { discard: true }
      )
    },

    of: ({ repository }: Pick<RepositoryAccess, "repository">): Effect.Effect<ReadonlyArray<RegistryNotice>> =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        [...(byRepository.get(formatRepository(repository))?.values() ?? [])].flatMap(({ at, notice }) =>
          now - at < KEPT_MILLIS ? [notice] : []
        )
      )
  }
}

export type Notices = ReturnType<typeof make>
