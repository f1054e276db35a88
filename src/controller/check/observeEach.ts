/** Checks several tags at once. A failure about one tag is a fact about that tag, and does not fail the check. */
import { Effect } from "effect"
import { reasonOf } from "../../copy/reasonOf.ts"
import type { ObservedTag } from "../../domain/plan/facts.ts"
import { drainOnLimit, type Limited } from "../../registry/limits/drainOnLimit.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"

/** After so many failed tags and no answered one, the failure is taken for a failure of the repository. */
const FAILURES_WITHOUT_ANSWER = 20

/** A failure with a time of the next request stops the rest of a check. */
export const limited: Limited<RegistryError> = {
  isRateLimited: ({ until }) => until !== undefined,
  delayed: (error, millis) => error.delayed(millis)
}

/** How the tags of a check are asked for: some at once, and no more after a rate limit. */
export const drained = { concurrency: 4, limited }

/** Whether a failure concerns one tag only. Then the other tags can be checked and copied. */
export const isOfOneTag = ({ concerns }: Pick<RegistryError, "concerns">): boolean => concerns === "Reference"

/** A tag with a failure as its problem. The desired digest of such a tag is not known. */
export const failedTag = (tag: ObservedTag, error: RegistryError): ObservedTag => {
  const { desired: _, ...known } = tag
  return { ...known, problem: { reason: reasonOf(error), message: error.message } }
}

/**
 * Observes every item, and gives the observed tags in order. An item whose `observe` gives `undefined` is left out. An item
 * whose `observe` fails becomes its `unobserved` tag with the failure as problem.
 */
export const observeEach = <A>(
  items: ReadonlyArray<A>,
  unobserved: (item: A) => ObservedTag,
  observe: (item: A) => Effect.Effect<ObservedTag | undefined, RegistryError>
): Effect.Effect<ReadonlyArray<ObservedTag>, RegistryError> =>
  Effect.suspend(() => {
    let failures = 0
    let isAnswered = false
    const one = (item: A) =>
      observe(item).pipe(
        Effect.tap(() => Effect.sync(() => (isAnswered = true))),
        Effect.catchIf(isOfOneTag, (error) => {
          failures += 1
          if (!isAnswered && failures > FAILURES_WITHOUT_ANSWER) return Effect.fail(error)
          return Effect.succeed(failedTag(unobserved(item), error))
        })
      )
    return Effect.map(drainOnLimit(items, one, drained), (tags) => tags.filter((tag) => tag !== undefined))
  })
