/** Verifies the copy of a completed Job: the destination has to answer with the copied digest. */
import { Effect, Option, type Result } from "effect"
import type { Access } from "../../../credentials/access.ts"
import type { CredentialError } from "../../../credentials/Credentials.ts"
import type { PolicyRefused } from "../../../credentials/Policy.ts"
import type { CopyState, CopyTask } from "../../../domain/Copy.ts"
import { RequestedFor } from "../../../registry/limits/RegistryLimits.ts"
import { comparable } from "../../../registry/comparable.ts"
import { RegistryClient, type RepositoryAccess } from "../../../registry/RegistryClient.ts"
import { onSide, type RegistryError } from "../../../registry/RegistryError.ts"
import { subsetAt } from "../../PlatformSubset.ts"
import { reasonOf } from "../../reasonOf.ts"
import { describeJob, isSubset } from "../Job.ts"
import { inTime } from "./answering.ts"

const UNNAMED =
  "the platforms were copied, but the operator may not write their index; give it credentials that may (spec.destination.credentials or CREDS_DESTINATION_*), or leave spec.platforms out"

/** A rule of the registry withholds what a tag names, as Harbor's does from an image with vulnerabilities. The tag may be written. */
const isWithheld = ({ concerns, reason }: RegistryError): boolean =>
  reason._tag === "BlockedByRegistry" && concerns === "Reference"

/** The result of a copy whose Job completed at a time, with the access or the reason why there is none. */
export type Verify = (
  task: CopyTask,
  access: Result.Result<Access, CredentialError | PolicyRefused>,
  at: number
) => Effect.Effect<CopyState>

export const makeVerify = Effect.fnUntraced(function* (
  namespace: string
): Effect.fn.Return<Verify, never, RegistryClient> {
  const registry = yield* RegistryClient

  /**
   * Writes the index and the tag of the parts that a Job has copied: Skopeo writes no index of a subset. An existing tag stays
   * if the task requires that. Gives the written digest, if the index was written.
   */
  const nameSubset = Effect.fnUntraced(
    function* (task: CopyTask, { destination, source }: Access) {
      const present = yield* registry.head(destination, task.tag).pipe(
        Effect.catchIf(
          (error) => isWithheld(error) && !task.onlyIfMissing,
          () => Effect.succeedNone
        )
      )
      if (Option.getOrUndefined(present)?.digest === task.destinationDigest) return undefined
      if (task.onlyIfMissing && Option.isSome(present)) return undefined
      const subset = yield* onSide("source")(subsetAt(source, task.digest, task.platforms))
      yield* onSide("destination")(registry.putManifest(destination, task.tag, subset))
      return subset.digest
    },
    Effect.provideService(RegistryClient, registry)
  )

  /**
   * The digest of the task's tag, by the algorithm of the task's digest. `taken` is the digest that the registry has taken under
   * the tag: a registry that withholds the tag's digest has said so to the writer.
   */
  const digestAt = (destination: RepositoryAccess, { destinationDigest, tag }: CopyTask, taken: string | undefined) =>
    Effect.gen(function* () {
      const found = Option.getOrUndefined(yield* registry.head(destination, tag))
      return found === undefined
        ? undefined
        : (yield* comparable(registry, destination, tag, found, destinationDigest)).digest
    }).pipe(
      Effect.catchIf(
        (error) => isWithheld(error) && taken !== undefined,
        () => Effect.succeed(taken)
      )
    )

  return (task, found, at) =>
    inTime(
      task.destination.repository,
      Effect.gen(function* () {
        const access = yield* Effect.fromResult(found)
        const written = isSubset(task) ? yield* nameSubset(task, access) : undefined
        const digest = yield* digestAt(access.destination, task, isSubset(task) ? written : task.destinationDigest)
        if (digest === task.destinationDigest) return { _tag: "Succeeded", at } satisfies CopyState
        // Another release of this operator may choose other entries. The status names the digest that this one has written.
        if (digest !== undefined && digest === written) return { _tag: "Succeeded", at, digest } satisfies CopyState
        // Only this operator writes the tag of a subset, and it found the tag already there.
        if (digest !== undefined && task.onlyIfMissing && isSubset(task)) {
          return { _tag: "Present", at, digest } satisfies CopyState
        }
        const message = `${describeJob(namespace, task)} succeeded, but the destination has ${digest ?? "no such tag"} instead of ${task.destinationDigest}`
        return { _tag: "Failed", at, reason: "VerificationFailed", message } satisfies CopyState
      })
    ).pipe(
      Effect.catch((error: CredentialError | PolicyRefused | RegistryError) => {
        const message = `the copy cannot be verified: ${error.message}`
        if (error._tag !== "RegistryError") {
          return Effect.succeed<CopyState>({ _tag: "Failed", at, reason: error.reason, message })
        }
        const { reason, until } = error
        const isUnnamed = isSubset(task) && reason._tag === "AuthenticationFailed"
        return Effect.succeed<CopyState>({
          _tag: "Failed",
          at,
          ...(isUnnamed
            ? { reason: "AuthenticationFailed", message: `${UNNAMED}: ${error.message}` }
            : { reason: reasonOf(error), message }),
          ...(until === undefined ? {} : { until })
        })
      }),
      Effect.provideService(RequestedFor, task.image.namespace)
    )
})
