/** Checks several tags at once. An answer about one tag is a fact about that tag, and does not fail the check. */
import { Effect } from "effect"
import { reasonOf } from "../../copy/reasonOf.ts"
import type { ObservedTag } from "../../domain/plan/facts.ts"
import { drainOnLimit, type Limited } from "../../registry/limits/drainOnLimit.ts"
import type { RegistryError } from "../../registry/RegistryError.ts"

/** When so many tags fail before any is answered, the failure is taken for one of the repository. */
const FAILURES_WITHOUT_ANSWER = 20

/** What a registry defers holds back the rest of a check. */
export const limited: Limited<RegistryError> = {
  isRateLimited: ({ until }) => until !== undefined,
  postponed: (error, millis) => error.postponed(millis)
}

/** How many tags are asked for at once. */
export const drained = { concurrency: 4, limited }

/** Whether a failure concerns one tag only, so that the others can be checked and copied. */
export const isOfOneTag = ({ concerns }: Pick<RegistryError, "concerns">): boolean => concerns === "Reference"

/** A tag that could not be observed: which digest it should have is not known. */
export const failedTag = (tag: ObservedTag, error: RegistryError): ObservedTag => {
  const { desired: _, ...known } = tag
  return { ...known, problem: { reason: reasonOf(error), message: error.message } }
}

/**
 * Observes every item, in order; items for which there is nothing to observe are left out. `unobserved` is what is known of
 * an item whose observation fails: it gets the failure as its problem.
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
    return Effect.map(drainOnLimit(items, one, drained), (found) => found.filter((tag) => tag !== undefined))
  })
